"""Files as documents: reading, duplicates, token counts, and what questions are asked over."""
