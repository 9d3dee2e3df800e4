"""Rerankers: models that rank the retrieved candidates again."""
