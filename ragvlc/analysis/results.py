"""Results of a sweep with methods that compare cells and draw figures, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from ragvlc import config
from ragvlc.analysis import figures as drawing
from ragvlc.analysis.decisions import CellDecision, decided, made_decide, stored_decide
from ragvlc.analysis.effective_length import asked_length, length_frame, route_lengths
from ragvlc.analysis.embedded import EmbeddedPage, stored_texts, summary
from ragvlc.analysis.export.export import EVERYTHING, Choices, Exported, export
from ragvlc.analysis.frames import compared_frame, flips_frame, pareto_frame
from ragvlc.analysis.length_words import no_lengths
from ragvlc.analysis.official import official_frame
from ragvlc.analysis.page import html_page
from ragvlc.analysis.routing import routing_frame, routing_reports
from ragvlc.analysis.side_by_side import side_by_side
from ragvlc.core.decision import Cost
from ragvlc.core.errors import ConfigError
from ragvlc.core.length_margin import LengthMargin
from ragvlc.results.loading import SweepResults

if TYPE_CHECKING:
    import pandas as pd

    from ragvlc.analysis.pictures import Picture
    from ragvlc.core.data import Document

__all__ = ["Results"]


class Results(SweepResults):
    """A sweep's results, with methods that draw figures and return the figures of special reports.

    Attributes:
        folder: where they are.
        cells: in the order of the plan.
    """

    def figures(self, metric: str | None = None) -> dict[str, Picture]:
        """Returns every figure available for these results, by name. Raises `ConfigError` for an unknown metric."""
        return drawing.figures(self, metric)

    def figure(self, name: str, metric: str | None = None) -> Picture:
        """Returns one figure, e.g. `quality_tokens`. Raises `ConfigError` for an unknown figure or metric."""
        return drawing.figure(self, name, metric)

    def compare(self, a: str | None = None, b: str | None = None) -> pd.DataFrame:
        """Returns paired differences with their intervals, a row for each comparison and metric.

        Args:
            a: name of a cell or pipeline; alone, every other cell is compared with it. By default with the sweep's
                baseline.
            b: the cell that `a` is compared with.

        Returns:
            Columns `cell`, `baseline`, `metric`, `difference` (with `low`, `high`, `p`, `p_holm`), `n`, `clusters`,
            `better`, `worse`, `sequential`.

        Raises:
            ConfigError: nothing has that name, or two cells have no question in common.
        """
        return compared_frame(self, a, b)

    def pareto(self, metric: str | None = None, cost: Cost = "tokens") -> pd.DataFrame:
        """Returns score and cost of each cell with its place relative to the cost-quality front, cheapest first.

        Args:
            metric: label; the first by default.
            cost: `tokens`, `money` (for 1,000 questions), `seconds` or `first_token`.

        Returns:
            Columns `dataset`, `cell`, `metric`, `score` (with `score_low`, `score_high`), `cost` (with `cost_low`,
            `cost_high`), `cost_kind`, `on_front`, `dominated_by`. Empty if no cell costs anything.

        Raises:
            ConfigError: no such metric or cost.
        """
        return pareto_frame(self, metric, cost)

    def flips(self, a: str, b: str, metric: str | None = None) -> pd.DataFrame:
        """Returns the questions on which the scores of two cells differ, the largest difference first.

        Args:
            a: name of a cell, or of a pipeline with one cell.
            b: likewise.
            metric: label; the first by default.

        Returns:
            Columns `id`, `question`, `references`, `cluster`, `metric`, `a`, `b`, `score_a`, `score_b`, `better`,
            `answer_a`, `answer_b`, `evidence_a`, `evidence_b`, `prompt_tokens_a`, `prompt_tokens_b`.

        Raises:
            ConfigError: no such cell or metric, twice the same cell, or no question in common.
        """
        return flips_frame(self, a, b, metric)

    def official(self) -> pd.DataFrame:
        """Returns the figures that benchmarks' authors compute, in their units, a row for each.

        Columns: `dataset`, `cell`, `metric`, `figure` (its name), `value`. Empty if no metric has any.

        Raises:
            ConfigError: the figures of some metric cannot be computed.
        """
        return official_frame(self)

    def side_by_side(
        self,
        a: str | None = None,
        b: str | None = None,
        metric: str | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> EmbeddedPage:
        """Returns a page to pick two cells and read where they differ: answers and passages side by side.

        Args:
            a: name of the cell to begin with on the left; the best one by default.
            b: on the right.
            metric: label; the first by default.
            texts: documents by id; by default they are read again, if the data set can be loaded.

        Raises:
            ConfigError: no such cell or metric, or fewer than two cells with scores.
        """
        return side_by_side(self, a, b, metric, stored_texts(self) if texts is None else texts)

    def report(self, baseline: str | None = None, texts: Mapping[str, str] | None = None) -> EmbeddedPage:
        """Returns the HTML report, which a notebook shows in a frame; nothing is written.

        Args:
            baseline: a pipeline's or a cell's name; the sweep's own by default.
            texts: documents by id; by default they are read again, if the data set can be loaded.

        Raises:
            ConfigError: nothing has the name `baseline`.
        """
        known = stored_texts(self) if texts is None else texts
        return EmbeddedPage(html_page(self, baseline, known), f"report of {self.name}", 720)

    def _repr_html_(self) -> str:
        """Returns the answer in sentences, the table of scores, and the figure of quality against cost."""
        figure = self._first_figure()
        return summary(self) + (figure.html() if figure is not None else "")

    def _ipython_display_(self) -> None:
        """Displays the same as two outputs, so that pages without scripts show the figure as a picture."""
        import IPython.display

        notebook: Any = IPython.display  # its functions have no types
        notebook.display(notebook.HTML(summary(self)))
        figure = self._first_figure()
        if figure is not None:
            notebook.display(figure)

    def _first_figure(self) -> Picture | None:
        return next((draw() for draw in drawing.drawers(self).values()), None) if self.cells else None

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

    def export(
        self,
        folder: str | Path | None = None,
        *,
        to: str | Sequence[str] = EVERYTHING,
        columns: str | Sequence[str] = (),
        baseline: str | None = None,
        documents: Mapping[str, Iterable[Document]] | None = None,
        cell: str | None = None,
    ) -> list[Exported]:
        """Writes tables, figures and data for a paper; returns the files with what each holds.

        Args:
            folder: where to write; `export` inside the results folder by default.
            to: any of `latex`, `markdown`, `csv`, `parquet`, `figures`, `citations`, `bundle`,
                `model`; by default all but the last.
            columns: of the table `comparison`: labels of metrics, `difference`, `p`, settings, costs; the first metric
                of them is that of the figures.
            baseline: pipeline or cell to compare with; the sweep's own by default.
            documents: for the bundle, as `ragvlc.sweep.derived.stored_documents` returns them; none by default.
            cell: whose pipeline is the model; the best by the first metric by default.

        Raises:
            ConfigError: an unknown format, column or baseline.
            StoreError: the folder cannot be written.
        """
        formats, names = ((one,) if isinstance(one, str) else tuple(one) for one in (to, columns))
        return export(self, folder, Choices(formats, names, baseline, documents, cell))

    def routing(self, metric: str | None = None) -> pd.DataFrame:
        """Returns what each route, router and oracle is worth, with one row per group and arm; see `routing_frame`.

        Columns: `group`, `arm`, `kind`, `n`, `clusters`, `quality`, `gain` over the best single route of the other
        folds (with bounds, `p` and `p_holm`), `regret`, `of_possible`, `right`, `tokens`, `money`, `seconds`, the share
        sent `to` each route, and of routers the quality over random mixing of two routes at equal cost. Empty if fewer
        than two routes have scores. Raises `ConfigError` for an unknown metric.
        """
        return routing_frame(routing_reports(self, metric))

    def effective_length(self, metric: str | None = None, margin: float | None = None, axis: str = "") -> pd.DataFrame:
        """Returns how long a context may be before a route is worse than at the shortest, a row per route and length.

        Without arguments it is that of the experiment's `effective_length`.

        Args:
            metric: label.
            margin: mean score that a longer context may lose; it has no default.
            axis: setting that is the length; see `LengthMargin`.

        Returns:
            Columns `route`, `length`, `score` (with `low`, `high`), `difference` from the shortest length (with
            `difference_low`, `difference_high`, `p`), `verdict`, `holds`, and of the route `effective_length`,
            `lost_from`, `n`, `clusters`, `left_out`, `margin`.

        Raises:
            ConfigError: no margin, no such metric, or no pipeline was asked at two lengths.
        """
        own = self if metric is None and margin is None else self.with_effective_length(metric, margin, axis)
        asked = asked_length(own)
        if asked is None:
            raise ConfigError("effective_length: needs a metric and a margin, such as effective_length('f1', 0.05).")
        return length_frame(route_lengths(own, asked))

    def with_effective_length(self, metric: str | None, margin: float | None, axis: str = "") -> Self:
        """Returns the same results with an `effective_length` given now, for reports and figures.

        Raises:
            ConfigError: no margin, no such metric, or no pipeline was asked at two lengths.
        """
        given = {"metric": metric or self.metric(), "axis": axis} | ({} if margin is None else {"margin": margin})
        try:
            asked = LengthMargin.model_validate(given)
        except ValidationError as error:
            raise ConfigError(config.problems(error, LengthMargin, "effective_length")) from None
        if asked.margin >= 1 and all(0 <= score <= 1 for score in _all_scores(self, asked.metric)):
            raise ConfigError(
                f"effective_length: margin: {asked.margin:g} is all of {asked.metric}, which is from 0 to 1 here. "
                "Five hundredths are 0.05."
            )
        if not route_lengths(self, asked):
            problem = no_lengths(self, asked)
            raise ConfigError(f"effective_length: {problem[0].lower()}{problem[1:]}")
        facts = {"effective_length": asked.spec(), "margin_afterwards": True}
        cells = [replace(cell, facts={**cell.facts, **facts}) for cell in self.cells]
        return type(self)(self.folder, cells, self._baseline)

    def with_gap(self, seconds: float) -> Self:
        """Returns the same results with the time between two questions about a document, for caches that expire."""
        cells = [replace(cell, facts={**cell.facts, "gap": seconds}) for cell in self.cells]
        return type(self)(self.folder, cells, self._baseline)


def _all_scores(results: SweepResults, metric: str) -> list[float]:
    return [score for cell in results.cells for score in cell.scores(metric).values() if score is not None]
