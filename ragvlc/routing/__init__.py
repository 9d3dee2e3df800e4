"""What routers are built from: question classes, features, lengths, declared metadata, learned rules."""
