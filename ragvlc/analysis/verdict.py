"""The result of a comparison in sentences: the best cell, its lead, the uncertainty, and the cost.

The number of questions that would settle a difference is derived from how differences vary between clusters
(`statistics.power`): with that number the test finds it four times in five. It assumes that the observed difference is
the true one and that further clusters are like these, so it is an order of magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragvlc.analysis.generated import own_questions
from ragvlc.analysis.races import race_note, race_sentences
from ragvlc.analysis.tables import bounds, left, plain, probability
from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.differences import paired_difference, pairs_of
from ragvlc.statistics.power import least_clusters, needed, pilot_of, smallest

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, Comparison, SweepResults

__all__ = ["DatasetVerdict", "Duel", "answer_sentence", "leading", "shown_cells", "verdicts"]

HOPELESS = 100
"""Above this multiple of the questions asked, no number of questions is given."""


@dataclass(frozen=True, slots=True)
class DatasetVerdict:
    """The result on one data set, in sentences.

    Attributes:
        dataset: its name.
        best: name of the cell that scores best, without controls; empty if no cell has a score.
        sentences: the best cell, the uncertainty, and the cost.
    """

    dataset: str
    best: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duel:
    """The best cell and the cell that it is compared with; `difference` is best minus other.

    `p` is corrected for `tests` comparisons; `alike` says that both score the same on every question.
    """

    best: CellResult
    other: CellResult
    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    clusters: int
    tests: int
    baseline: str
    alike: bool

    @property
    def settled(self) -> bool:
        """Whether the difference is statistically significant."""
        return self.p is not None and self.p < SETTLED

    @property
    def alone(self) -> bool:
        """Whether the interval excludes 0, without correction for multiple comparisons."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def answer_sentence(results: SweepResults, comparisons: Sequence[Comparison]) -> str:
    """Returns a sentence on the best cell by the first metric and its difference to the baseline, with uncertainty.

    Several data sets get a line each.
    """
    datasets = results.by_dataset()
    lines = [
        " ".join(filter(None, (_line(results, cells, comparisons), own_questions(cells))))
        for cells in datasets.values()
    ]
    if len(lines) == 1:
        return lines[0]
    return "\n".join(f"{name}: {line}" for name, line in zip(datasets, lines, strict=True))


def verdicts(
    results: SweepResults, comparisons: Sequence[Comparison], datasets: dict[str, tuple[CellResult, ...]] | None = None
) -> list[DatasetVerdict]:
    """Returns the result on each data set by the first metric, in sentences for readers without the tables."""
    metric = results.metric()
    found = []
    for name, cells in (datasets or results.by_dataset()).items():
        rivals = _rivals(cells, metric)
        if (note := race_note(cells)) is not None:
            found.append(DatasetVerdict(name, note.names.get(note.winner, ""), race_sentences(note, cells)))
            continue
        if not rivals:
            found.append(DatasetVerdict(name, "", (_no_rival(cells, metric),)))
            continue
        duel = _duel(rivals, comparisons, metric)
        best = duel.best if duel else rivals[0]
        sentences = [
            _first(best, duel, metric),
            *([_second(duel, metric)] if duel else []),
            _third(best, duel, rivals, metric),
            *([own] if (own := own_questions(cells)) else []),
        ]
        found.append(DatasetVerdict(name, best.name, tuple(sentences)))
    return found


def leading(
    cells: Sequence[CellResult], comparisons: Sequence[Comparison], metric: str
) -> tuple[CellResult | None, Duel | None]:
    """Returns the best cell and what it is compared with; a race compares with sequential bounds of its own."""
    rivals = _rivals(cells, metric)
    if not rivals:
        return None, None
    note = race_note(cells)
    if note is not None:
        winner = [cell for cell in rivals if cell.name == note.names.get(note.winner)]
        return (winner or rivals)[0], None
    duel = _duel(rivals, comparisons, metric)
    return duel.best if duel else rivals[0], duel


def shown_cells(cells: Sequence[CellResult], metric: str, limit: int) -> list[CellResult]:
    """Returns at most `limit` cells, first the best of each pipeline, then the next best; keeps the given order."""
    ranked = sorted(cells, key=lambda cell: -math.inf if (merit := cell.merit(metric)) is None else merit, reverse=True)
    first = {cell.facts["pipeline"]: cell for cell in reversed(ranked)}
    chosen = [cell for cell in ranked if first[cell.facts["pipeline"]] is cell]
    chosen = [*chosen, *(cell for cell in ranked if cell not in chosen)][:limit]
    return [cell for cell in cells if cell in chosen]


def _rivals(cells: Sequence[CellResult], metric: str) -> list[CellResult]:
    """Returns the scored cells that are not controls, best first."""
    rivals = [cell for cell in cells if left(cell) and cell.merit(metric) is not None]
    return sorted(rivals, key=lambda cell: cell.merit(metric) or 0.0, reverse=True)


def _duel(rivals: Sequence[CellResult], comparisons: Sequence[Comparison], metric: str) -> Duel | None:
    """Returns the best cell compared with its baseline or, if there is none, with the next best cell."""
    known = {cell.name: cell for cell in rivals}
    best = rivals[0]
    own = [one for one in comparisons if one.metric == metric and one.difference is not None]
    tests = max(1, len(own))
    for one in own:
        if one.cell == best.name and one.baseline in known:
            return _of(best, known[one.baseline], one, 1, tests)
    ranks = {cell.name: rank for rank, cell in enumerate(rivals)}
    others = [one for one in own if one.baseline == best.name and one.cell in known]
    if others:
        one = min(others, key=lambda one: ranks[one.cell])
        return _of(best, known[one.cell], one, -1, tests)
    if len(rivals) == 1:
        return None
    clusters = best.clusters
    found = paired_difference(best.scores(metric), rivals[1].scores(metric), clusters)
    if found.mean is None:
        return None
    alike = found.equal == 1
    return Duel(best, rivals[1], found.mean, found.low, found.high, found.p, found.n, found.clusters, 1, "", alike)


def _of(best: CellResult, other: CellResult, one: Comparison, sign: int, tests: int) -> Duel:
    low, high = (one.low, one.high) if sign == 1 else (_negated(one.high), _negated(one.low))
    difference = sign * (one.difference or 0.0)
    alike = one.better == one.worse == 0
    return Duel(best, other, difference, low, high, one.p_holm, one.n, one.clusters, tests, one.baseline, alike)


def _no_rival(cells: Sequence[CellResult], metric: str) -> str:
    if any(cell.summary["no_answer"] for cell in cells):
        return f"No cell answered a question, so none is the best in {metric}: see why under `no answer`."
    return f"No cell has a score for {metric} yet."


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


def _line(results: SweepResults, cells: Sequence[CellResult], comparisons: Sequence[Comparison]) -> str:
    metric = results.metric()
    if (note := race_note(cells)) is not None:
        return " ".join(race_sentences(note, cells))
    rivals = _rivals(cells, metric)
    if not rivals:
        return _no_rival(cells, metric)
    text = f"Best {metric}: {rivals[0].name}, {rivals[0].mean(metric):.3f}."
    duel = _duel(rivals, comparisons, metric)
    if duel is None:
        return text
    if duel.baseline != duel.best.name:
        return f"{text} Against {duel.other.name}: {_difference(duel, 1)}"
    return f"{text} It is the baseline; against it the next best, {duel.other.name}: {_difference(duel, -1)}"


def _difference(duel: Duel, sign: int) -> str:
    text = plain(sign * duel.difference, 3, "+")
    if duel.low is not None and duel.high is not None:
        text += f" {bounds(*sorted((sign * duel.low, sign * duel.high)))}"
    if duel.p is not None:
        text += f", {probability(duel.p)}"
    if duel.settled:
        return f"{text}."
    several = f" after Holm's correction for {duel.tests} comparisons" if duel.alone and duel.tests > 1 else ""
    return f"{text}: not settled by {duel.n} questions in {_clusters(duel.clusters)}{several}."


def _clusters(count: int) -> str:
    return "1 cluster" if count == 1 else f"{count} clusters"


def _first(best: CellResult, duel: Duel | None, metric: str) -> str:
    smaller = metric in best.facts.get("smaller_is_better", ())
    text = f"{best.name} has the best {metric}{' (smaller is better)' if smaller else ''}: {best.mean(metric):.3f}"
    if duel is None:
        return f"{text}; there is no other cell to compare it with."
    if not duel.difference:
        rank = f"level with {duel.other.name}"
    else:
        way = "above" if duel.difference > 0 else "below"
        # Not the difference of the two means: a question with a score in only one of them has no pair.
        rank = f"on paired questions {abs(duel.difference):.3f} {way} {duel.other.name} ({duel.other.mean(metric):.3f})"
    end = "." if duel.settled or duel.alike else "; not settled."
    if duel.baseline == duel.best.name:
        return f"{text}. It is the baseline, {rank}, the next best{end}"
    return f"{text}, {rank}{', the baseline' if duel.baseline else ', the next best'}{end}"


def _second(duel: Duel, metric: str) -> str:
    asked = f"{duel.n} paired questions in {_clusters(duel.clusters)}"
    if duel.low is None or duel.high is None or duel.p is None:
        return f"The uncertainty is unknown: {asked}; it takes questions over more documents."
    corrected = f", corrected for {duel.tests} comparisons" if duel.tests > 1 else ""
    figures = f"95 % interval of the difference {bounds(duel.low, duel.high)}, {probability(duel.p)}{corrected}"
    if duel.settled:
        return f"Significant: {figures}, from {asked}."
    alone = " The interval is for one comparison, the p for all." if duel.alone else ""
    return f"Not settled: {figures}, from {asked}.{alone} {_wanted(duel, metric)}"


def _wanted(duel: Duel, metric: str) -> str:
    """Returns a sentence on how many questions would be needed to settle the difference."""
    if duel.alike:
        return "The cells score alike on every question: choose by cost."
    least = least_clusters(duel.tests)
    if duel.clusters < least:
        several = f" in {duel.tests} comparisons" if duel.tests > 1 else ""
        return f"{_clusters(duel.clusters)} are too few to settle any difference{several}: it takes {least} or more."
    clusters = duel.best.clusters
    pilot = pilot_of(pairs_of(duel.best.scores(metric), duel.other.scores(metric), clusters))
    reach = pilot and smallest(pilot, duel.clusters, tests=duel.tests)
    if pilot is None or reach is None:
        return "Ask over more documents."
    shown = f"These questions would most likely show a difference of {reach:.2g} or more"
    asked = needed(pilot, duel.difference, tests=duel.tests) if duel.difference else None
    if asked is None or asked.questions > HOPELESS * duel.n:
        return f"{shown}; no practical number of questions would settle one as small as this: choose by cost."
    if asked.questions <= duel.n:  # power and the test disagree, as they may with few clusters
        return f"{shown}, but {_clusters(duel.clusters)} are few to test on: ask over more documents."
    return f"{shown}; one of {abs(duel.difference):.2g} would take about {_round(asked.questions):,} like them."


def _round(value: float) -> int:
    """Returns a number rounded up to two significant digits."""
    step = 10.0 ** max(0, math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * int(step)


def _third(best: CellResult, duel: Duel | None, rivals: Sequence[CellResult], metric: str) -> str:
    parts = [_cost(best, duel.other if duel else None)]
    if cheaper := _cheaper(best, rivals, metric):
        parts.append(cheaper)
    return " ".join(parts)


def _cost(best: CellResult, other: CellResult | None) -> str:
    own, theirs = best.summary, other.summary if other else {}

    def figure(name: str, form: str, words: str, times: float = 1.0) -> str:
        value, against = own[name], theirs.get(name)
        if not value:
            return ""
        text = f"{value * times:{form}} {words}"
        if not against or other is None:
            return text
        return f"{text} against {against * times:{form}} ({value / against:.2g} times as much)"

    indexed = f"indexing took {own['index_seconds']:,.1f} s" if own["index_seconds"] else ""
    words = [
        figure("prompt_tokens", ",.0f", "prompt tokens"),
        figure("engine_seconds", ",.2f", "seconds in the model"),
        figure("cost", ",.4g", "money for 1,000 questions", 1000),
        indexed,
    ]
    found = "; ".join(word for word in words if word)
    named = f" beside {other.name}" if other else ""
    return f"A question costs {best.name}{named}: {found}." if found else "What it costs is not known."


def _cheaper(best: CellResult, rivals: Sequence[CellResult], metric: str) -> str:
    """Returns a sentence on the cell that reads the fewest tokens and is not significantly worse than the best."""
    read = best.summary["prompt_tokens"]
    less = [cell for cell in rivals if cell is not best and (cell.summary["prompt_tokens"] or math.inf) < (read or 0)]
    if not less:
        return ""
    clusters = best.clusters
    found = [paired_difference(cell.scores(metric), best.scores(metric), clusters) for cell in less]
    for p, one, cell in sorted(
        zip(holm([one.p for one in found]), found, less, strict=True), key=lambda row: row[2].summary["prompt_tokens"]
    ):
        if one.mean is None or p is None or p < SETTLED:
            continue
        interval = "" if one.low is None or one.high is None else f" {bounds(one.low, one.high)}"
        tokens = cell.summary["prompt_tokens"]
        figures = f"{plain(one.mean, 3, '+')}{interval}"
        asks = (
            f" Whether it may replace {best.name} is a matter of the margin that you allow: --decide {metric}=MARGIN."
        )
        margin = "" if best.facts.get("decide") else asks  # else the decision says so
        return f"{cell.name} reads {tokens:,.0f}, with {figures} in {metric}.{margin}"
    return ""
