"""Results on disk and read back: rows, summaries, and the sums that a summary needs."""
