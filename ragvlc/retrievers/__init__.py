"""Retrievers: ways to rank chunks."""
