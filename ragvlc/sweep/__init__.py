"""Sweeps: plans, runs and scores an experiment; all its state is in the results on disk."""
