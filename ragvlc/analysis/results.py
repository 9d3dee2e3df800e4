"""Results of a sweep with methods that draw figures, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.analysis import figures as drawing
from ragvlc.results.loading import SweepResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Results"]


class Results(SweepResults):
    """A sweep's results, with methods that draw figures.

    Attributes:
        folder: where they are.
        cells: in the order of the plan.
    """

    def figures(self, metric: str | None = None) -> dict[str, Figure]:
        """Returns every figure available for these results, by name. Raises `ConfigError` for an unknown metric."""
        return drawing.figures(self, metric)

    def figure(self, name: str, metric: str | None = None) -> Figure:
        """Returns one figure, e.g. `quality_tokens`. Raises `ConfigError` for an unknown figure or metric."""
        return drawing.figure(self, name, metric)
