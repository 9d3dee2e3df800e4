"""A person's last word on generated questions: a page and a table to decide with, and what becomes of the decisions."""
