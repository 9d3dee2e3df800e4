"""Evaluation of routers on stored answers, without generating anything."""
