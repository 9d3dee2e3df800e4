"""Killed at any moment and run again, a sweep with a real model comes to the results of one that nobody disturbed.

With scripted models, more kills and other faults: `make torture`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from sweep_things import standing

from ragvlc.results.store import SweepStore


def model_sweep(folder: Path) -> dict[str, Any]:
    main = {"kind": "transformers", "model": "packaged:smollm2-135m-instruct", "dtype": "float32", "batch_size": 1}
    short = {"answer_tokens": 8, "summary_tokens": 8}
    return {
        "dataset": "toy",
        "pipelines": {
            "full": {"generators": {"main": main}, "routes": {"full": {"kind": "full_context", **short}}},
            "rag": {"generators": {"main": main}, "routes": {"rag": {"kind": "retrieve", **short}}},
        },
        "axes": {"routes.rag.chunker.size": [32]},
        "metrics": ["contains", "token_f1", "evidence_recall"],
        "concurrency": 2,
        "tracker": "none",
    }


def started(experiment: Path, runs: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ragvlc", "run", str(experiment), "--runs", str(runs)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(experiment: Path, runs: Path) -> None:
    process = started(experiment, runs)
    _, errors = process.communicate(timeout=1500)
    assert process.returncode == 0, errors.decode()


def rows_in(runs: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in runs.rglob("predictions.jsonl"))


def killed(experiment: Path, runs: Path, at: int, delay: float) -> bool:
    """Runs until so many rows are there and a little longer, then kills; returns whether it was still at work."""
    process = started(experiment, runs)
    while process.poll() is None and rows_in(runs) < at:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def check(folder: Path, sweep: dict[str, Any], kills: int, seed: int) -> None:
    experiment = folder / "killed.yaml"
    experiment.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    finished(experiment, folder / "quiet")
    expected = standing(folder / "quiet" / "killed")
    total = sum(len(cell["rows"]) for cell in expected.values())
    chance = random.Random(seed)
    moments = sorted(chance.choices(range(total), k=kills))
    hits = [killed(experiment, folder / "broken", at, chance.uniform(0, 0.05)) for at in moments]
    assert sum(hits) >= kills * 0.7, "the kills came too late to prove anything"
    finished(experiment, folder / "broken")
    assert standing(folder / "broken" / "killed") == expected
    assert all(cell["complete"] and len(cell["rows"]) for cell in expected.values())
    with SweepStore(folder / "broken" / "killed") as free:
        assert len(free.cells()) == len(expected)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_kills_change_nothing_with_a_real_model(tmp_path: Path, language_model: Path) -> None:
    check(tmp_path, model_sweep(tmp_path), kills=10, seed=4)
