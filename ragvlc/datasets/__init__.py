"""Data sets: sources of examples."""
