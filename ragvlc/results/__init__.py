"""Results on disk: writes and loads rows and summaries, and computes the figures in summaries."""
