"""A stored sweep of many rows: rows a second and memory of the run, processor time and memory of each command on it.

    python tests/benchmarks/load.py                      (make load) 200,000 rows
    python tests/benchmarks/load.py --rows 1000000       a million; the folder takes about 1.7 GB
    python tests/benchmarks/load.py --runs FOLDER        keeps the results there, and only reads if they are complete

Scripted replies over BM25: no model. Each command runs in a process of its own; seconds are of the processor, so that
other work on the machine hardly counts. Memory of the run is counted above that at its first row, because the questions
and their documents are in memory throughout: it should not grow with the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CELLS = 10
A_DOCUMENT = 10
"""Questions asked over one document."""
NAME = "load"
RUN = """
import gc, sys, resource
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

def memory():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

class Watcher:
    rows, start, peak = 0, 0.0, 0.0
    def planned(self, cells, pending, total):
        self.before = resource.getrusage(resource.RUSAGE_SELF)
    def row(self, cell, row):
        self.rows += 1
        if self.rows == 1000:
            self.start = memory()
        if self.rows % 1000 == 0:
            self.peak = max(self.peak, memory())
    def done(self, cell, status, summary):
        assert status == "complete", status
        self.peak = max(self.peak, memory())

watcher = Watcher()
run_sweep(Sweep.load(sys.argv[1]), sys.argv[2], watcher=watcher)
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = used.ru_utime + used.ru_stime - watcher.before.ru_utime - watcher.before.ru_stime
print("USED", watcher.rows, seconds, watcher.start, max(watcher.peak, watcher.start), used.ru_maxrss / 1024)
"""
COMMAND = """
import contextlib, io, resource, sys
from ragvlc.cli.main import main

said = io.StringIO()
with contextlib.redirect_stdout(said):
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
used = resource.getrusage(resource.RUSAGE_SELF)
print("USED", code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(said.getvalue()))
"""


@dataclass(frozen=True)
class Used:
    """What a command used: seconds of processor time, and megabytes of memory at most."""

    command: str
    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Running:
    """What a run used: megabytes at its first rows, at most, and above the start by row (in kB)."""

    rows: int
    seconds: float
    start: float
    peak: float

    @property
    def kilobytes_a_row(self) -> float:
        """Growth of the memory, by row."""
        return (self.peak - self.start) * 1024 / self.rows


def written(folder: Path, questions: int, *, by: str) -> Path:
    """Writes documents, questions with evidence, and an experiment of ten cells; returns the experiment."""
    rng = random.Random(0)  # noqa: S311 - a repeatable text
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choice(letters) for _ in range(rng.randint(2, 9))) for _ in range(5_000)]
    data = folder / "data"
    data.mkdir()
    with (data / "documents.jsonl").open("w") as documents, (data / "questions.jsonl").open("w") as asked:
        for number in range(-(-questions // A_DOCUMENT)):
            said = [rng.choice(words) for _ in range(400)]
            text = " ".join(said)
            documents.write(json.dumps({"doc_id": f"d{number}", "text": text}) + "\n")
            for place in range(number * A_DOCUMENT, min(questions, (number + 1) * A_DOCUMENT)):
                at = rng.randrange(390)
                start = len(" ".join(said[:at])) + bool(at)
                row: dict[str, Any] = {"question_id": f"q{place}", "doc_ids": [f"d{number}"]}
                row |= {"question": f"What follows '{' '.join(said[at : at + 6])}'?", "answers": [said[at + 6]]}
                row |= {"evidence": [{"doc_id": f"d{number}", "start": start, "end": start + 40}]}
                row |= {"meta": {"level": rng.choice(["easy", "hard"])}}
                asked.write(json.dumps(row) + "\n")
    main = {"kind": "scripted", "replies": {rf"{letter}\w* '": letter for letter in "aeiou"}, "default": words[0]}
    rag = {"kind": "retrieve", "retriever": "bm25", "chunker": {"kind": "tokens", "size": 32}}
    file = folder / f"{NAME}.yaml"
    sweep = {
        "name": NAME,
        "dataset": {"kind": "jsonl", "path": str(data), "cluster": by},
        "pipelines": {
            "full": {"generators": {"main": main}, "routes": {"full": {"kind": "full_context"}}},
            "rag": {"generators": {"main": main}, "routes": {"rag": rag}},
        },
        "axes": {"routes.rag.selector.k": list(range(1, CELLS))},
        "metrics": ["contains", "token_f1", "evidence_recall"],
        "baseline": "full",
        "tracker": "none",
    }
    file.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return file


def ran(file: Path, runs: Path) -> Running:
    """Runs the sweep in a process of its own, without the cache on disk."""
    found = _child(RUN, [str(file), str(runs)], cached=False)
    return Running(int(found[0]), float(found[1]), float(found[2]), float(found[3]))


def used(arguments: Sequence[str]) -> Used:
    """Runs one command in a process of its own. Raises `SystemExit` if it fails."""
    found = _child(COMMAND, arguments)
    if int(found[0]):
        raise SystemExit(f"ragvlc {' '.join(arguments)} ended with {found[0]}")
    return Used(arguments[0] + (" --question" if "--question" in arguments else ""), float(found[1]), float(found[2]))


def _child(code: str, arguments: Sequence[str], *, cached: bool = True) -> list[str]:
    with tempfile.TemporaryDirectory() as store:
        more = {} if cached else {"RAGVLC_STORE": store}
        ended = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **more},
        )
    if ended.returncode:
        raise SystemExit(ended.stderr[-3000:])
    return ended.stdout.splitlines()[-1].split()[1:]


def commands(file: Path, runs: Path) -> list[list[str]]:
    """Returns the commands that read stored results, with their arguments."""
    stored = str(runs / NAME)
    return [
        ["report", stored],
        ["show", stored],
        ["show", stored, "--question", "q7"],
        ["compare", stored, "full", _second(runs)],
        ["score", str(file), "--runs", str(runs)],
        ["track", str(file), "--runs", str(runs), "--set", "tracker=mlflow"],
        ["verify", stored],
    ]


def _second(runs: Path) -> str:
    cells = json.loads((runs / NAME / "cells.json").read_text())
    return str(cells[1]["name"])


def measured(folder: Path, rows: int, *, by: str = "document") -> tuple[Running | None, list[Used]]:
    """Makes the sweep in a folder unless it is there, and measures the run and each command on it."""
    file, running = folder / f"{NAME}.yaml", None
    if not (folder / NAME / "cells.json").exists():
        running = ran(written(folder, rows // CELLS, by=by), folder)
        _say(
            f"{running.rows:,} rows: {running.rows / running.seconds:,.0f} a second of processor time, memory from "
            f"{running.start:,.0f} to {running.peak:,.0f} MB ({running.kilobytes_a_row:.2f} kB a row)"
        )
    _say(f"\n{'':18} {'seconds':>8} {'MB':>8}")
    found = []
    for arguments in commands(file, folder):
        found.append(used(arguments))
        _say(f"{found[-1].command:18} {found[-1].seconds:8.1f} {found[-1].megabytes:8,.0f}")
    return running, found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=200_000, help="of all ten cells together")
    parser.add_argument("--runs", type=Path, help="folder of the results; by default one that is deleted at the end")
    parser.add_argument("--cluster", default="document", choices=["document", "question"])
    options = parser.parse_args()
    if options.runs is not None:
        options.runs.mkdir(parents=True, exist_ok=True)
        measured(options.runs, options.rows, by=options.cluster)
        return
    with tempfile.TemporaryDirectory() as name:
        measured(Path(name), options.rows, by=options.cluster)


if __name__ == "__main__":
    main()
