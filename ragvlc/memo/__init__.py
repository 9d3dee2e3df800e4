"""Computes chunks, indexes, rankings and answers only once for equal inputs, with values in memory and on disk."""
