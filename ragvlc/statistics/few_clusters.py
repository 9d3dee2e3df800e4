"""Warnings about results from too few clusters."""

from __future__ import annotations

__all__ = ["FEW_CLUSTERS", "FromClusters", "warning"]

FEW_CLUSTERS = 8
"""Below this many clusters no interval that was tried covers as often as it says."""


def warning(clusters: int) -> str:
    """Returns a warning about intervals from `clusters` clusters; empty if there are enough."""
    if not 0 < clusters < FEW_CLUSTERS:
        return ""
    if clusters == 1:
        return "1 cluster: no interval can be given."
    return f"{clusters} clusters: fewer than {FEW_CLUSTERS} are too few to rely on an interval."


class FromClusters:
    """A result with bounds that were computed from `clusters` clusters."""

    __slots__ = ()
    clusters: int

    @property
    def few(self) -> bool:
        """Whether there are too few clusters to rely on the bounds."""
        return self.clusters < FEW_CLUSTERS

    @property
    def warning(self) -> str:
        """A warning about too few clusters; empty if there are enough."""
        return warning(self.clusters)
