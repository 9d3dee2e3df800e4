"""Do questions of a scripted expert rank six ways of retrieval as people's questions do?

    python tests/benchmarks/question_sets.py FOLDER [--count 120] [--every 3] [--out build/question_sets]

FOLDER is a `jsonl` data set with questions of people whose evidence is located. The expert takes a name or a number out
of a sentence and asks for it; all of the rest is as in `ragvlc questions`, with its filters, and `ragvlc run
question_sets` over both sets. No model is needed but the packaged embedder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _cloze import ClozeExpert
from rich.console import Console

from ragvlc.analysis.rankings import ranked_sets
from ragvlc.analysis.rankings_page import rankings_text, write_rankings
from ragvlc.questions.runner import counts, make_questions
from ragvlc.questions.sources import spec_of
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--every", type=int, default=0, help="leave out one word of so many; 0: none")
    parser.add_argument("--out", type=Path, default=Path("build/question_sets"))
    given = parser.parse_args()
    spec = spec_of(
        str(given.folder),
        {"writer": "scripted"},
        {"count": given.count, "seed": 1},
        kinds={"one_place": 3, "numbers": 1},
    )
    name = f"cloze_{given.every}"
    with ScriptedPool(FunctionEngine(ClozeExpert(given.every)), given.out / "store") as engines:
        made = make_questions(spec, given.out / f"{name}.jsonl", pool=engines)
    sys.stdout.write(f"{counts(made)}\n")
    results = []
    for title, dataset in (("people", {"kind": "jsonl", "path": str(given.folder)}), (name, made.files.dataset())):
        sweep = Sweep.load("question_sets", overrides={"dataset": dataset, "name": title, "tracker": "none"})
        results.append(run_sweep(sweep, given.out / "runs").results())
    sets = ranked_sets(*results)
    for part in rankings_text(sets, sets.metrics, []):
        Console(width=160).print(part)
    sys.stdout.write(f"{write_rankings(sets, sets.metrics, [], results[1].folder)}\n")


if __name__ == "__main__":
    main()
