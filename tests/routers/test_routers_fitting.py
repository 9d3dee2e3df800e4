"""Learning which route does better, and an estimate that does not flatter it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Chunker, Retriever
from ragvlc.routing.fitting import FitSettings, TrainingRow, fit
from ragvlc.routing.learned_rule import LearnedRule

PARTS = {"chunker": Chunker.build("tokens"), "retriever": Retriever.build("bm25")}
ROUTES = ("rag", "full")


def row(coverage: float, group: str, full: float, rag: float = 0.5, **features: float) -> TrainingRow:
    return TrainingRow({"coverage": coverage, **features}, group, {"rag": rag, "full": full})


def learnable(n: int = 120, noise: float = 0.0) -> list[TrainingRow]:
    """Full wins where coverage is low, but for noise."""
    draw = random.Random(1)
    rows = []
    for place in range(n):
        coverage = draw.random()
        wins = (coverage < 0.5) != (draw.random() < noise)
        rows.append(row(coverage, f"d{place % 12}", 1.0 if wins else 0.0, margin=draw.random()))
    return rows


def test_what_can_be_learned_is():
    fitted = fit(learnable(), ROUTES, **PARTS)
    found = fitted.estimate
    assert found.right > 0.9
    assert found.gain.low > 0.1
    assert found.learned > found.by_chance + 0.1
    assert found.learned <= found.oracle == pytest.approx(sum(max(r.values.values()) for r in learnable()) / 120)
    assert found.normalised_gain > 0.8
    weights = dict(zip(fitted.rule.features, fitted.rule.coefficients, strict=True))
    assert weights["coverage"] < -3 * abs(weights["margin"])


def test_noise_is_worth_nothing():
    fitted = fit(learnable(noise=0.5), ROUTES, **PARTS)
    assert fitted.estimate.gain.low <= 0
    assert abs(fitted.estimate.learned - fitted.estimate.by_chance) < 0.12


def test_documents_are_held_out_whole():
    # Each document has one winner and a feature of its own: known by heart that is all, on another document nothing.
    draw = random.Random(2)
    rows = []
    for document in range(10):
        wins = draw.random() < 0.5
        for _ in range(10):
            own = {"top": float(document), "mean": float(document * 7 % 10), "spread": float(document * 3 % 10)}
            rows.append(row(draw.random(), f"d{document}", float(wins), **own))
    found = fit(rows, ROUTES, **PARTS, settings=FitSettings(strengths=(1000.0,))).estimate
    assert found.right < 0.75
    assert found.groups == 10
    alone = [TrainingRow(one.features, f"q{place}", one.values) for place, one in enumerate(rows)]
    assert fit(alone, ROUTES, **PARTS, settings=FitSettings(strengths=(1000.0,))).estimate.right > found.right


def test_ties_are_counted_and_teach_nothing():
    rows = learnable()
    ties = [row(0.9, f"d{n % 12}", 0.5) for n in range(80)]
    alone, with_ties = (fit(some, ROUTES, **PARTS) for some in (rows, [*rows, *ties]))
    assert (alone.estimate.ties, with_ties.estimate.ties) == (0, 80)
    assert with_ties.estimate.wins == alone.estimate.wins
    assert with_ties.estimate.n == 200
    assert with_ties.estimate.right > 0.9


def test_a_question_weighs_what_a_wrong_choice_loses():
    # Of equal features, full wins seldom but by much.
    rows = [row(0.5, f"d{n % 6}", 1.5 if n % 4 == 0 else 0.4) for n in range(48)]
    fitted = fit(rows, ROUTES, **PARTS)
    assert set(fitted.chosen) == {"full"}
    assert fitted.estimate.gain.mean == 0
    assert fitted.estimate.best_fixed == "full"


def test_one_route_that_always_wins_is_always_taken():
    rows = [row(n / 12, f"d{n % 3}", 0.0) for n in range(12)]
    fitted = fit(rows, ROUTES, **PARTS)
    assert set(fitted.chosen) == {"rag"}
    assert fitted.rule.takes({"coverage": 99.0}) == "rag"
    assert fitted.estimate.normalised_gain is None


def test_a_feature_that_never_changes_never_decides():
    rows = [TrainingRow({**one.features, "choices": 1.0}, one.group, one.values) for one in learnable()]
    rule = fit(rows, ROUTES, **PARTS).rule
    assert rule.coefficients[rule.features.index("choices")] == 0
    features = {"coverage": 0.1, "margin": 0.5}
    assert rule.probability({**features, "choices": 0.0}) == rule.probability({**features, "choices": 1.0})


def test_the_rule_decides_as_the_library_does(tmp_path):
    from sklearn.linear_model import LogisticRegression

    rows = learnable(noise=0.2)
    rule = fit(rows, ROUTES, **PARTS, settings=FitSettings(strengths=(0.3,))).rule
    rule.save(tmp_path / "rule.json")
    again = LearnedRule.load(tmp_path / "rule.json")
    x = np.array([[one.features["coverage"], one.features["margin"]] for one in rows])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    wins = np.array([one.values["full"] > one.values["rag"] for one in rows])
    expected = LogisticRegression(C=0.3).fit(x, wins).predict_proba(x)[:, 1]
    assert [again.probability(one.features) for one in rows] == pytest.approx(list(expected), abs=1e-6)


def test_the_same_rows_give_the_same_rule():
    assert fit(learnable(), ROUTES, **PARTS).rule == fit(learnable(), ROUTES, **PARTS).rule


def test_too_little_is_refused():
    with pytest.raises(ConfigError, match="at least 2 documents"):
        fit([row(0.1, "d", 1.0), row(0.2, "d", 0.0)], ROUTES, **PARTS)
    with pytest.raises(ConfigError, match="come out equal on all 2 questions"):
        fit([row(0.1, "d", 0.5), row(0.2, "e", 0.5)], ROUTES, **PARTS)
