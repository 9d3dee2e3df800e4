"""Question-by-question comparison of two cells from one or two results folders: differences and flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.counts import raced_note
from ragvlc.analysis.failures import said
from ragvlc.analysis.tables import BY_LOOKS, bounds, plain, title
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.results.costs import question_costs
from ragvlc.results.races import raced_difference
from ragvlc.statistics.corrections import SETTLED
from ragvlc.statistics.differences import Difference, paired_difference

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["Pairing", "comparison", "paired"]

MOST_FLIPS = 10
"""The most flipped questions shown in each direction."""
_HEADS = ("", "a", "b", "a - b", "95 % interval", "p", "a better", "b better", "equal", "n")
COSTS = {
    "prompt tokens": ("prompt_tokens", 0),
    "new tokens": ("completion_tokens", 0),
    "engine seconds": ("engine_seconds", 2),
}


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two cells whose questions are paired by id.

    Attributes:
        a: the cell that is compared.
        b: the cell that it is compared with.
        metrics: that both have.
        shared: ids of questions that both have rows for, in the order of `a`.
        only_a: questions that `b` has no row for.
        only_b: questions that `a` has no row for.
        other_texts: shared questions with another wording or other documents.
        other_gold: shared questions whose accepted answers or evidence differ.
    """

    a: CellResult
    b: CellResult
    metrics: tuple[str, ...]
    shared: tuple[str, ...]
    only_a: int
    only_b: int
    other_texts: int
    other_gold: int

    def difference(self, metric: str) -> Difference:
        """Returns the paired difference of the scores, `a` minus `b`; questions are clustered as in `a`."""
        races = self.a.race, self.b.race
        if races[0] is not None and races[1] is not None and races[0].note is races[1].note and self.raced:
            scores_of = (self.a.scores(metric), self.b.scores(metric))
            return raced_difference(races[0], races[1], metric, *scores_of, self.a.examples)
        found = paired_difference(*self.scores(metric), self.a.clusters)
        return replace(found, low=None, high=None, p=None) if self.raced else found

    @property
    def raced(self) -> bool:
        """Whether the number of questions of one of the cells depended on its scores."""
        return self.a.raced is not None or self.b.raced is not None

    def scores(self, metric: str) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Returns the scores of the shared questions in both cells, in the order of `a`."""
        one, two = self.a.scores(metric), self.b.scores(metric)
        return {name: one[name] for name in self.shared}, {name: two[name] for name in self.shared}

    def flips(self, metric: str) -> tuple[list[str], list[str]]:
        """Returns the questions on which `a` scores better and those on which `b` does, largest difference first."""
        sign = -1 if self.smaller(metric) else 1
        gaps, (first, second) = {}, self.scores(metric)
        for name in self.shared:
            one, two = first[name], second[name]
            if one is not None and two is not None and one != two:
                gaps[name] = sign * (one - two)
        ranked = sorted(gaps, key=lambda name: -abs(gaps[name]))
        return [name for name in ranked if gaps[name] > 0], [name for name in ranked if gaps[name] < 0]

    def smaller(self, metric: str) -> bool:
        """Returns whether smaller values of the metric are better."""
        return metric in self.a.facts.get("smaller_is_better", ())


def paired(results: SweepResults, a: str, b: str, *, other: SweepResults | None = None) -> Pairing:
    """Returns the two named cells, with their questions paired by id.

    Args:
        results: where `a` is.
        a: name of a cell, or of a pipeline with one cell.
        b: likewise.
        other: where `b` is; the same results by default.

    Raises:
        ConfigError: no such cell, a pipeline of several cells, no common metric or no common question.
    """
    first, second = results.cell(a), (other or results).cell(b)
    if first is second:
        raise ConfigError(f"'{a}' and '{b}' are the same cell, {first.name}. Name two.")
    metrics = tuple(label for label in first.metrics if label in second.metrics)
    if not metrics:
        raise ConfigError(f"no metric in common: {list(first.metrics)} and {list(second.metrics)}.")
    shared = tuple(name for name in first.rows if name in second.rows)
    if not shared:
        other_ids = ", with other ids" if len(first.rows) and len(second.rows) else ""
        raise ConfigError(
            f"no question in common: {first.name} has {len(first.rows)}, {second.name} has {len(second.rows)}"
            f"{other_ids}."
        )
    facts = [(first.examples[name], second.examples[name]) for name in shared]
    return Pairing(
        first,
        second,
        metrics,
        shared,
        only_a=len(first.rows) - len(shared),
        only_b=len(second.rows) - len(shared),
        other_texts=sum(one["key"] != two["key"] for one, two in facts),
        other_gold=sum(one["gold_key"] != two["gold_key"] for one, two in facts),
    )


def comparison(
    results: SweepResults, a: str, b: str, *, other: SweepResults | None = None, metric: str | None = None
) -> list[RenderableType]:
    """Returns the text of `ragvlc compare`: differences by metric, costs and their ratio, flipped questions.

    Args:
        results: where `a` is.
        a: name of a cell, or of a pipeline with one cell.
        b: likewise.
        other: where `b` is; the same results by default.
        metric: by which questions flip and the verdict is given; the first in common by default.

    Raises:
        ConfigError: see `paired`; or the two have no such metric in common.
    """
    pair = paired(results, a, b, other=other)
    chosen = metric or pair.metrics[0]
    if chosen not in pair.metrics:
        known = list(pair.metrics)
        raise ConfigError(f"no metric '{chosen}' in common. Known: {known}.{nearest(chosen, known)}")
    names = _names(pair, results, other)
    head = f"a: {names[0]}\nb: {names[1]}\n{_coverage(pair)}"
    parts: list[RenderableType] = [head, "", _differences(pair), _costs(pair)]
    better, worse = pair.flips(chosen)
    for found, words in ((better, "a better"), (worse, "b better")):
        if found:
            parts.append(_flips(pair, chosen, found, words))
    return [*parts, _verdict(pair, chosen), ""]


def _names(pair: Pairing, results: SweepResults, other: SweepResults | None) -> tuple[str, str]:
    if other is None:
        return title(pair.a), title(pair.b)
    return f"{title(pair.a)}  ({results.folder})", f"{title(pair.b)}  ({other.folder})"


def _coverage(pair: Pairing) -> str:
    words = [f"{len(pair.shared)} questions in common"]
    words += [f"{pair.only_a} only in a"] if pair.only_a else []
    words += [f"{pair.only_b} only in b"] if pair.only_b else []
    words += [f"{pair.other_texts} with another wording or other documents"] if pair.other_texts else []
    words += [f"{pair.other_gold} with other accepted answers or evidence"] if pair.other_gold else []
    return ", ".join(words) + "."


@dataclass(frozen=True, slots=True)
class _Whole:
    """A table of which nothing is cut: columns that do not fit the terminal follow in further tables."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        start = 1
        while start < len(self.heads):
            end = start + 1
            while end < len(self.heads) and self._fits(start, end + 1, console, options):
                end += 1
            yield self._part(start, end)
            start = end

    def _fits(self, start: int, end: int, console: Console, options: ConsoleOptions) -> bool:
        from rich.measure import Measurement

        free = options.update(max_width=10_000)
        return Measurement.get(console, free, self._part(start, end)).maximum <= options.max_width

    def _part(self, start: int, end: int) -> Table:
        from rich import box
        from rich.table import Table

        title = self.title if start == 1 else f"{self.title}, continued"
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column(self.heads[0], overflow="fold")
        for head in self.heads[start:end]:
            table.add_column(head, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(row[0], *row[start:end])
        return table


def _differences(pair: Pairing) -> RenderableType:
    rows = []
    for metric in pair.metrics:
        one = pair.difference(metric)
        means = _means_over_both(pair, metric)
        interval = _interval(pair, one)
        better, worse = map(len, pair.flips(metric))
        counts = [better, worse, one.n - better - worse, one.n]
        signed = "-" if one.mean is None else plain(one.mean, 3, "+")
        name = f"{metric} (smaller is better)" if pair.smaller(metric) else metric
        rows.append([name, *means, signed, interval, "-" if one.p is None else f"{one.p:.3f}", *map(str, counts)])
    return _Whole("Scores, question by question", _HEADS, rows)


def _interval(pair: Pairing, one: Difference) -> str:
    if one.low is None or one.high is None:
        return "-"
    return bounds(one.low, one.high) + (BY_LOOKS if pair.raced else "")


def _means_over_both(pair: Pairing, metric: str) -> list[str]:
    """Returns the mean scores of both cells over the questions that have both scores."""
    both = [scores for scores in zip(*map(dict.values, pair.scores(metric)), strict=True) if None not in scores]
    return [f"{fmean(column):.3f}" for column in zip(*both, strict=True)] if both else ["-", "-"]


def _costs(pair: Pairing) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(title="Cost of a question", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for head in ("", "a", "b", "a / b"):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for words, (name, digits) in COSTS.items():
        one, two = (dict(cell.columns.numbered(name)) for cell in (pair.a, pair.b))
        both = [question for question in pair.shared if question in one and question in two]
        if both:
            means = [fmean(own[question] for question in both) for own in (one, two)]
            table.add_row(words, *_ratio(means[0], means[1], digits))
    costs = [question_costs(cell, "money") for cell in (pair.a, pair.b)]
    both = [name for name in pair.shared if all(own.get(name) is not None for own in costs)]
    money = [fmean(own[name] or 0.0 for name in both) if both else 0.0 for own in costs]
    if all(money):
        table.add_row("money for 1,000", *_ratio(money[0] * 1000, money[1] * 1000, 4))
    indexing = [cell.summary["index_seconds"] for cell in (pair.a, pair.b)]
    if any(indexing):
        table.add_row("index seconds, all", *_ratio(indexing[0], indexing[1], 2))
    return table


def _ratio(one: float, two: float, digits: int) -> tuple[str, str, str]:
    return plain(one, digits), plain(two, digits), f"{one / two:.2f}" if two else "-"


def _flips(pair: Pairing, metric: str, names: Sequence[str], words: str) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    more = f", the widest {MOST_FLIPS}" if len(names) > MOST_FLIPS else ""
    table = Table(
        title=f"{words} on {len(names)} by {metric}{more}", title_justify="left", title_style="bold",
        box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for head in ("id", "question", "accepted", "a", "answer of a", "b", "answer of b"):
        table.add_column(head, overflow="fold")
    for name in names[:MOST_FLIPS]:
        facts = pair.a.examples[name]
        cells: list[Any] = [name, facts["question"], " | ".join(facts["references"]) or "unanswerable"]
        for cell in (pair.a, pair.b):
            row = cell.rows[name]
            cells += [f"{row.scores[metric]:.2f}", said(row)]
        table.add_row(*[Text(str(one)) for one in cells])
    return table


def _verdict(pair: Pairing, metric: str) -> str:
    one = pair.difference(metric)
    if one.mean is None:
        return f"No question has a {metric} in both."
    text = f"{metric}: a - b = {plain(one.mean, 3, '+')}"
    if one.low is not None and one.high is not None and one.p is not None:
        text += f" {bounds(one.low, one.high)}, p = {one.p:.3f}"
    where = f"{one.n} questions in {one.clusters} cluster{'' if one.clusters == 1 else 's'}"
    if pair.raced:
        interval, note = f" {_interval(pair, one)}", f" {raced_note([pair.a, pair.b])}"
        return (
            f"{text}{interval if one.low is not None else ''}, on {where}. No p: the number of questions depended on "
            f"the scores; `ragvlc report` has the verdict.{note if one.low is not None else ''}".rstrip()
        )
    if one.p is None or one.p >= SETTLED:
        return f"{text}: not settled by {where}."
    winner = "a" if (one.mean > 0) != pair.smaller(metric) else "b"
    return f"{text}: {winner} is better, on {where}."
