"""Cost estimates of a sweep before it runs: calls, tokens, seconds and money, without weights or servers."""
