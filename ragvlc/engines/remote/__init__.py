"""Remote servers: retries, concurrency limits, streaming, error reading, tokenizers, control strings."""
