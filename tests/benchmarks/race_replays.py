"""Races over a full grid stored on disk: the race's verdict against that of the grid, and what it would have asked.

    .venv/bin/python tests/benchmarks/race_replays.py runs/my_sweep [--metric contains] [--orders 100]

Each order of the clusters is one race. The grid's best cells are those with the best mean over all questions.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragvlc.analysis.results import Results
from ragvlc.core.grids import Entrant, Grid, QuestionCluster
from ragvlc.results.races import cluster_name
from ragvlc.strategies.race import Race

TIE = 1e-9


@dataclass(frozen=True)
class Replayed:
    """Races over one stored grid.

    Attributes:
        cells: that raced.
        clusters: of the questions.
        orders: races.
        right: share of the races that keep a best cell of the grid to the end.
        alone: share that end at one cell, or at cells that are level in the grid.
        asked: mean share of the answers.
        least: smallest share of the answers.
        most: largest share.
    """

    cells: int
    clusters: int
    orders: int
    right: float
    alone: float
    asked: float
    least: float
    most: float


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
    right = alone = 0
    shares = []
    for order in range(orders):
        shuffled = random.Random(order).sample(clusters, len(clusters))  # noqa: S311 - a repeatable order
        asked = 0
        for look in Race(**settings).looks(Grid(entrants, tuple(shuffled), merits.__getitem__)):
            asked += sum(len(ids) for ids in look.ask.values())
        left = {key for key, one in look.ended.items() if one.status == "settled"}
        right += bool(left & best)
        alone += left <= best
        shares.append(asked / len(common) / len(cells))
    mean = sum(shares) / orders
    return Replayed(len(cells), len(clusters), orders, right / orders, alone / orders, mean, min(shares), max(shares))


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metric")
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--target", default="grid")
    given = parser.parse_args()
    found = replayed(given.folder, given.metric, orders=given.orders, target=given.target)
    print(
        f"{found.cells} cells, {found.clusters} clusters, {found.orders} orders: a best cell stays in "
        f"{found.right:.0%}, only best cells in {found.alone:.0%}; {found.asked:.0%} of the answers "
        f"asked ({found.least:.0%} to {found.most:.0%})."
    )


if __name__ == "__main__":
    main()
