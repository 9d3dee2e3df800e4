"""Faults of the clock, of memory, and of a server."""

from __future__ import annotations

import random
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ragvlc.results.lines import read_lines
from tests.generators.chat_server import ChatServer, Handler, answer, chunk, cut_off, refuse
from tests.sweep.sweep_things import reader
from tests.torture.bench import NAME, Bench, Verdict, intact_lines
from tests.torture.children import start, start_call
from tests.torture.tap import Tap

__all__ = ["CLOCKS", "clock", "memory_error", "memory_limit", "served_fields", "server"]

_DAY = 86_400.0


def _backwards(chance: random.Random) -> None:
    """From some reading on, the time of day is earlier."""
    _shift_clock(chance, {"time": -chance.uniform(1.0, _DAY)})


def _day_ahead(chance: random.Random) -> None:
    """From some reading on, all clocks are a day ahead, as after a suspended night."""
    _shift_clock(chance, dict.fromkeys(("time", "monotonic", "perf_counter"), _DAY))


def _wandering(chance: random.Random) -> None:
    """Every reading of the time of day is somewhere within a day."""
    now = time.time
    time.time = lambda: now() + chance.uniform(-_DAY, _DAY)


def _shift_clock(chance: random.Random, seconds: Mapping[str, float]) -> None:
    readings, at = [0], chance.randint(1, 400)

    def shifted(clock: Callable[[], float], by: float) -> Callable[[], float]:
        def read() -> float:
            readings[0] += 1
            return clock() + (by if readings[0] >= at else 0.0)

        return read

    for name, by in seconds.items():
        setattr(time, name, shifted(getattr(time, name), by))


CLOCKS: Mapping[str, Callable[[random.Random], None]] = MappingProxyType(
    {"back": _backwards, "a day ahead": _day_ahead, "anywhere": _wandering}
)


def clock(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Changes the clock during a run, which must not notice."""
    base, verdict = bench.base(), Verdict()
    begun = start(bench.words("run"), base, lambda: CLOCKS[name](chance)).wait()
    verdict.expect(begun, [0], f"run, clock {name},")
    for file in (base / "runs" / NAME).glob("*/predictions.jsonl"):
        negative = [line for line in read_lines(file, file.parent.name) if re.search(rb'seconds":-', line.data)]
        verdict.add("wrong", "a row has negative seconds", len(negative))
    bench.resume(base, verdict, after=begun)
    bench.compare(base, verdict)
    bench.compare_cache(base, verdict)
    return verdict


def memory_error(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Raises `MemoryError` at a file operation, or at all from there on."""
    base, verdict = bench.base(), Verdict()

    def fault(call: Callable[[], Any], half: Callable[[], Any] | None) -> Any:
        raise MemoryError

    tap = Tap(base, at=chance.randint(1, len(bench.run.operations)), fault=fault, lasting=chance.random() < 0.5)
    ended = start(bench.words("run"), base, tap.open_up).wait()
    verdict.expect(ended, [0, 1, 2], "run, without memory,")
    before = intact_lines(base)
    bench.resume(base, verdict, after=ended)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict)
    return verdict


def memory_limit(bench: Bench, chance: random.Random, _: str) -> Verdict:
    """Limits the address space to a few megabytes more than at the start."""
    base, verdict = bench.base(), Verdict()
    more = chance.randint(1, 60) << 20

    def limit() -> None:
        size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))

    ended = start(bench.words("run"), base, limit).wait()
    # The interpreter itself may end here; what matters is what is on the disk.
    codes = [0, 1, 2, -signal.SIGSEGV, -signal.SIGABRT]
    verdict.expect(ended, codes, f"run, with {more >> 20} MB,")
    before = intact_lines(base)
    bench.resume(base, verdict, after=ended)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict)
    return verdict


def _hang(handler: Handler, body: dict[str, Any]) -> None:
    time.sleep(3)


def _reset(handler: Handler, body: dict[str, Any]) -> None:
    handler.cut()


def _nothing(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, "")


def _no_json(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_json(200, '{"choices": [{"message"')


_BAD = (
    refuse(429, "slow down", retry_after_ms="10"),
    refuse(500, "no"),
    refuse(503, {"detail": ["no"]}),
    cut_off(chunk("gr")),
    cut_off(),
    _hang,
    _reset,
    _nothing,
    _no_json,
    refuse(200, {"object": "list", "data": []}),
    refuse(200, {"choices": []}),
)


@cache
def _socket() -> ChatServer:
    """Returns the server of this process, which listens; child processes answer."""
    return ChatServer()


def served_fields() -> dict[str, Any]:
    """Returns the fields of a sweep that asks a served model."""
    main = {
        "kind": "openai_compatible",
        "url": _socket().url,
        "model": "tiny",
        "window": 4096,
        "timeout_seconds": 1.0,
        "retries": 2,
    }
    full = {"generators": {"main": main}, "routes": {"full": "full_context"}}
    return {"pipelines": {"full": full}, "axes": {}, "repeats": 1, "cache": False}


@contextmanager
def _served(bench: Bench, fails: float, chance: random.Random) -> Iterator[None]:
    """Starts a process that answers on the server's port, and fails a share of the requests."""

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        prompt = body["messages"][-1]["content"]
        if chance.random() < fails:
            chance.choice(_BAD)(handler, body)
        else:  # to the question before the first, too
            answer(reader(prompt) if "thing" in prompt else "yes")(handler, body)

    def work() -> None:
        _socket().default = reply
        _socket().serve_forever(poll_interval=0.01)

    serving = start_call(work, bench.folder / "server")
    try:
        yield
    finally:
        serving.signal(signal.SIGKILL)
        serving.wait()


def server(bench: Bench, chance: random.Random, _: int) -> Verdict:
    """Runs against a server that fails most of the time, twice, and then against one that works."""
    if not bench.ready:
        with _served(bench, 0.0, chance):
            assert bench.run
    base, verdict = bench.base(), Verdict()
    for _ in range(2):
        before = intact_lines(base)
        with _served(bench, chance.uniform(0.3, 0.95), chance):
            verdict.expect(start(bench.words("run"), base).wait(), [0, 1, 2], "run, against a server that fails,")
        after = intact_lines(base)
        verdict.add("lost", "rows are gone", sum(len(set(lines) - set(after[cell])) for cell, lines in before.items()))
    with _served(bench, 0.0, chance):
        bench.resume(base, verdict, "--retry", "failed")
    bench.compare(base, verdict)
    return verdict
