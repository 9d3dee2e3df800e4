"""Results on disk and their loading: rows, summaries, and the sums of a summary."""
