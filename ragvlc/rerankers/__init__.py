"""Rerankers: models that rank the retrieved passages a second time."""
