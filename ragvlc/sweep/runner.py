"""Runs the pending questions of a sweep: one row for each answer, one summary for each complete cell.

The results on disk are the only state. Killing the process at any moment loses at most the answers in flight; another
run asks only the pending questions. A failed example is a row, not a crash; too many of them stop the cell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ragvlc.analysis.results import Results
from ragvlc.core import interruption
from ragvlc.core.answer import Prediction
from ragvlc.core.jobs import Counts, Done, Job, SetupResult, TriesSetups, Workers, added
from ragvlc.core.records import FINISHED
from ragvlc.pool import EnginePool
from ragvlc.results.races import CellRace
from ragvlc.results.store import SweepStore
from ragvlc.results.stored import StoredRows
from ragvlc.sweep.cell_run import CellRun
from ragvlc.sweep.lookup import Lookup, NotStored
from ragvlc.sweep.pending import Pending
from ragvlc.sweep.plan import Cell, plan, remarks
from ragvlc.sweep.planned import stored_rows, write_plan
from ragvlc.sweep.racing import Racing, check_strategy
from ragvlc.sweep.rereading import reread_other_cells
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.setups import check_trials, metric_setups, pipeline_models, pipeline_setups, usage_of
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.spending import Spending
from ragvlc.sweep.tracking import Finish, Tracking, cell_record
from ragvlc.trials import try_setups

__all__ = ["Outcome", "SweepInterrupted", "Watcher", "run_sweep"]

log = logging.getLogger("ragvlc")

FIRST_TABLE = 60.0
"""Seconds until a sweep that asks everything shows what is known so far."""


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

    def known(self, folder: Path) -> None:
        """Called with the folder of all results so far.

        That is after each block of a race or search but the last; in other sweeps after a minute, two, four and so on.
        """
        ...


class _Silent:
    def planned(self, cells: Sequence[Cell], pending: int, total: int) -> None:
        """Prints nothing."""

    def row(self, cell: Cell, prediction: Prediction) -> None:
        """Prints nothing."""

    def done(self, cell: Cell, status: str, summary: Mapping[str, Any]) -> None:
        """Prints nothing."""

    def known(self, folder: Path) -> None:
        """Prints nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of running a sweep.

    Attributes:
        folder: of its results.
        status: by cell key: `complete`, `stopped` (too many failures), or `pending` (transient failures: run again);
            of a race or search also `pruned`, `settled` (left at the verdict), `withdrawn`, `undecided` (budget spent).
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
        """Whether nothing is left to ask of any cell."""
        return all(status in FINISHED for status in self.status.values())

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
        check_strategy(sweep, cells, {key: own.examples for key, own in asked.items()})
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
        self,
        sweep: Sweep,
        store: SweepStore,
        pool: EnginePool,
        pending: Sequence[Pending],
        watcher: Watcher,
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._pool = pool
        self._pending = pending
        self._watcher = watcher
        self._asked = {one.cell.dataset.key: one.asked for one in pending}
        self._cells: dict[str, CellRun] = {}
        self._lookup = Lookup(pool)
        self._trials: list[SetupResult] = []
        self._tried: set[str] = set()
        self._fresh = False  # whether rows came since the last look
        self._begun = time.monotonic()
        self._next_table = self._begun + FIRST_TABLE
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
            self._cells = {one.cell.key: CellRun(one, sweep, self._pool) for one in self._pending}
            racing = Racing(sweep, cells, self._asked, self._rows_of)
            spending = Spending(sweep.budget)
            while self._take(racing, tracking):
                if sweep.strategy.stops and (problem := spending.exceeded(self._jobs())):
                    racing.stop(problem)
                    break
                self._ask(workers, tracking, spending, wait_seconds, store_rows=not metrics)
            racing.write(self._store)
            for run in self._cells.values():
                if not run.closed:  # stopped: the remaining questions are not asked
                    self._end(run, tracking, racing.of(run.one.cell))
            tracking.finish(finish)
        status = {key: run.status for key, run in self._cells.items()}
        counts = added(workers.counts(), self._lookup.counts())
        return Outcome(self._store.folder, status, counts, tracking.problem, tuple(self._trials))

    def _rows_of(self, key: str) -> StoredRows:
        one = self._cells[key].one
        return stored_rows(one.cell, one.store, one.asked)

    def _take(self, racing: Racing, tracking: Tracking) -> bool:
        """Lets the cells take the questions to ask now; returns whether there is a further block."""
        wanted = self._next(racing, tracking)
        for key, run in self._cells.items():
            run.take(wanted.get(key, ()) if wanted is not None else ())
        return wanted is not None

    def _next(self, racing: Racing, tracking: Tracking) -> dict[str, set[str]] | None:
        """Returns the questions to ask now, by cell, after ending the cells that get no more; None at the end."""
        wanted = racing.next()
        if not self._sweep.strategy.stops:
            for run in self._cells.values():
                if not run.waiting and not run.closed:
                    self._end(run, tracking)
            return wanted
        racing.write(self._store)
        for key, run in self._cells.items():
            if key in racing.ended and not run.closed:
                self._end(run, tracking, racing.of(run.one.cell))
        shown, self._fresh = self._fresh, False
        if shown and wanted is not None:
            self._show(f"after block {racing.block}")
        return wanted

    def _show_early(self) -> None:
        """Shows what is known so far after the first minute of a sweep that asks everything, then ever more seldom."""
        now = time.monotonic()
        if now < self._next_table:
            return
        begun = sum(run.written > 0 for run in self._cells.values())
        if begun < min(2, sum(bool(one.questions) for one in self._pending)):  # one cell of many says nothing
            return
        self._show(f"after {now - self._begun:.0f} s")
        self._next_table = self._begun + 2 * (time.monotonic() - self._begun)

    def _show(self, when: str) -> None:
        try:
            self._watcher.known(self._store.folder)
        except Exception as error:  # noqa: BLE001 - a table that fails stops no sweep
            log.warning("no table %s: %s: %s", when, type(error).__name__, error)

    def _ask(
        self, workers: Workers, tracking: Tracking, spending: Spending, wait_seconds: float, *, store_rows: bool
    ) -> None:
        """Asks the questions that the cells have taken, and ends the cells that are complete by it."""
        missing = self._look_up(tracking, store_rows=store_rows)
        self._try_models(workers, missing, wait_seconds)
        # Closed here, not at garbage collection: after an error the work must end before the folder is unlocked.
        # The scope is the inner one: Ctrl-C must reach the workers before they are waited for.
        with closing(_rows(workers, self._cells, self._asked)) as rows, interruption.scope():
            for cell, prediction in rows:
                spending.add(self._cells[cell].one.cell, prediction)
                self._arrived(cell, prediction, tracking)
                if not self._sweep.strategy.stops:
                    self._show_early()

    def _arrived(self, key: str, row: Prediction, tracking: Tracking) -> None:
        run = self._cells[key]
        self._fresh = True
        self._watcher.row(run.one.cell, row)
        if run.add(row) and not self._sweep.strategy.stops:
            self._end(run, tracking)

    def _look_up(self, tracking: Tracking, *, store_rows: bool) -> dict[str, str]:
        """Writes the rows of pending questions whose answers are stored, until a cell's first that is not.

        Returns the stage, by cell, that has no stored value. Without `store_rows`, because scoring takes a model, rows
        are left to the workers, which find the answers again.
        """
        missing: dict[str, str] = {}
        found: dict[str, set[str]] = {}
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
            if store_rows:
                found.setdefault(job.cell, set()).add(job.example.id)
                self._arrived(job.cell, self._cells[job.cell].write(Done(job, answer=answer)), tracking)
        for key, ids in found.items():
            self._cells[key].left = [one for one in self._cells[key].left if one.id not in ids]
        return missing

    def _jobs(self) -> Sequence[Job]:
        return schedule([(run.one.cell, run.left) for run in self._cells.values()], self._asked)

    def _try_models(self, workers: Workers, missing: Mapping[str, str], wait_seconds: float) -> None:
        """Tries the models of the cells with missing answers, where they will run; raises `SetupError`."""
        first: dict[str, Job] = {}  # of each cell, in the order in which they are needed
        for job in self._jobs():
            if job.cell in missing:
                first.setdefault(job.cell, job)
        jobs = list(first.values())
        setups = [one for one in pipeline_setups(jobs, missing) if one.part.key not in self._tried]
        self._tried |= {one.part.key for one in setups}
        if setups and isinstance(workers, TriesSetups):
            trials = workers.try_setups(jobs, setups, wait_seconds)
            self._note(trials)
            for key in missing:
                models = {part.key for part in pipeline_models(self._cells[key].one.cell.pipeline)}
                self._cells[key].tried = usage_of(one for one in trials if one.key in models)

    def _note(self, trials: Sequence[SetupResult]) -> None:
        check_trials(trials)
        self._trials += trials

    def _end(self, run: CellRun, tracking: Tracking, race: CellRace | None = None) -> None:
        rows, one = run.close(race), run.one
        tracking.cell(cell_record(one.cell, run.summary, one.store.folder, one.asked, rows, race))
        self._watcher.done(one.cell, run.status, run.summary)


def _rows(
    workers: Workers, runs: Mapping[str, CellRun], asked: Mapping[str, QuestionSet]
) -> Generator[tuple[str, Prediction]]:
    """Runs all pending questions; yields the cell's key and the row of each question once the row is written."""
    return workers.work(
        schedule([(run.one.cell, run.left) for run in runs.values()], asked),
        wanted=lambda job: not runs[job.cell].full,
        finish=lambda done: (done.job.cell, runs[done.job.cell].write(done)),
    )


@contextmanager
def _pool(given: EnginePool | None, sweep: Sweep) -> Iterator[EnginePool]:
    if given is not None:
        yield given
        return
    with EnginePool(reuse=sweep.cache) as pool:
        yield pool
