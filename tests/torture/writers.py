"""Two processes at once on one sweep and one cache: one of them works, the other waits, reads or says why it cannot."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Mapping
from types import MappingProxyType

from tests.torture.bench import Bench, Verdict, intact_lines
from tests.torture.children import start

__all__ = ["PAIRS", "both"]

PAIRS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "run": ("run",),
        "score": ("score",),
        "report and show": ("report", "show"),
        "verify": ("verify", "verify --repair"),
        "cache clear": ("cache clear", "cache verify"),
        "track": ("track",),
    }
)
_BUSY = "another process is running this sweep"


def both(bench: Bench, chance: random.Random, name: str) -> Verdict:
    """Starts `run` and another command at about the same time, some of them killed, and runs again."""
    base, verdict = bench.base(), Verdict()
    verb, *more = chance.choice(PAIRS[name]).split()
    tracked = bench.variant("tracked", tracker="mlflow")
    words = ["cache", *more] if verb == "cache" else bench.words(verb, *more, experiment=tracked)
    if verb == "run":
        words = bench.words("run")
    if chance.random() < 0.5:
        verdict.expect(start(bench.words("run", "--set", "dataset.limit=6"), base).wait(), [0], "the first questions")
    first = start(bench.words("run"), base)
    time.sleep(chance.uniform(0, 0.5 * bench.run.seconds))
    second = start(words, base, figures=verb == "report")
    killed = chance.random() < 0.25 and first.signal(signal.SIGKILL)
    ended = [first.wait(), second.wait()]
    verdict.expect(ended[0], [-signal.SIGKILL] if killed else [0, 2], "run, beside another,")
    verdict.expect(ended[1], [0, 1, 2], f"{' '.join(words[:1])}, beside run,")
    if verb != "run" and ended[0].code == 2 and _BUSY not in ended[0].said:
        verdict.add("wrong", f"run, beside {verb}, says {ended[0].said.strip()[-120:]}")
    if verb == "run" and not killed and sorted(one.code for one in ended) not in ([0, 0], [0, 2]):
        verdict.add("wrong", f"two runs end with {[one.code for one in ended]}")
    before = intact_lines(base)
    bench.resume(base, verdict)
    bench.compare(base, verdict, before=before)
    bench.compare_cache(base, verdict, complete=verb != "cache")
    return verdict
