"""Ways of answering a question over documents."""
