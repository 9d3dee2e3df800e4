"""Floor 0: the nouns, the abstract parts and the errors. No heavy library, no input or output."""
