"""The table of published metrics has every one of them, and counts what its cases say."""

from __future__ import annotations

from dataclasses import replace

import metrics_table
from metrics_table import WORKED, published_cases

from ragvlc.core.component import known_kinds

OWN = {
    "answer_in_context", "best_path", "bleu", "choice_accuracy", "chrf", "contains", "context_precision",
    "evidence_hit", "evidence_recall", "exact_match", "false_refusal", "information_loss", "number_match",
    "quote_survival", "refusal_recall", "rouge_l", "semantic_similarity", "supporting_facts", "token_f1",
}  # fmt: skip
"""Metrics with rules of our own, which name no benchmark's script as their measure."""


def test_every_published_metric_is_in_the_table():
    assert set(known_kinds("metrics")) >= OWN
    assert set(known_kinds("metrics")) - OWN == {*published_cases(), *WORKED}


def test_a_case_that_differs_is_counted_with_its_reason(monkeypatch):
    cases = published_cases()
    first, *others = cases["babilong"]
    assert f"| {len(others) + 1} of {len(others) + 1} |" in row_of("babilong")
    other = {**cases, "babilong": [replace(first, ours=0.5, why="a reason | of ours"), *others]}
    monkeypatch.setattr(metrics_table, "published_cases", lambda: other)
    assert f"| {len(others)} of {len(others) + 1} | a reason \\| of ours (1)" in row_of("babilong")


def row_of(kind: str) -> str:
    [row] = [row for row in metrics_table.metrics_table().splitlines() if row.startswith(f"| `{kind}` |")]
    return row
