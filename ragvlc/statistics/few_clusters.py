"""Warnings about results from too few clusters."""

from __future__ import annotations

__all__ = ["FEW_CLUSTERS", "warning"]

FEW_CLUSTERS = 8
"""Below this many clusters no interval that was tried covers as often as it says."""


def warning(clusters: int) -> str:
    """Returns a warning about intervals from `clusters` clusters; empty if there are enough."""
    if not 0 < clusters < FEW_CLUSTERS:
        return ""
    if clusters == 1:
        return "1 cluster: no interval can be given."
    return f"{clusters} clusters: fewer than {FEW_CLUSTERS} are too few to rely on an interval."
