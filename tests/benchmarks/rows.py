"""What a row of results costs: encoding, reading and bytes beside the format before, and fsync on this machine.

    .venv/bin/python tests/benchmarks/rows.py                  (make bench)
    .venv/bin/python tests/benchmarks/rows.py FOLDER...        fsync in other folders

The rows are those of the golden runs: full context, retrieval, agents, thoughts. The format before is version 2: every
field written out, no hash, encoded and decoded by the standard library. Processor time, best of several turns, both
formats by turns. Fsync is the clock's time a row: without any, as rows are written (every 100 rows or 5 seconds, and at
the end), and after every row.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from _figures import record

from ragvlc.core.answer import Answer, Prediction
from ragvlc.core.answer_json import fields_json, step_json, timing_json
from ragvlc.core.surrogates import joined
from ragvlc.results.lines import read_lines, row_of, sealed
from ragvlc.results.rows import VERSION, from_row
from ragvlc.results.store import CellStore

GOLDEN = Path(__file__).parents[1] / "golden"
TURNS, LOOPS, SYNCED = 7, 20, 1000
_BEFORE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def rows_of_runs() -> list[Prediction]:
    """Returns the rows of the golden runs of version 2."""
    lines = [line for file in sorted(GOLDEN.glob("rows_2/run/*/predictions.jsonl")) for line in file.open("rb")]
    return [replace(from_row(json.loads(line)), version=VERSION) for line in lines]


def encoded_before(row: Prediction) -> bytes:
    """Returns the line of a row as version 2 wrote it."""
    found: dict[str, Any] = {"version": 2, "id": row.example_id, "example_key": row.example_key}
    if row.answer is not None:
        found["answer"] = answer_before(row.answer)
    if row.failure is not None:
        found["failure"] = fields_json(row.failure)
    found |= {"scores": dict(row.scores), "scored_by": dict(row.scored_by), "flags": list(row.flags)}
    return joined(_BEFORE.encode(found)).encode() + b"\n"


def answer_before(answer: Answer) -> dict[str, Any]:
    """Returns an answer as version 2 wrote it, without the reply."""
    chunks = [hit.chunk for hit in answer.ranking]
    return {
        "text": answer.text,
        "route": answer.route,
        "finish": answer.finish,
        "reused": answer.reused,
        "ranking": [
            [chunk.document_id, chunk.index, chunk.start, chunk.end, chunk.document_index, hit.score]
            for chunk, hit in zip(chunks, answer.ranking, strict=True)
        ],
        "context": [[span.document_id, span.start, span.end] for span in answer.context],
        "usage": fields_json(answer.usage),
        "timing": timing_json(answer.timing),
        "trace": [step_json(step) for step in answer.trace],
        "bills": {role: fields_json(usage) for role, usage in answer.bills.items()},
        **({"memory": dict(answer.memory)} if answer.memory else {}),
        **({"thought": answer.thought} if answer.thought else {}),
    }


def microseconds(works: Sequence[Callable[[], object]], rows: int) -> list[float]:
    """Returns the processor time a row of each work; they take turns, so that a busy machine delays all of them."""
    best = [float("inf")] * len(works)
    for _ in range(TURNS):
        for place, work in enumerate(works):
            begun = time.process_time()
            for _ in range(LOOPS):
                work()
            best[place] = min(best[place], (time.process_time() - begun) / LOOPS / rows * 1e6)
    return best


def format_table(folder: Path) -> None:
    """Prints encoding, decoding and bytes of a row, before and now."""
    rows = rows_of_runs()
    before, now = [encoded_before(row) for row in rows], [sealed(row, "cell") for row in rows]
    file = folder / "predictions.jsonl"
    file.write_bytes(b"".join(now))
    encoded = microseconds(
        [lambda: [encoded_before(row) for row in rows], lambda: [sealed(row, "cell") for row in rows]], len(rows)
    )
    decoded = microseconds(
        [lambda: [from_row(json.loads(line)) for line in before], lambda: [row_of(line[:-1]) for line in now]],
        len(rows),
    )
    values = microseconds(
        [lambda: [json.loads(line) for line in before], lambda: list(read_lines(file, "cell"))], len(rows)
    )
    assert [row_of(line.data) for line in read_lines(file, "cell")] == rows
    sizes = [statistics.mean(map(len, lines)) for lines in (before, now)]
    print(f"{len(rows)} rows of the golden runs\n")
    print(f"{'':38} {'version 2':>10} {'version 3':>10} {'ratio':>7}")
    for name, (old, new) in {
        "encode, microseconds a row": encoded,
        "read as a row, microseconds": decoded,
        "read as values, checked, microseconds": values,
        "bytes a row": sizes,
    }.items():
        print(f"{name:38} {old:>10,.1f} {new:>10,.1f} {old / new:>7.2f}")
        record(f"{name.partition(', microseconds')[0]}, against version 2", [old / new])


def synced(folder: Path, mode: str) -> float:
    """Returns microseconds a row of appending rows with no fsync, with the product's, or with one after each row."""
    rows = [replace(row, example_id=f"q{number}") for number, row in enumerate(rows_of_runs() * 30)][:SYNCED]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cell = CellStore(Path(place) / "cell")
        cell.reopen("")
        fsync = os.fsync if mode != "none" else (lambda _: None)
        with mock.patch("ragvlc.results.store.os.fsync", fsync):
            begun = time.perf_counter()
            for row in rows:
                cell.append(row)
                if mode == "each":
                    cell.sync()
            cell.sync()
            return (time.perf_counter() - begun) / len(rows) * 1e6


def fsync_table(folders: Sequence[Path]) -> None:
    """Prints what fsync costs a row in each folder."""
    print(f"\n{'microseconds a row, appended':34} {'no fsync':>10} {'100 rows':>10} {'each row':>10}")
    for folder in folders:
        cost = [min(synced(folder, mode) for _ in range(5)) for mode in ("none", "product", "each")]
        print(f"{folder!s:34} {cost[0]:>10,.0f} {cost[1]:>10,.0f} {cost[2]:>10,.0f}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folders", nargs="*", type=Path, help="where fsync is measured")
    folders = parser.parse_args().folders or [Path.cwd(), *(path for path in [Path("/dev/shm")] if path.is_dir())]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cell").mkdir()
        format_table(Path(folder) / "cell")
    fsync_table(folders)
    print(f"\nPython {sys.version.split()[0]}. Machines are noisy: compare figures of one quiet machine only.")


if __name__ == "__main__":
    main()
