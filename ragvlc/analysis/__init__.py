"""Statistics, tables, figures and reports, computed from stored results only."""
