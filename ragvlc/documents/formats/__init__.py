"""Readers of files, one a format: bytes in, text and what became of the rest out."""
