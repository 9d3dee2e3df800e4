"""Building blocks of routers: question classes, features, lengths, declared metadata, and learned rules."""
