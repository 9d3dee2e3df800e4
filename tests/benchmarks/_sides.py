"""The sides of grid.py: a sweep and a loop, run, counted and printed in the same way."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _figures import record
from _grid import Rows, Tally, Work, agreement, counted
from langchain_loop import Loop

from ragvlc import config, packaged
from ragvlc.sweep.runner import Outcome, run_sweep
from ragvlc.sweep.spec import Sweep

EMBEDDER = "packaged:all-minilm-l6-v2"


@dataclass(frozen=True)
class Run:
    """One side's run.

    Attributes:
        seconds: by the clock.
        processor: seconds of all cores together, which a busy machine falsifies less.
        rows: passages and replies.
        tally: what was embedded and read.
        rankings: searches made.
        asked: prompts asked for, whether generated or found.
        generated: prompts that the reader was really given.
        prefill: prompt tokens: asked for, and really computed.
    """

    seconds: float
    processor: float
    rows: Rows
    tally: Tally
    rankings: int
    asked: int
    generated: int
    prefill: tuple[int, int] = (0, 0)

    @property
    def rest(self) -> float:
        """Seconds outside the embedder."""
        return self.seconds - self.tally.embedding


def sweep_of(work: Work, dataset: dict[str, Any], generator: dict[str, Any], concurrency: int) -> Sweep:
    """Returns the grid as a sweep."""
    route = {"kind": "retrieve", "retriever": "dense", "answer_tokens": generator.pop("answer_tokens", 32)}
    embedder = {"kind": "sentence_transformer", "model": EMBEDDER, "batch_size": work.batch_size}
    embedder["backend"] = work.backend
    pipeline = {"generators": {"main": generator}, "embedders": {"main": embedder}, "routes": {"rag": route}}
    axes = {"chunker.size": work.sizes, "selector.k": work.counts, "order": work.orders}
    data = {
        "name": "grid",
        "dataset": dataset,
        "pipelines": {"rag": pipeline},
        "axes": {f"routes.rag.{path}": list(values) for path, values in axes.items()},
        "metrics": ["contains"],
        "tracker": "none",
        "concurrency": concurrency,
    }
    return config.build(Sweep, data, "grid")


def timed(work: Work, do: Callable[[], Any]) -> tuple[Any, float, float, Tally]:
    """Returns what `do` returns, its seconds by the clock and of the processor, and what it did."""
    with counted(work) as tally:
        processor, start = time.process_time(), time.perf_counter()
        found = do()
        return found, time.perf_counter() - start, time.process_time() - processor, tally


def ours(work: Work, sweep: Sweep, cache: Path, runs: Path) -> Run:
    """Returns the sweep's run with this cache, into a new results folder."""
    use(cache)
    outcome, seconds, processor, tally = timed(work, lambda: run_sweep(sweep, runs))
    if not outcome.complete:
        raise SystemExit(f"The sweep did not end well: {outcome.status}. Look into {outcome.folder}.")
    rows, prefill = _rows_of(outcome, work)
    asked, computed = outcome.counts.asked, outcome.counts.computed
    made = computed.get("generate", 0)
    return Run(seconds, processor, rows, tally, computed.get("rank", 0), asked.get("generate", 0), made, prefill)


def use(cache: Path) -> None:
    """Makes `cache` the cache, empty but for the models, which are linked into it."""
    models = packaged.cache_folder() / "models"
    if not cache.exists():
        cache.mkdir()
        (cache / "models").symlink_to(models.resolve())
    os.environ["RAGVLC_CACHE"] = str(cache)
    os.environ.pop("RAGVLC_STORE", None)


def _rows_of(outcome: Outcome, work: Work) -> tuple[Rows, tuple[int, int]]:
    rows: Rows = {}
    asked = computed = 0
    for cell in outcome.results().cells:
        settings = {path.removeprefix("routes.rag."): value for path, value in cell.facts["settings"].items()}
        for name, prediction in cell.rows.items():
            answer = prediction.answer
            if answer is None:
                raise SystemExit(f"Question {name} failed: {prediction.failure}")
            order = settings["order"] if isinstance(settings["order"], str) else settings["order"]["kind"]
            passages = tuple(work.documents[span.document_id][span.start : span.end] for span in answer.context)
            right = bool(prediction.scores["contains"])
            rows[settings["chunker.size"], settings["selector.k"], order, name] = (passages, answer.text, right)
            asked += answer.usage.prompt_tokens
            computed += 0 if answer.reused else answer.usage.prompt_tokens - answer.usage.cached_tokens
    return rows, (asked, computed)


def theirs(work: Work, loop: Loop) -> Run:
    """Returns the loop's run."""
    before = loop.searches
    rows, seconds, processor, tally = timed(work, loop.run)
    return Run(seconds, processor, rows, tally, loop.searches - before, len(rows), len(rows))


def spread(values: list[float], digits: int = 1) -> str:
    """Returns median, least and most."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle:>9} ({low} to {high})"


def counts(name: str, work: Work, run: Run) -> str:
    """Returns one side's counts: made, of them distinct."""
    tally = run.tally
    made = [("texts embedded", tally.passages), ("questions embedded", tally.questions), ("prompts", tally.prompts)]
    words = [f"{title} {len(texts):,} ({len(set(texts)):,} distinct)" for title, texts in made]
    return f"  {name:10} {'   '.join(words)}   rankings {run.rankings:,}   rows {len(run.rows):,} of {work.rows:,}"


def identical(run: Run) -> int:
    """Returns how many prompts were read that had been read before."""
    return len(run.tally.prompts) - len(set(run.tally.prompts))


def report(title: str, pairs: list[tuple[Run, Run]], names: tuple[str, str] = ("ragvlc", "loop")) -> None:
    """Prints the seconds of both sides and their ratios."""
    print(f"\n{title}")
    for name, runs in zip(names, zip(*pairs, strict=True), strict=True):
        parts = [
            ("seconds", [run.seconds for run in runs]),
            ("of the processor", [run.processor for run in runs]),
            ("embedding passages", [run.tally.seconds["passages"] for run in runs]),
            ("questions", [run.tally.seconds["questions"] for run in runs]),
            ("rest", [run.rest for run in runs]),
        ]
        print(f"  {name:10} " + "   ".join(f"{part} {spread(values)}" for part, values in parts))
    for name, ratio in (
        ("ratio", [other.seconds / mine.seconds for mine, other in pairs]),
        ("ratio by processor time", [other.processor / mine.processor for mine, other in pairs]),
        ("ratio without the embedder", [other.rest / mine.rest for mine, other in pairs]),
    ):
        print(f"  {name:28}{spread(ratio)}")
        if name != "ratio without the embedder":
            by = "by processor time, " * (name != "ratio")
            record(f"{title[0].lower()}{title[1:]}: {by}against the {names[1]}", ratio)


def same_passages(mine: Rows, other: Rows, name: str, least: float) -> None:
    """Prints how far the passages in the prompts agree. Raises `SystemExit` if less than `least` do."""
    found = agreement(mine, other)
    print(
        f"  passages in the prompts, ragvlc and {name}: equal sets {found['equal sets']:.1%}, in equal order "
        f"{found['equal order']:.1%} of {found['rows']:,} rows (overlap {found['overlap']:.1%})"
    )
    if found["equal sets"] < least:
        raise SystemExit(f"Less than {least:.0%} agree: the sides do not do the same work.")
