"""Metrics: one file for each score."""
