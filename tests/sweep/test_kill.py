"""Killed at any moment and run again, a sweep comes to the results of one that nobody disturbed."""

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
from sweep_things import COLOURS, questions, standing, write_set

from ragvlc.results.store import SweepStore

RULES = {f"Thing {n} is (\\w+)[^?]*thing {n}\\?": "\\1" for n in range(12)}


def scripted(**fields: Any) -> dict[str, Any]:
    return {"main": {"kind": "scripted", "replies": RULES, "default": "unknown", "seconds_per_call": 0.02} | fields}


@pytest.fixture
def scripted_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes of this test in a folder of its own, so that kills also hit their making."""
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path / "cache"))


def scripted_sweep(folder: Path) -> dict[str, Any]:
    write_set(folder / "things", questions())
    rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 10}, "selector": {"kind": "top_k", "k": 2}}
    sampled = {"main": {"kind": "scripted", "temperature": 1, "default": "{seed}", "seconds_per_call": 0.02}}
    return {
        "dataset": {"kind": "jsonl", "path": str(folder / "things")},
        "pipelines": {
            "full": {"generators": scripted(), "routes": {"full": "full_context"}},
            "rag": {"generators": scripted(), "routes": {"rag": rag}},
            "sampled": {"generators": sampled, "routes": {"full": "full_context"}},
        },
        "axes": {"routes.rag.order": ["document", "random"]},
        "repeats": 2,
        "metrics": ["contains", "token_f1"],
        "concurrency": 3,
        "tracker": "none",
    }


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


@pytest.mark.usefixtures("scripted_cache")
def test_two_kills_change_nothing(tmp_path: Path) -> None:
    sweep = scripted_sweep(tmp_path)
    check(tmp_path, sweep, kills=2, seed=1)
    texts = {row["text"] for cell in standing(tmp_path / "quiet" / "killed").values() for row in cell["rows"].values()}
    assert set(COLOURS) <= texts, "the scripted pipelines really read"


@pytest.mark.slow
@pytest.mark.usefixtures("scripted_cache")
@pytest.mark.parametrize("seed", [2, 3])
def test_ten_kills_change_nothing(tmp_path: Path, seed: int) -> None:
    check(tmp_path, scripted_sweep(tmp_path), kills=10, seed=seed)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_kills_change_nothing_with_a_real_model(tmp_path: Path, language_model: Path) -> None:
    check(tmp_path, model_sweep(tmp_path), kills=10, seed=4)
