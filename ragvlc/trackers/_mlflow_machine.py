"""Machine metrics of a cell: memory and processor use of this process, and memory of its devices.

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

import importlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from ragvlc.resources import Processes, Sampler, device_memory

__all__ = ["MachineMetrics", "peaks"]

MOST_SAMPLES = 256
"""The most samples of a cell; with more, every second one is dropped and the interval is doubled."""

_MEGA = 1e6
_PEAKS = ("process_memory_megabytes", "_memory_megabytes")


def peaks(samples: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Returns the largest value of each memory metric, keyed by the name of the peak metric."""
    found: dict[str, float] = {}
    for sample in samples.values():
        for name, value in sample.items():
            if name.endswith(_PEAKS):
                place = name.replace("system/", "system/peak_")
                found[place] = max(value, found.get(place, value))
    return found


class MachineMetrics:
    """Samples machine metrics in a thread until the object is closed.

    Args:
        seconds: between samples.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._psutil: Any = importlib.import_module("psutil")  # has no types
        self._processes = Processes()
        self._nvidia = _nvidia()
        self._seconds = seconds
        self._samples: dict[int, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._spent = self._processes.processor_seconds()
        self._at = time.monotonic()
        self._psutil.cpu_percent()  # counts from the call before
        self._sampler = Sampler(self._take, seconds)

    def taken(self) -> dict[int, dict[str, float]]:
        """Returns the samples since the last call and a new one, keyed by time in milliseconds."""
        self._take()
        with self._lock:
            samples, self._samples, self._sampler.seconds = self._samples, {}, self._seconds
        return samples

    def close(self) -> None:
        """Stops the sampling thread."""
        self._sampler.close()

    def _take(self) -> None:
        with self._lock:
            self._samples[int(time.time() * 1000)] = self._sample()
            if len(self._samples) > MOST_SAMPLES:
                self._samples = dict(list(self._samples.items())[::2])
                self._sampler.seconds *= 2

    def _sample(self) -> dict[str, float]:
        spent, now = self._processes.processor_seconds(), time.monotonic()
        share = 100 * max(0.0, spent - self._spent) / max(1e-3, now - self._at)
        self._spent, self._at = spent, now
        devices = enumerate(device_memory())
        figures = {
            "process_memory_megabytes": self._processes.memory() / _MEGA,
            "process_cpu_percentage": share,
            "cpu_utilization_percentage": self._psutil.cpu_percent(),
            "system_memory_usage_megabytes": self._psutil.virtual_memory().used / _MEGA,
            **{f"device_{place}_memory_megabytes": device.reserved / _MEGA for place, device in devices},
        }
        if self._nvidia is not None:
            self._nvidia.clear_metrics()
            self._nvidia.collect_metrics()
            figures |= self._nvidia.aggregate_metrics()
        return {f"system/{name}": round(float(value), 1) for name, value in figures.items()}


def _nvidia() -> Any:  # noqa: ANN401 - MLflow's monitor
    """Returns MLflow's monitor of NVIDIA devices, or None if there are none."""
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        return GPUMonitor()
    except (ImportError, RuntimeError):
        return None
