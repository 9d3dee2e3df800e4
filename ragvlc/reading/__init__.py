"""Building blocks of routes: prompts, calls, context fitting, pieces, quotes, escalation, speculation."""
