"""Routers against the single route of other folds and against random mixing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from routing_and_length import LOSSES, area_coverage, effective, gains

from ragvlc.statistics.cross_fitting import best_on_other_folds, gain_over_best, joined, joined_ratio
from ragvlc.statistics.deferral import area_over_random, best_order, over_random_at_own_cost
from ragvlc.statistics.differences import paired_difference
from ragvlc.statistics.intervals import Interval

RNG = np.random.default_rng(5)
COUNT = 60
NAMES = [str(place // 3) for place in range(COUNT)]
GAINS = RNG.normal(size=COUNT)
ORDER = RNG.integers(0, 9, COUNT).astype(float)
STEPS, SPANS, EXTRA = RNG.random(COUNT) + 0.5, RNG.random(COUNT) + 0.2, RNG.random(COUNT) / 3


def area(gains, order, names, steps=None, spans=None, extra=None):
    found = area_over_random(gains, order, names, steps=steps, spans=spans, extra=extra)
    return math.fsum(found.differences) / len(found.differences)


def integrated(gains, order, steps, spans, extra):
    """The area between the curve and random mixing, by summing thin strips."""
    at, height, unit = [np.mean(extra) / np.mean(spans)], [0.0], np.mean(spans)
    for level in sorted(set(order), reverse=True):
        at.append(at[-1] + steps[order == level].sum() / len(order) / unit)
        height.append(height[-1] + gains[order == level].sum() / len(order))
    edges = np.linspace(at[0], at[-1], 100_001)
    middles = (edges[1:] + edges[:-1]) / 2
    above = np.interp(middles, at, height) - np.mean(gains) * np.minimum(middles, 1.0)
    return float((above * np.diff(edges)).sum())


@pytest.mark.parametrize("extra", [0 * EXTRA, EXTRA, EXTRA + 2])
@pytest.mark.parametrize("steps", [SPANS, STEPS])
def test_the_area_is_that_between_the_curve_and_random_mixing(steps, extra):
    expected = integrated(GAINS, ORDER, steps, SPANS, extra)
    assert area(GAINS, ORDER, NAMES, steps, SPANS, extra) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("steps", "extra"), [(SPANS, 0 * EXTRA), (STEPS, EXTRA), (STEPS + 2, EXTRA)])
def test_values_by_question_say_how_the_area_changes_with_the_question(steps, extra):
    columns = (GAINS, ORDER, steps, SPANS, extra)
    found = area_over_random(GAINS, ORDER, NAMES, steps=steps, spans=SPANS, extra=extra).differences
    repeats = 3000
    base = np.tile(np.arange(COUNT), repeats)
    for place in (0, 7, 31):
        more = np.concatenate([base, np.full(5, place)])
        gains, order, *costs = (column[more] for column in columns)
        share = 5 / len(more)
        changed = area(gains, order, [""] * len(more), *costs)
        start = math.fsum(found) / COUNT
        assert (changed - start) / share + start == pytest.approx(found[place], abs=0.01)


def test_the_best_order_has_the_largest_area_and_chance_none():
    best = area(GAINS, best_order(GAINS, STEPS), NAMES, STEPS, SPANS)
    assert all(area(GAINS, RNG.permutation(COUNT), NAMES, STEPS, SPANS) < best for _ in range(200))
    assert area(GAINS, np.zeros(COUNT), NAMES) == pytest.approx(0, abs=1e-12)
    level = np.full(COUNT, 0.3)
    found = area_over_random(level, ORDER, NAMES)
    assert max(map(abs, found.differences)) == pytest.approx(0, abs=1e-12), "no order matters, however many are sent"
    assert area_over_random(GAINS, ORDER, NAMES, spans=-SPANS) is None, "the dearer route costs less"


def test_random_mixing_at_the_cost_of_the_router():
    low, high = RNG.random(COUNT), RNG.random(COUNT)
    half = np.arange(COUNT) % 2
    given = {"cheap_costs": np.ones(COUNT), "dear_costs": np.full(COUNT, 5.0)}

    def mean(costs):
        found = over_random_at_own_cost(high, low, high, NAMES, costs=costs, **given)
        return math.fsum(found.differences) / COUNT

    assert mean(1 + 4 * half) == pytest.approx((high - low).mean() / 2), "half of the money sends half"
    assert mean(np.full(COUNT, 9.0)) == pytest.approx(0, abs=1e-12), "dearer than the dearer route: compared with it"
    assert mean(np.zeros(COUNT)) == pytest.approx((high - low).mean())
    none = over_random_at_own_cost(high, low, high, NAMES, costs=half, cheap_costs=half, dear_costs=half)
    assert none is None


def test_the_single_route_is_chosen_on_other_folds():
    # In one cluster, `b` is far better; everywhere else `a` is a little better.
    names = ["odd"] * 5 + [str(place) for place in range(9)]
    scores = {"a": [0.0] * 5 + [0.6] * 9, "b": [1.0] * 5 + [0.5] * 9}
    found = best_on_other_folds(scores, names, folds=10)
    assert found["a"][:5] == [1.0] * 5, "without the odd cluster, a is better"
    assert found["b"][5:] == [1.0] * 9, "with it, b is"
    assert all(one + other == pytest.approx(1) for one, other in zip(*found.values(), strict=True))
    assert found == best_on_other_folds(scores, names, folds=99), "as many folds as clusters at most"
    five = best_on_other_folds(scores, names, folds=2, seed=1)
    assert five == best_on_other_folds(scores, names, folds=2, seed=1)
    assert five != best_on_other_folds(scores, names, folds=2, divisions=1, seed=2)


def test_one_cluster_and_level_ways():
    assert best_on_other_folds({"a": [0.0, 1.0], "b": [1.0, 1.0]}, ["one", "one"])["b"] == [1.0, 1.0]
    level = best_on_other_folds({"a": [0.1, 0.2, 0.3] * 9, "b": [0.1, 0.2, 0.3] * 9}, [""] * 27)
    assert level["a"] == [1.0] * 27, "of equal means the first, rounding errors or not"
    for wrong in ({}, {"a": [1.0]}):
        with pytest.raises(ValueError, match="at least one way and one question"):
            best_on_other_folds(wrong, ["one", "two"])
    with pytest.raises(ValueError, match="folds must be at least 2"):
        best_on_other_folds({"a": [1.0]}, ["one"], folds=1)


def test_an_interval_that_allows_for_the_choice_reaches_over_all_comparisons():
    ids = [str(place) for place in range(40)]
    clusters = dict.fromkeys(ids, "")

    def versus(mean):
        own = {name: mean + (0.1 if place % 2 else -0.1) for place, name in enumerate(ids)}
        return paired_difference(own, dict.fromkeys(ids, 0.0), clusters)

    above, more, below = versus(0.3), versus(0.5), versus(-0.3)
    both = joined(above, [above, more])
    assert (both.mean, both.low, both.high) == (above.mean, above.low, more.high)
    assert both.p == max(above.p, more.p) < 0.05
    apart = joined(above, [above, below])
    assert (apart.low, apart.high, apart.p) == (below.low, above.high, 1.0), "contains 0, and so says p"
    assert joined(above, []) == above
    none = Interval(0.2, None, None, 40, 40)
    assert joined_ratio(Interval(0.2, 0.1, 0.3, 40, 40), [Interval(0.4, 0.3, 0.5, 40, 40)]).high == 0.5
    assert joined_ratio(Interval(0.2, 0.1, 0.3, 40, 40), [none]).low is None


def test_the_gain_over_the_best_way_is_over_the_ways_chosen_on_other_folds():
    ways = {"a": list(RNG.random(COUNT)), "b": list(RNG.random(COUNT)), "worst": [-1.0] * COUNT}
    shares = best_on_other_folds(ways, NAMES)
    assert 0 < sum(shares["a"]) < COUNT, "or this shows nothing"
    found = gain_over_best(list(GAINS), ways, NAMES)
    single = [sum(shares[name][place] * ways[name][place] for name in ways) for place in range(COUNT)]
    assert found.mean == pytest.approx(np.mean(GAINS - single))
    ids = [str(place) for place in range(COUNT)]
    clusters, own = dict(zip(ids, NAMES, strict=True)), dict(zip(ids, GAINS, strict=True))
    each = [
        paired_difference(own, dict(zip(ids, one, strict=True)), clusters) for one in (single, ways["a"], ways["b"])
    ]
    assert (found.low, found.high) == (min(one.low for one in each), max(one.high for one in each))
    with pytest.raises(ValueError, match="at least one way"):
        gain_over_best([], {}, [])


def test_a_gain_by_chance_is_not_claimed_and_its_interval_covers():
    found = gains(30, 0.0, 300)
    assert found["same"] < -0.01, "chosen by the same questions, the route looks too good"
    assert abs(found["other"]) < 4 * found["error"]
    assert found["joined"] >= 0.93 > found["given"], "the choice is uncertain, too"
    assert found["claimed"] <= 0.03


@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_the_interval_of_an_area_covers(skill):
    assert area_coverage(30, skill, 200) >= 0.9


@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES)
def test_an_effective_length_is_too_long_in_at_most_5_percent(losses):
    assert max(effective(losses, 30, "mixed", 500)) <= 0.05
