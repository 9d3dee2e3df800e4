"""One document of 10, 30 and 100 MB, cut, indexed by BM25 and asked: processor time and memory, a process each.

    python tests/benchmarks/long_document.py [MEGABYTES ...]

Time should grow with the length, and memory stay a small multiple of it.
"""

from __future__ import annotations

import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

SIZES = (10.0, 30.0, 100.0)


def written(folder: Path, megabytes: float) -> Path:
    """Writes a document of words in sentences, three questions on it, and an experiment; returns the experiment."""
    rng = random.Random(0)  # noqa: S311 - a repeatable text
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choice(letters) for _ in range(rng.randint(2, 9))) for _ in range(20_000)]
    parts, size = [], 0
    while size < megabytes * 1e6:
        parts.append(" ".join(rng.choice(words) for _ in range(15)).capitalize() + ". " + "\n\n" * (rng.random() < 0.1))
        size += len(parts[-1])
    (folder / "document.txt").write_text("".join(parts))
    asked = [f'"{" ".join(rng.choice(words) for _ in range(6))}",x' for _ in range(3)]
    (folder / "questions.csv").write_text("\n".join(["question,answers", *asked]) + "\n")
    pipeline = {
        "generators": {"main": {"kind": "scripted", "default": "x"}},
        "routes": {"rag": {"kind": "retrieve", "retriever": "bm25", "chunker": "tokens"}},
    }
    dataset = {"kind": "folder", "path": str(folder), "questions": "questions.csv"}
    file = folder / "long.yaml"
    file.write_text(
        yaml.safe_dump({"dataset": dataset, "pipelines": {"p": pipeline}, "metrics": ["contains"], "tracker": "none"})
    )
    return file


def measured(megabytes: float) -> tuple[float, float]:
    """Returns the seconds of processor time and the megabytes at most of one run in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = written(folder, megabytes)
        code = (
            "import resource, sys; from ragvlc.cli.main import main\n"
            "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
            "used = resource.getrusage(resource.RUSAGE_SELF)\n"
            "print('USED', used.ru_utime + used.ru_stime, used.ru_maxrss)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code, "run", str(file), "--runs", str(folder / "runs"), "--set", "cache=false"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "RAGVLC_STORE": str(folder / "store")},
        )
        _, seconds, kilobytes = ended.stdout.splitlines()[-1].split()
        return float(seconds), float(kilobytes) / 1000


def main() -> None:
    """Prints a line for each size, and the slope: 1 where time grows with the length."""
    sizes = [float(word) for word in sys.argv[1:]] or SIZES
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    found = []
    for megabytes in sizes:
        seconds, memory = measured(megabytes)
        found.append((megabytes, seconds))
        sys.stdout.write(
            json.dumps({"megabytes": megabytes, "seconds": round(seconds, 1), "memory_mb": round(memory)}) + "\n"
        )
        sys.stdout.flush()
    if len(found) > 1:
        (first, one), (last, other) = found[0], found[-1]
        slope = math.log(other / one) / math.log(last / first)
        sys.stdout.write(f"slope of time over length: {slope:.2f}; this process began with {start:.0f} MB\n")


if __name__ == "__main__":
    main()
