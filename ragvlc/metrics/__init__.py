"""Scores, each defined once."""
