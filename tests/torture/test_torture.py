"""A small form of `make torture`, and proofs that the torture notices what it looks for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ragvlc.results.store import CellStore
from tests.torture.bench import NAME, Bench, Verdict, intact_lines
from tests.torture.children import Ended

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")


def tortured(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.torture", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)


@pytest.mark.timeout(1600)
def test_twenty_kills_and_a_few_of_every_other_fault_lose_nothing() -> None:
    ended = tortured("--kills", "20", "--seed", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [sums] = [line.split() for line in ended.stdout.splitlines() if line.startswith("all ")]
    tried, survived, *others = map(int, sums[1:])
    assert tried == survived >= 20
    assert others == [0, 0, 0]


def test_an_unknown_fault_is_refused() -> None:
    ended = tortured("--only", "kills of time")
    assert ended.returncode == 2
    assert "known are kills of run" in ended.stderr


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench") / "work")


def rows_of(base: Path) -> Path:
    return min((base / "runs" / NAME).glob("*/predictions.jsonl"))


def lose(base: Path) -> None:
    file = rows_of(base)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:]))


def ask_again(base: Path) -> None:
    store = CellStore(rows_of(base).parent)
    store.append(next(iter(store.load().values())))


def change(base: Path) -> None:
    store = CellStore(rows_of(base).parent)
    row = next(iter(store.load().values()))
    store.append(replace(row, answer=replace(row.answer, text="another"), scored_by={}))


def lose_entry(base: Path) -> None:
    min((base / "store" / "answers").glob("*/*")).unlink()


def flip_entry(base: Path) -> None:
    file = min((base / "store" / "answers").glob("*/*"))
    file.write_bytes(file.read_bytes()[:-1] + b"]")


def leave_a_part(base: Path) -> None:
    (base / "runs" / NAME / "cells.json.1.part").write_text("half")


@pytest.mark.parametrize(
    ("harm", "counts"),
    [
        (lambda base: None, (0, 0, 0)),
        (lose, (2, 0, 1)),  # the stored line and the row; and the cell is not complete
        (ask_again, (0, 1, 0)),
        (change, (0, 0, 1)),
        (lose_entry, (1, 0, 0)),
        (flip_entry, (0, 0, 2)),  # another value, and damaged
        (leave_a_part, (0, 0, 1)),
    ],
    ids=["nothing", "a row lost", "asked again", "another answer", "entry lost", "entry damaged", "part left"],
)
def test_what_is_lost_duplicated_or_wrong_is_counted(
    bench: Bench, harm: Callable[[Path], None], counts: tuple[int, int, int]
) -> None:
    base, verdict = bench.base(finished=True), Verdict()
    before = intact_lines(base)
    harm(base)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict)
    assert (verdict.lost, verdict.duplicated, verdict.wrong) == counts, verdict.notes
    assert verdict.survived == (counts == (0, 0, 0))


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        (Ended(0, ""), 0),
        (Ended(2, "error: the disk is full"), 0),
        (Ended(2, "no"), 1),
        (Ended(1, ""), 1),
        (Ended(0, "Traceback (most recent call last):\n"), 1),
        (Ended(0, "", hung=True), 1),
    ],
)
def test_an_end_without_a_sentence_is_wrong(ended: Ended, wrong: int) -> None:
    verdict = Verdict()
    verdict.expect(ended, [0, 2], "run")
    assert verdict.wrong == wrong
