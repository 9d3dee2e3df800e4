"""Chunkers: ways to split documents."""
