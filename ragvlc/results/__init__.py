"""Results on disk: writing and loading of rows and summaries, and the figures in summaries."""
