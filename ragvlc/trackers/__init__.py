"""Trackers: services that show the results of sweeps."""
