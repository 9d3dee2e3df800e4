"""Strategies: which questions of a sweep are asked of which cells, and when a cell gets no more."""
