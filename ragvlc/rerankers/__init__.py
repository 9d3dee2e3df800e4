"""Ways of ranking candidates again, by a closer look at each."""
