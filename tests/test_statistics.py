"""Intervals and tests: hand cases, agreement with SciPy and with matrices, and the one rule of brackets and p."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.statistics import (
    Difference,
    Interval,
    holm,
    mean_interval,
    paired_difference,
    ratio_interval,
    slope_interval,
)
from ragvlc.statistics._clusters import by_cluster
from ragvlc.statistics._flips import end_next_to_zero, flip_test
from ragvlc.statistics._scores import _tango
from ragvlc.statistics._spread import spread_of
from ragvlc.statistics._spread import variance as enlarged


def names(count: int) -> list[str]:
    return [f"c{place}" for place in range(count)]


def differences(values, clusters=None) -> Difference:
    a = {str(place): float(value) for place, value in enumerate(values)}
    by_id = {name: name if clusters is None else clusters[int(name)] for name in a}
    return paired_difference(a, dict.fromkeys(a, 0.0), by_id)


def test_mean_drops_what_does_not_apply():
    found = mean_interval([1.0, None, 0.0, 0.5], ["x", "x", "y", "z"])
    assert (found.mean, found.n, found.clusters) == (0.5, 3, 3)
    assert 0 <= found.low <= 0.5 <= found.high <= 1


@pytest.mark.parametrize(
    ("values", "clusters", "expected"),
    [
        ([], [], Interval(None, None, None, 0, 0)),
        ([None], ["x"], Interval(None, None, None, 0, 0)),
        ([1.0], ["x"], Interval(1.0, None, None, 1, 1)),
        ([1.0, 0.0], ["x", "x"], Interval(0.5, None, None, 2, 1)),
    ],
)
def test_few_values(values, clusters, expected):
    assert mean_interval(values, clusters) == expected


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(0.0, 0.0, 0.195), (1.0, 0.805, 1.0), (0.5, 0.402, 0.598)],
)
def test_scores_that_are_all_alike_leave_what_their_clusters_do_not_exclude(value, low, high):
    # Of 17 clusters all of one kind, 1 - .025^(1/17) = .195 of all may be of another.
    found = mean_interval([value] * 30, [str(place % 17) for place in range(30)])
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_ties_alone_leave_what_their_clusters_do_not_exclude():
    found = differences([0.0] * 14, [str(place % 7) for place in range(14)])
    assert (found.low, found.high) == (pytest.approx(-0.41, abs=5e-3), pytest.approx(0.41, abs=5e-3))
    assert (found.p, found.equal) == (1.0, 1.0)


@pytest.mark.parametrize(("clusters", "few"), [(1, True), (7, True), (8, False)])
def test_few_clusters_are_warned_of(clusters, few):
    found = mean_interval([0.0, 1.0] * clusters, names(clusters) * 2)
    assert (found.few, bool(found.warning)) == (few, few)
    difference = differences([0.0, 1.0] * clusters, names(clusters) * 2)
    assert (difference.few, difference.warning) == (few, found.warning)


def test_empty_names_are_clusters_of_their_own():
    assert mean_interval([0.0, 1.0, 1.0], ["", "", ""]).clusters == 3
    assert mean_interval([0.0, 1.0, 1.0], ["", "", ""]) == mean_interval([0.0, 1.0, 1.0], ["x", "y", "z"])


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_agrees_with_the_bootstrap_for_many_clusters_of_one(level):
    values = np.random.default_rng(3).beta(0.4, 0.8, 400)
    ours = mean_interval(list(values), names(400), level=level)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=20_000, method="BCa", rng=7
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


@pytest.mark.parametrize("right", [30, 1000, 1970])
def test_agrees_with_wilson_for_many_single_questions(right):
    ours = mean_interval([1.0] * right + [0.0] * (2000 - right), names(2000))
    theirs = scipy.stats.binomtest(right, 2000).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-4)
    assert ours.high == pytest.approx(theirs.high, abs=1e-4)


@pytest.mark.parametrize(("above", "below", "count"), [(0.1, 0.0, 40), (0.3, 0.1, 20), (0.7, 0.3, 12), (0.05, 0.2, 60)])
def test_ends_are_where_the_likeliest_shares_reject(above, below, count):
    low, high = (float(end) for end in _tango(np.array(above), np.array(below), np.array(float(count)), 1.96))
    for end, sign in ((low, 1), (high, -1)):
        # Of all shares with this difference those likeliest by multinomial counts, found by search.
        def loss(share_below, end=end):
            shares = np.array([share_below + end, share_below, 1 - end - 2 * share_below])
            counts = np.array([above, below, 1 - above - below])
            return -np.where(counts > 1e-12, counts * np.log(np.maximum(shares, 1e-300)), 0.0).sum()

        limits = max(0.0, -end), (1 - end) / 2
        found = scipy.optimize.minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-10}).x
        deviation = (above - below - end) / np.sqrt((2 * found + end - end * end) / count)
        assert deviation == pytest.approx(sign * 1.96, abs=2e-3)


def test_variance_and_its_degrees_of_freedom_are_those_of_matrices():
    rng = np.random.default_rng(4)
    sizes = np.array([1, 2, 2, 5, 9, 12])
    members = np.repeat(np.arange(6), sizes)
    scores = rng.random(6)[members] + 0.3 * rng.random(31)
    found = spread_of(by_cluster(list(scores), [str(one) for one in members]))
    n = len(scores)
    hat = np.full((n, n), 1 / n)
    residual = scores - scores.mean()
    vectors = []
    for cluster in range(6):
        own = members == cluster
        block = np.eye(own.sum()) - hat[np.ix_(own, own)]
        values, axes = np.linalg.eigh(block)
        adjusted = axes @ np.diag(values**-0.5) @ axes.T @ np.ones(own.sum()) / n
        vectors.append((np.eye(n) - hat)[:, own] @ adjusted)
    variance = sum(float(vector @ scores) ** 2 for vector in vectors)
    assert float(found.floor + found.excess) == pytest.approx(variance)
    assert float(found.floor) == pytest.approx((residual**2).sum() / n**2)
    correlation = float((found.design_effect - 1) / (found.largest_effect - 1))
    working = (1 - correlation) * np.eye(n) + correlation * (members[:, None] == members)
    form = np.array([[one @ working @ other for other in vectors] for one in vectors])
    assert float(found.freedom) == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    totals = np.bincount(members, weights=residual) ** 2
    t = [scipy.stats.t.ppf(0.975, freedom) / scipy.stats.norm.ppf(0.975) for freedom in (30, float(found.freedom))]
    excess = float(found.excess) * t[1] ** 2 * (1 + (totals**2).sum() / totals.sum() ** 2)
    assert float(enlarged(found, 0.95)) == pytest.approx(float(found.floor) * t[0] ** 2 + excess)


def test_one_right_answer_does_not_say_that_right_answers_come_alone():
    clusters = [str(place % 30) for place in range(150)]
    none, one, six = (mean_interval([1.0] * right + [0.0] * (150 - right), clusters) for right in (0, 1, 6))
    independent = scipy.stats.binomtest(1, 150).proportion_ci(method="wilson").high
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert one.high > 1.5 * independent
    assert six.high < 1.2 * scipy.stats.binomtest(6, 150).proportion_ci(method="wilson").high


def clustered(rng, clusters: int, size: int) -> tuple[np.ndarray, list[str]]:
    """Differences with mean 0 whose clusters share most of their variance."""
    shared = np.repeat(rng.normal(size=clusters), size)
    return shared + 0.5 * rng.normal(size=clusters * size), [f"c{row // size}" for row in range(clusters * size)]


def test_clusters_count_together():
    rng = np.random.default_rng(11)
    for _ in range(20):
        values, clusters = clustered(rng, 40, 10)
        one, two = mean_interval(list(values), clusters), mean_interval(list(values), names(len(values)))
        assert one.high - one.low > 1.5 * (two.high - two.low)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.integers(0, 5)), min_size=2, max_size=30))
def test_intervals_hold_the_mean_stay_on_the_scale_and_mirror(rows):
    values, clusters = [value for value, _ in rows], [str(cluster) for _, cluster in rows]
    found, turned = mean_interval(values, clusters), mean_interval([1 - value for value in values], clusters)
    if found.low is None:
        assert found.clusters == 1
        return
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.high - found.low > 0.01, "never of no width"
    assert (turned.low, turned.high) == (pytest.approx(1 - found.high), pytest.approx(1 - found.low))


def test_weights_give_the_mean_of_means():
    values, clusters = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0], list("aabbcd")
    weights = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0]
    found = mean_interval(values, clusters, weights=weights)
    assert found.mean == 0.5
    assert mean_interval(values, clusters, weights=[3.0] * 6) == mean_interval(values, clusters)
    with pytest.raises(ValueError, match="a weight is not a number above 0"):
        mean_interval(values, clusters, weights=[0.0, *weights[1:]])


def test_scores_beyond_1_have_a_scale_of_their_own():
    small = mean_interval([0.1, 0.5, 1.0, 0.2] * 5, names(20))
    large = mean_interval([10.0, 50.0, 100.0, 20.0] * 5, names(20))
    assert (large.low, large.high) == (pytest.approx(100 * small.low), pytest.approx(100 * small.high))


def test_difference_by_hand():
    a = {"1": 1.0, "2": 0.5, "3": 0.0, "4": 1.0, "only a": 1.0, "none": None}
    b = {"1": 0.0, "2": 0.5, "3": 1.0, "4": 0.0, "only b": 1.0, "none": 1.0}
    found = paired_difference(a, b, dict.fromkeys(a, ""))
    assert (found.mean, found.n, found.clusters) == (0.25, 4, 4)
    assert (found.better, found.worse, found.equal) == (0.5, 0.25, 0.25)
    # Differences 1, 0, -1, 1: of 16 flips, |sum| >= 1 in all (three signs never cancel).
    assert found.p == 1.0


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 1, 1, 1], 2 / 16),
        ([1, 1, 1], 2 / 8),
        ([3, 1, 1], 2 / 8),  # sums 5 3 3 1 -1 -3 -3 -5
        ([3, 1, -1], 6 / 8),  # |sums| 3 or more: 5, 3, 3, and their opposites
        ([0, 0], 1.0),
        ([0.1, 0.2, -0.3], 1.0),
        ([0.1, 0.1, 0.1, -0.1], 10 / 16),  # equal up to rounding is as extreme
    ],
)
def test_exact_p_values(differences, p):
    a = {str(place): float(value) for place, value in enumerate(differences)}
    found = paired_difference(a, dict.fromkeys(a, 0.0), {name: name for name in a})
    assert found.p == pytest.approx(p)


def test_flips_keep_clusters_together():
    a = {str(place): 1.0 for place in range(100)}
    b = dict.fromkeys(a, 0.0)
    apart = paired_difference(a, b, {name: name for name in a})
    together = paired_difference(a, b, {name: str(int(name) % 2) for name in a})
    assert apart.p == 1 / 2001
    assert together.p == 0.5
    # 100 wins of 100 leave 1 - .025^(1/100) = .036 for losses: the mean may be 1 - 2 * .036.
    assert (apart.mean, apart.low, apart.high) == (1.0, pytest.approx(0.928, abs=1e-3), 1.0)


def test_random_flips_agree_with_scipy():
    rng = np.random.default_rng(5)
    differences = rng.normal(0.4, 1, 60)
    a = {str(place): float(value) for place, value in enumerate(differences)}
    ours = paired_difference(a, dict.fromkeys(a, 0.0), {name: name for name in a}, flips=20_000)
    theirs = scipy.stats.permutation_test(
        (differences, np.zeros(60)), lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples", vectorized=True, n_resamples=20_000, rng=1,
    ).pvalue  # fmt: skip
    assert 0.005 < theirs < 0.5
    assert ours.p == pytest.approx(theirs, abs=0.015)


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(300):
        values, clusters = clustered(rng, 25, 4)
        a = {str(place): float(value) for place, value in enumerate(values)}
        by_id = {str(place): name for place, name in enumerate(clusters)}
        p_values.append(paired_difference(a, dict.fromkeys(a, 0.0), by_id, flips=400).p)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_difference_is_antisymmetric():
    rng = np.random.default_rng(8)
    a, b = ({str(place): float(value) for place, value in enumerate(rng.random(40))} for _ in range(2))
    by_id = {name: str(int(name) // 4) for name in a}
    one, two = paired_difference(a, b, by_id), paired_difference(b, a, by_id)
    assert one.mean == pytest.approx(-two.mean)
    assert (one.low, one.high) == (pytest.approx(-two.high), pytest.approx(-two.low))
    assert (one.better, one.worse, one.p) == (two.worse, two.better, two.p)


def table(rng) -> tuple[np.ndarray, list[str]]:
    """Differences of many kinds: binary and graded, with and without ties, leaning or level, in few clusters."""
    clusters, size = int(rng.integers(2, 19)), int(rng.integers(1, 6))
    members = np.repeat(np.arange(clusters), rng.integers(1, size + 1, clusters))
    lean = rng.choice([0.0, 0.2, 0.5, 0.9])
    signs = np.where(rng.random(len(members)) < (1 + lean * rng.random(clusters)[members]) / 2, 1.0, -1.0)
    sizes = rng.choice([np.ones(len(members)), rng.beta(0.5, 1.0, len(members)), rng.integers(0, 5, len(members)) / 4])
    return signs * sizes * (rng.random(len(members)) >= rng.choice([0.0, 0.3, 0.9])), [str(one) for one in members]


def test_brackets_contain_0_exactly_when_p_is_above_05():
    rng = np.random.default_rng(17)
    apart = 0
    for _ in range(1000):  # ten thousand more in test_statistics_coverage.py
        found = differences(*table(rng))
        assert (found.low <= 0 <= found.high) == (found.p > 0.05)
        assert -1 <= found.low <= found.mean <= found.high <= 1
        apart += found.p <= 0.05
    assert apart > 50


def test_the_end_next_to_0_is_where_the_test_begins_to_reject():
    rng = np.random.default_rng(23)
    for clusters in (7, 9, 30):
        scores, weights = rng.normal(3.0, 1.0, clusters), rng.integers(1, 5, clusters).astype(float)
        assert flip_test(scores, 2000, 0) <= 0.05
        end = end_next_to_zero(scores, weights, 2000, 0, 0.05)
        assert 0 < end < scores.sum() / weights.sum()
        for shift, rejected in ((-1e-6, True), (1e-6, False)):
            assert (flip_test(scores - (end + shift) * weights, 2000, 0) <= 0.05) == rejected
        assert end_next_to_zero(-scores, weights, 2000, 0, 0.05) == -end


def test_ratios_of_costs_and_of_gains():
    clusters = names(12)
    found = ratio_interval([0.5] * 12, [1.0] * 12, clusters)
    assert found.mean == 0.5
    assert found.low < 0.5 < found.high, "never of no width"
    assert ratio_interval([0.0] * 12, [0.0] * 12, clusters).mean is None
    costs = ratio_interval([1.0, 2.0, 4.0, 3.0] * 3, [10.0, 11.0, 12.0, 9.0] * 3, clusters)
    turned = ratio_interval([10.0, 11.0, 12.0, 9.0] * 3, [1.0, 2.0, 4.0, 3.0] * 3, clusters)
    assert (costs.low, costs.high) == (
        pytest.approx(1 / turned.high, rel=0.02),
        pytest.approx(1 / turned.low, rel=0.02),
    )
    gains = ratio_interval([1.0, 0.0, -1.0, 1.0] * 10, [1.0, 1.0, 1.0, 1.0] * 10, names(40))
    mean = differences([1.0, 0.0, -1.0, 1.0] * 10)
    assert (gains.low, gains.high) == (pytest.approx(mean.low, abs=0.05), pytest.approx(mean.high, abs=0.05))
    rare = ratio_interval([1.0] + [0.0] * 11, [1.0, 1.0] + [0.0] * 10, clusters)
    assert (rare.mean, rare.low, rare.high) == (0.5, None, None), "elsewhere there may be nothing to divide by"


def test_slopes_leave_out_one_cluster_at_a_time():
    rng = np.random.default_rng(6)
    x = rng.normal(size=60)
    clusters = [str(place // 3) for place in range(60)]
    y = 2 * x + rng.normal(size=20)[np.arange(60) // 3]
    found = slope_interval(list(x), list(y), clusters)
    assert found.mean == pytest.approx(scipy.stats.linregress(x, y).slope)
    without = []
    for cluster in range(20):
        own = np.arange(60) // 3 != cluster
        without.append(scipy.stats.linregress(x[own], y[own]).slope)
    error = np.sqrt(19 / 20 * sum((slope - found.mean) ** 2 for slope in without))
    assert found.high - found.mean == pytest.approx(scipy.stats.t.ppf(0.975, 19) * error)
    assert slope_interval([1.0] * 6, [1.0] * 6, names(6)).mean is None
    assert slope_interval([1.0, 2.0], [1.0, 2.0], names(2)).low is None


def test_no_pairs_and_one_cluster():
    assert paired_difference({"1": 1.0}, {"2": 1.0}, {}) == Difference(None, None, None, None, 0, 0, 0.0, 0.0, 0.0)
    found = paired_difference({"1": 1.0, "2": 1.0}, {"1": 0.0, "2": 1.0}, {"1": "x", "2": "x"})
    assert (found.mean, found.low, found.high, found.p, found.clusters) == (0.5, None, None, None, 1)


def test_bad_input():
    with pytest.raises(ValueError, match="differ in length"):
        mean_interval([1.0], [])
    with pytest.raises(ValueError, match="not a finite number"):
        mean_interval([float("nan")], ["x"])
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        mean_interval([1.0], ["x"], level=95)
    with pytest.raises(ValueError, match="flips must be at least 1"):
        paired_difference({}, {}, {}, flips=0)
    with pytest.raises(ValueError, match="clusters lacks example '1'"):
        paired_difference({"1": 1.0}, {"1": 0.0}, {})


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02, None, 0.02], [0.04, None, 0.04]),
        ([0.01, 0.011, 0.9], [0.03, 0.03, 0.9]),
        ([None], [None]),
    ],
)
def test_holm_by_hand(p_values, expected):
    assert holm(p_values) == [None if p is None else pytest.approx(p) for p in expected]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_properties(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    assert max(zip(p_values, corrected, strict=True))[1] == max(corrected)
    assert all(q <= min(1, p * len(p_values)) for p, q in zip(p_values, corrected, strict=True) if p == min(p_values))
