"""What a sweep will cost before it runs: calls, tokens, seconds, money. Opens tokenizers, no weights, and no server."""
