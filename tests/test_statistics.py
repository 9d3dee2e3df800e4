"""Intervals and tests: hand cases, agreement with SciPy, and simulations with known truth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.statistics import Difference, Interval, holm, mean_interval, paired_difference


def names(count: int) -> list[str]:
    return [f"c{place}" for place in range(count)]


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
        ([0.5, 0.5, 0.5], ["x", "y", "y"], Interval(0.5, 0.5, 0.5, 3, 2)),
    ],
)
def test_few_values(values, clusters, expected):
    assert mean_interval(values, clusters) == expected


def test_two_clusters_by_hand():
    # Resamples are xx, xy or yx, yy; the mean is over questions: (3 * 0 + 1 * 1) / 4 for the mixed ones.
    found = mean_interval([0.0, 0.0, 0.0, 1.0], ["x", "x", "x", "y"])
    assert found == Interval(0.25, 0.0, 1.0, 4, 2)
    assert mean_interval([0.0, 0.0, 0.0, 1.0], ["x", "x", "x", "y"], level=0.3).low == 0.25


def test_empty_names_are_clusters_of_their_own():
    assert mean_interval([0.0, 1.0, 1.0], ["", "", ""]).clusters == 3
    assert mean_interval([0.0, 1.0, 1.0], ["", "", ""]) == mean_interval([0.0, 1.0, 1.0], ["x", "y", "z"])


def test_repeatable_and_seeded():
    values, clusters = list(np.random.default_rng(0).random(50)), names(50)
    assert mean_interval(values, clusters) == mean_interval(values, clusters)
    assert mean_interval(values, clusters) != mean_interval(values, clusters, seed=1)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_agrees_with_scipy_for_clusters_of_one(level):
    values = np.random.default_rng(3).beta(0.4, 0.8, 200)
    ours = mean_interval(list(values), names(200), level=level, resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=20_000, method="percentile", rng=7
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def clustered(rng, clusters: int, size: int) -> tuple[np.ndarray, list[str]]:
    """Scores with mean 0 whose clusters share most of their variance."""
    shared = np.repeat(rng.normal(size=clusters), size)
    return shared + 0.5 * rng.normal(size=clusters * size), [f"c{row // size}" for row in range(clusters * size)]


def test_coverage_on_clustered_data():
    rng = np.random.default_rng(11)
    aware = naive = 0
    for _ in range(200):
        values, clusters = clustered(rng, 40, 10)
        one = mean_interval(list(values), clusters, resamples=400)
        two = mean_interval(list(values), names(len(values)), resamples=400)
        aware += one.low <= 0 <= one.high
        naive += two.low <= 0 <= two.high
        assert one.high - one.low > 1.5 * (two.high - two.low)
    assert 0.89 <= aware / 200 <= 0.98
    assert naive / 200 < 0.7


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
    assert (apart.mean, apart.low, apart.high) == (1.0, 1.0, 1.0)


def test_random_flips_agree_with_scipy():
    rng = np.random.default_rng(5)
    differences = rng.normal(0.4, 1, 60)
    a = {str(place): float(value) for place, value in enumerate(differences)}
    ours = paired_difference(a, dict.fromkeys(a, 0.0), {name: name for name in a}, resamples=20_000)
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
        p_values.append(paired_difference(a, dict.fromkeys(a, 0.0), by_id, resamples=400).p)
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


def test_no_pairs_and_one_cluster():
    assert paired_difference({"1": 1.0}, {"2": 1.0}, {}) == Difference(None, None, None, None, 0, 0, 0.0, 0.0, 0.0)
    found = paired_difference({"1": 1.0, "2": 1.0}, {"1": 0.0, "2": 1.0}, {"1": "x", "2": "x"})
    assert (found.mean, found.low, found.high, found.p, found.clusters) == (0.5, None, None, None, 1)


def test_bad_input():
    with pytest.raises(ValueError, match="shorter|longer"):
        mean_interval([1.0], [])
    with pytest.raises(ValueError, match="not a finite number"):
        mean_interval([float("nan")], ["x"])
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        mean_interval([1.0], ["x"], level=95)
    with pytest.raises(ValueError, match="resamples at least 1"):
        paired_difference({}, {}, {}, resamples=0)
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
