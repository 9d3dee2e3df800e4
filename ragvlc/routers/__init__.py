"""Ways of choosing a route."""
