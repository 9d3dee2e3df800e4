"""Routes: ways of answering a question over documents."""
