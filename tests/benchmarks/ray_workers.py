"""How much more two Ray workers do than one.

    .venv/bin/python tests/benchmarks/ray_workers.py            an engine of fixed delay (part of make bench; a minute)
    .venv/bin/python tests/benchmarks/ray_workers.py --gpus 2 --at-least 1.8 --generator \\
        '{"kind": "transformers", "model": "FOLDER"}'             a model on each of two GPUs
    .venv/bin/python tests/benchmarks/ray_workers.py --quick --generator '{"kind": "transformers"}'
                                                                does that work at all, on a CPU

Both sides are the Ray executor, with the same engine and the same number of questions at a time in each worker.
Starting Ray, placing workers and loading models are told apart and not counted: each worker answers something first.
Every repeat asks over documents of its own, so that nothing is found in a cache. Ends with 1 if two workers do less
than `--at-least` times what one does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from _figures import record

from ragvlc.core.data import Collection, Document, Example, Query
from ragvlc.core.jobs import Done, Job, Workers
from ragvlc.executors.ray import Ray
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool

FIXED = {"kind": "_saturated:Saturated", "seconds": 0.2, "lanes": 4}
WORDS = (
    "time",
    "river",
    "stone",
    "paper",
    "light",
    "winter",
    "garden",
    "letter",
    "number",
    "window",
    "silver",
    "music",
)


@dataclass(frozen=True)
class Work:
    """What is asked. Attributes: `words` of each document, `questions` about each."""

    pipeline: Pipeline
    documents: int
    questions: int
    words: int

    def jobs(self, name: str, documents: int | None = None) -> list[Job]:
        """Returns jobs over documents that nobody has seen under another name."""
        found = []
        for place in range(documents or self.documents):
            chance = random.Random(f"{name} {place}")
            text = f"Report {name} {place}. " + " ".join(chance.choices(WORDS, k=self.words))
            shared = Collection([Document(f"{name}-{place}", text)])
            for n in range(self.questions):
                query = Query(
                    f"{name}-{place}-{n}", f"What does part {n} of the report say about {WORDS[n % len(WORDS)]}?"
                )
                found.append(Job("cell", self.pipeline, Example(query, shared), 0, group=f"{name}-{place}"))
        return found


def seconds_of(workers: Workers, jobs: Sequence[Job]) -> tuple[float, list[Done]]:
    """Returns how long the jobs take, and what came of them."""
    start = time.perf_counter()
    done = list(workers.work(jobs, wanted=lambda _: True, finish=lambda one: one))
    seconds = time.perf_counter() - start
    failed = [one.failure for one in done if one.failure]
    if failed or len(done) != len(jobs):
        raise SystemExit(f"{len(done)} of {len(jobs)} answered, {len(failed)} failed: {failed[:1]}")
    return seconds, done


def measured(work: Work, count: int, options: argparse.Namespace) -> list[float]:
    """Returns the seconds of each repeat with so many workers."""
    gpus = options.gpus / 2 if options.gpus else 0
    spec = Ray(workers=count, gpus=gpus, cpus=options.cpus)
    found = []
    with tempfile.TemporaryDirectory() as folder, EnginePool(Cache(Path(folder)), reuse=False) as pool:
        start = time.perf_counter()
        with spec.open(pool, concurrency=options.concurrency) as workers:
            seconds_of(workers, work.jobs(f"first {count}", 1))
            while len(workers._workers.ready) < count:
                seconds_of(workers, work.jobs(f"until all stand {time.monotonic()}", 1))
            seconds_of(workers, work.jobs(f"warm {count}", max(2 * count, 2)))  # each loads its model
            print(f"  {count} of {count} workers ready after {time.perf_counter() - start:.1f} s", flush=True)
            for repeat in range(options.repeats):
                seconds, done = seconds_of(workers, work.jobs(f"{count} {repeat}"))
                tokens = sum(one.answer.usage.prompt_tokens for one in done if one.answer)
                found.append(seconds)
                print(
                    f"  {count} worker{'s' * (count > 1)}: {len(done)} questions in {seconds:.2f} s, "
                    f"{len(done) / seconds:.1f} a second, {tokens / seconds:,.0f} prompt tokens a second",
                    flush=True,
                )
    return found


def read_options() -> argparse.Namespace:
    """Returns the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=json.loads, default=FIXED, help="a generator's spec, as JSON")
    parser.add_argument("--gpus", type=int, default=0, help="of the two workers together")
    parser.add_argument("--cpus", type=float, default=None, help="of each worker")
    parser.add_argument("--documents", type=int, default=16)
    parser.add_argument("--questions", type=int, default=8, help="about each document")
    parser.add_argument("--words", type=int, default=200, help="of each document")
    parser.add_argument("--answer-tokens", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=16, help="questions at a time in each worker")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--at-least", type=float, default=1.6)
    parser.add_argument("--quick", action="store_true", help="little work, one repeat, no verdict")
    options = parser.parse_args()
    if options.quick:
        options.documents, options.questions, options.repeats, options.answer_tokens = 4, 2, 1, 8
    return options


def main() -> int:
    """Measures and prints; returns the exit code."""
    import ray

    options = read_options()
    route = {"kind": "full_context", "answer_tokens": options.answer_tokens}
    pipeline = Pipeline.model_validate({"generators": {"main": options.generator}, "routes": {"full": route}})
    work = Work(pipeline, options.documents, options.questions, options.words)
    start = time.perf_counter()
    joined: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"address": "local", "include_dashboard": False}
    ray.init(**joined, log_to_driver=False, logging_level="error")
    print(f"Ray started in {time.perf_counter() - start:.1f} s; {pipeline.generators['main'].kind}", flush=True)
    try:
        one, two = measured(work, 1, options), measured(work, 2, options)
    finally:
        ray.shutdown()
    ratios = [first / second for first, second in zip(one, two, strict=True)]
    ratio = statistics.median(one) / statistics.median(two)
    each = ", ".join(f"{value:.2f}" for value in ratios)
    print(f"two workers do {ratio:.2f} times what one does (repeats: {each})")
    record("two Ray workers, against one", ratios)
    return 0 if options.quick or ratio >= options.at_least else 1


if __name__ == "__main__":
    raise SystemExit(main())
