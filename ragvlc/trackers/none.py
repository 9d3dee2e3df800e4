"""No tracker: results are in the results folder only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ragvlc.core.families import TrackedSweep, Tracker
from ragvlc.core.records import CellRecord, SweepRecord


class NoTracker(Tracker):
    """A tracker that sends nothing."""

    def open(self, sweep: SweepRecord) -> AbstractContextManager[TrackedSweep]:  # noqa: ARG002 - the contract's
        """Returns a tracked sweep that ignores its cells."""
        return _nowhere()


class _Nowhere:
    def cell(self, record: CellRecord) -> None:
        """Does nothing."""

    def files(self, paths: Mapping[str, Path]) -> None:
        """Does nothing."""


@contextmanager
def _nowhere() -> Iterator[TrackedSweep]:
    yield _Nowhere()
