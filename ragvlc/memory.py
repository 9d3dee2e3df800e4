"""The plan of main memory: one budget for weights, prefixes, batches, embeddings and indexes of this process.

The budget is half of what is free at the start: of the machine, or of the control group (a container, a job of a batch
system) if that has less. Weights are reserved before a model is loaded and refused if they do not fit; what can be
computed again (prefixes, indexes) gets a share of the rest.

Freed memory is not yet given back: the C library holds it in arenas, one for each of several threads, between buffers
in use. With 14 threads over prompts of up to 4,500 tokens that was .9 of 2.6 GB. `give_back` returns it from time to
time. A single arena for all threads (`M_ARENA_MAX`) held less, too, but took 1.8 times the processor time where both
were measured: every buffer's pages are returned and taken again.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ragvlc.core.errors import EngineError
from ragvlc.core.limits import Limit

__all__ = [
    "CEILING",
    "FLOOR",
    "MEMORY_MB",
    "ProcessBudget",
    "Reservation",
    "available",
    "budget",
    "gigabytes",
    "give_back",
    "loaded",
    "planned",
    "resident",
]

FLOOR = 2**30
"""The least budget, in bytes, where so much is free."""
CEILING = 64 * 2**30
"""The largest budget that is taken without being asked for, in bytes."""
MEMORY_MB = Limit(0, "RAGVLC_MEMORY_MB", "megabytes")
"""The budget in place of half of what is free."""
_SHARE = 0.5
_SLACK = 64 * 2**20
_UNLIMITED = 2**60
_CGROUPS = Path("/sys/fs/cgroup")

LoadedT = TypeVar("LoadedT")


@dataclass(frozen=True, slots=True)
class Reservation:
    """Memory of a budget that one model holds.

    Attributes:
        what: weights, prefixes or the like.
        name: of the model.
        size: bytes.
    """

    what: str
    name: str
    size: int


class ProcessBudget:
    """Main memory planned for this process, and what holds it. Safe across threads.

    Args:
        total: bytes.
        words: where the number comes from, for messages.
    """

    def __init__(self, total: int, words: str) -> None:
        self.total = total
        self.words = words
        self._lock = threading.RLock()  # a model may be dropped, and its share returned, while this thread holds it
        self._held: list[Reservation] = []

    @property
    def left(self) -> int:
        """Bytes that nothing has reserved."""
        with self._lock:
            return max(0, self.total - sum(one.size for one in self._held))

    def held(self) -> tuple[Reservation, ...]:
        """Returns all reservations, in the order in which they were made."""
        with self._lock:
            return tuple(self._held)

    def reserve(self, what: str, name: str, size: int) -> Reservation:
        """Returns a new reservation, whether or not so much is left; give it to `release` in the end."""
        made = Reservation(what, name, size)
        with self._lock:
            self._held.append(made)
        return made

    def reserve_weights(self, name: str, size: int, words: str = "") -> Reservation:
        """Returns a reservation for the weights of a model.

        Raises:
            EngineError: all weights together would exceed the budget; the message has the sum.
        """
        with self._lock:
            others = [one for one in self._held if one.what == "weights"]
            if size + sum(one.size for one in others) > self.total:
                raise EngineError(self._refusal(name, size, words, others))
            made = Reservation("weights", name, size)
            self._held.append(made)
        return made

    def release(self, *reservations: Reservation) -> None:
        """Returns the memory of reservations to the budget."""
        with self._lock:
            for one in reservations:
                place = next(place for place, other in enumerate(self._held) if other is one)
                del self._held[place]

    def _refusal(self, name: str, size: int, words: str, others: list[Reservation]) -> str:
        parts = [f"{gigabytes(one.size)} of '{one.name}'" for one in others]
        total = f" and {', '.join(parts)}: {gigabytes(size + sum(one.size for one in others))}" if others else ""
        inside = f" ({words})" if words else ""
        return (
            f"'{name}' needs {gigabytes(size)} for its weights{inside}{total}, and {gigabytes(self.total)} are planned "
            f"for this process: {self.words}. Take a smaller model or dtype, or set {MEMORY_MB.variable} to the "
            "megabytes that it may take."
        )


@cache
def budget() -> ProcessBudget:
    """Returns the budget of this process, measured at the first call. Raises `ConfigError` for a bad number in it."""
    given = MEMORY_MB.value
    if given:
        return ProcessBudget(given * 2**20, f"as {MEMORY_MB.variable} says")
    return planned(available())


def loaded(name: str, size: int | None, load: Callable[[], LoadedT]) -> LoadedT:
    """Returns what `load` loads, with `size` bytes of weights reserved as long as it lives; None reserves nothing.

    Raises:
        EngineError: the weights do not fit the budget; nothing is loaded then.
    """
    if not size:
        return load()
    own = budget()
    held = own.reserve_weights(name, size)
    try:
        made = load()
    except BaseException:
        own.release(held)
        raise
    weakref.finalize(made, own.release, held)
    return made


def planned(free: int) -> ProcessBudget:
    """Returns the budget where `free` bytes are free: half of them, within the floor and the ceiling."""
    half = int(free * _SHARE)
    if half < FLOOR:
        return ProcessBudget(min(FLOOR, free), f"the least that is planned, of {gigabytes(free)} free at the start")
    if half > CEILING:
        return ProcessBudget(CEILING, f"the most that is planned unasked, of {gigabytes(free)} free at the start")
    return ProcessBudget(half, f"half of the {gigabytes(free)} that were free at the start")


def available() -> int:
    """Returns the bytes that this process may still take: of the machine, or of its control groups if that is less."""
    import psutil

    return min([int(psutil.virtual_memory().available), *_left_in_groups()])


def resident() -> int:
    """Returns the bytes of main memory that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def gigabytes(size: float) -> str:
    """Returns bytes in words: `0.54 GB`."""
    return f"{size / 1e9:,.2f} GB" if size < 9.995e9 else f"{size / 1e9:,.1f} GB"


def _left_in_groups(root: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Returns what is left to each control group that this process is in and that has a limit."""
    if not own.exists():
        return []
    found = []
    for line in own.read_text("utf-8", errors="replace").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            base, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = base / path.strip("/")
        # Inside a container its own group is mounted as the root, and the path is that of the host.
        folders = {folder, *(one for one in folder.parents if one.is_relative_to(base)), base}
        found += [left for one in folders if (left := _left_in(one, *names)) is not None]
    return found


def _left_in(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Returns the bytes left to one control group, file cache that it can drop included; None without a limit."""
    try:
        most = (folder / limit).read_text("utf-8").strip()
        if not most.isdigit() or int(most) >= _UNLIMITED:
            return None
        used = int((folder / usage).read_text("utf-8"))
        facts = dict(line.split()[:2] for line in (folder / "memory.stat").read_text("utf-8").splitlines())
        return max(0, int(most) - used + int(facts.get(reclaimable, 0)))
    except (OSError, ValueError):  # another system's files, or none
        return None


class _GiveBack:
    """Returns freed memory to the system once the process has grown by a slack since the last time."""

    def __init__(self, trim: Callable[[int], Any] | None, resident: Callable[[], int]) -> None:
        self._trim = trim
        self._resident = resident
        self._lock = threading.Lock()
        self._mark: int | None = None

    def __call__(self) -> bool:
        if self._trim is None or not self._lock.acquire(blocking=False):  # another thread does it
            return False
        try:
            now = self._resident()
            if self._mark is None or now < self._mark:
                self._mark = now
            if now < self._mark + _SLACK:
                return False
            self._trim(0)
            self._mark = self._resident()
            return True
        finally:
            self._lock.release()


def _trim_of_this_system() -> Callable[[int], Any] | None:
    """Returns glibc's `malloc_trim`; None where there is another C library."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def _resident_pages() -> int:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - for every token
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@cache
def _given_back() -> _GiveBack:
    return _GiveBack(_trim_of_this_system(), _resident_pages)


def give_back() -> bool:
    """Returns freed memory to the system if the process has grown since the last time; returns whether it was tried."""
    return _given_back()()
