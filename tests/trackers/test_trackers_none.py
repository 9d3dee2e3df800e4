"""Tracking nowhere."""

from __future__ import annotations

from pathlib import Path

from ragvlc.core.families import Tracker
from ragvlc.core.records import CellRecord, SweepRecord


def test_nothing_happens(tmp_path: Path) -> None:
    tracker = Tracker.build("none")
    with tracker.open(SweepRecord(name="s", folder=tmp_path / "s")) as sweep:
        sweep.cell(CellRecord(key="k", name="n", status="complete", folder=tmp_path / "s" / "k"))
    assert list(tmp_path.iterdir()) == []
