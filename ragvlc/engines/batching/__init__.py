"""Local batching: packed batches over shared prefixes, a continuous-batching scheduler, a padded fallback."""
