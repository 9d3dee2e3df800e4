"""Reading cost by context length: token pairs compared by attention, calls and seconds, as a table and a figure.

The complexity comparison of Chain of Agents (Zhang et al. 2024, arXiv 2406.02818), measured: reading everything at once
compares pairs that grow with the square of the length, O(n^2); workers of one window k, with the length, O(nk). Here
both are counted on the prompts really sent, instructions and notes included; see `attention`. The power with which a
figure grows is the slope of the straight line through the logarithms of lengths and figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean, linear_regression
from typing import TYPE_CHECKING

from ragvlc.analysis.axes import series
from ragvlc.analysis.tables import Entry, Table
from ragvlc.results.columns import CellColumns, known

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["CAPTION", "CostCurve", "ReadingCost", "curves", "draw", "reading_cost"]

LENGTH = "dataset.pad_to_tokens"
CAPTION = (
    "Cost of reading by context length: pairs of tokens that attention compares (n(n+1)/2 for a prompt of n tokens), "
    "calls of models, seconds in the model; means of a question."
)
NOTE = (
    "Means of a question at the shortest and the longest context, and the exponent of their growth with the length: 1 "
    "is linear, 2 quadratic. Pairs, in millions: of tokens that attention compares while prompts are read, n(n+1)/2 "
    "for a prompt of n tokens, without caching."
)


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """The mean reading cost per question at one context length.

    Attributes:
        length: of the context, in tokens.
        pairs: of tokens that attention compares, in millions; None if the trace does not separate calls.
        calls: of models.
        seconds: in the engine.
    """

    length: float
    pairs: float | None
    calls: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CostCurve:
    """Reading costs of one pipeline by context length.

    Attributes:
        label: pipeline, and the settings that distinguish its curves.
        costs: shortest context first.
    """

    label: str
    costs: tuple[ReadingCost, ...]

    def power(self, figure: Callable[[ReadingCost], float | None]) -> float | None:
        """Returns the exponent of a quantity's growth with the length; None without two values above 0."""
        known = [(log(one.length), log(value)) for one in self.costs if (value := figure(one))]
        return linear_regression(*zip(*known, strict=True)).slope if len(known) > 1 else None


def curves(cells: Sequence[CellResult]) -> list[CostCurve]:
    """Returns a curve for each pipeline and combination of settings with several context lengths."""
    found = []
    for one in series(cells, LENGTH):
        costs = ((length, _costs([cell.columns for cell in repeats])) for length, repeats in one.points)
        measured = tuple(ReadingCost(length, *cost) for length, cost in costs if cost is not None)
        if len(measured) > 1:
            found.append(CostCurve(one.label, measured))
    return found


def reading_cost(results: SweepResults) -> Table | None:
    """Returns the table of reading costs; None if no pipeline has several context lengths."""
    found = curves(results.cells)
    if not found:
        return None
    ends = sorted({one.length for curve in found for one in (curve.costs[0], curve.costs[-1])})
    shortest, longest = f"{ends[0]:,.0f}", f"{ends[-1]:,.0f}"
    heads = [f"pairs\nat {shortest}", f"pairs\nat {longest}", "growth\nexponent"]
    heads += [f"calls\nat {shortest}", f"calls\nat {longest}"]
    heads += [f"seconds\nat {shortest}", f"seconds\nat {longest}", "growth\nexponent"]
    rows = tuple((curve.label, _entries(curve, ends[0], ends[-1])) for curve in found)
    return Table("Reading cost by length of the context", tuple(heads), rows, NOTE)


def draw(found: Sequence[CostCurve]) -> Picture:
    """Returns a figure with one panel for each known quantity: token pairs, calls and seconds."""
    from ragvlc.analysis.drawing import hover, label, legend, look, mark, numbers, panels, tie

    measures: dict[str, Callable[[ReadingCost], float | None]] = {
        "pairs of tokens (millions)": lambda one: one.pairs,
        "calls": lambda one: one.calls,
        "seconds in the model": lambda one: one.seconds,
    }
    every = [one for curve in found for one in curve.costs]
    measures = {name: figure for name, figure in measures.items() if any(map(figure, every))}
    with look():
        drawn, places = panels([name.partition(" (")[0] for name in measures], "Reading cost of a question")
        for place, (name, figure) in zip(places, measures.items(), strict=True):
            for at, curve in enumerate(found):
                colour, marker = mark(at)
                known = [(one.length, value) for one in curve.costs if (value := figure(one)) is not None]
                tie(at, place.plot(
                    [x for x, _ in known], [y for _, y in known],
                    color=colour, marker=marker, markersize=5, label=label(curve.label),
                ))  # fmt: skip
                for x, y in known:
                    hover(place, (x, y), curve.label, f"{x:,.0f} tokens of context", f"{y:,.4g} {name}", series=at)
            numbers(place, [one.length for one in every], few=True)
            place.set_ylim(bottom=0)
            place.set_xlabel("context length (tokens)")
            place.set_ylabel(name)
        legend(drawn, places)
    return drawn


def _costs(found: Sequence[CellColumns]) -> tuple[float | None, float, float] | None:
    """Returns mean token pairs, calls and seconds per answer; None if no model was called."""
    figures = [
        row
        for columns in found
        for row in zip(*(columns.of(name) for name in ("calls", "attention_pairs", "engine_seconds")), strict=True)
        if row[0]
    ]
    if not figures:
        return None
    calls, lengths, seconds = zip(*figures, strict=True)
    pairs = [one / 1e6 for one in known(lengths) if one is not None]
    return fmean(pairs) if len(pairs) == len(figures) else None, fmean(calls), fmean(seconds)


def _entries(curve: CostCurve, shortest: float, longest: float) -> tuple[Entry, ...]:
    by_length = {one.length: one for one in curve.costs}
    short, long = by_length.get(shortest), by_length.get(longest)
    pairs, seconds = curve.power(lambda one: one.pairs), curve.power(lambda one: one.seconds)
    return (
        Entry(short.pairs if short else None, digits=2),
        Entry(long.pairs if long else None, digits=2),
        Entry(pairs, digits=1),
        Entry(short.calls if short else None, digits=1),
        Entry(long.calls if long else None, digits=1),
        Entry(short.seconds if short else None, digits=2),
        Entry(long.seconds if long else None, digits=2),
        Entry(seconds, digits=1),
    )
