"""Results of a sweep with methods that draw figures, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragvlc.analysis import figures as drawing
from ragvlc.analysis.decisions import CellDecision, decided, made_decide, stored_decide
from ragvlc.core.decision import Cost
from ragvlc.core.errors import ConfigError
from ragvlc.analysis.routing import routing_frame, routing_reports
from ragvlc.results.loading import SweepResults

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Results"]


class Results(SweepResults):
    """A sweep's results, with methods that draw figures and return the figures of special reports.

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

    def decide(
        self,
        metric: str | Sequence[str] | Mapping[str, float] | None = None,
        margin: float | None = None,
        cost: Cost = "tokens",
        baseline: str = "",
    ) -> list[CellDecision]:
        """Returns the decision on each data set: which cell may replace the baseline, how sure, at what cost.

        Without arguments it is that of the experiment's `decide`.

        Args:
            metric: label, labels, or a mapping of labels to margins.
            margin: mean score that one would give up for a lower cost; it has no default.
            cost: `tokens`, `money`, `seconds` or `first_token`.
            baseline: pipeline or cell that may be replaced; see `Decide`.

        Raises:
            ConfigError: no margin, no such metric, cost or baseline.
        """
        if metric is None:
            stored = stored_decide(self)
            if stored is None:
                raise ConfigError("decide: needs a metric and a margin, such as decide('contains', 0.03).")
            return decided(self, stored)
        return decided(self, made_decide(metric, margin, cost, baseline), afterwards=True)

    def routing(self, metric: str | None = None) -> pd.DataFrame:
        """Returns what each route, router and oracle is worth, with one row per group and arm; see `routing_frame`.

        Columns: `group`, `arm`, `kind`, `n`, `clusters`, `quality`, `gain` over the best single route of the other
        folds (with bounds, `p` and `p_holm`), `regret`, `of_possible`, `right`, `tokens`, `money`, `seconds`, the share
        sent `to` each route, and of routers the quality over random mixing of two routes at equal cost. Empty if fewer
        than two routes have scores. Raises `ConfigError` for an unknown metric.
        """
        return routing_frame(routing_reports(self, metric))
