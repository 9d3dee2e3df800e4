"""Selectors: how many of the ranked chunks the model reads."""
