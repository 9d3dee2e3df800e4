"""Memoised computation: the stages of an answer and their keys, the memo in memory, codecs, and the cache on disk."""
