"""A small form of `make torture`, and proofs that the torture notices what it looks for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
