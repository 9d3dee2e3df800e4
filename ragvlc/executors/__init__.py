"""Executors, which answer the questions of a sweep in this process or on a cluster."""
