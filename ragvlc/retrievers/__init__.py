"""Ways of finding chunks."""
