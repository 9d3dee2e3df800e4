"""What the machinery costs beside the work: milliseconds an example-cell; seconds to plan, to import, to show the help.

    .venv/bin/python tests/benchmarks/run.py          (make bench)

Overhead is the time of a sweep with scripted engines, tracker off, less that of a bare loop which does the same work
with the libraries directly: cut, rank by BM25 once for each chunk size and question, lay out the passages, count the
prompt's tokens, reply. The loop keeps nothing, resumes nothing and scores nothing. Both work on one question at a time,
and what counts is processor time, which a busy machine falsifies less than the clock.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _figures import record

from ragvlc import config
from ragvlc.core.engines import Prompt
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.retrievers._analysis import Analyser
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

QUESTIONS, DOCUMENTS, WORDS = 100, 10, 3000
SIZES, COUNTS, ORDERS = (128, 256), (2, 6), ("document", "reverse", "edges_best_first")
CELLS = len(SIZES) * len(COUNTS) * len(ORDERS) + 1
PLANNED = 10_000
REPEATS = 5


def write_data(folder: Path) -> None:
    """Writes documents of made-up words and questions that quote a few of them."""
    chance = random.Random(0)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(4000)]
    texts = [" ".join(chance.choices(words, k=WORDS)) + "." for _ in range(DOCUMENTS)]
    documents = [{"doc_id": f"d{n}", "title": f"Document {n}", "text": text} for n, text in enumerate(texts)]
    questions = []
    for n in range(QUESTIONS):
        quoted = chance.sample(texts[n % DOCUMENTS].split(), 6)
        row = {"question_id": f"q{n}", "doc_ids": [f"d{n % DOCUMENTS}"], "task": "qa", "answers": [quoted[0]]}
        questions.append(row | {"question": f"What stands beside {' '.join(quoted)}?"})
    for name, rows in (("documents", documents), ("questions", questions)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def sweep_of(folder: Path) -> Sweep:
    """Returns the sweep: full context, and retrieval by size, number and order."""
    generators = {"main": {"kind": "scripted", "default": "a word"}}
    full = {"generators": generators, "routes": {"full": "full_context"}}
    rag = {"generators": generators, "routes": {"rag": {"kind": "retrieve", "retriever": "bm25"}}}
    axes = {"chunker.size": SIZES, "selector.k": COUNTS, "order": ORDERS}
    data = {
        "name": "bench",
        "dataset": {"kind": "jsonl", "path": str(folder)},
        "pipelines": {"full": full, "rag": rag},
        "axes": {f"routes.rag.{path}": list(values) for path, values in axes.items()},
        "metrics": ["contains"],
        "tracker": "none",
        "concurrency": 1,
    }
    return config.build(Sweep, data, "bench")


def bare_loop(sweep: Sweep) -> int:
    """Does a sweep's work with the libraries alone; returns how many replies it made."""
    import bm25s
    import numpy as np

    tokenizer, analyser, examples = WordTokenizer(), Analyser("english"), sweep.dataset.load()
    indexes: dict[tuple[str, int], Any] = {}
    rankings: dict[tuple[str, int], Any] = {}
    replies = 0

    def reply(text: str, question: str) -> None:
        nonlocal replies
        prompt = f"{text}\n\nAnswer the question using only the text above.\n\nQuestion: {question}\nAnswer:"
        tokenizer.render(Prompt(prompt))
        replies += 1

    def ranked(example: Any, size: int) -> tuple[list[str], Any]:
        document = example.documents[0]
        if (document.id, size) not in indexes:
            spans = tokenizer.spans(document.text)
            chunks = [
                document.text[spans[i][0] : spans[min(i + size, len(spans)) - 1][1]] for i in range(0, len(spans), size)
            ]
            index = bm25s.BM25(method="lucene", dtype="float64", backend="numpy")
            index.index(analyser.words(chunks), show_progress=False)
            indexes[document.id, size] = chunks, index
        chunks, index = indexes[document.id, size]
        if (example.id, size) not in rankings:
            scores = index.get_scores(analyser.words([example.query.text])[0])
            rankings[example.id, size] = np.argsort(-scores, kind="stable")
        return chunks, rankings[example.id, size]

    for example in examples:
        reply(example.documents[0].text, example.query.text)
    for size in SIZES:
        for count in COUNTS:
            for order in ORDERS:
                for example in examples:
                    chunks, ranking = ranked(example, size)
                    best = list(ranking[:count])
                    places = {"document": sorted(best), "reverse": best[::-1]}.get(
                        order, [*best[::2], *best[1::2][::-1]]
                    )
                    reply("\n\n".join(chunks[place] for place in places), example.query.text)
    return replies


def seconds(work: Callable[[], object]) -> float:
    """Returns the processor time that `work` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def overhead(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Returns milliseconds an example-cell: of the sweep, of the bare loop, and the difference, for each repeat."""
    import os

    write_data(folder)
    sweep = sweep_of(folder)
    cells = QUESTIONS * CELLS
    found: dict[str, list[float]] = {"sweep": [], "bare loop": [], "overhead": [], "run again, nothing owed": []}
    for turn in range(repeats + 1):
        os.environ["RAGVLC_CACHE"] = str(folder / f"cache{turn}")
        runs = folder / f"runs{turn}"
        swept = seconds(lambda runs=runs: run_sweep(sweep, runs)) / cells * 1000
        again = seconds(lambda runs=runs: run_sweep(sweep, runs)) / cells * 1000
        bare = seconds(lambda: bare_loop(sweep)) / cells * 1000
        if turn:  # the first turn loads the libraries
            for name, value in zip(found, (swept, bare, swept - bare, again), strict=True):
                found[name].append(value)
    return found


def large_sweep() -> dict[str, Any]:
    """Returns the settings of a sweep with `PLANNED` cells."""
    rag = {"generators": {"main": "scripted"}, "routes": {"rag": "retrieve"}}
    axes = {
        "routes.rag.chunker.size": list(range(64, 164)),
        "routes.rag.selector.k": list(range(1, 11)),
        "routes.rag.order": ["document", "reverse", "relevance", "edges_best_first", "edges_best_last"],
        "routes.rag.retriever": ["bm25", {"kind": "bm25", "k1": 1.2}],
    }
    data = {"name": "plan", "dataset": "toy", "pipelines": {"rag": rag}, "axes": axes, "metrics": ["contains"]}
    return data | {"tracker": "none"}


def planning(repeats: int) -> list[float]:
    """Returns the seconds to plan `PLANNED` cells, for each repeat."""
    sweep = config.build(Sweep, large_sweep(), "plan")
    assert len(plan(sweep)) == PLANNED
    return [seconds(lambda: plan(sweep)) for _ in range(repeats)]


def commands(folder: Path) -> dict[str, list[str]]:
    """Returns the arguments of Python for commands that open nothing."""
    file = folder / "plan.yaml"
    file.write_text(json.dumps(large_sweep()), encoding="utf-8")
    return {
        "import ragvlc": ["-c", "import ragvlc"],
        "ragvlc --help": ["-m", "ragvlc", "--help"],
        f"ragvlc plan, {PLANNED:,} cells": ["-m", "ragvlc", "plan", str(file)],
    }


def child_seconds(arguments: list[str]) -> float:
    """Returns the processor time of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


def line(name: str, values: list[float], unit: str) -> str:
    """Returns a row of the table: median, and the range over the repeats."""
    low, middle, high = (f"{value:.3f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{name:28} {middle:>10} {low:>10} {high:>10}  {unit}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=re.sub(r"\s+", " ", (__doc__ or "").split("\n")[0]))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    print(f"{CELLS} cells of {QUESTIONS} questions over {DOCUMENTS} documents of {WORDS:,} words; {repeats} repeats\n")
    print(f"{'':28} {'median':>10} {'least':>10} {'most':>10}")
    with tempfile.TemporaryDirectory() as folder:
        found = overhead(Path(folder), repeats)
        taken = {
            name: [child_seconds(arguments) for _ in range(repeats)]
            for name, arguments in commands(Path(folder)).items()
        }
    taken[f"plan(), {PLANNED:,} cells"] = planning(repeats)
    for name, values in found.items():
        print(line(name, values, "ms an example-cell"))
    ratios = [swept / bare for swept, bare in zip(found["sweep"], found["bare loop"], strict=True)]
    record("processor time a row, of the bare loop's", ratios, better="less")
    record("processor time a row, beyond the bare loop's", found["overhead"], "ms", better="less")
    for name, values in taken.items():
        print(line(name, values, "s"))
        record(name, values, "s", better="less")
    print(f"\nPython {sys.version.split()[0]}. Machines are noisy: compare figures of one quiet machine only.")


if __name__ == "__main__":
    main()
