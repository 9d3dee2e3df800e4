"""Files as documents: reading, duplicates, token counts, and the contexts of questions."""
