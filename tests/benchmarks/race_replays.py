"""Races over full grids: the race's verdict against that of the grid, and the share of the answers it would ask for.

    .venv/bin/python tests/benchmarks/race_replays.py runs/my_sweep [--metric contains] [--orders 100]
    .venv/bin/python tests/benchmarks/race_replays.py --data DATA/covidqa     (asks two grids first, or what they lack)

Each order of the clusters is one race. The grid's best cells are those with the best mean over all questions. `--data`
names a folder in the format of the data set `jsonl`, with evidence; its grids, in `runs`, are:

replayed_retrieval    BM25 passages of 32 to 512 tokens and dense ones of 128, every question
replayed_answers      the packaged model on one or two such passages, and without a document; the first question of
                      each document
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ragvlc.analysis.results import Results
from ragvlc.core.grids import Entrant, Grid, QuestionCluster
from ragvlc.progress import Progress
from ragvlc.results.races import cluster_name
from ragvlc.statistics.races import size_order
from ragvlc.strategies.race import Race
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

TIE = 1e-9
SIZES = (32, 64, 128, 256, 512)
DENSE = 128
"""Size of dense passages, for one is embedded once for both grids."""


def _variant(kind: str, size: int, **more: Any) -> dict[str, Any]:
    candidates = {} if more else {"candidates": 200}
    return {"routes.rag.retriever": {"kind": kind, **candidates}, "routes.rag.chunker.size": size, **more}


RETRIEVAL: Mapping[str, Any] = {
    "pipelines": ["search_dense"],
    "axes": {"passages": [*(_variant("bm25", size) for size in SIZES), _variant("dense", DENSE)]},
    "metrics": [
        {"kind": "recall_at", "k": 5, "unit": "span"},
        {"kind": "mrr", "k": 10, "unit": "span"},
        {"kind": "recall_at", "k": 1, "unit": "span"},
    ],
}
READ = [_variant(kind, DENSE, **{"routes.rag.selector.k": k}) for kind in ("bm25", "dense") for k in (1, 2)]
ANSWERS: Mapping[str, Any] = {
    "pipelines": ["rag", "closed_book"],
    "axes": {"passages": [*READ, _variant("bm25", 64, **{"routes.rag.selector.k": 1})]},
    "metrics": ["token_f1", "rouge_l", "contains"],
}
HEADS = (
    "grid, metric", "target", "cells", "clusters", "questions", "best ahead by",
    "only best cells left", "best cells dropped", "asked: median", "range",
)  # fmt: skip


@dataclass(frozen=True)
class Replayed:
    """Races over one stored grid.

    Attributes:
        cells: that raced.
        clusters: of the questions.
        questions: with a score in every cell.
        lead: of the grid's best cell over the next one, in the mean.
        alone: races that end with best cells of the grid alone.
        wrong: races that drop every best cell of the grid.
        shares: of the answers, asked by each race.
    """

    cells: int
    clusters: int
    questions: int
    lead: float
    alone: int
    wrong: int
    shares: tuple[float, ...]

    @property
    def row(self) -> tuple[str, ...]:
        """The figures as text, as in `HEADS`."""
        races, found = len(self.shares), sorted(self.shares)
        first = (str(self.cells), str(self.clusters), f"{self.questions:,}", f"{self.lead:.3f}")
        counts = (f"{self.alone} of {races}", f"{self.wrong} of {races}")
        return (*first, *counts, f"{median(found):.0%}", f"{found[0]:.0%} to {found[-1]:.0%}")


def replayed(folder: Path, metric: str | None = None, *, orders: int = 100, **settings: Any) -> Replayed:
    """Returns how races over a stored grid go; questions without a score in some cell are left out.

    Args:
        folder: of results with complete cells over one data set.
        metric: a label; the first by default.
        orders: races.
        settings: of the race.
    """
    results = Results.load(folder)
    label = results.metric(metric)
    cells = [cell for cell in results.cells if cell.complete and not cell.control]
    smaller = label in cells[0].facts.get("smaller_is_better", ())
    scores = {
        cell.name: {name: score for name, score in cell.scores(label).items() if score is not None} for cell in cells
    }
    common = set.intersection(*(set(own) for own in scores.values()))
    merits = {name: {one: 1 - own[one] if smaller else own[one] for one in common} for name, own in scores.items()}
    members: dict[str, list[str]] = defaultdict(list)
    for name, facts in cells[0].examples.items():
        if name in common:
            members[cluster_name(facts["cluster"], name)].append(name)
    clusters = [QuestionCluster(name, tuple(ids), len(ids)) for name, ids in members.items()]
    means = {name: sum(own.values()) / len(own) for name, own in merits.items()}
    best = {name for name, mean in means.items() if mean >= max(means.values()) - TIE}
    entrants = tuple(Entrant(name, name) for name in merits)
    race, alone, wrong = Race(**settings), 0, 0
    shares = []
    for order in range(orders):
        draws = random.Random(order)  # noqa: S311 - a repeatable order
        shuffled = draws.sample(clusters, len(clusters))
        if race.by_size and len({cluster.size for cluster in clusters}) > 1:
            arrivals = size_order([draws.random() for _ in shuffled], [cluster.size for cluster in shuffled])
            shuffled = [shuffled[place] for place in arrivals.argsort()]
        asked = 0
        for look in race.looks(Grid(entrants, tuple(shuffled), merits.__getitem__)):
            asked += sum(len(ids) for ids in look.ask.values())
        left = {key for key, one in look.ended.items() if one.status == "settled"}
        wrong += not left & best
        alone += left <= best
        shares.append(asked / len(common) / len(cells))
    first, second = sorted(means.values(), reverse=True)[:2]
    return Replayed(len(cells), len(clusters), len(common), first - second, alone, wrong, tuple(shares))


def grids(data: Path, runs: Path) -> Iterator[Path]:
    """Yields the folders of the two full grids over a data set, after asking what they lack."""
    first: dict[str, str] = {}
    for line in (data / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        first.setdefault(json.dumps(json.loads(line)["doc_ids"]), line)
    runs.mkdir(parents=True, exist_ok=True)
    few = runs / "replayed_questions.jsonl"
    few.write_text("\n".join(first.values()) + "\n", encoding="utf-8")
    chosen = {"replayed_retrieval": (RETRIEVAL, {}), "replayed_answers": (ANSWERS, {"questions": str(few.absolute())})}
    for name, (given, questions) in chosen.items():
        dataset = {"kind": "jsonl", "path": str(data.absolute()), **questions}
        sweep = Sweep.model_validate({"name": name, "tracker": "none", "dataset": dataset, **given})
        with Progress() as watcher:
            yield run_sweep(sweep, runs, watcher=watcher).folder


def main() -> None:
    """Prints a table with a row for each grid, metric and target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", help="results with complete cells")
    parser.add_argument("--data", type=Path, help="folder of documents and questions to ask two grids over")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--metric", help="label; all by default")
    parser.add_argument("--orders", type=int, default=100)
    given = parser.parse_args()
    if (given.folder is None) == (given.data is None):
        parser.error("name either a folder of results or --data")
    print(f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|")
    for folder in [given.folder] if given.data is None else grids(given.data, given.runs):
        for metric in [given.metric] if given.metric else Results.load(folder).metrics:
            for target in ("grid", "population"):
                found = replayed(folder, metric, orders=given.orders, target=target)
                print(f"| {' | '.join((f'{folder.name}, {metric}', target, *found.row))} |", flush=True)


if __name__ == "__main__":
    main()
