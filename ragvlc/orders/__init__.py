"""Ways of arranging the selected chunks in the prompt."""
