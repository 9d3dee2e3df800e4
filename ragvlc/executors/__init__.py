"""Where a sweep's questions are answered: in this process, or on a cluster."""
