"""Checks of stored results: are rows intact, is everything there, does it agree with data, models and metrics."""
