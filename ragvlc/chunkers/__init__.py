"""Ways of cutting documents."""
