"""Filters of questions: one file each."""
