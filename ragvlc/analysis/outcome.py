"""The outcome of a sweep as sentences and numbers, for other places than the report: an overview of many sweeps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.question_filters import all_questions
from ragvlc.analysis.verdict import Duel, leading, verdicts
from ragvlc.core.records import OUTCOME_FILE

if TYPE_CHECKING:
    from ragvlc.analysis.decisions import CellDecision
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["outcome", "write_outcome"]


def outcome(results: SweepResults, decisions: Sequence[CellDecision] = ()) -> dict[str, Any]:
    """Returns `sentences`, the verdict on each data set, and `metrics`, numbers by name.

    The numbers, by the first metric, with `/DATASET` behind each name if there are several data sets:

    - `verdict/score`, `verdict/score_low`, `verdict/score_high`: of the best cell, with its 95 % interval.
    - `verdict/difference`, `verdict/difference_low`, `verdict/difference_high`, `verdict/p`: from the baseline, or from
      the next best cell if it is the baseline itself. `verdict/settled` is 1 if p is below .05.
    - `verdict/tokens_ratio`, `verdict/money_ratio`: cost of a question, of that of the other cell.
    - `verdict/ship`, 1 if a cell may replace the baseline by the margin, else 0; `verdict/ship_cost_ratio`, its cost of
      the baseline's.
    - `verdict/cells`, `verdict/questions`.
    """
    datasets = results.by_dataset()
    comparisons = results.comparisons()
    metrics: dict[str, float] = {"verdict/cells": len(results.cells), "verdict/questions": len(all_questions(results))}
    for name, cells in datasets.items():
        ending = f"/{name}" if len(datasets) > 1 else ""
        found = _best(leading(cells, comparisons, results.metric()), results.metric())
        found |= _decided([one for one in decisions if one.dataset == name])
        metrics |= {f"{place}{ending}": float(value) for place, value in found.items() if value is not None}
    texts = [
        f"{one.dataset}: {' '.join(one.sentences)}" if len(datasets) > 1 else " ".join(one.sentences)
        for one in verdicts(results, comparisons)
    ]
    return {"sentences": texts, "metrics": metrics}


def write_outcome(results: SweepResults, decisions: Sequence[CellDecision] = ()) -> Path:
    """Writes `outcome.json` into the results folder, and returns its path."""
    path = results.folder / OUTCOME_FILE
    text = json.dumps(outcome(results, decisions), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8", errors="replace")
    return path


def _best(found: tuple[CellResult | None, Duel | None], metric: str) -> dict[str, float | None]:
    best, duel = found
    if best is None:
        return {}
    figures: Mapping[str, Any] = best.summary["metrics"][metric]
    values = {
        "verdict/score": figures["mean"],
        "verdict/score_low": figures["low"],
        "verdict/score_high": figures["high"],
    }
    if duel is None:
        return values
    values |= {
        "verdict/difference": duel.difference,
        "verdict/difference_low": duel.low,
        "verdict/difference_high": duel.high,
        "verdict/p": duel.p,
        "verdict/settled": duel.settled,
        "verdict/tokens_ratio": _ratio(best, duel.other, "prompt_tokens"),
        "verdict/money_ratio": _ratio(best, duel.other, "cost"),
    }
    return values


def _ratio(one: CellResult, other: CellResult, figure: str) -> float | None:
    own, theirs = one.summary[figure], other.summary[figure]
    return own / theirs if own is not None and theirs else None


def _decided(decisions: Sequence[CellDecision]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for one in decisions:
        found["verdict/ship"] = bool(one.ship)
        if one.ship:
            found["verdict/ship_cost_ratio"] = one.rival(one.ship).cost.mean
    return found
