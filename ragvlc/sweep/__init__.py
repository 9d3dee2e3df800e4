"""Sweeps: planning, running and scoring of an experiment; results on disk are the only state."""
