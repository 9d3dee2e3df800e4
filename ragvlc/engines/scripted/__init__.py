"""Engines without a model, for dry runs, simulations and tests."""
