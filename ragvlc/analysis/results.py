"""Results with their figures, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.analysis import figures as drawing
from ragvlc.results.loading import SweepResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Results"]


class Results(SweepResults):
    """A sweep's results, with figures.

    Attributes:
        folder: where they are.
        cells: in the order of the plan.
    """

    def figures(self, metric: str | None = None) -> dict[str, Figure]:
        """Returns every figure available for these results, by name; see `analysis.figures`. Raises `ConfigError`."""
        return drawing.figures(self, metric)

    def figure(self, name: str, metric: str | None = None) -> Figure:
        """Returns one figure, such as `quality_tokens`, for the first metric or another. Raises `ConfigError`."""
        return drawing.figure(self, name, metric)
