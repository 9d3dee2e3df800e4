"""Asks several pipelines the same questions over given documents, as a sweep that is not stored."""
