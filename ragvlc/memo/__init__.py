"""Memoised computation: results on disk by the hash of all that made them, their codecs, and once-only work."""
