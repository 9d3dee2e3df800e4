"""Power, decisions with a margin, and effective lengths."""

from __future__ import annotations

import numpy as np
import pytest

from ragvlc.statistics.decisions import MarginVerdict, cost_ratio, decide, not_worse_p
from ragvlc.statistics.differences import PairedSample
from ragvlc.statistics.effective_length import effective_length
from ragvlc.statistics.power import Pilot, assumed, least_clusters, needed, pilot_of, power, smallest


def pairs(wins: int, losses: int, ties: int, clusters: int = 1000) -> PairedSample:
    found = [1.0] * wins + [-1.0] * losses + [0.0] * ties
    return PairedSample(tuple(found), tuple(str(place % clusters) for place in range(len(found))))


LEVEL, BETTER, LOWER, WORSE = pairs(10, 10, 180), pairs(40, 5, 155), pairs(2, 10, 188), pairs(5, 60, 135)


def verdict(*metrics: PairedSample, margin: float = 0.1, smaller_is_better=()) -> MarginVerdict:
    by_metric = {f"m{place}": one for place, one in enumerate(metrics)}
    found = decide({"rag": by_metric}, dict.fromkeys(by_metric, margin), smaller_is_better=smaller_is_better)
    return found["rag"].verdict


@pytest.mark.parametrize(
    ("differences", "margin", "expected"),
    [
        (LEVEL, 0.1, MarginVerdict.NOT_WORSE),
        (LEVEL, 0.02, MarginVerdict.NOT_SETTLED),
        (BETTER, 0.1, MarginVerdict.BETTER),
        (LOWER, 0.1, MarginVerdict.LOWER),
        (LOWER, 0.05, MarginVerdict.WORSE),
        (WORSE, 0.1, MarginVerdict.WORSE),
        (pairs(4, 4, 36), 0.1, MarginVerdict.NOT_SETTLED),
        (pairs(40, 5, 155, clusters=7), 0.1, MarginVerdict.NOT_SETTLED),
        (pairs(1, 0, 0), 0.1, MarginVerdict.NOT_SETTLED),
    ],
)
def test_verdicts_at_a_margin(differences, margin, expected):
    assert verdict(differences, margin=margin) is expected


def test_a_margin_is_compared_with_the_lower_end_of_the_interval():
    low = LEVEL.difference().low
    assert verdict(LEVEL, margin=-low + 1e-6) is MarginVerdict.NOT_WORSE
    assert verdict(LEVEL, margin=-low - 1e-6) is MarginVerdict.NOT_SETTLED
    assert not_worse_p(LEVEL, -low) == pytest.approx(0.05, abs=1e-6)
    assert not_worse_p(WORSE, 0.1) == 1.0
    assert not_worse_p(pairs(1, 0, 0), 0.1) is None


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ((BETTER, BETTER), MarginVerdict.BETTER),
        ((BETTER, LEVEL), MarginVerdict.NOT_WORSE),
        ((BETTER, LOWER), MarginVerdict.LOWER),
        ((BETTER, WORSE), MarginVerdict.WORSE),
        ((BETTER, pairs(4, 4, 36)), MarginVerdict.NOT_SETTLED),
    ],
)
def test_all_metrics_must_be_not_worse(metrics, expected):
    assert verdict(*metrics) is expected
    assert expected.passed == (expected in {MarginVerdict.BETTER, MarginVerdict.NOT_WORSE, MarginVerdict.LOWER})


def test_smaller_may_be_better():
    assert verdict(WORSE, smaller_is_better=["m0"]) is MarginVerdict.BETTER
    assert verdict(BETTER, smaller_is_better=["m0"]) is MarginVerdict.WORSE


def test_several_rivals_are_corrected():
    narrow = -LEVEL.difference().low + 1e-6
    alone = decide({"one": {"m": LEVEL}}, {"m": narrow})["one"]
    assert (alone.verdict, alone.p_holm) == (MarginVerdict.NOT_WORSE, alone.p)
    several = decide({"one": {"m": LEVEL}, "two": {"m": LEVEL}, "three": {"m": BETTER}}, {"m": narrow})
    assert several["one"].p_holm == pytest.approx(2 * alone.p)
    assert [one.verdict for one in several.values()] == [
        MarginVerdict.NOT_SETTLED,
        MarginVerdict.NOT_SETTLED,
        MarginVerdict.BETTER,
    ]


def test_a_decision_without_a_margin_or_a_metric_is_refused():
    for margins in ({}, {"m": 0.0}, {"m": -0.1}):
        with pytest.raises(ValueError, match="needs a margin above 0"):
            decide({"rag": {"m": LEVEL}}, margins)
    with pytest.raises(ValueError, match="rival 'rag' has no differences of 'm'"):
        decide({"rag": {"other": LEVEL}}, {"m": 0.1})


def test_costs_are_compared_over_the_questions_that_have_both():
    rng = np.random.default_rng(1)
    own = {str(place): 100 + 10 * rng.random() for place in range(40)} | {"own": 5.0, "none": None}
    other = {name: 900.0 for name in own if name != "own"}
    found = cost_ratio(own, other, dict.fromkeys(own, ""))
    assert found.n == 40
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(105 / 900, rel=0.02)


def test_the_effective_length_ends_at_the_first_failure():
    found = effective_length(1000, [(2000, LEVEL), (4000, LOWER), (8000, WORSE), (16000, BETTER)], 0.1, metric="f1")
    assert (found.length, [step.length for step in found.steps]) == (4000, [2000, 4000, 8000])
    assert (found.failed.length, found.failed.decision.verdict) == (8000, MarginVerdict.WORSE)
    assert found.failed.decision.metric == "f1"
    whole = effective_length(1000, [(2000, LEVEL)], 0.1)
    assert (whole.length, whole.failed) == (2000, None)
    assert effective_length(1000, [(2000, WORSE)], 0.1).length == 1000
    few = effective_length(1000, [(2000, pairs(10, 10, 180, clusters=7))], 0.1)
    assert (few.length, few.failed.decision.verdict) == (1000, MarginVerdict.NOT_SETTLED)
    for margin, lengths in ((0.0, (2000,)), (0.1, (500,)), (0.1, (2000, 2000))):
        with pytest.raises(ValueError, match="a margin above 0 and rising lengths"):
            effective_length(1000, [(length, LEVEL) for length in lengths], margin)


@pytest.mark.parametrize(("tests", "least"), [(1, 6), (2, 7), (5, 8), (10, 9)])
def test_fewer_clusters_than_these_settle_nothing(tests, least):
    assert least_clusters(tests) == least
    assert 2 / 2**least * tests <= 0.05 < 2 / 2 ** (least - 1) * tests
    pilot = Pilot(variance=1e-6, questions=1)
    assert power(pilot, 1.0, least - 1, tests=tests) == 0
    assert smallest(pilot, least - 1, tests=tests) is None
    assert needed(pilot, 0.5, tests=tests).clusters >= least


def test_power_by_hand_for_many_clusters():
    # 0.4 moved and 0.1 between them: variance .39, so root(.39 / n) (1.96 + .84) = .1 for n = 306; half a step: 1 / n.
    pilot = assumed(0.4, 0.1)
    assert needed(pilot, 0.1).clusters == pytest.approx(306 * (1 + 2 / 31), rel=0.02)
    assert power(pilot, 0.1, 306) == pytest.approx(0.77, abs=0.01)
    assert needed(assumed(0.4, 0.1, questions=5, correlation=1.0), 0.1).questions == pytest.approx(5 * 311, rel=0.02)
    assert needed(pilot, 0.1, tests=5).clusters > 1.4 * needed(pilot, 0.1).clusters
    assert needed(pilot, 0.0) is None
    assert smallest(pilot, 326) == pytest.approx(0.1, rel=0.02)
    for given in ({"moved": 0.1, "size": 0.2}, {"moved": 0.1, "size": 0.1, "questions": 0.5}):
        with pytest.raises(ValueError, match="assume a share of moved questions"):
            assumed(**given)
    with pytest.raises(ValueError, match="aim must be between 0 and 1"):
        needed(pilot, 0.1, aim=1.0)
    with pytest.raises(ValueError, match="tests must be at least 1"):
        power(pilot, 0.1, 30, tests=0)


def test_a_pilot_foretells_how_many_clusters_settle_its_difference():
    rng = np.random.default_rng(3)

    def asked(clusters: int) -> PairedSample:
        found, names = [], []
        for cluster in range(clusters):
            wins, losses = rng.dirichlet([0.9, 0.3, 1.8])[:2]  # differences of .2, correlated by .25
            found += list(rng.choice([1.0, -1.0, 0.0], 4, p=[wins, losses, 1 - wins - losses]))
            names += [str(cluster)] * 4
        return PairedSample(tuple(found), tuple(names))

    wanted = needed(pilot_of(asked(400)), 0.2)
    assert wanted.questions == 4 * wanted.clusters
    settled = np.mean([asked(wanted.clusters).p <= 0.05 for _ in range(400)])
    assert 0.73 < settled < 0.87
    assert pilot_of(pairs(0, 0, 20)) is None
    assert pilot_of(pairs(1, 0, 0)) is None
