"""The contracts of executors and strategies, which run a sweep, and of trackers, which show its results."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from ragvlc.core.families import Executor, Strategy, Tracker
from ragvlc.core.grids import Entrant, Grid, Look, QuestionCluster
from ragvlc.core.jobs import Counts, Done, Job
from ragvlc.core.records import CellRecord, SweepRecord, score_name
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.testing.trial import Broken, Trial, require, toy

__all__ = ["EXECUTOR_CLAUSES", "STRATEGY_CLAUSES", "TRACKER_CLAUSES"]

_FAILING = "ragvlc.testing:Flaky"


def every_wanted_job_is_done_once(trial: Trial) -> None:
    """Every wanted job is run once, a failure counts as a result, and unwanted jobs are not run."""
    executor: Executor = trial.build()
    generator: dict[str, Any] = {"kind": _FAILING, "fails": "ferry do in fog"}
    pipeline = Pipeline.model_validate({"generators": {"main": generator}, "routes": {"full": "full_context"}})
    jobs = [Job("cell", pipeline, example, 0) for example in toy()]
    unwanted = jobs[-1].example.id
    with (
        EnginePool(Cache(trial.new_folder()), reuse=False) as pool,
        executor.open(pool, concurrency=2) as workers,
    ):
        done = list(workers.work(jobs, wanted=lambda job: job.example.id != unwanted, finish=_same))
        counts: object = workers.counts()
    ids = Counter(one.job.example.id for one in done)
    expected = Counter(job.example.id for job in jobs if job.example.id != unwanted)
    require(
        ids == expected,
        f"of {len(expected)} jobs wanted, {len(ids)} were done, {sum(ids.values())} times in all. Ask `wanted` when a "
        "job's turn comes, and yield finish(Done(...)) once for each.",
    )
    failed = {one.job.example.id for one in done if one.failure}
    require(
        failed == {"toy-fog"} and all((one.answer is None) == bool(one.failure) for one in done),
        f"the jobs {sorted(failed)} failed, where the model fails for toy-fog alone. Make an error a Done with a "
        "Failure, and go on.",
    )
    require(isinstance(counts, Counts), f"counts() returns {type(counts).__name__}. Return Counts.")


def leaving_early_ends_the_work(trial: Trial) -> None:
    """Closing the iterator waits for running jobs and starts no more."""
    executor: Executor = trial.build()
    generator: dict[str, Any] = {"kind": "scripted", "seconds_per_call": 0.1}
    pipeline = Pipeline.model_validate({"generators": {"main": generator}, "routes": {"full": "full_context"}})
    jobs = [Job("cell", pipeline, example, 0) for example in toy()]
    finished: list[Done] = []

    def finish(done: Done) -> Done:
        finished.append(done)
        return done

    with EnginePool(Cache(trial.new_folder()), reuse=False) as pool, executor.open(pool, concurrency=1) as workers:
        work = workers.work(jobs, wanted=lambda job: True, finish=finish)  # noqa: ARG005 - the contract's
        next(work)
        work.close()
        reached = len(finished)
    require(
        reached == len(finished) < len(jobs),
        f"{len(finished)} of {len(jobs)} jobs were done, {reached} of them before the work was closed. Stop in the "
        "iterator's `finally`, and wait there for what is in work.",
    )


def a_sweep_is_shown_and_sent_again(trial: Trial) -> None:
    """A tracker accepts the cells and files of a sweep, and accepts them a second time without an error."""
    tracker: Tracker = trial.build()
    folder = trial.new_folder()
    sweep = SweepRecord(
        name="contract",
        folder=folder,
        dataset="toy",
        dataset_key="0" * 64,
        examples=1,
        tags={"purpose": "contract"},
        cells=("a" * 16,),
        metrics=("contains",),
    )
    cell = CellRecord(
        key="a" * 16,
        name="full",
        status="complete",
        folder=folder / "full",
        params={"pipeline": "full", "size": 3},
        metrics={score_name("contains"): 0.5, "seconds": 1.0},
        table=({"id": "toy-fog", "question": "What?", "answer": "none", "contains": 0.5},),
        examples=1,
    )
    cell.folder.mkdir(parents=True)
    note = folder / "report.txt"
    note.write_text("A report.", encoding="utf-8")
    before = copy.deepcopy((sweep, cell))
    for _ in range(2):
        with tracker.open(sweep) as tracked:
            for name in ("cell", "files"):
                if not callable(getattr(tracked, name, None)):
                    raise Broken(
                        f"open() yields a {type(tracked).__name__} without {name}. Yield a TrackedSweep: see "
                        "ragvlc.families.TrackedSweep."
                    )
            tracked.cell(cell)
            tracked.cell(cell)
            tracked.files({"report.txt": note})
    require((sweep, cell) == before, "it changes the records that it is given. Work on copies.")


def a_strategy_ends_and_repeats_itself(trial: Trial) -> None:
    """A strategy ends with a verdict, asks no question of a cell twice, and does the same over the same rows again."""
    strategy: Strategy = trial.build()
    rows = {
        f"cell{cell}": {f"q{n}": float(crc32(f"{cell} {n}".encode()) % 10 < 9 - 3 * cell) for n in range(80)}
        for cell in range(3)
    }
    clusters = tuple(QuestionCluster(f"c{n}", (f"q{2 * n}", f"q{2 * n + 1}"), 2) for n in range(40))
    entries = tuple(Entrant(key, key, key) for key in rows)
    passes = []
    for _ in range(2):
        asked: Counter[tuple[str, str]] = Counter()
        looks: list[Look] = []
        for look in strategy.looks(_grid_of(entries, clusters, rows, asked)):
            asked.update((key, name) for key, ids in look.ask.items() for name in ids)
            looks.append(look)
            require(
                len(looks) < 1000, "it yields a thousand looks without a verdict. Yield one with a verdict at last."
            )
        require(looks and looks[-1].verdict and not looks[-1].ask, "its last look has no verdict, or still asks.")
        require(max(asked.values()) == 1, f"it asks {asked.most_common(1)[0][0]} twice. Ask what has no row yet.")
        passes.append(looks)
    require(passes[0] == passes[1], "it yields other looks over the same rows. Let them depend on the rows alone.")


def _grid_of(
    entries: tuple[Entrant, ...],
    clusters: tuple[QuestionCluster, ...],
    rows: Mapping[str, Mapping[str, float]],
    asked: Counter[tuple[str, str]],
) -> Grid:
    def merits(key: str) -> dict[str, float | None]:
        return {name: score for name, score in rows[key].items() if asked[key, name]}

    return Grid(entries, clusters, merits)


def _same(done: Done) -> Done:
    return done


EXECUTOR_CLAUSES = (every_wanted_job_is_done_once, leaving_early_ends_the_work)
STRATEGY_CLAUSES = (a_strategy_ends_and_repeats_itself,)
TRACKER_CLAUSES = (a_sweep_is_shown_and_sent_again,)
