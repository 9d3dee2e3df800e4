"""What routes are built from: prompts, calls, context that fits, pieces, quotes, escalation, speculation."""
