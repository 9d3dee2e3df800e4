"""Ways of deciding how many ranked chunks are read."""
