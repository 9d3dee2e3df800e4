"""Effective lengths: the longest context at which a route is not worse than at the shortest one by more than a margin.

A route is a pipeline with its settings, except the length: with several generators, each has rows of its own. The same
questions are compared at every length (those with a score at all of them), each with its own score at the shortest. The
tests are those of `ragvlc.statistics.effective_length`: from short to long, up to the first failure.

The length is `dataset.pad_to_tokens`, another setting named by `axis`, or else the length that the data set gives its
questions (tag `length`), where questions have the same id, or the same text, at every length.

A race may stop a route at some lengths: it is then compared on the questions asked at all of them, and not tested, as
the number of questions depended on the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from ragvlc.analysis.axes import series
from ragvlc.analysis.by_length import tasks
from ragvlc.core.length_margin import LengthMargin
from ragvlc.statistics.differences import Difference, PairedSample, pairs_of
from ragvlc.statistics.effective_length import EffectiveLength, effective_length
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["RouteLength", "asked_length", "length_frame", "route_lengths"]

PADDED = "dataset.pad_to_tokens"
Scores = Mapping[str, tuple[float, str]]
"""Score and cluster by question."""


@dataclass(frozen=True)
class RouteLength:
    """The effective length of one route.

    Attributes:
        route: pipeline and the settings that distinguish it.
        asked: metric, margin and axis.
        scores: mean score at each length, over the questions scored at all of them.
        pairs: differences from the shortest length, by length.
        found: None where there is nothing to compare.
        left_out: questions scored at some lengths only.
        fewest: the length with the fewest questions, and their number.
        without: the length without which most others could be compared, and how many.
        complete: whether all questions have been answered.
        tagged: whether the length is the data set's own, in its own unit, and not in tokens.
        stopped: how a race left it, in words, where it has not all questions; it is then not tested.
        sign: -1 where smaller scores are better; scores and differences here are times that.
    """

    route: str
    asked: LengthMargin
    scores: Mapping[float, Interval]
    pairs: Mapping[float, PairedSample]
    found: EffectiveLength | None
    left_out: int
    fewest: tuple[float, int]
    without: tuple[float, int]
    complete: bool
    tagged: bool = False
    sign: float = 1.0
    stopped: str = ""

    def difference(self, length: float) -> Difference | None:
        """Returns the difference from the shortest length, of which it is None; without bounds if it was stopped."""
        found = self.pairs[length].difference() if length in self.pairs else None
        return replace(found, low=None, high=None, p=None) if found is not None and self.stopped else found

    @property
    def lengths(self) -> tuple[float, ...]:
        """Lengths from the shortest."""
        return tuple(self.scores)

    @property
    def questions(self) -> Interval:
        """The mean at the shortest length, whose n and clusters are those of all lengths."""
        return self.scores[self.lengths[0]]

    def signed(self, one: Interval | Difference) -> tuple[float | None, float | None, float | None]:
        """Returns mean, lower and upper bound in the metric's own direction."""
        if self.sign > 0 or one.mean is None:
            return one.mean, one.low, one.high
        return -one.mean, None if one.high is None else -one.high, None if one.low is None else -one.low


def asked_length(results: SweepResults) -> LengthMargin | None:
    """Returns the sweep's `effective_length`; None without one."""
    given = next((cell.facts["effective_length"] for cell in results.cells if cell.facts.get("effective_length")), None)
    return None if given is None else LengthMargin.model_validate(given)


def route_lengths(results: SweepResults, asked: LengthMargin) -> list[RouteLength]:
    """Returns the effective length of every route with several lengths, controls left out.

    Raises:
        ConfigError: there is no such metric.
    """
    results.metric(asked.metric)
    found = _along(results, asked) or ([] if asked.axis else _tagged(results, asked))
    return [one for one in found if len(one.scores) > 1]


_DIFFERENCE = ("difference", "difference_low", "difference_high")


def length_frame(found: Sequence[RouteLength]) -> pd.DataFrame:
    """Returns a data frame with a row for each route and length.

    CellColumns: `route`; `length`; `score` with `low` and `high`; `difference` from the shortest length with
    `difference_low`, `difference_high` and `p` of no difference; `verdict` (empty where a shorter length failed, so
    that this one was not tested); `holds`; of the route: `effective_length`, `lost_from`, `n` questions in `clusters`,
    `left_out`, `margin`.
    """
    import pandas as pd

    rows = []
    for one in found:
        steps = {step.length: step.decision for step in one.found.steps} if one.found else {}
        for length, score in one.scores.items():
            step, difference = steps.get(length), one.difference(length)
            row: dict[str, object] = {"route": one.route, "metric": one.asked.metric, "length": length}
            row |= dict(zip(("score", "low", "high"), one.signed(score), strict=True))
            row |= dict(zip(_DIFFERENCE, one.signed(difference), strict=True)) if difference else {}
            row |= {"p": difference.p} if difference else {}
            row |= {
                "verdict": step.verdict.value if step else "",
                "holds": bool(one.found and length <= one.found.length),
            }
            row |= {"effective_length": one.found.length if one.found else None}
            row |= {"lost_from": one.found.lost if one.found else None, "n": score.n, "clusters": score.clusters}
            rows.append(row | {"left_out": one.left_out, "margin": one.asked.margin})
    return pd.DataFrame(rows)


def _along(results: SweepResults, asked: LengthMargin) -> list[RouteLength]:
    """Returns the routes along a setting."""
    cells = [cell for cell in results.cells if not cell.control]
    found = []
    for one in series(cells, asked.axis or PADDED):
        by_length = {length: _scores(repeats, asked.metric) for length, repeats in one.points}
        complete = all(cell.complete for _, repeats in one.points for cell in repeats)
        sign = _sign(one.points[0][1][0], asked.metric)
        stopped = _stopped([cell for _, repeats in one.points for cell in repeats])
        found.append(_route(one.label, asked, by_length, complete=complete, sign=sign, stopped=stopped))
    return found


def _tagged(results: SweepResults, asked: LengthMargin) -> list[RouteLength]:
    """Returns the routes along the length that the data set gives its questions."""
    found: list[RouteLength] = []
    several = tasks(results)
    for task in several:
        for system in task.systems:
            if system.control or len(task.lengths) < 2:
                continue
            sign = _sign(system.cells[0], asked.metric)
            by_length: dict[float, Scores] = {
                length: {name: (sign * score, cluster) for name, (score, cluster) in own.items()}
                for length, own in system.scores(asked.metric).items()
            }
            if not set.intersection(*(set(own) for own in by_length.values())):
                by_length = _by_text(system.cells, by_length)
            label = f"{system.label}, {task.name}" if len(several) > 1 else system.label
            whole, stopped = system.complete, system.stopped
            one = _route(label, asked, by_length, complete=whole, sign=sign, tagged=True, stopped=stopped)
            found.append(one)
    return found


def _by_text(cells: Sequence[CellResult], by_length: Mapping[float, Scores]) -> dict[float, Scores]:
    """Returns the scores by the questions' texts and references, where ids differ from length to length."""
    facts = {name: one for cell in cells for name, one in cell.examples.items()}
    return {
        length: {repr((facts[name]["question"], facts[name]["references"])): score for name, score in own.items()}
        for length, own in by_length.items()
    }


def _scores(repeats: Sequence[CellResult], metric: str) -> dict[str, tuple[float, str]]:
    """Returns the scores of repeated cells, averaged by question; larger is better."""
    values: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for cell in repeats:
        sign = _sign(cell, metric)
        for name, score in cell.scores(metric).items():
            if score is not None:
                values.setdefault(name, []).append(sign * score)
                clusters[name] = cell.clusters[name] or name
    return {name: (fmean(own), clusters[name]) for name, own in values.items()}


def _stopped(cells: Sequence[CellResult]) -> str:
    return "; ".join(dict.fromkeys(cell.raced.mark for cell in cells if cell.raced is not None))


def _sign(cell: CellResult, metric: str) -> float:
    return -1.0 if metric in cell.facts.get("smaller_is_better", ()) else 1.0


def _route(
    label: str,
    asked: LengthMargin,
    by_length: Mapping[float, Scores],
    *,
    complete: bool,
    sign: float,
    tagged: bool = False,
    stopped: str = "",
) -> RouteLength:
    lengths = sorted(by_length)
    everyone = dict.fromkeys(name for length in lengths for name in by_length[length])
    common = [name for name in everyone if all(name in by_length[length] for length in lengths)]
    # Documents of one question may be named by length: its cluster is that of the shortest.
    clusters = {name: by_length[lengths[0]][name][1] for name in common}
    scores = {length: {name: by_length[length][name][0] for name in common} for length in lengths}
    means = {length: mean_interval(list(own.values()), list(clusters.values())) for length, own in scores.items()}
    pairs = {length: pairs_of(scores[length], scores[lengths[0]], clusters) for length in lengths[1:]}
    found = None
    if stopped:
        means = {length: replace(one, low=None, high=None) for length, one in means.items()}
    elif common and len(lengths) > 1:
        found = effective_length(lengths[0], list(pairs.items()), asked.margin, metric=asked.metric)
    without = max(
        (
            (length, sum(all(name in by_length[other] for other in lengths if other != length) for name in everyone))
            for length in lengths
        ),
        key=lambda one: one[1],
    )
    more = (without[0], without[1] - len(common))
    fewest = min(((length, len(by_length[length])) for length in lengths), key=lambda one: one[1])
    return RouteLength(
        label, asked, means, pairs, found, len(everyone) - len(common), fewest, more, complete, tagged, sign, stopped
    )
