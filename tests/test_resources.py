"""What a process uses of its machine: its own memory and time and its children's, sampled until it is closed."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from ragvlc.resources import DeviceMemory, Processes, Sampler, device_memory


def test_started_processes_count_until_they_end():
    own = psutil.Process().memory_info().rss
    with subprocess.Popen(
        [sys.executable, "-c", "x = b'x' * 150_000_000; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        child.stdout.readline()
        processes = Processes()
        held, spent = processes.memory(), processes.processor_seconds()
        child.communicate(b"\n")
    assert held > own + 150e6
    assert spent > time.process_time()
    assert processes.memory() < held - 150e6  # listed still, and gone


def test_devices_that_nobody_opened_are_not_opened(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device_memory() == []
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        mem_get_info=lambda place: (10 - place, 100),
        memory_reserved=lambda place: 5 + place,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert device_memory() == [DeviceMemory(90, 5), DeviceMemory(91, 6)]
    cuda.is_initialized = lambda: False
    assert device_memory() == []


def test_samples_are_taken_until_it_is_closed():
    times: list[float] = []
    sampler = Sampler(lambda: times.append(time.monotonic()), 0.005)
    end = time.monotonic() + 20
    while len(times) < 3 and time.monotonic() < end:
        time.sleep(0.005)
    sampler.close()
    taken = len(times)
    time.sleep(0.03)
    assert len(times) == taken >= 3
