"""What a grid costs that shares its work, against a careful LangChain loop and against AutoRAG.

    .venv/bin/python tests/benchmarks/grid.py                    (make bench) chunk, embed, rank, order: no model reads
    .venv/bin/python tests/benchmarks/grid.py --reader smollm2   (make bench) a small grid that a real model reads
    .venv/bin/python tests/benchmarks/grid.py --backend auto     our embedder in this processor's fastest format
    .venv/bin/python tests/benchmarks/grid.py --quick            does it work at all; also with --reader
    .venv/bin/python tests/benchmarks/grid.py --peer PYTHON      an interpreter with AutoRAG: see autorag_grid.py

Chunk sizes x numbers of passages x orders x questions, `run_sweep` as it comes with an empty cache and no tracker,
against the loop in langchain_loop.py, which shows what it does line by line. Same process, threads, questions, weights,
number format and batch size; loading the embedder counts on both sides. The sides take turns, so that what a noisy
machine does to one it does to the other: trust the ratio. The passages in the prompts are compared row by row.
A second run has the vectors: in a new results folder, with the cache of the first; the loop has its stores in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from _grid import Work, dataset_of, questions_of
from _sides import EMBEDDER, counts, identical, ours, report, same_passages, spread, sweep_of, theirs, use
from full_context import Case, PlainLoop
from langchain_loop import STORES, Loop

from ragvlc import packaged
from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.families import Dataset
from ragvlc.generators.scripted import Scripted
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

ORDERS = ("relevance", "document", "edges_best_first")
REPLY = "a word"


def scripted_loop(work: Work, store: str, *, tuned: bool = False) -> Loop:
    """Returns the loop over the scripted reader: the same engine, the same tokens for the sizes of chunks."""
    engine, tokenizer = Scripted(default=REPLY).open(), WordTokenizer()

    def reply(prompt: str) -> str:
        [generation] = engine.generate([Request(Prompt(prompt), max_tokens=32)])
        return generation.text

    def encode(text: str) -> list[str]:
        return [text[start:end] for start, end in tokenizer.spans(text)]

    return Loop(work, encode, "".join, reply, store, tuned)


def without_reader(options: argparse.Namespace, folder: Path) -> None:
    """Benchmark (b1): chunk, embed, rank and order for a scripted reader."""
    dataset = dataset_of(options.data, options.questions, folder)
    work = work_of(dataset, options.sizes, options.counts, options.backend)
    describe(work, options)
    sweep = sweep_of(work, dataset, {"kind": "scripted", "default": REPLY}, options.concurrency)
    warm_up(work, sweep, folder, options.store)
    first, second, tuned = [], [], []
    for turn in range(options.repeats):
        cache, loop = folder / f"cache{turn}", scripted_loop(work, options.store)
        first.append((ours(work, sweep, cache, folder / f"runs{turn}"), theirs(work, loop)))
        second.append((ours(work, sweep, cache, folder / f"again{turn}"), theirs(work, loop)))
        shared = scripted_loop(work, options.store, tuned=True)
        shared.stores = loop.stores
        tuned.append((second[-1][0], theirs(work, shared)))
        fast, slow = first[-1]
        print(f"  turn {turn + 1}: {fast.seconds:.1f} s and {slow.seconds:.1f} s", flush=True)
    report("First run, nothing there", first)
    for name, run in zip(("ragvlc", "loop"), first[0], strict=True):
        print(counts(name, work, run))
    mine, loops = first[0]
    again = identical(mine)
    print(
        f"  prompts: ragvlc {mine.asked:,} asked for, {mine.generated:,} generated; identical prompts generated: "
        f"ragvlc {again}, loop {identical(loops):,}"
    )
    report("Second run, the vectors there", second)
    report("Second run, the loop sharing rankings by hand", tuned, ("ragvlc", "tuned loop"))
    same_passages(mine.rows, loops.rows, "loop", 0.99 if options.backend == "torch" else 0.9)
    if again:
        raise SystemExit(f"{again} prompts were generated twice.")
    if options.peer:
        with_peer(options, folder)


def with_reader(options: argparse.Namespace, folder: Path) -> None:
    """Benchmark (b2): a grid that a real model reads, against the loop with a plain `generate` a prompt."""
    dataset = dataset_of(options.data, options.questions, folder)
    work = work_of(dataset, options.sizes, options.counts, options.backend)
    describe(work, options)
    generator = {"kind": "transformers", "answer_tokens": options.answer_tokens}
    sweep = sweep_of(work, dataset, generator, options.concurrency)
    warm_up(work, sweep, folder, options.store)
    encode, decode = hf_tokens()
    pairs, readers = [], []
    for turn in range(options.repeats):
        mine = ours(work, sweep, folder / f"cache{turn}", folder / f"runs{turn}")
        readers.append(PlainReader(options.answer_tokens))
        pairs.append((mine, theirs(work, Loop(work, encode, decode, readers[-1], options.store))))
        print(f"  turn {turn + 1}: {mine.seconds:.1f} s and {pairs[-1][1].seconds:.1f} s", flush=True)
    report("Everything, reading included", pairs)
    mine, other = pairs[0]
    asked, computed = mine.prefill
    prompts, tokenizer = readers[0].prompts, TransformersGenerator().tokenizer()
    tokens = sum(len(tokenizer.render(prompt)) for prompt in prompts)
    print(
        f"  prompts: ragvlc {mine.asked:,} asked for, {mine.generated:,} generated; loop {len(prompts)}, "
        f"of them {len({prompt.text() for prompt in prompts})} distinct\n"
        f"  prompt tokens: ragvlc {asked:,} charged, {computed:,} computed; loop {tokens:,} computed"
    )
    same_passages(mine.rows, other.rows, "loop", 0.95)
    same = sum(mine.rows[key][1] == other.rows[key][1] for key in mine.rows)
    print(f"  equal answers: {same} of {len(mine.rows)} (passages that touch are read as one on our side only)")


class PlainReader:
    """The library's own `generate`, a prompt at a time; loaded by the first one, as the sweep loads on its own time."""

    def __init__(self, max_tokens: int) -> None:
        self.settings = argparse.Namespace(dtype="auto", device="cpu", max_tokens=max_tokens)
        self.loop: PlainLoop | None = None
        self.prompts: list[Prompt] = []

    def __call__(self, text: str) -> str:
        """Returns the model's answer."""
        self.loop = self.loop or PlainLoop(self.settings)
        self.prompts.append(Prompt(text))
        _, [ids] = self.loop(Case("", self.prompts[-1:]))
        return str(self.loop.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def with_peer(options: argparse.Namespace, folder: Path) -> None:
    """Compares with AutoRAG: all documents together and one order, the part of the grid that it has in one trial."""
    dataset = dataset_of(options.data, options.questions, folder)
    work = replace(work_of(dataset, sizes=options.sizes, numbers=options.counts), orders=("relevance",))
    sweep = sweep_of(work, dataset | {"scope": "corpus"}, {"kind": "scripted", "default": REPLY}, options.concurrency)
    reader = packaged.resolve(TransformersGenerator().model)
    work.write(folder / "work.json", chunks=chunks_of(work), reader=str(reader), threads=options.threads)
    script = str(Path(__file__).with_name("autorag_grid.py"))
    fast, slow, found = [], [], {}
    for turn in range(options.repeats):
        fast.append(ours(work, sweep, folder / f"corpus{turn}", folder / f"over-corpus{turn}"))
        out = folder / f"peer{turn}"
        out.mkdir()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(options.threads)}
        command = [options.peer, script, str(folder / "work.json"), str(out)]
        with (out / "log.txt").open("w") as log:
            done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"AutoRAG failed:\n{(out / 'log.txt').read_text()[-3000:]}")
        found = json.loads((out / "found.json").read_text())
        slow.append(found["seconds"])
    seconds = [run.seconds for run in fast]
    rows = {(size, count, "relevance", name): (tuple(texts), "", False) for size, count, name, texts in found["rows"]}
    print(f"\nAutoRAG {found['version']}: all documents together, one order, chunks handed to it ready cut")
    print(f"  ragvlc     seconds {spread(seconds)}   chunking, {len(fast[0].rows):,} prompts and their scores included")
    print(f"  AutoRAG    seconds {spread(slow)}   {found['prompts']:,} prompts: those of the number it finds best")
    print(f"  ratio                       {spread([other / mine for mine, other in zip(seconds, slow, strict=True)])}")
    print(f"  questions embedded: ragvlc {len(fast[0].tally.questions):,}, AutoRAG {found['questions']:,}")
    same_passages(fast[0].rows, rows, "AutoRAG", 0.95)


def chunks_of(work: Work) -> dict[int, list[tuple[str, str, int]]]:
    """Returns document, text and beginning of each chunk by size, cut as the loop cuts them."""
    loop = scripted_loop(work, "memory")
    return {
        size: [
            (name, piece.page_content, piece.metadata["start_index"])
            for name, text in work.documents.items()
            for piece in loop.splitter(size).create_documents([text])
        ]
        for size in work.sizes
    }


def hf_tokens() -> tuple[Callable[[str], list[Any]], Callable[[list[Any]], str]]:
    """Returns how the real reader's tokenizer reads text as data, and how it puts it together again."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(packaged.resolve(TransformersGenerator().model))

    def encode(text: str) -> list[Any]:
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def decode(ids: list[Any]) -> str:
        return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    return encode, decode


def work_of(dataset: dict[str, Any], sizes: list[int], numbers: list[int], backend: str = "torch") -> Work:
    """Returns the grid over a data set's questions."""
    documents, questions = questions_of(Dataset.build(dataset))
    model = str(packaged.resolve(EMBEDDER))
    return Work(documents, questions, tuple(sizes), tuple(numbers), ORDERS, model, backend=backend)


def describe(work: Work, options: argparse.Namespace) -> None:
    """Prints the grid and the machine."""
    import torch

    words = sum(len(text.split()) for text in work.documents.values())
    print(
        f"{len(work.questions)} questions over {len(work.documents)} documents of {words:,} words together, chunk "
        f"sizes {work.sizes}, {work.counts} passages, orders {work.orders}: {work.rows:,} rows\n"
        f"{torch.get_num_threads()} threads, store {options.store}, {options.concurrency} questions at a time, "
        f"Python {sys.version.split()[0]}, torch {torch.__version__}"
    )


def warm_up(work: Work, sweep: Sweep, folder: Path, store: str) -> None:
    """Asks one question on both sides, read by script: the libraries load, and no side pays for it."""
    use(folder / "cache")
    few = sweep.dataset.model_copy(update={"limit": 1})
    pipeline = sweep.pipelines["rag"].model_copy(update={"generators": {"main": Scripted(default=REPLY)}})
    run_sweep(sweep.model_copy(update={"dataset": few, "pipelines": {"rag": pipeline}, "axes": {}}), folder / "runs")
    documents, questions = questions_of(few)
    small = Work(documents, questions, (64,), (1,), ORDERS, work.model)
    theirs(small, scripted_loop(small, store))


def arguments() -> argparse.Namespace:
    """Returns the command line's choices."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small grid, one repeat")
    parser.add_argument("--reader", choices=["scripted", "smollm2"], default="scripted")
    parser.add_argument("--data", default="squad_articles", help="a folder of the shared data")
    parser.add_argument("--questions", type=int)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--counts", type=int, nargs="+")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--concurrency", type=int, default=Sweep.model_fields["concurrency"].default)
    parser.add_argument("--store", choices=sorted(STORES), default="memory", help="where the loop keeps vectors")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch, on both sides")
    parser.add_argument("--backend", choices=["torch", "auto"], default="torch", help="of our embedder")
    parser.add_argument("--answer-tokens", type=int, default=16, help="with --reader smollm2")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter with AutoRAG")
    options = parser.parse_args()
    small, real = options.quick, options.reader == "smollm2"
    options.questions = options.questions or ((4 if real else 10) if small else (8 if real else 100))
    options.sizes = options.sizes or ([128] if small else [64, 128] if real else [64, 128, 256])
    options.counts = options.counts or ([1, 2] if small else [1, 2, 4] if real else [1, 2, 4, 8])
    options.repeats = options.repeats or (1 if small or real else 3)
    return options


def main() -> None:
    """Runs the chosen benchmark in a folder of its own."""
    options = arguments()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        work = without_reader if options.reader == "scripted" else with_reader
        work(options, Path(name))


if __name__ == "__main__":
    main()
