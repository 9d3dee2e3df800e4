"""Resource use of this process: memory, processor time and device memory, sampled by a thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["DeviceMemory", "Processes", "Sampler", "device_memory"]

_LISTING_SECONDS = 5.0


class Processes:
    """This process and all its child processes. Not thread-safe."""

    def __init__(self) -> None:
        import psutil

        self._own: Any = psutil.Process()
        self._children: list[Any] = []
        self._listed = float("-inf")

    def memory(self) -> int:
        """Returns the main memory that the processes hold, in bytes."""
        return sum(self._each(lambda process: process.memory_info().rss))

    def processor_seconds(self) -> float:
        """Returns the processor time that the processes have used, in seconds."""
        return float(sum(self._each(lambda process: sum(process.cpu_times()[:2]))))

    def _each(self, figure: Callable[[Any], Any]) -> Iterator[Any]:
        import psutil

        now = time.monotonic()
        if now >= self._listed + _LISTING_SECONDS:  # listing them reads the whole process table
            self._children, self._listed = self._own.children(recursive=True), now
        for process in (self._own, *self._children):
            with suppress(psutil.Error):  # it has ended
                yield figure(process)


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Memory in use on one CUDA device.

    Attributes:
        used: bytes in use, by whichever process.
        reserved: bytes that PyTorch in this process holds, its cache included.
    """

    used: int
    reserved: int


def device_memory() -> list[DeviceMemory]:
    """Returns the memory in use on each CUDA device; empty if this process has not initialised CUDA."""
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)  # another thread may be importing it
    if not getattr(cuda, "is_initialized", bool)():
        return []
    found = []
    for place in range(cuda.device_count()):
        free, total = cuda.mem_get_info(place)
        found.append(DeviceMemory(total - free, cuda.memory_reserved(place)))
    return found


class Sampler:
    """Calls `sample` repeatedly in a separate thread, until the sampler is closed.

    Attributes:
        seconds: between calls; may be changed.
    """

    def __init__(self, sample: Callable[[], object], seconds: float) -> None:
        self.seconds = seconds
        self._sample = sample
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ragvlc-sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the sampling thread."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.wait(self.seconds):
            self._sample()
