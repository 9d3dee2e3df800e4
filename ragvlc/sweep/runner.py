"""The dull loop: what is owed, threads over examples, a row each, a summary at the end.

The disk is the truth. Killing the process at any moment loses at most the answers in flight; running again asks only
what is missing. A bad example is a row, not a crash; too many stop the cell.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ragvlc import config
from ragvlc.core.answer import Failure, Prediction
from ragvlc.core.data import Example, documents_key
from ragvlc.core.errors import EngineError
from ragvlc.pool import EnginePool
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.results import Results
from ragvlc.sweep.scoring import Asked, failure_of, score, scored
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.store import CellStore, SweepStore
from ragvlc.sweep.tracking import Finish, Tracking, cell_record, cell_summary, write_plan

__all__ = ["Outcome", "Watcher", "run_sweep"]

log = logging.getLogger("ragvlc")


class Watcher(Protocol):
    """Told what happens, from the thread that called `run_sweep`."""

    def planned(self, cells: Sequence[Cell], owed: int, total: int) -> None:
        """So many of all answers are still owed."""
        ...

    def cell(self, cell: Cell, owed: int) -> None:
        """A cell starts."""
        ...

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """A row was written."""
        ...

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """A cell ended."""
        ...


class _Silent:
    def planned(self, cells: Sequence[Cell], owed: int, total: int) -> None:
        """Says nothing."""

    def cell(self, cell: Cell, owed: int) -> None:
        """Says nothing."""

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Says nothing."""

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Says nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        folder: where its results are.
        status: by cell key: `complete`, `stopped` (too many failures), or `owing` (transient failures: run again).
        asked: answers by stage that were asked for, in this process.
        computed: of those, really computed.
        untracked: why the tracker was not told, or None.
    """

    folder: Path
    status: Mapping[str, str]
    asked: Mapping[str, int]
    computed: Mapping[str, int]
    untracked: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every cell is."""
        return all(status == "complete" for status in self.status.values())

    def results(self) -> Results:
        """Returns what is on disk, as tables."""
        return Results.load(self.folder)


def run_sweep(
    sweep: Sweep,
    runs: str | Path = "runs",
    *,
    retry_failed: bool = False,
    watcher: Watcher | None = None,
    pool: EnginePool | None = None,
    finish: Finish | None = None,
) -> Outcome:
    """Runs what a sweep still owes and returns how it ended.

    Args:
        sweep: what to compare.
        runs: folder of all results; this sweep's are in `runs/<name>`.
        retry_failed: ask failed questions again, not only those that failed for a passing reason.
        watcher: told about progress.
        pool: opened models to work with; left open. Without one, models are opened and closed here.
        finish: called with the results folder after the last cell; makes files about the sweep, such as figures, and
            returns them by the place where the tracker shows them.

    Raises:
        ConfigError, DatasetError, StoreError: before anything is computed.
    """
    cells = plan(sweep)
    told = watcher or _Silent()
    with SweepStore(Path(runs) / sweep.name) as store, _pool(pool) as open_pool:
        asked = write_plan(sweep, cells, store)
        owing = [_Owing(cell, asked[cell.dataset.key], store.cell(cell.key), retry_failed) for cell in cells]
        told.planned(cells, sum(len(one.owed) for one in owing), sum(len(one.asked.examples) for one in owing))
        status: dict[str, str] = {}
        with Tracking(sweep, store, asked) as tracking:
            for one in owing:
                told.cell(one.cell, len(one.owed))
                ended = _run_cell(one, sweep, open_pool, told)
                status[one.cell.key] = ended.status
                tracking.cell(cell_record(one.cell, ended.summary, one.store.folder, one.asked, ended.rows))
                told.done(one.cell, ended.status, ended.summary)
            tracking.finish(finish)
        once = open_pool.once
        return Outcome(store.folder, status, dict(once.asked), dict(once.computed), tracking.problem)


class _Owing:
    """A cell with what it still owes. A cell whose summary stands for the same questions and metrics owes nothing."""

    def __init__(self, cell: Cell, asked: Asked, store: CellStore, retry_failed: bool) -> None:
        self.cell = cell
        self.store = store
        self.asked = asked
        self.summary = store.summary() or {}
        self.done = self.summary.get("asked") == asked.key
        self.done = self.done and not (retry_failed and self.summary["failed"])
        self.owed: list[Example] = []
        if not self.done:
            rows = store.load()
            self.owed = [one for one in _grouped(asked.examples) if self._owes(rows.get(one.id), one, retry_failed)]

    def _owes(self, row: Prediction | None, example: Example, retry_failed: bool) -> bool:
        if row is None or row.example_key != self.asked.row_key(example, control=self.cell.control):
            return True
        return row.answer is None and row.failure is not None and (row.failure.transient or retry_failed)


@dataclass(frozen=True, slots=True)
class _Ended:
    status: str
    summary: Mapping[str, Any]
    rows: Mapping[str, Prediction]


def _grouped(examples: Sequence[Example]) -> list[Example]:
    """Returns the examples with those over the same documents side by side, in order of first appearance."""
    places: dict[str, int] = {}
    keys = [documents_key(example.documents) for example in examples]
    order = [places.setdefault(key, len(places)) for key in keys]
    return [example for _, example in sorted(zip(order, examples, strict=True), key=lambda pair: pair[0])]


def _run_cell(one: _Owing, sweep: Sweep, pool: EnginePool, told: Watcher) -> _Ended:
    if one.done:
        return _Ended("complete", one.summary, one.store.load())
    one.store.reopen(config.to_yaml(_resolved_cell(one.cell)))
    owed = {example.id for example in one.owed}
    rows = scored(one.store, one.asked, pool, control=one.cell.control)
    failures = sum(row.failure is not None for name, row in rows.items() if name not in owed)
    allowed = sweep.max_failures * len(one.asked.examples)
    if one.owed and failures <= allowed:
        # Closed here, not whenever it is collected: an error must end the work before the folder is free for others.
        with closing(_answers(one, pool, sweep.concurrency, allowed=allowed - failures)) as answers:
            for prediction in answers:
                told.row(one.cell, prediction)
                failures += prediction.failure is not None
                rows[prediction.example_id] = prediction
    labels = {metric.label for metric in one.asked.metrics}
    owing = any(_still_owes(row, labels) for row in rows.values())
    status = "stopped" if failures > allowed else "owing" if owing else "complete"
    summary = cell_summary(one.cell, status, rows, one.asked)
    if status == "complete":
        one.store.write_summary(summary)
    return _Ended(status, summary, rows)


def _still_owes(row: Prediction, labels: set[str]) -> bool:
    """Whether running again may help: a failure that may pass, or a score that could not be had."""
    if row.failure is not None:
        return row.failure.transient
    return not labels <= set(row.scored_by)


def _answers(one: _Owing, pool: EnginePool, concurrency: int, *, allowed: float) -> Generator[Prediction]:
    """Yields rows as they are written, until more than `allowed` failed.

    Leaving the loop early, or Ctrl-C, waits for the answers in flight only.
    """
    stop = threading.Event()
    failed: list[str] = []

    def work(example: Example) -> Prediction | None:
        if stop.is_set():
            return None
        prediction = _predict(one, example, pool)
        try:
            one.store.append(prediction)
        except (TypeError, ValueError) as error:  # a fact of the trace that is no JSON
            prediction = _failed(one, example, failure_of("route", error), pool)
            one.store.append(prediction)
        if prediction.failure is not None:
            failed.append(prediction.example_id)
            if len(failed) > allowed:
                stop.set()
        return prediction

    with ThreadPoolExecutor(concurrency, thread_name_prefix="ragvlc") as executor:
        futures = [executor.submit(work, example) for example in one.owed]
        try:
            for future in as_completed(futures):
                prediction = future.result()
                if prediction is not None:
                    yield prediction
        finally:
            stop.set()
            executor.shutdown(wait=True, cancel_futures=True)


def _resolved_cell(cell: Cell) -> dict[str, Any]:
    return {
        "name": cell.name,
        "pipeline": cell.pipeline.spec(),
        "dataset": cell.dataset.spec(),
        "settings": dict(cell.settings),
        "seed": cell.seed,
    }


def _predict(one: _Owing, example: Example, pool: EnginePool) -> Prediction:
    cell = one.cell
    try:
        answer = cell.pipeline.answer_example(example, seed=cell.seed, pool=pool)
    except Exception as error:  # noqa: BLE001 - a bad example is a row
        stage = "generate" if isinstance(error, EngineError) else "route"
        return _failed(one, example, failure_of(stage, error), pool)
    row = Prediction(example.id, one.asked.row_key(example, control=cell.control), answer)
    return score(row, example, one.asked, pool)


def _failed(one: _Owing, example: Example, failure: Failure, pool: EnginePool) -> Prediction:
    row = Prediction(example.id, one.asked.row_key(example, control=one.cell.control), failure=failure)
    return score(row, example, one.asked, pool)


@contextmanager
def _pool(given: EnginePool | None) -> Iterator[EnginePool]:
    if given is not None:
        yield given
        return
    with EnginePool() as pool:
        yield pool
