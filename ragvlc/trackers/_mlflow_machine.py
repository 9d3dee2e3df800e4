"""What the machine does while a cell is computed: memory and processor of this process, memory of its devices.

MLflow's own monitor writes to a run that is open, of the whole machine, from a thread of its own that waits for a
server as long as MLflow does. Cells get their runs when they are done, so samples are taken here and sent with the
cell, under the names and in the place that MLflow's pages have for system metrics.

    system/process_memory_megabytes             resident memory of this process and the processes it started
    system/process_cpu_percentage               processor time of the same since the last sample; 100 is one core
    system/cpu_utilization_percentage           of the whole machine, as MLflow has it
    system/system_memory_usage_megabytes        of the whole machine, as MLflow has it
    system/device_<n>_memory_megabytes          what PyTorch in this process holds of a CUDA device, with its cache
    system/gpu_<n>_...                          MLflow's own figures of NVIDIA devices, if `nvidia-ml-py` is there
    system/peak_...                             largest sample of process and device memory

Models stay open between cells: a cell's memory is that of the process while the cell was computed, not what it adds.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = ["Machine", "peaks", "possible"]

MOST_SAMPLES = 256
"""A cell's; when there are more, every second one is dropped and they are taken half as often."""

_MEGA = 1e6
_PEAKS = ("process_memory_megabytes", "_memory_megabytes")


def possible() -> bool:
    """Whether samples can be taken: `psutil` is there."""
    return importlib.util.find_spec("psutil") is not None


def peaks(samples: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Returns the largest value of each kind of memory, by the name of its metric."""
    found: dict[str, float] = {}
    for sample in samples.values():
        for name, value in sample.items():
            if name.endswith(_PEAKS):
                place = name.replace("system/", "system/peak_")
                found[place] = max(value, found.get(place, value))
    return found


class Machine:
    """Takes samples in a thread until it is closed.

    Args:
        seconds: between samples.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._psutil: Any = importlib.import_module("psutil")  # has no types
        self._process = self._psutil.Process()
        self._nvidia = _nvidia()
        self._seconds = self._pause = seconds
        self._samples: dict[int, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._spent = self._processor_seconds()
        self._at = time.monotonic()
        self._psutil.cpu_percent()  # counts from the call before
        self._thread = threading.Thread(target=self._work, name="ragvlc-machine", daemon=True)
        self._thread.start()

    def taken(self) -> dict[int, dict[str, float]]:
        """Returns the samples since the last call, and one of now, by time in milliseconds."""
        self._take()
        with self._lock:
            samples, self._samples, self._pause = self._samples, {}, self._seconds
        return samples

    def close(self) -> None:
        """Takes no more samples."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._pause):
            self._take()

    def _take(self) -> None:
        with self._lock:
            self._samples[int(time.time() * 1000)] = self._sample()
            if len(self._samples) > MOST_SAMPLES:
                self._samples = dict(list(self._samples.items())[::2])
                self._pause *= 2

    def _sample(self) -> dict[str, float]:
        spent, now = self._processor_seconds(), time.monotonic()
        share = 100 * max(0.0, spent - self._spent) / max(1e-3, now - self._at)
        self._spent, self._at = spent, now
        figures = {
            "process_memory_megabytes": self._memory() / _MEGA,
            "process_cpu_percentage": share,
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": self._psutil.virtual_memory().used / _MEGA,
            **_devices(),
        }
        if self._nvidia is not None:
            self._nvidia.clear_metrics()
            self._nvidia.collect_metrics()
            figures |= self._nvidia.aggregate_metrics()
        return {f"system/{name}": round(float(value), 1) for name, value in figures.items()}

    def _family(self) -> list[Any]:
        return [self._process, *self._process.children(recursive=True)]

    def _memory(self) -> int:
        total = 0
        for process in self._family():
            with suppress(self._psutil.Error):  # it ended in between
                total += process.memory_info().rss
        return total

    def _processor_seconds(self) -> float:
        total = 0.0
        for process in self._family():
            with suppress(self._psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _devices() -> dict[str, float]:
    """Returns what PyTorch holds of each device; never opens a device that nobody uses."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    count = torch.cuda.device_count()
    return {f"device_{place}_memory_megabytes": torch.cuda.memory_reserved(place) / _MEGA for place in range(count)}


def _nvidia() -> Any:  # noqa: ANN401 - MLflow's monitor
    """Returns MLflow's monitor of NVIDIA devices, or None where there are none."""
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return GPUMonitor()
    except (ImportError, RuntimeError):
        return None
