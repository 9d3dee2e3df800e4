"""Readers for file formats, one module per format: each turns bytes into text and an account of what is not in it."""
