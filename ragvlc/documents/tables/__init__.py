"""Tables of questions: their files, the meaning of columns and cells, conversion to the schema of JSON Lines sets."""
