"""Floor 4: statistics, tables and figures from results only."""
