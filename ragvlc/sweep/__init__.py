"""Sweeps: planning, running and scoring of an experiment, whose only state is the results on disk."""
