"""Statistics, tables, figures and reports, from stored results only."""
