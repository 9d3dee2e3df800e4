"""What a check of stored results has found, and what would be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["CHECKS", "CheckFinding", "State", "Verification"]

State = Literal["ok", "note", "repair", "open"]
CHECKS = (
    *("lock", "bundle", "setup", "rows", "coverage", "data", "models", "scores"),
    *("summary", "cells", "examples", "leftovers", "tracker"),
)
"""In the order of a table."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """A result of one check.

    Attributes:
        run: name of the results folder.
        cell: name of the cell; empty for the folder as a whole.
        check: one of `CHECKS`.
        state: `ok`; `note` for something to know; `repair` for what `--repair` does; `open` for what it cannot do.
        found: what is there.
        remedy: what would be done, or what to do; empty if nothing.
        repair: does it, with the folder locked.
    """

    run: str
    cell: str
    check: str
    state: State
    found: str
    remedy: str = ""
    repair: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    def act(self) -> None:
        """Does the repair, if there is one."""
        if self.repair is not None:
            self.repair()

    def to_json(self) -> dict[str, Any]:
        """Returns the finding as JSON values."""
        names = ("run", "cell", "check", "state", "found", "remedy")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings of all checks on one results folder.

    Attributes:
        folder: of the results.
        findings: in the order of the checks.
        busy: whether another process is running the sweep.
        repaired: findings that were repaired before these checks.
    """

    folder: Path
    findings: tuple[CheckFinding, ...]
    busy: bool = False
    repaired: tuple[CheckFinding, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is to be repaired, asked again or brought back."""
        return all(one.state in ("ok", "note") for one in self.findings)

    @property
    def repairable(self) -> tuple[CheckFinding, ...]:
        """The findings that a repair would settle."""
        return tuple(one for one in self.findings if one.state == "repair")
