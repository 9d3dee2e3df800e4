"""Scores by task, tag and position of the evidence, and the questions on which cells disagree most.

The position of the evidence has two meanings: in the documents of a question (joined in their order), and in the text
that a cell actually sent, which depends on retrieval, order and truncation. Both are from 0 to 1 and are means over the
evidence's characters; evidence that was sent twice counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from math import isnan
from statistics import pvariance
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ragvlc.analysis.bins import binned
from ragvlc.core.data import Span, covered
from ragvlc.results.positions import context_position
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = [
    "Breakdown",
    "Disagreement",
    "by_position",
    "by_tag",
    "by_task",
    "disagreements",
    "document_lengths",
    "document_position",
    "tags",
]

THIRDS = ("first third", "middle third", "last third")
DECILES = tuple(f"{ten * 10}-{ten * 10 + 10} %" for ten in range(10))
DECILES_FROM = 100
"""The least number of located questions for tenths; with fewer, each has too few."""
UNREAD = "not read"
MOST_VALUES = 12

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Scores of one metric for each cell and each subset of the questions.

    Attributes:
        by: property that separates the parts.
        metric: label.
        parts: names of the parts.
        rows: a cell and its score in each part; `n` of an interval is the number of questions.
    """

    by: str
    metric: str
    parts: tuple[str, ...]
    rows: tuple[tuple[CellResult, tuple[Interval, ...]], ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question on which the scores of cells differ.

    Attributes:
        question: its id.
        metric: that they differ in.
        spread: highest minus lowest score.
    """

    question: str
    metric: str
    spread: float


def by_task(cells: Sequence[CellResult], metrics: Sequence[str]) -> list[Breakdown]:
    """Returns a breakdown by task for each metric with scores; empty if there are fewer than two tasks."""
    return [one for metric in metrics for one in _by_fact(cells, metric, "task", lambda facts: facts["task"])]


def by_tag(cells: Sequence[CellResult], metric: str, tag: str) -> list[Breakdown]:
    """Returns a list with the breakdown by the values of a tag; empty if fewer than two values have scores."""
    return _by_fact(cells, metric, tag, lambda facts: facts["tags"].get(tag))


def tags(cells: Sequence[CellResult]) -> list[str]:
    """Returns the tags suitable for grouping questions: numbers, and words with 2 to 12 values that repeat."""
    values: dict[str, dict[str, object]] = {}
    for examples in {id(cell.examples): cell.examples for cell in cells}.values():
        for name, facts in examples.items():
            for tag, value in facts["tags"].items():
                if isinstance(value, (str, int, float, bool)):
                    values.setdefault(tag, {})[name] = value
    return [tag for tag, own in values.items() if binned(own) or 2 <= len(set(_words(own))) <= _most(own)]


def _most(own: Mapping[str, object]) -> int:
    return min(MOST_VALUES, len(own) - 1)


def _words(own: Mapping[str, object]) -> list[str]:
    return [str(value) for value in own.values()]


def by_position(
    cells: Sequence[CellResult],
    metric: str,
    where: Literal["document", "context"],
    texts: Mapping[str, str] | None = None,
) -> list[Breakdown]:
    """Returns a list with the breakdown by evidence position: in tenths from 100 questions on, otherwise in thirds.

    Args:
        cells: over one data set.
        metric: label.
        where: in the documents, or in the text that each cell sent, where unsent evidence is a part of its own.
        texts: documents by id, for their lengths; see `document_lengths`.
    """
    if where == "document":
        lengths = document_lengths(cells, texts)
        asked = {id(cell.examples): cell.examples for cell in cells}  # cells share them
        positions = {key: _document_positions(examples, lengths) for key, examples in asked.items()}
        places = _aligned(cells, positions)
        located = [len(positions[id(cell.examples)]) for cell in cells]
        known = [bool(count) for count in located]
    else:
        columns = [cell.columns.numbers["evidence_position"] for cell in cells]
        places = [[None if isnan(place) else place for place in own] for own in columns]
        located = [len(own) - own.count(None) for own in places]
        # A cell that sent no evidence at all, such as closed book, has no positions to compare.
        known = [any(place is not None and place >= 0 for place in own) for own in places]
    bins = DECILES if max(located, default=0) >= DECILES_FROM else THIRDS
    names = (*bins, UNREAD) if where == "context" else bins
    part_of = [*bins, bins[-1], UNREAD]  # of a place times the number of bins; the last one is that of -1
    count = len(bins)
    parts = [[None if one is None else part_of[max(-1, int(one * count))] for one in own] for own in places]
    by = f"position of the evidence in the {where}"
    return _broken_down(list(compress(cells, known)), metric, by, names, list(compress(parts, known)))


def _document_positions(
    examples: Mapping[str, Mapping[str, Any]], lengths: Mapping[str, int]
) -> dict[str, float | None]:
    """Returns the position of each question's evidence in its documents, where it is known."""
    found = {name: document_position(facts, lengths) for name, facts in examples.items() if facts["evidence"]}
    return {name: place for name, place in found.items() if place is not None}


def document_position(facts: Mapping[str, Any], lengths: Mapping[str, int]) -> float | None:
    """Returns the relative position of a question's evidence in its documents, from 0 to 1; None if unknown."""
    if any(document not in lengths for document in facts["documents"]):
        return None
    evidence = covered(Span(*span) for span in facts["evidence"])
    return context_position(evidence, [(document, 0, lengths[document]) for document in facts["documents"]])


def document_lengths(cells: Sequence[CellResult], texts: Mapping[str, str] | None = None) -> dict[str, int]:
    """Returns the number of characters of each document of one data set.

    They are in the results folder; for older folders, in `texts`. Without both, a document is assumed to end with the
    last passage that any cell read or ranked, which is exact if one cell read all of it.
    """
    stored: dict[str, int] = {}
    named: set[str] = set()
    for examples in {id(cell.examples): cell.examples for cell in cells}.values():
        for facts in examples.values():
            named.update(facts["documents"])
            stored.update(zip(facts["documents"], facts.get("characters", ()), strict=False))
    if named <= stored.keys():
        return stored
    furthest: dict[str, int] = {}
    for answer in (row.answer for cell in cells for row in cell.rows.values() if row.answer is not None):
        for span in (*answer.context, *(hit.chunk.span for hit in answer.ranking)):
            furthest[span.document_id] = max(furthest.get(span.document_id, 0), span.end)
    given = {name: len(text) for name, text in (texts or {}).items() if len(text) >= furthest.get(name, 0)}
    return furthest | given | stored


def disagreements(cells: Sequence[CellResult], metrics: Sequence[str], limit: int) -> list[Disagreement]:
    """Returns the questions on which the scores of cells over one data set differ most, largest spread first.

    A question is judged by the first metric that applies to it; controls do not count.
    """
    rivals = [cell for cell in cells if not cell.control]
    names = rivals[0].examples if rivals else ()
    spreads: dict[str, tuple[float, str, list[float]]] = {}
    left = dict.fromkeys(names)
    for metric in metrics:
        columns = [cell.scores(metric) for cell in rivals]
        for name in list(left):
            scores = [score for column in columns if (score := column.get(name)) is not None]
            if len(scores) >= 2:
                del left[name]
                spreads[name] = max(scores) - min(scores), metric, scores
    widest = sorted({spread for spread, _, _ in spreads.values() if spread}, reverse=True)
    found: list[Disagreement] = []
    for spread in widest:
        alike = [(name, *spreads[name][1:]) for name in names if name in spreads and spreads[name][0] == spread]
        alike.sort(key=lambda one: -pvariance(one[2]))
        found += [Disagreement(name, metric, spread) for name, metric, _ in alike]
        if len(found) >= limit:
            break
    return found[:limit]


def _by_fact(
    cells: Sequence[CellResult], metric: str, by: str, value: Callable[[Mapping[str, Any]], object]
) -> list[Breakdown]:
    asked = {id(cell.examples): cell.examples for cell in cells}  # cells share them
    there = {
        key: {name: one for name, facts in examples.items() if (one := value(facts)) is not None}
        for key, examples in asked.items()
    }
    if bins := binned({name: one for own in there.values() for name, one in own.items()}):
        groups = {key: {name: bins.label(one) for name, one in own.items()} for key, own in there.items()}
        parts = [label for label in bins.labels if any(label in own.values() for own in groups.values())]
    else:
        groups = {key: {name: str(one) for name, one in own.items()} for key, own in there.items()}
        parts = sorted({part for own in groups.values() for part in own.values()}, key=_natural)
    return _broken_down(cells, metric, by, parts, _aligned(cells, groups)) if len(parts) > 1 else []


def _aligned(cells: Sequence[CellResult], found: Mapping[int, Mapping[str, ValueT]]) -> list[list[ValueT | None]]:
    """Returns, for each cell, what was found of its rows' questions, in the order of its columns.

    Args:
        cells: in any order.
        found: by the identity of the questions, which cells share, and by question.
    """
    asked = {id(cell.examples): cell.examples for cell in cells}
    whole = {key: [found[key].get(name) for name in examples] for key, examples in asked.items()}
    return [
        whole[id(cell.examples)]
        if len(cell.columns.ids) == len(cell.examples)
        else [found[id(cell.examples)].get(name) for name in cell.columns.ids]
        for cell in cells
    ]


def _natural(text: str) -> tuple[bool, float, str]:
    """Returns a sort key that orders numbers by size and puts them before words."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _broken_down(
    cells: Sequence[CellResult], metric: str, by: str, parts: Sequence[str], groups: Sequence[Sequence[str | None]]
) -> list[Breakdown]:
    """Returns a list with the breakdown of a metric by the given parts; empty if no part has a score.

    Args:
        cells: with scores.
        metric: label.
        by: what the parts are.
        parts: in order.
        groups: part of each row's question, for each cell, in the order of its columns.
    """
    rows = []
    for cell, own in zip(cells, groups, strict=True):
        members: dict[str | None, tuple[list[float | None], list[str]]] = {part: ([], []) for part in parts}
        for part, score, cluster in zip(own, cell.columns.scored(metric), cell.row_clusters, strict=True):
            if part in members:
                scores, clusters = members[part]
                scores.append(score)
                clusters.append(cluster)
        found = [mean_interval(*both) for both in members.values()]
        if cell.raced is not None:
            found = [replace(one, low=None, high=None) for one in found]
        rows.append((cell, tuple(found)))
    filled = [place for place in range(len(parts)) if any(row[place].n for _, row in rows)]
    if not filled:
        return []
    kept = tuple((cell, tuple(row[place] for place in filled)) for cell, row in rows)
    return [Breakdown(by, metric, tuple(parts[place] for place in filled), kept)]
