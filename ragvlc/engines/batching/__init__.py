"""Local batching: packed batches with shared prefixes, padded batches, and a continuous-batching scheduler."""
