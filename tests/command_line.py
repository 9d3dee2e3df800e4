"""What the command line said, for tests that run it by the fixture `ragvlc`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Said]
