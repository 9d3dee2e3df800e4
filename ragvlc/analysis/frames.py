"""Comparisons of cells as tidy data frames: differences, the cost-quality front, and flipped questions.

Every column is described in `COMPARE`, `PARETO` and `FLIPS`; `docs/notebooks.md` has the same tables.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.compare import Pairing, paired
from ragvlc.analysis.front import COST_WORDS, front, mean_cost
from ragvlc.analysis.passages import passages
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.results.loading import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ragvlc.core.decision import Cost
    from ragvlc.results.loading import SweepResults

__all__ = ["COMPARE", "FLIPS", "PARETO", "compared_frame", "flips_frame", "pareto_frame"]

COMPARE = {
    "cell": "name of the cell",
    "baseline": "name of the cell that it is compared with",
    "metric": "label",
    "difference": "mean of cell minus baseline over the paired questions",
    "low": "lower bound of the 95 % interval of this comparison alone, by cluster",
    "high": "upper bound",
    "p": "of a two-sided sign-flip permutation test by cluster",
    "p_holm": "corrected for all comparisons of this metric in the table",
    "n": "paired questions: both cells have a score",
    "clusters": "among them",
    "better": "share of questions where the cell scores better",
    "worse": "share where it scores worse",
    "sequential": "whether the bounds are sequential, of a race; p is then empty",
}
PARETO = {
    "dataset": "name of the data set; cells over different ones are not ranked together",
    "cell": "name of the cell, cheapest first; controls take no part",
    "metric": "label",
    "score": "mean",
    "score_low": "lower bound of its 95 % interval, by cluster",
    "score_high": "upper bound",
    "cost": "mean of a question, in the unit of `cost_kind`; money is for 1,000 questions",
    "cost_low": "lower bound of its 95 % interval",
    "cost_high": "upper bound",
    "cost_kind": "`tokens`, `money`, `seconds` or `first_token`",
    "on_front": "whether no cheaper cell has as good a mean",
    "dominated_by": "name of a cell that scores higher and costs less, with 95 % confidence; empty if there is none",
}
FLIPS = {
    "id": "of the question",
    "question": "its text",
    "references": "accepted answers",
    "cluster": "what resampling keeps together, usually the document",
    "metric": "label",
    "a": "name of the first cell",
    "b": "name of the second cell",
    "score_a": "score of the first cell",
    "score_b": "score of the second cell",
    "better": "`a` or `b`: which cell scores better; largest difference first",
    "answer_a": "answer of the first cell; empty if it failed",
    "answer_b": "answer of the second cell; empty if it failed",
    "evidence_a": "characters of the known evidence that the first cell read",
    "evidence_b": "characters of the known evidence that the second cell read",
    "prompt_tokens_a": "that the first cell read",
    "prompt_tokens_b": "that the second cell read",
}


def compared_frame(results: SweepResults, a: str | None = None, b: str | None = None) -> pd.DataFrame:
    """Returns a row for each comparison and metric, with the columns of `COMPARE`.

    Args:
        results: of a sweep.
        a: name of a cell or pipeline; alone, every other cell is compared with it.
        b: the cell that `a` is compared with.
    """
    if a is not None and b is not None:
        return _frame([asdict(one) for one in _two(paired(results, a, b))], COMPARE)
    return _frame([asdict(one) for one in results.comparisons(a or b)], COMPARE)


def pareto_frame(results: SweepResults, metric: str | None = None, cost: Cost = "tokens") -> pd.DataFrame:
    """Returns a row for each cell with a score and a cost, cheapest first, with the columns of `PARETO`."""
    if cost not in COST_WORDS:
        raise ConfigError(f"pareto has no cost '{cost}'. Known: {list(COST_WORDS)}.{nearest(cost, list(COST_WORDS))}")
    label, times = results.metric(metric), COST_WORDS[cost][2]
    rows = []
    for name, cells in results.by_dataset().items():
        for one in front(cells, label, cost):
            figures = one.cell.summary["metrics"][label]
            spent = mean_cost(one.cell, cost)
            ends = [None if value is None else value * times for value in (spent.mean, spent.low, spent.high)]
            values = (figures["mean"], figures["low"], figures["high"], *ends)
            rows.append((name, one.cell.name, label, *values, cost, one.on_front, one.dominated_by))
    return _frame([dict(zip(PARETO, row, strict=True)) for row in rows], PARETO)


def flips_frame(results: SweepResults, a: str, b: str, metric: str | None = None) -> pd.DataFrame:
    """Returns a row for each question on which the scores of two cells differ, with the columns of `FLIPS`."""
    pair, label = paired(results, a, b), results.metric(metric)
    first, second = pair.scores(label)
    better, worse = pair.flips(label)
    names = sorted([*better, *worse], key=lambda name: -abs((first[name] or 0.0) - (second[name] or 0.0)))
    rows = []
    for name in names:
        facts = pair.a.examples[name]
        one, two = (_reply(cell, name) for cell in (pair.a, pair.b))
        side = "a" if name in set(better) else "b"
        row = (
            name, facts["question"], tuple(facts["references"]), facts["cluster"], label, pair.a.name, pair.b.name,
            first[name], second[name], side, one[0], two[0], one[1], two[1], one[2], two[2],
        )  # fmt: skip
        rows.append(dict(zip(FLIPS, row, strict=True)))
    return _frame(rows, FLIPS)


def _two(pair: Pairing) -> list[Comparison]:
    found = []
    for metric in pair.metrics:
        one = pair.difference(metric)
        shares = (one.worse, one.better) if pair.smaller(metric) else (one.better, one.worse)
        figures = (one.mean, one.low, one.high, one.p, one.p, one.n, one.clusters)
        found.append(Comparison(pair.a.name, pair.b.name, metric, *figures, *shares, sequential=pair.raced))
    return found


def _reply(cell: Any, name: str) -> tuple[str, int, int | None]:  # noqa: ANN401 - a cell
    answer = cell.rows[name].answer
    if answer is None:
        return "", 0, None
    read = passages(cell.examples[name], answer)
    return answer.text, sum(one.evidence for one in read), answer.usage.prompt_tokens


def _frame(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
