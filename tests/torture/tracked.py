"""Kills of `track` and of tracked runs: at the end every cell is in MLflow's store once, with the right figures."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from ragvlc.trackers.mlflow import CELL_TAG
from tests.torture.bench import Bench, Verdict
from tests.torture.children import start
from tests.torture.kills import drawn

__all__ = ["compare_tracked", "kill_track"]

_UPLOADING = ".artifact.uploading"
"""MLflow's own parts of files, which it leaves when it is killed."""
_VOLATILE = ("seconds", "bytes", "totals/reused")


def kill_track(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Kills `track` up to twice, half of the time while it makes the store, and sends again."""
    words = bench.words("track", experiment=bench.variant("tracked", tracker="mlflow"))
    right = bench.undisturbed(*words)
    base, verdict = bench.base(finished=True), Verdict(tried=0)
    seconds = right.seconds
    if chance.random() < 0.5:  # the tables are there, which takes most of the time
        shutil.copy(_empty_store(bench), base / "runs" / "mlflow.db")
        seconds /= 2
    for _ in range(chance.randint(1, 2)):
        kill = drawn(chance, len(right.operations), seconds, name)
        kill.strike(start(words, base, kill.prepare(base)), verdict, "track")
    verdict.expect(start(words, base).wait(), [0], "track, again")
    bench.compare(base, verdict)
    compare_tracked(base, right.folder, verdict)
    return verdict


def _empty_store(bench: Bench) -> Path:
    """Returns a store with MLflow's tables and nothing in them."""
    from tests.torture.children import start_call

    base = bench.folder / "empty store"
    place = base / "mlflow.db"

    def make() -> None:
        from ragvlc.trackers._mlflow_database import make_if_missing

        make_if_missing(place, base / "mlartifacts")

    if not place.exists():
        ended = start_call(make, base).wait()
        if ended.code:
            raise RuntimeError(ended.said)
    return place


def compare_tracked(base: Path, right: Path, verdict: Verdict) -> None:
    """Adds cells that are missing in MLflow's store, there twice, or there with other figures, files or traces."""
    try:
        found, wanted = _cells(base / "runs"), _cells(right / "runs")
    except sqlite3.DatabaseError as error:
        verdict.add("wrong", f"MLflow's store cannot be read: {error}")
        return
    for cell, [whole] in wanted.items():
        mine = found.get(cell, [])
        verdict.add("lost", f"MLflow has no run of {cell or 'the sweep'}", not mine)
        verdict.add("duplicated", f"MLflow has {len(mine)} runs of {cell or 'the sweep'}", max(0, len(mine) - 1))
        other = [name for name in whole if mine and mine[0][name] != whole[name]]
        verdict.add("wrong", f"MLflow's run of {cell or 'the sweep'} differs in {other}", len(other))
    verdict.add("wrong", "MLflow has runs of other cells", len(found.keys() - wanted.keys()))


def _cells(runs: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns what MLflow shows of each cell, by its key, and of the sweep itself, under an empty key."""
    cells: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with closing(sqlite3.connect(f"file:{runs / 'mlflow.db'}?mode=ro", uri=True)) as store:
        traces = Counter(
            cell
            for (cell,) in store.execute("SELECT value FROM trace_tags WHERE key = ?", [CELL_TAG])  # if there are any
        )
        for run, status in store.execute("SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'"):
            tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run]))
            metrics = dict(store.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", [run]))
            params = dict(store.execute("SELECT key, value FROM params WHERE run_uuid = ?", [run]))
            files = {one.name for one in runs.rglob(f"{run}/artifacts/*") if not one.name.startswith(_UPLOADING)}
            cell = tags.get(CELL_TAG, "")
            cells[cell].append(
                {
                    "status": status,
                    "metrics": {k: v for k, v in metrics.items() if not any(word in k for word in _VOLATILE)},
                    "params": params,
                    "files": files,
                    "traces": traces[cell],
                }
            )
    return dict(cells)
