"""Memoised computation: the stages of an answer with their keys, once-only work, codecs, and the cache on disk."""
