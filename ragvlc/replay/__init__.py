"""Routers on stored answers: what they would have been worth, without generating anything."""
