"""Runs the pending questions of a sweep: one row for each answer, one summary for each complete cell.

The results on disk are the only state. Killing the process at any moment loses at most the answers in flight; another
run asks only the pending questions. A failed example is a row, not a crash; too many of them stop the cell.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core import interruption
from ragvlc.core.answer import Failure, Prediction, Usage
from ragvlc.core.answer_json import fields_json
from ragvlc.core.jobs import Counts, Done, Job, SetupResult, TriesSetups, Workers, added
from ragvlc.core.run import Engines
from ragvlc.pool import EnginePool
from ragvlc.results.store import SweepStore
from ragvlc.results.stored import StoredRows
from ragvlc.sweep.lookup import Lookup, NotStored
from ragvlc.sweep.pending import Pending
from ragvlc.sweep.plan import Cell, plan, remarks
from ragvlc.sweep.planned import resolved_cell, write_plan
from ragvlc.sweep.rereading import reread_other_cells
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet, score, scored
from ragvlc.sweep.setups import check_trials, metric_setups, pipeline_models, pipeline_setups, usage_of
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import Finish, Tracking, cell_record, cell_summary, stored_rows
from ragvlc.trials import try_setups

__all__ = ["Outcome", "SweepInterrupted", "Watcher", "run_sweep"]

log = logging.getLogger("ragvlc")


class Watcher(Protocol):
    """Receives the progress of a sweep, in the thread that called `run_sweep`."""

    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Called after planning, with the numbers of pending answers and of all answers."""
        ...

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Called after a row was written."""
        ...

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Called after a cell ended, with its status and summary."""
        ...


class _Silent:
    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Prints nothing."""

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Prints nothing."""

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Prints nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of running a sweep.

    Attributes:
        folder: of its results.
        status: by cell key: `complete`, `stopped` (too many failures), or `pending` (transient failures: run again).
        counts: of requests, computations and cache hits on disk, over all workers.
        untracked: what was not sent to the tracker and why, or None.
        trials: results of trying the models before the first question.
    """

    folder: Path
    status: Mapping[str, str]
    counts: Counts
    untracked: str | None = None
    trials: tuple[SetupResult, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every cell is complete."""
        return all(status == "complete" for status in self.status.values())

    def results(self) -> Results:
        """Returns the results on disk, as tables."""
        return Results.load(self.folder)


class SweepInterrupted(interruption.Interrupted):
    """A sweep that was interrupted, with the number of questions whose rows are stored, of all questions."""

    def __init__(self, stored: int, total: int, folder: Path) -> None:
        super().__init__(f"interrupted: {stored} of {total} questions have a row in {folder}")
        self.stored = stored
        self.total = total
        self.folder = folder


def run_sweep(
    sweep: Sweep,
    runs: str | Path = "runs",
    *,
    retry_failed: bool = False,
    watcher: Watcher | None = None,
    pool: EnginePool | None = None,
    finish: Finish | None = None,
    wait_seconds: float = 0.0,
) -> Outcome:
    """Runs the pending questions of a sweep and returns its outcome.

    Args:
        sweep: what to compare.
        runs: folder of all results; this sweep's are in `runs/<name>`.
        retry_failed: retry all failed questions, not only those with transient failures.
        watcher: receives the progress.
        pool: opened models to use; left open. Without one, models are opened and closed here.
        finish: called with the results folder after the last cell; creates files about the sweep, such as figures, and
            returns them by their path in the tracker.
        wait_seconds: how long to wait for servers to come up before the first question.

    Raises:
        ConfigError, DatasetError, StoreError: before anything is computed.
        SetupError: a model or server does not work; before the first question that needs one.
        SweepInterrupted: after Ctrl-C; all finished answers are stored.
    """
    cells = plan(sweep)
    for remark in remarks(cells):
        log.warning("%s", remark)
    with interruption.scope(), SweepStore(Path(runs) / sweep.name) as store, _pool(pool, sweep) as open_pool:
        asked = write_plan(sweep, cells, store)
        reread_other_cells(cells, store)
        pending = [
            Pending(cell, asked[cell.dataset.key], store.cell(cell.key), retry_failed=retry_failed) for cell in cells
        ]
        running = _SweepRun(sweep, store, open_pool, pending, watcher or _Silent())
        try:
            return running.run(finish, wait_seconds)
        except KeyboardInterrupt as error:
            raise SweepInterrupted(running.stored, running.total, store.folder) from error


class _SweepRun:
    """One run of a sweep.

    Attributes:
        total: number of questions of all cells.
    """

    def __init__(
        self, sweep: Sweep, store: SweepStore, pool: EnginePool, pending: Sequence[Pending], watcher: Watcher
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._pool = pool
        self._pending = pending
        self._watcher = watcher
        self._asked = {one.cell.dataset.key: one.asked for one in pending}
        self._cells: dict[str, _CellRun] = {}
        self._lookup = Lookup(pool)
        self._trials: list[SetupResult] = []
        self._left = sum(len(one.questions) for one in pending)
        self.total = sum(len(one.asked.examples) for one in pending)

    @property
    def stored(self) -> int:
        """Number of questions with a stored row."""
        return self.total - self._left + sum(run.written for run in self._cells.values())

    def run(self, finish: Finish | None, wait_seconds: float) -> Outcome:
        """Asks the pending questions and returns the outcome."""
        sweep = self._sweep
        self._watcher.planned([one.cell for one in self._pending], self._left, self.total)
        metrics = metric_setups(sweep.metrics, self._pending)
        if metrics:
            self._note(try_setups(self._pool, metrics, wait_seconds))
        opened = sweep.executor.open(self._pool, concurrency=sweep.concurrency)
        cells = [one.cell for one in self._pending]
        with opened as workers, Tracking(sweep, self._store, self._asked, cells) as tracking:
            self._cells = {one.cell.key: _CellRun(one, sweep, self._pool) for one in self._pending}
            for run in self._cells.values():
                if not run.left:
                    self._end(run, tracking)
            missing = self._look_up(tracking, store_rows=not metrics)
            self._try_models(workers, missing, wait_seconds)
            # Closed here, not at garbage collection: after an error the work must end before the folder is unlocked.
            # The scope is the inner one: Ctrl-C must reach the workers before they are waited for.
            with closing(_rows(workers, self._cells, self._asked)) as rows, interruption.scope():
                for cell, prediction in rows:
                    run = self._cells[cell]
                    self._watcher.row(run.one.cell, prediction)
                    if run.add(prediction):
                        self._end(run, tracking)
            for run in self._cells.values():
                if not run.closed:  # stopped: the remaining questions are not asked
                    self._end(run, tracking)
            tracking.finish(finish)
        status = {key: run.status for key, run in self._cells.items()}
        counts = added(workers.counts(), self._lookup.counts())
        return Outcome(self._store.folder, status, counts, tracking.problem, tuple(self._trials))

    def _look_up(self, tracking: Tracking, *, store_rows: bool) -> dict[str, str]:
        """Writes the rows of pending questions whose answers are stored, until a cell's first that is not.

        Returns the stage, by cell, that has no stored value. Without `store_rows`, because scoring takes a model, rows
        are left to the workers, which find the answers again.
        """
        missing: dict[str, str] = {}
        found: set[tuple[str, str]] = set()
        for job in self._jobs():
            if job.cell in missing:
                continue
            if job.cold or not self._pool.reuse:
                missing[job.cell] = "any"
                continue
            try:
                answer = self._lookup.answer(job)
            except NotStored as error:
                missing[job.cell] = error.stage
                continue
            run = self._cells[job.cell]
            if store_rows:
                found.add((job.cell, job.example.id))
                row = run.write(Done(job, answer=answer))
                self._watcher.row(run.one.cell, row)
                if run.add(row):
                    self._end(run, tracking)
        for key, run in self._cells.items():
            run.left = [one for one in run.left if (key, one.id) not in found]
        return missing

    def _jobs(self) -> list[Job]:
        return schedule([(run.one.cell, run.left) for run in self._cells.values()], self._asked)

    def _try_models(self, workers: Workers, missing: Mapping[str, str], wait_seconds: float) -> None:
        """Tries the models of the cells with missing answers, where they will run; raises `SetupError`."""
        jobs = [job for job in self._jobs() if job.cell in missing]
        setups = pipeline_setups(jobs, missing)
        if setups and isinstance(workers, TriesSetups):
            trials = workers.try_setups(jobs, setups, wait_seconds)
            self._note(trials)
            for key in missing:
                models = {part.key for part in pipeline_models(self._cells[key].one.cell.pipeline)}
                self._cells[key].tried = usage_of(one for one in trials if one.key in models)

    def _note(self, trials: Sequence[SetupResult]) -> None:
        check_trials(trials)
        self._trials += trials

    def _end(self, run: _CellRun, tracking: Tracking) -> None:
        rows, one = run.close(), run.one
        tracking.cell(cell_record(one.cell, run.summary, one.store.folder, one.asked, rows))
        self._watcher.done(one.cell, run.status, run.summary)


def _rows(
    workers: Workers, runs: Mapping[str, _CellRun], asked: Mapping[str, QuestionSet]
) -> Generator[tuple[str, Prediction]]:
    """Runs all pending questions; yields the cell's key and the row of each question once the row is written."""
    return workers.work(
        schedule([(run.one.cell, run.left) for run in runs.values()], asked),
        wanted=lambda job: not runs[job.cell].full,
        finish=lambda done: (done.job.cell, runs[done.job.cell].write(done)),
    )


class _CellRun:
    """The rows of a cell during a run, until it is complete or too many questions have failed.

    Attributes:
        left: pending questions.
        written: the number of rows written in this run.
        tried: usage of the short questions that the cell's models were asked before the first question of this run.
        closed: whether no more rows are expected, and `status` and `summary` are final.
    """

    def __init__(self, one: Pending, sweep: Sweep, engines: Engines) -> None:
        self.one = one
        self.left = list(one.questions)
        self.closed = False
        self.written = 0
        self.tried = Usage()
        self.status = "complete"
        self.summary: Mapping[str, Any] = one.summary
        self._engines = engines
        self._awaited = 0
        if one.done:
            return
        one.store.reopen(config.to_yaml(resolved_cell(one.cell)))
        self._states = scored(one.store, one.asked, engines, pipeline=one.cell.pipeline, control=one.cell.control)
        self._failed = self._states.failed - {example.id for example in one.questions}
        self._allowed = sweep.max_failures * len(one.asked.examples)
        if self.full:
            self.left = []
        self._awaited = len(self.left)

    @property
    def full(self) -> bool:
        """Whether too many questions have failed."""
        return len(self._failed) > self._allowed

    def write(self, done: Done) -> Prediction:
        """Scores the result of a job and appends its row; called from many threads."""
        one, example = self.one, done.job.example
        blank = Prediction(example.id, one.asked.row_key(example, control=one.cell.control))
        unscored = replace(blank, answer=done.answer, failure=done.failure)
        try:
            row = score(unscored, example, one.asked, self._engines)
        except interruption.Interrupted:
            one.store.append(unscored)  # the next run scores it
            self.written += 1
            raise
        try:
            one.store.append(row)
        except (TypeError, ValueError) as error:  # a fact of the trace is not JSON
            row = score(replace(blank, failure=Failure.of("route", error)), example, one.asked, self._engines)
            one.store.append(row)
        self.written += 1
        if row.failure is not None:
            self._failed.add(row.example_id)
        return row

    def add(self, row: Prediction) -> bool:
        """Registers a written row; returns whether it was the last row awaited."""
        self._states.note(row.example_id, row.scored_by, row.failure)
        self._awaited -= 1
        return self._awaited == 0

    def close(self) -> StoredRows:
        """Determines the status of the cell, writes its summary if it is complete, and returns its rows."""
        self.closed = True
        one = self.one
        rows = stored_rows(one.cell, one.store, one.asked)
        one.store.forget()
        if one.done:
            return rows
        self.status = "stopped" if self.full else "pending" if self._states.open else "complete"
        self.summary = cell_summary(one.cell, self.status, rows, one.asked)
        if self.tried.calls:
            self.summary = {**self.summary, "tried": fields_json(self.tried)}
        if self.status == "complete":
            one.store.write_summary(self.summary)
        return rows


@contextmanager
def _pool(given: EnginePool | None, sweep: Sweep) -> Iterator[EnginePool]:
    if given is not None:
        yield given
        return
    with EnginePool(reuse=sweep.cache) as pool:
        yield pool
