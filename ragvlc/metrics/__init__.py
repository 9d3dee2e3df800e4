"""Metrics: one file per score."""
