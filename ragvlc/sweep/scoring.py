"""Scoring of rows, and the check that stored scores are up to date with the metrics."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ragvlc.core.answer import Failure, Prediction, Usage
from ragvlc.core.data import Example, content_key
from ragvlc.core.errors import StoreError
from ragvlc.core.families import Generator, Metric, Score
from ragvlc.core.run import Engines
from ragvlc.documents.dataset import Examples
from ragvlc.pipeline import Pipeline
from ragvlc.results.questions import StoredQuestions, stored_row_key
from ragvlc.results.rows import REPLY_VERSION
from ragvlc.results.store import CellStore
from ragvlc.results.summary import example_facts, questions_key
from ragvlc.sweep.rereading import read_again

__all__ = ["QuestionSet", "RowStates", "current_rows", "score", "scored"]


class QuestionSet:
    """The questions of one data set with the metrics; their keys are computed once for all cells.

    Attributes:
        examples: in the order of the data set.
        by_id: the same by id.
        skipped: examples that the data set left out, by reason.
        notes: a sentence each about how the questions were read.
        metrics: in the order of their columns.
        facts: stored facts of each example.
        questions: the same facts as results need them.
        data_key: hash of the questions and their gold.
        key: hash of those and the metrics; identifies a summary.
    """

    def __init__(self, examples: Sequence[Example], metrics: Sequence[Metric]) -> None:
        self.examples = tuple(examples)
        self.skipped = dict(examples.skipped) if isinstance(examples, Examples) else {}
        self.notes = examples.notes if isinstance(examples, Examples) else ()
        self.metrics = tuple(metrics)
        self.facts = tuple(example_facts(example) for example in examples)
        keys = {metric.label: metric.key for metric in metrics}
        self.data_key = questions_key(self.facts)
        self.key = content_key([self.data_key, keys])
        self.by_id = {example.id: example for example in examples}
        self.questions = StoredQuestions(self.facts)
        self._scored_by = {
            one["id"]: {label: content_key([key, one["gold_key"]])[:16] for label, key in keys.items()}
            for one in self.facts
        }

    def row_key(self, example: Example, *, control: bool) -> str:
        """Returns the key that a row of `example` must have; rows of controls depend on its gold too."""
        return stored_row_key(self.questions.by_id[example.id], control=control)

    def group(self, example: Example) -> str:
        """Returns the hash of the example's documents; questions with the same hash should be answered together."""
        return str(self.questions.by_id[example.id]["group"])

    def scored_by(self, example: Example) -> dict[str, str]:
        """Returns, for each metric, the hash of everything that its score depends on, except the answer."""
        return self._scored_by[example.id]


def failed_scores(example: Example, metrics: Sequence[Metric]) -> dict[str, float | None]:
    """Returns the scores of an example without an answer: the worst score of every metric that applies."""
    return {metric.label: metric.worst if metric.applies(example) else None for metric in metrics}


def score(
    row: Prediction, example: Example, asked: QuestionSet, engines: Engines, held: Collection[str] = frozenset()
) -> Prediction:
    """Returns the row with its scores; if a metric raises an error, the row becomes a failure and can be scored again.

    A missing score is left out of `scored_by`, so that it is tried again.

    Args:
        row: to score.
        example: that it is about.
        asked: has the metrics.
        engines: that metrics may ask.
        held: labels of metrics whose stored scores are taken over, with their flags and their usage.
    """
    metrics, scored_by = asked.metrics, asked.scored_by(example)
    found: dict[str, Score] = {}
    scores: dict[str, float | None] = {}
    try:
        if row.answer is None:
            return replace(row, scores=failed_scores(example, metrics), scored_by=scored_by, flags=())
        for metric in metrics:
            if metric.label in held:
                flags = tuple(flag for flag in row.flags if flag in metric.score_flags)
                found[metric.label] = Score(row.scores[metric.label], flags)
            else:
                found[metric.label] = metric.assess(row.answer, example, engines)
            scores[metric.label] = _finite(found[metric.label].value)
    except Exception as error:  # noqa: BLE001 - a metric that fails on one answer is a row
        failure = row.failure if row.answer is None else _failure(metrics[len(scores)], error)
        return replace(row, failure=failure, scores={}, scored_by={}, flags=())
    return replace(
        row,
        failure=None,
        scores=scores,
        scored_by={label: key for label, key in scored_by.items() if not found[label].missing},
        flags=tuple(dict.fromkeys([*row.answer.flags, *(flag for one in found.values() for flag in one.flags)])),
        scoring=sum((one.usage for one in found.values()), row.scoring if held else Usage()),
    )


def _failure(metric: Metric, error: Exception) -> Failure:
    """Returns a failure whose message contains the metric's name in addition to the error."""
    failure = Failure.of("score", error)
    return replace(failure, message=f"metric {metric.label}: {failure.message or 'no message'}")


def _finite(score: float | None) -> float | None:
    if score is None:
        return None
    if not math.isfinite(score):
        raise ValueError(f"{score} is no score, which is a finite number or None")
    return float(score)


def current_rows(rows: Mapping[str, Prediction], asked: QuestionSet, *, control: bool) -> dict[str, Prediction]:
    """Returns the rows that belong to the current questions, in the order of the questions."""
    return {
        example.id: row
        for example in asked.examples
        if (row := rows.get(example.id)) and row.example_key == asked.row_key(example, control=control)
    }


class RowStates:
    """Which stored rows of a cell are failures, and which another run may complete; no row itself.

    Attributes:
        failed: ids of questions whose row is a failure.
        open: ids of questions whose row is a transient failure, or lacks a score.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self.failed: set[str] = set()
        self.open: set[str] = set()
        self._labels = set(labels)

    def forget(self, name: str) -> None:
        """Removes a question that has no row any more."""
        self.failed.discard(name)
        self.open.discard(name)

    def note(self, name: str, scored_by: Mapping[str, str], failure: Failure | None) -> None:
        """Registers the row of a question, in place of an earlier one."""
        self.forget(name)
        if failure is not None:
            self.failed.add(name)
        if not self._labels <= scored_by.keys() if failure is None else failure.transient:
            self.open.add(name)


def _judged(row: Prediction, asked: QuestionSet) -> set[str]:
    """Returns the labels of metrics with generators whose stored score is current: nobody pays for it again."""
    wanted = asked.scored_by(asked.by_id[row.example_id])
    return {
        metric.label
        for metric in asked.metrics
        if row.scored_by.get(metric.label) == wanted[metric.label]
        and metric.label in row.scores
        and any(isinstance(part, Generator) for part in metric.parts())
    }


def scored(store: CellStore, asked: QuestionSet, engines: Engines, *, pipeline: Pipeline, control: bool) -> RowStates:
    """Brings the scores of stored rows up to date, and returns their states; changed rows replace those of before."""
    stale: dict[str, tuple[int, int]] = {}
    found = RowStates(metric.label for metric in asked.metrics)
    for line, row in store.each():
        example = asked.by_id.get(row.id)
        if example is None:
            continue
        stale.pop(example.id, None)
        current = row.example_key == asked.row_key(example, control=control)
        if current and (row.version < REPLY_VERSION or row.scored_by != asked.scored_by(example)):
            stale[example.id] = line.start, len(line.data)
        elif current:
            found.note(example.id, row.scored_by, row.failure)
        else:
            found.forget(example.id)
    for name in (one.id for one in asked.examples if one.id in stale):
        stored = store.row(*stale[name])
        if stored is None:
            raise StoreError(f"{store.folder}: its rows were changed while they were read. Run this again.")
        again = read_again(stored, pipeline) if stored.version < REPLY_VERSION else stored
        if dict(again.scored_by) != asked.scored_by(asked.by_id[name]):
            held = _judged(again, asked) if again is stored else ()
            before, again = again, score(again, asked.by_id[name], asked, engines, held)
            if again != before:
                store.append(again)
        found.note(name, again.scored_by, again.failure)
    return found
