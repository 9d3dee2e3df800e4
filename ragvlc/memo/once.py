"""A memo that computes each distinct input only once across threads, with values in memory and on disk."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ragvlc import memory
from ragvlc.core.texts import first_fault
from ragvlc.memo.disk import Cache

__all__ = ["Codec", "Memoised", "Once"]

log = logging.getLogger("ragvlc")


@dataclass(frozen=True, slots=True)
class Memoised:
    """A computed value. `reused` means that another caller computed the value, in this run or an earlier one."""

    value: Any
    reused: bool


@dataclass(frozen=True, slots=True)
class Codec:
    """Converts a stage's values to JSON for the disk, and back.

    Attributes:
        stage: their folder; one of `cache.STAGES`.
        write: makes JSON of a value; None for a value that must not be found again in a later run.
        read: makes the value of that JSON.
    """

    stage: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


LARGE: Mapping[str, int] = MappingProxyType({"chunk": 256, "index": 256})
"""Stages whose values hold whole documents' texts or vectors, and how many of them are kept in memory."""
_LARGE_SHARE = 0.1
"""Of the memory planned for this process: the values of one such stage, where they say how large they are."""


class Once:
    """Computes each distinct input once, even for concurrent threads, and counts requests and computations.

    Each stage keeps its `capacity` most recently used values, or the number that `large` gives for the stage; of a
    large stage also no more than fit a share of the memory planned for this process, by the `nbytes` of its values.

    Args:
        cache: where values with a codec are looked up before they are computed, and stored afterwards.
        capacity: values kept in memory for a stage.
        large: other capacities by stage.

    Attributes:
        asked: requests by stage.
        computed: computations by stage.
        stored: values found on disk by stage.
    """

    def __init__(self, cache: Cache | None = None, *, capacity: int = 20_000, large: Mapping[str, int] = LARGE) -> None:
        self._cache = cache
        self._capacity = capacity
        self._large = large
        self._lock = threading.Lock()
        self._known: dict[str, OrderedDict[str, Future[Any] | Memoised]] = {}
        self._bytes: dict[str, dict[str, int]] = {}
        self.asked: Counter[str] = Counter()
        self.computed: Counter[str] = Counter()
        self.stored: Counter[str] = Counter()

    def get(self, stage: str, key: str, compute: Callable[[], Any], codec: Codec | None = None) -> Memoised:
        """Returns the value for `key`, computed by `compute` if necessary."""
        return self.many(stage, [key], lambda _: [compute()], codec)[0]

    def many(
        self,
        stage: str,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],
        codec: Codec | None = None,
    ) -> list[Memoised]:
        """Returns a value for each key; `compute` receives the positions of missing values and returns these values.

        Values with a codec are looked for on disk first, and stored there. An error reaches every thread that waits for
        the value and is then forgotten, so that a later call tries again.
        """
        found, mine = self._claim(stage, keys)
        futures = {place: one for place, one in enumerate(found) if isinstance(one, Future)}
        own = set(mine)
        try:
            mine = self._look_up(stage, keys, mine, futures, codec)
            values = compute(mine) if mine else []
            if len(values) != len(mine):
                message = f"{len(mine)} values of '{stage}' were to be computed, {len(values)} came back"
                raise ValueError(message)  # noqa: TRY301 - waiting threads must hear of it too
            for place, value in zip(mine, values, strict=True):
                self._keep(keys[place], value, codec)
                self._settle(stage, keys[place], futures[place], value)
        except BaseException as error:
            left = [place for place in mine if not futures[place].done()]
            self._forget(stage, [keys[place] for place in left])
            for place in left:
                futures[place].set_exception(error)
            raise
        own &= set(mine)
        return [
            one if isinstance(one, Memoised) else Memoised(one.result(), place not in own)
            for place, one in enumerate(found)
        ]

    def alone(self, stage: str, n: int = 1) -> None:
        """Counts `n` computations that were made without this memo, for example to measure their time."""
        with self._lock:
            self.asked[stage] += n
            self.computed[stage] += n

    def _look_up(
        self,
        stage: str,
        keys: Sequence[str],
        mine: list[int],
        futures: Mapping[int, Future[Any]],
        codec: Codec | None,
    ) -> list[int]:
        """Settles the futures of values found on disk; returns the positions of the values still to compute."""
        if codec is None or self._cache is None:
            return mine
        left = []
        for place in mine:
            found = self._stored(codec, keys[place])
            if found is None:
                left.append(place)
            else:
                self._settle(stage, keys[place], futures[place], found)
        with self._lock:
            self.stored[stage] += len(mine) - len(left)
            self.computed[stage] -= len(mine) - len(left)
        return left

    def _stored(self, codec: Codec, key: str) -> Any:  # noqa: ANN401 - whatever a stage computes
        """Returns the value stored on disk; None if there is none, or if it has not the form that its codec writes."""
        stored = None if self._cache is None else self._cache.get(codec.stage, key)
        if stored is None:
            return None
        try:
            return codec.read(stored)
        except (LookupError, ValueError) as error:  # a value of another type, or a place that is not there
            reason = first_fault(error)
            log.warning("%s %s: a stored entry has another form (%s); it is computed again", codec.stage, key, reason)
            return None

    def _keep(self, key: str, value: Any, codec: Codec | None) -> None:  # noqa: ANN401 - whatever a stage computes
        if codec is not None and self._cache is not None and (written := codec.write(value)) is not None:
            self._cache.put(codec.stage, key, written)

    def _claim(self, stage: str, keys: Sequence[str]) -> tuple[list[Future[Any] | Memoised], list[int]]:
        """Returns what is known of each key, a value or a future, and the positions of the caller's own futures."""
        found, mine = list[Future[Any] | Memoised](), list[int]()
        with self._lock:
            known = self._known.setdefault(stage, OrderedDict())
            self.asked[stage] += len(keys)
            for place, key in enumerate(keys):
                one = known.get(key)
                if one is None:
                    one = known[key] = Future()
                    mine.append(place)
                else:
                    known.move_to_end(key)
                found.append(one)
            self.computed[stage] += len(mine)
            while len(known) > self._large.get(stage, self._capacity):
                dropped, _ = known.popitem(last=False)
                self._bytes.get(stage, {}).pop(dropped, None)
        return found, mine

    def _settle(self, stage: str, key: str, future: Future[Any], value: Any) -> None:  # noqa: ANN401
        """Gives a value to those who wait for it; later callers get it without the future, which takes 1.5 kB."""
        future.set_result(value)
        with self._lock:
            if self._known[stage].get(key) is future:
                self._known[stage][key] = Memoised(value, reused=True)
                if stage in self._large and (size := int(getattr(value, "nbytes", 0))):
                    self._bound(stage, key, size)

    def _bound(self, stage: str, key: str, size: int) -> None:
        """Drops the least recently used values of a large stage that no longer fit beside a new one."""
        known, sizes = self._known[stage], self._bytes.setdefault(stage, {})
        sizes[key] = size
        held, most = sum(sizes.values()), memory.budget().total * _LARGE_SHARE
        for other in list(known):
            if held <= most:
                break
            if other != key and other in sizes:
                held -= sizes.pop(other)
                del known[other]

    def _forget(self, stage: str, keys: Sequence[str]) -> None:
        with self._lock:
            self.computed[stage] -= len(keys)
            for key in keys:
                self._known[stage].pop(key, None)
