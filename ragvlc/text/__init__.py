"""Rule-based text processing: words, sentences, options, refusals, and matching."""
