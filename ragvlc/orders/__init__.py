"""Orders: ways to arrange the selected chunks in the prompt."""
