"""Sweeps sent to an MLflow server that fails a share of all calls, one kind of fault after another, as a table.

.venv/bin/python tests/trackers/failing_store.py --share 0.3 --cells 6      (PYTHONPATH=.)
"""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow_server import Arrived, arrived, serving
from traced_questions import traced

from ragvlc.core.errors import RagvlcError
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.trackers.mlflow import MlflowTracker
from tests.faulty_proxy import FAULTS
from tests.faulty_proxy import serving as failing

SECONDS = 2
"""How long a client waits for a reply here."""


def sweep_in(folder: Path, name: str, cells: int) -> tuple[SweepRecord, list[CellRecord]]:
    """Returns a sweep with its cells."""
    keys = [f"cell{number}" for number in range(cells)]
    record = SweepRecord(
        name=name,
        folder=folder / name,
        description="Does it arrive?",
        dataset="squad_articles",
        dataset_key="ab12" * 16,
        examples=2,
        resolved=f"name: {name}\n",
        cells=tuple(keys),
        metrics=("contains",),
    )
    return record, [cell_in(record, key) for key in keys]


def cell_in(sweep: SweepRecord, key: str) -> CellRecord:
    """Returns a complete cell with files, parameters, metrics, a table and two traces."""
    folder = sweep.folder / key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resolved.yaml").write_text("routes: {}\n")
    (folder / "summary.json").write_text('{"contains": 0.5}')
    return CellRecord(
        key=key,
        name=f"rag {key}",
        status="complete",
        folder=folder,
        params={"pipeline": "rag", "seed": 0, "size": key},
        metrics={"score/contains": 0.5, "recall@5": 0.25, "seconds": 3.5},
        table=({"id": "q1", "question": "Who?", "answer": "Ada"},),
        tags={"pipeline": "rag"},
        traces=(traced("q1"), traced("q2")),
    )


def send(uri: str, folder: Path, name: str, cells: int) -> None:
    """Sends a sweep, with files."""
    sweep, records = sweep_in(folder, name, cells)
    report, figure = folder / "report", folder / "figure"
    report.write_text("<p>report</p>" * 100)
    figure.write_text("<svg/>")
    with MlflowTracker(uri=uri, traces=2).open(sweep) as opened:
        for record in records:
            opened.cell(record)
        opened.files({"report.html": report, "figures/one.svg": figure})


@dataclass(frozen=True)
class Line:
    """What a kind of fault came to."""

    fault: str
    calls: int
    failed: int
    seconds: float
    expected: int
    arrived: Arrived
    missing: tuple[str, ...]
    error: str


def tried(
    uri: str, folder: Path, name: str, *, cells: int, share: float, faults: Sequence[str], seed: int, whole: Arrived
) -> Line:
    """Sends a sweep through a failing proxy, and compares what arrived with a sweep that was sent without one."""
    started = time.monotonic()
    port = int(uri.rpartition(":")[2])
    with failing(port, share=share, faults=faults, late=2 * SECONDS, seed=seed) as proxy:
        error = ""
        try:
            send(f"http://127.0.0.1:{proxy.port}", folder, name, cells)
        except RagvlcError as caught:
            error = str(caught)
        calls, failed = proxy.calls, sum(proxy.failed.values())
        seconds = time.monotonic() - started
    time.sleep(0.2)  # what was late has been answered by now
    found = arrived(uri, name)
    renamed = {("sweep" if run == name else run): held for run, held in found.runs.items()}
    known = {("sweep" if run.startswith("whole") else run): held for run, held in whole.runs.items()}
    missing = tuple(
        f"{run} {part}"
        for run, held in known.items()
        for part, value in held.items()
        if part != "files" and renamed.get(run, {}).get(part) != value
    ) + tuple(
        f"{run} files"
        for run, held in known.items()
        if [name for name, _ in renamed.get(run, {}).get("files", ())] != [name for name, _ in held["files"]]
    )
    return Line(
        ", ".join(faults) if len(faults) < 3 else "all", calls, failed, seconds, cells + 1, found, missing, error
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--cells", type=int, default=6)
    parser.add_argument("--only", nargs="*", default=None)
    given = parser.parse_args()
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(SECONDS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with serving(f"sqlite:///{folder}/mlflow.db", folder / "artifacts", port) as (uri, _):
            send(uri, folder, "whole", given.cells)
            whole = arrived(uri, "whole")
            print(
                "| fault | calls | failed | seconds | runs expected | arrived | doubled | running | deleted | missing |"
            )
            print("|---|---|---|---|---|---|---|---|---|---|")
            for number, faults in enumerate(given.only and [given.only] or [*([one] for one in FAULTS), FAULTS]):
                line = tried(
                    uri,
                    folder,
                    f"sweep{number}",
                    cells=given.cells,
                    share=given.share,
                    faults=faults,
                    seed=number,
                    whole=whole,
                )
                print(
                    f"| {line.fault} | {line.calls} | {line.failed} | {line.seconds:.0f} | {line.expected} | "
                    f"{len(line.arrived.runs)} | {len(line.arrived.doubled)} | {len(line.arrived.running)} | "
                    f"{line.arrived.deleted} | {len(line.missing)} |",
                    *(line.missing[:3]),
                    *line.arrived.doubled[:3],
                    line.error,
                    flush=True,
                )


if __name__ == "__main__":
    main()
