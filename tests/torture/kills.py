"""Kills of `run`, `score`, `report`, `track` and of writers of the cache, at a file operation or at a moment."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.torture.bench import NAME, Bench, Verdict, intact_lines
from tests.torture.children import Child, Ended, Prepare, start, start_call
from tests.torture.tap import Tap, signalling

__all__ = ["SIGNALS", "Kill", "drawn", "kill_cache", "kill_report", "kill_run", "kill_score"]

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGINT twice")
_MOST = 4
"""Kills of one sweep before it may end."""
_ENTRIES = 12


@dataclass(frozen=True, slots=True)
class Kill:
    """A signal and when it comes.

    Attributes:
        name: one of `SIGNALS`.
        operation: number of the file operation; 0 for a moment.
        when: before, half through or after the operation.
        moment: seconds after the start.
        again: seconds until the second signal.
    """

    name: str
    operation: int
    when: str
    moment: float
    again: float

    @property
    def number(self) -> int:
        """Number of the signal."""
        return int(getattr(signal, self.name.split()[0]))

    @property
    def codes(self) -> tuple[int, ...]:
        """Exit statuses after it; the signal may come when everything is done, or before it is handled."""
        return (-self.number, 128 + self.number, 0)

    def prepare(self, base: Path) -> Prepare:
        """Returns what the child does before the command."""
        if not self.operation:
            return lambda: None
        again = self.again if "twice" in self.name else None
        tap = Tap(base, at=self.operation, fault=signalling(self.number, self.when, again))
        return tap.open_up

    def ended(self, child: Child) -> Ended:
        """Sends the signal, if the child does not do so itself, and waits."""
        if not self.operation:
            time.sleep(self.moment)
            if child.signal(self.number) and "twice" in self.name:
                time.sleep(self.again)
                child.signal(self.number)
        return child.wait()

    def strike(self, child: Child, verdict: Verdict, what: str) -> None:
        """Lets the kill happen, counts it if it came in time, and adds an unfitting end to the verdict."""
        ended = self.ended(child)
        verdict.expect(ended, self.codes, f"{what}, ended by {self.name}")
        verdict.tried += ended.code != 0


def drawn(chance: random.Random, operations: int, seconds: float, name: str = "") -> Kill:
    """Returns a kill: two of three at a file operation."""
    at = chance.randint(1, max(1, operations)) if chance.random() < 0.67 else 0
    when = chance.choice(["before", "half", "after"])
    return Kill(name or chance.choice(SIGNALS), at, when, chance.uniform(0.0, seconds), chance.uniform(0.31, 0.6))


def kill_run(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Kills `run` up to four times, and resumes it."""
    base, verdict = bench.base(), Verdict(tried=0)
    left = len(bench.run.operations)
    for _ in range(chance.randint(1, _MOST)):
        kill = drawn(chance, left, bench.run.seconds, name)
        before = intact_lines(base)
        kill.strike(start(bench.words("run"), base, kill.prepare(base)), verdict, "run")
        _still_there(base, before, verdict)
        left = max(20, left - kill.operation)
    before = intact_lines(base)
    bench.resume(base, verdict)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict)
    return verdict


def kill_score(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Kills `score` after the metrics have changed, and scores again."""
    words = bench.words(
        "score", experiment=bench.variant("scored", metrics=["contains", "exact_match", "number_match"])
    )
    right = bench.undisturbed(*words)
    base, verdict = bench.base(finished=True), Verdict(tried=0)
    before = intact_lines(base)
    for _ in range(chance.randint(1, 2)):
        kill = drawn(chance, len(right.operations), right.seconds, name)
        kill.strike(start(words, base, kill.prepare(base)), verdict, "score")
    verdict.expect(start(words, base).wait(), [0], "score, again")
    bench.compare(base, verdict, before=before, wanted=right)
    return verdict


def kill_report(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Kills `report`, or a `run` that only makes the report, and does it again: page, figures and tables are whole."""
    words = bench.words("report")
    right = bench.undisturbed(*words, figures=True)
    base, verdict = bench.base(finished=True), Verdict(tried=0)
    first = bench.words("run") if chance.random() < 0.5 else words
    for _ in range(chance.randint(1, 2)):
        kill = drawn(chance, len(right.operations), right.seconds, name)
        kill.strike(start(first, base, kill.prepare(base), figures=True), verdict, first[0])
    if first != words:
        verdict.expect(start(first, base, figures=True).wait(), [0], "run, again")
        for figure in (base / "runs" / NAME / "figures").iterdir():
            if not figure.read_bytes().endswith(b"IEND\xaeB`\x82"):
                verdict.add("wrong", f"{figure.name} is not whole")
    again = start(words, base, figures=True).wait()
    verdict.expect(again, [0], "report, again")
    if again.said != right.ended.said:
        verdict.add("wrong", "the report's tables differ")
    pages = [(folder / "runs" / NAME / "report.html").read_bytes() for folder in (base, right.folder)]
    if pages[0] != pages[1]:
        verdict.add("wrong", "report.html differs")
    bench.compare(base, verdict)
    return verdict


def kill_cache(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Kills a writer of large cache entries: what is found is whole, and everything is found after another writer."""
    from ragvlc.memo.disk import Cache

    base, verdict = bench.base(), Verdict(tried=0)

    def write() -> None:
        from ragvlc.cli.interrupting import handled_signals, received

        try:
            with handled_signals():
                for number in range(_ENTRIES):
                    Cache().put("answers", f"{number:064x}", _value(number))
                    Cache().arrays(f"{number:064x}", lambda number=number: {"a": np.full(90_000, number)})
        except KeyboardInterrupt:
            received.leave()

    import numpy as np

    for _ in range(chance.randint(1, _MOST)):
        kill = drawn(chance, 6 * _ENTRIES, 0.3, name)
        kill.strike(start_call(write, base, kill.prepare(base)), verdict, "a writer of the cache")
        found = [Cache(base / "store").get("answers", f"{number:064x}") for number in range(_ENTRIES)]
        other = sum(one is not None and one != _value(number) for number, one in enumerate(found))
        verdict.add("wrong", "a cache entry has another value", other)
        whole = [one for stage in ("answers", "indexes") for one in Cache(base / "store").damaged(stage)]
        verdict.add("wrong", "a cache entry is not whole", sum(one.suffix != ".part" for one in whole))
    verdict.expect(start_call(write, base).wait(), [0], "another writer")
    found = [Cache(base / "store").get("answers", f"{number:064x}") for number in range(_ENTRIES)]
    verdict.add("lost", "a cache entry is missing", sum(one is None for one in found))
    return verdict


def _value(number: int) -> dict[str, object]:
    return {"number": number, "text": f"{number} " * 60_000}


def _still_there(base: Path, before: dict[str, list[bytes]], verdict: Verdict) -> None:
    now = intact_lines(base)
    gone = sum(len(set(lines) - set(now.get(cell, []))) for cell, lines in before.items())
    verdict.add("lost", "rows stored before a kill are gone after it", gone)
