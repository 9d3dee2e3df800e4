"""Scores by task, tag and position of the evidence, and the questions on which cells disagree most.

The position of the evidence has two meanings: in the documents of a question (joined in their order), and in the text
that a cell actually sent, which depends on retrieval, order and truncation. Both are from 0 to 1 and are means over the
evidence's characters; evidence that was sent twice counts twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import pvariance
from typing import TYPE_CHECKING, Any, Literal

from ragvlc.analysis.bins import binned
from ragvlc.core.data import Span, covered
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult

__all__ = [
    "Breakdown",
    "Disagreement",
    "by_position",
    "by_tag",
    "by_task",
    "context_position",
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
    for cell in cells:
        for name, facts in cell.examples.items():
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
    lengths = document_lengths(cells, texts)
    places: list[dict[str, float | None]] = []
    for cell in cells:
        located = {name: facts for name, facts in cell.examples.items() if facts["evidence"]}
        if where == "document":
            found = {name: document_position(facts, lengths) for name, facts in located.items()}
            places.append({name: place for name, place in found.items() if place is not None})
        else:
            answered = {name: cell.rows[name].answer for name in located if name in cell.rows}
            sent = {name: answer.context for name, answer in answered.items() if answer is not None}
            places.append({name: context_position(located[name], context) for name, context in sent.items()})
    bins = DECILES if max(map(len, places), default=0) >= DECILES_FROM else THIRDS
    names = (*bins, UNREAD) if where == "context" else bins

    def part(place: float | None) -> str:
        return UNREAD if place is None else bins[min(int(place * len(bins)), len(bins) - 1)]

    # A cell that sent no evidence at all, such as closed book, has no positions to compare.
    kept = [
        (cell, own) for cell, own in zip(cells, places, strict=True) if any(one is not None for one in own.values())
    ]
    groups = [{name: part(place) for name, place in own.items()} for _, own in kept]
    by = f"position of the evidence in the {where}"
    return _broken_down([cell for cell, _ in kept], metric, by, names, groups)


def document_position(facts: Mapping[str, Any], lengths: Mapping[str, int]) -> float | None:
    """Returns the relative position of a question's evidence in its documents, from 0 to 1; None if unknown."""
    if any(document not in lengths for document in facts["documents"]):
        return None
    whole = [Span(document, 0, lengths[document]) for document in facts["documents"]]
    return context_position(facts, whole)


def context_position(facts: Mapping[str, Any], context: Sequence[Span]) -> float | None:
    """Returns the relative position of a question's evidence in the context, from 0 to 1; None if it was not sent."""
    evidence = covered(Span(*span) for span in facts["evidence"])
    at = count = weighted = 0
    for span in context:
        for one in evidence:
            start, end = max(one.start, span.start), min(one.end, span.end)
            if one.document_id == span.document_id and start < end:
                count += end - start
                weighted += (end - start) * (2 * at + start + end - 2 * span.start)
        at += len(span)
    return weighted / (2 * count * at) if count else None


def document_lengths(cells: Sequence[CellResult], texts: Mapping[str, str] | None = None) -> dict[str, int]:
    """Returns the number of characters of each document of one data set.

    They are in the results folder; for older folders, in `texts`. Without both, a document is assumed to end with the
    last passage that any cell read or ranked, which is exact if one cell read all of it.
    """
    stored: dict[str, int] = {}
    named: set[str] = set()
    for cell in cells:
        for facts in cell.examples.values():
            named.update(facts["documents"])
            stored |= dict(zip(facts["documents"], facts.get("characters", ()), strict=False))
    if named <= stored.keys():
        return stored
    furthest: dict[str, int] = {}
    for cell in cells:
        answers = [row.answer for row in cell.rows.values() if row.answer is not None]
        spans = [span for answer in answers for span in answer.context]
        spans += [hit.chunk.span for answer in answers for hit in answer.ranking]
        for span in spans:
            furthest[span.document_id] = max(furthest.get(span.document_id, 0), span.end)
    given = {name: len(text) for name, text in (texts or {}).items() if len(text) >= furthest.get(name, 0)}
    return furthest | given | stored


def disagreements(cells: Sequence[CellResult], metrics: Sequence[str], limit: int) -> list[Disagreement]:
    """Returns the questions on which the scores of cells over one data set differ most, largest spread first.

    A question is judged by the first metric that applies to it; controls do not count.
    """
    rivals = [cell for cell in cells if not cell.control]
    found = []
    for name in rivals[0].examples if rivals else ():
        rows = [cell.rows[name].scores for cell in rivals if name in cell.rows]
        for metric in metrics:
            scores = [score for row in rows if (score := row.get(metric)) is not None]
            if len(scores) < 2:
                continue
            if spread := max(scores) - min(scores):
                found.append((Disagreement(name, metric, spread), pvariance(scores)))
            break
    found.sort(key=lambda pair: (-pair[0].spread, -pair[1]))
    return [one for one, _ in found[:limit]]


def _by_fact(
    cells: Sequence[CellResult], metric: str, by: str, value: Callable[[Mapping[str, Any]], object]
) -> list[Breakdown]:
    found = [{name: value(facts) for name, facts in cell.examples.items()} for cell in cells]
    known = [{name: one for name, one in own.items() if one is not None} for own in found]
    if bins := binned({name: one for own in known for name, one in own.items()}):
        groups = [{name: bins.label(one) for name, one in own.items()} for own in known]
        parts = [label for label in bins.labels if any(label in own.values() for own in groups)]
    else:
        groups = [{name: str(one) for name, one in own.items()} for own in known]
        parts = sorted({part for own in groups for part in own.values()}, key=_natural)
    return _broken_down(cells, metric, by, parts, groups) if len(parts) > 1 else []


def _natural(text: str) -> tuple[bool, float, str]:
    """Returns a sort key that orders numbers by size and puts them before words."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _broken_down(
    cells: Sequence[CellResult], metric: str, by: str, parts: Sequence[str], groups: Sequence[Mapping[str, str]]
) -> list[Breakdown]:
    """Returns a list with the breakdown of a metric by the given parts; empty if no part has a score."""
    rows = []
    for cell, own in zip(cells, groups, strict=True):
        scores = cell.scores(metric)
        found = []
        for part in parts:
            names = [name for name, value in own.items() if value == part and name in scores]
            found.append(mean_interval([scores[name] for name in names], [cell.examples[n]["cluster"] for n in names]))
        rows.append((cell, tuple(found)))
    filled = [place for place in range(len(parts)) if any(row[place].n for _, row in rows)]
    if not filled:
        return []
    kept = tuple((cell, tuple(row[place] for place in filled)) for cell, row in rows)
    return [Breakdown(by, metric, tuple(parts[place] for place in filled), kept)]
