"""Checks of one cell: its rows, their coverage of the questions, their scores, and the summary."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragvlc.core.answer import Prediction
from ragvlc.core.component import Component
from ragvlc.core.data import Example
from ragvlc.core.errors import DerivedError
from ragvlc.core.families import Embedder, Generator, Metric
from ragvlc.core.run import Engines
from ragvlc.core.texts import several
from ragvlc.integrity.findings import CheckFinding, State
from ragvlc.results.completeness import is_unfinished
from ragvlc.results.derived import what_is_wrong
from ragvlc.results.lines import RowFindings, read_lines, row_of
from ragvlc.results.questions import stored_row_key
from ragvlc.results.races import CellRace
from ragvlc.results.rows import HASHED_VERSION
from ragvlc.results.store import CellStore
from ragvlc.sweep.derived import write_summary_anew
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.planned import stored_rows
from ragvlc.sweep.scoring import QuestionSet, current_rows, failed_scores
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import cell_summary, is_complete

__all__ = ["CellCheck", "ScoreCounts", "Scoring", "is_deterministic"]

_SHOWN = 3


@dataclass
class ScoreCounts:
    """Counts over all cells, for one line about what was compared.

    Attributes:
        rows: that were read.
        cells: that were checked.
        scores: recomputed.
    """

    rows: int = 0
    cells: int = 0
    scores: int = 0


class Scoring:
    """Recomputes the scores of a cell's rows, one after the other, with the metrics that need no model.

    Args:
        cell: whose rows they are.
        asked: its questions.
        engines: for the metrics.

    Attributes:
        wrong: ids of rows with another score, by metric.
        broken: ids of rows on which a metric fails now, by metric.
        mended: the rows with other scores, with the right ones.
    """

    def __init__(self, cell: Cell, asked: QuestionSet, engines: Engines) -> None:
        self._cell = cell
        self._asked = asked
        self._engines = engines
        self._metrics = [metric for metric in asked.metrics if is_deterministic(metric)]
        self._counted: dict[str, int] = {}
        self.wrong: dict[str, set[str]] = {}
        self.broken: dict[str, set[str]] = {}
        self.mended: dict[str, Prediction] = {}

    @property
    def count(self) -> int:
        """Number of scores recomputed, of the rows that count."""
        return sum(self._counted.values())

    def add(self, row: Prediction) -> None:
        """Recomputes the scores of a row, which replaces an earlier one of its question."""
        name = row.example_id
        for found in (*self.wrong.values(), *self.broken.values()):
            found.discard(name)
        self.mended.pop(name, None)
        self._counted[name] = 0
        example = self._asked.by_id.get(name)
        if example is None or row.example_key != self._asked.row_key(example, control=self._cell.control):
            return
        keys = self._asked.scored_by(example)
        right = dict(row.scores)
        for metric in self._metrics:
            label = metric.label
            if row.scored_by.get(label) != keys[label]:
                continue
            self._counted[name] += 1
            try:
                score = _score(metric, row, example, self._engines)
            except Exception:  # noqa: BLE001 - a metric's own code: it gave a score before
                self.broken.setdefault(label, set()).add(name)
                continue
            if not _equal(score, row.scores.get(label)):
                self.wrong.setdefault(label, set()).add(name)
                right[label] = score
                self.mended[name] = replace(row, scores=right)


def is_deterministic(part: Component) -> bool:
    """Returns whether a metric gives the same score again without a model, so that it can be recomputed."""
    inner = part.parts()
    models = any(isinstance(one, Generator | Embedder) for one in inner)
    return not part.random and not models and all(is_deterministic(one) for one in inner)


class CellCheck:
    """Checks one cell; its rows are read once, and held without their answers.

    Args:
        run: name of the results folder.
        name: of the cell.
        store: of its rows.
        counts: that this cell is added to.
        scoring: recomputes its scores; None if that cannot be done.

    Attributes:
        rows: that count, by example id, without answers and scores.
    """

    def __init__(
        self, run: str, name: str, store: CellStore, counts: ScoreCounts, scoring: Scoring | None = None
    ) -> None:
        self._run = run
        self._name = name
        self._store = store
        self._counts = counts
        self._scoring = scoring
        self._file = RowFindings()
        self._unreadable: list[int] = []
        self.rows: dict[str, Prediction] = {}
        for line in read_lines(store.folder / "predictions.jsonl", store.folder.name):
            if self._file.add(line):
                try:
                    row = row_of(line.data)
                except ValueError:
                    self._unreadable.append(line.number)
                else:
                    self.rows[row.example_id] = replace(row, answer=None, scores={}, unknown={}, flags=())
                    if scoring is not None:
                        scoring.add(row)
        counts.scores += 0 if scoring is None else scoring.count
        counts.rows += len(self.rows)
        counts.cells += 1

    def row_findings(self) -> Iterator[CheckFinding]:
        """Yields the lines that are damaged, repeated or unusual."""
        file = self._file
        if file.damaged:
            lines = [f"{line.number} ({line.fault})" for line in file.damaged]
            found = f"{several(len(lines), 'damaged or foreign line')}: {_first(lines)}"
            yield self._rewritten(found, "they are taken out, and copied to predictions.jsonl.damaged")
        if file.repeated:
            found = f"{several(len(file.repeated), 'intact line')} of questions that have a row already"
            yield self._rewritten(found, "they are taken out; the first row counts, as now")
        if file.oddities:
            found = ", ".join(f"{what} ({count})" for what, count in file.oddities.items())
            yield self._rewritten(f"{found}; the rows are intact", "written without them")
        if self._unreadable:
            found = f"intact lines that this version cannot read: {_first([str(one) for one in self._unreadable])}"
            yield self._finding("rows", "open", found, "take them out of predictions.jsonl, and ragvlc run asks again")
        if unhashed := sum(row.version < HASHED_VERSION for row in self.rows.values()):
            found = f"{several(unhashed, 'row')} of an earlier version without a hash"
            yield self._finding("rows", "note", found, "damage inside them cannot be noticed")

    def coverage(
        self, cell: Mapping[str, Any], questions: Sequence[Mapping[str, Any]], race: CellRace | None = None
    ) -> Iterator[CheckFinding]:
        """Yields what is missing for these questions, and what is there beside them.

        Args:
            cell: its facts in `cells.json`.
            questions: facts of all of them.
            race: what a race or search says of the cell: questions that it does not ask are not missing, but counted.
        """
        wanted = {one["id"]: stored_row_key(one, control=bool(cell["control"])) for one in questions}
        absent = [name for name in wanted if name not in self.rows]
        unasked = set() if race is None else race.unasked({one["id"]: one for one in questions})
        missing = [name for name in absent if name not in unasked]
        changed = [name for name, key in wanted.items() if name in self.rows and self.rows[name].example_key != key]
        current = {name: self.rows[name] for name, key in wanted.items() if name in self.rows and name not in changed}
        failed = [name for name, row in current.items() if row.failure is not None]
        passing = [name for name in failed if is_unfinished(current[name], cell["metrics"])]
        stopped = len(failed) > cell.get("max_failures", 1.0) * len(wanted)
        if missing:
            found = f"{len(missing)} of {len(wanted)} questions have no row ({_first(missing)})"
            remedy = "too many others failed: ragvlc run --retry failed" if stopped else "ragvlc run asks them"
            yield self._finding("coverage", "open", found, remedy)
        if race is not None and len(absent) > len(missing):
            found = f"{several(len(absent) - len(missing), 'question')} not asked: {race.mark}"
            yield self._finding("coverage", "note", found, "as the strategy decided")
        if changed:
            found = f"{several(len(changed), 'row')} of questions that have changed since ({_first(changed)})"
            yield self._finding("coverage", "open", found, "ragvlc run asks them again; the rows stay")
        if passing:
            found = f"{several(len(passing), 'question')} failed for the moment ({_first(passing)})"
            yield self._finding("coverage", "open", found, "ragvlc run asks them again")
        if lasting := len(failed) - len(passing):
            found = f"{several(lasting, 'question')} failed"
            yield self._finding("coverage", "note", found, "ragvlc run --retry failed asks them again")
        if extra := [name for name in self.rows if name not in wanted]:
            found = f"{several(len(extra), 'row')} of questions that are not asked ({_first(extra)})"
            yield self._finding("coverage", "note", found, "they stay, and count in no table")

    def scores(self, cell: Cell, asked: QuestionSet, *, moved: bool = False) -> Iterator[CheckFinding]:
        """Yields stored scores that are not those of the metrics, recomputed where no model is needed.

        Args:
            cell: as stored.
            asked: its questions.
            moved: whether its models have changed, so that the sweep as it is now scores the answers of another cell.
        """
        rows = current_rows(self.rows, asked, control=cell.control)
        mended = {} if self._scoring is None else self._scoring.mended
        for label, names in self._in_order(asked, {} if self._scoring is None else self._scoring.wrong):
            found = f"{label}: {several(len(names), 'stored score')} other than recomputed ({_first(names)})"
            yield self._finding("scores", "repair", found, "the recomputed ones are stored", self._append(mended))
        for label, names in self._in_order(asked, {} if self._scoring is None else self._scoring.broken):
            found = f"{label}: fails now on {several(len(names), 'answer')} that it scored ({_first(names)})"
            yield self._finding("scores", "open", found, "mend the metric")
        if stale := [name for name, row in rows.items() if dict(row.scored_by) != asked.scored_by(asked.by_id[name])]:
            found = f"{several(len(stale), 'row')} without current scores ({_first(stale)})"
            remedy = (
                "ragvlc run asks the cell anew: see models" if moved else "ragvlc score scores them; nothing is asked"
            )
            yield self._finding("scores", "open", found, remedy)

    def _in_order(self, asked: QuestionSet, found: Mapping[str, Collection[str]]) -> Iterator[tuple[str, list[str]]]:
        """Yields the ids of each metric in the order of the questions."""
        for label in (metric.label for metric in asked.metrics if found.get(metric.label)):
            yield label, [one.id for one in asked.examples if one.id in found[label]]

    def summary(self, cell: Cell, asked: QuestionSet, sweep: Sweep) -> Iterator[CheckFinding]:
        """Yields how the summary differs from the rows."""
        rows = current_rows(self.rows, asked, control=cell.control)

        def anew() -> None:
            write_summary_anew(cell, self._store, asked, sweep)

        scored = all(dict(rows[one.id].scored_by) == asked.scored_by(one) for one in asked.examples if one.id in rows)
        complete = is_complete(self._store, rows, asked, sweep)
        try:
            summary = self._store.checked_summary()
        except DerivedError as error:
            found = what_is_wrong(error).partition("summary.json: ")[2]
            remedy = "made anew from the rows" if complete and scored else "deleted; ragvlc run writes it at the end"
            yield self._finding("summary", "repair", found, remedy, anew)
            return
        if not complete:
            if summary is not None:
                yield self._finding("summary", "repair", "the cell is not complete, and has a summary", "deleted", anew)
            return
        if summary is None:
            if scored:
                yield self._finding("summary", "repair", "all rows are there, and no summary", "made anew", anew)
            return
        if not scored:  # the check of scores says so
            return
        said = set(self._file.sentences(self._store.folder / "predictions.jsonl"))  # they are findings already
        whole = stored_rows(cell, CellStore(self._store.folder, said), asked)
        made = json.loads(json.dumps(cell_summary(cell, "complete", whole, asked)))
        differing = sorted(name for name in made.keys() & summary.keys() if not _alike(made[name], summary[name]))
        if unknown := sorted(summary.keys() - made.keys() - {"tried"}):
            found = f"has fields that this version does not write: {_first(unknown)}"
            yield self._finding("summary", "repair", found, "made anew", anew)
        if differing:
            yield self._finding("summary", "repair", f"differs from the rows in {_first(differing)}", "made anew", anew)
        if lacking := sorted(made.keys() - summary.keys()):
            found = f"lacks {_first(lacking)}: an earlier version wrote it"
            yield self._finding("summary", "note", found, "the figures of reports come from the rows")

    def _rewritten(self, found: str, remedy: str) -> CheckFinding:
        def rewrite() -> None:
            self._store.repair()

        return self._finding("rows", "repair", found, f"the file is written anew; {remedy}", rewrite)

    def _append(self, rows: dict[str, Prediction]) -> Callable[[], None]:
        def append() -> None:
            for row in rows.values():
                self._store.append(row)
            self._store.sync()
            rows.clear()  # the findings of several metrics share them

        return append

    def _finding(
        self, check: str, state: State, found: str, remedy: str = "", repair: Callable[[], None] | None = None
    ) -> CheckFinding:
        return CheckFinding(self._run, self._name, check, state, found, remedy, repair)


def _score(metric: Metric, row: Prediction, example: Example, engines: Engines) -> float | None:
    if row.answer is None:
        return failed_scores(example, [metric])[metric.label]
    return metric.assess(row.answer, example, engines).value


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _alike(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON
    """Returns whether two JSON values are equal; numbers up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_alike(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
