"""Language without a model: words, sentences, options, refusals, and where a text holds another."""
