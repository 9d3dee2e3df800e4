"""Routers: components that choose a route for each question."""
