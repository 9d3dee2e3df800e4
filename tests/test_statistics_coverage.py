"""A small form of `make coverage`: catches intervals that cover too rarely or are far too wide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from _simulated import draw
from interval_coverage import DESIGNS, KINDS, bounds, entry, simulate, summary, table

from ragvlc.statistics._flips import flip_test
from ragvlc.statistics.differences import FLIPS

SETS = 400
LEAST = 0.9  # .95 less four and a half Monte Carlo errors


@pytest.mark.parametrize(
    ("kind", "clusters", "sizes", "correlation"),
    [
        ("binary, mean 0.05", 17, "single", 0.0),
        ("binary, mean 0.05", 30, "mixed", 0.6),
        ("binary, mean 0.9", 17, "mixed", 0.6),
        ("binary, mean 0.2", 8, "mixed", 0.2),
        ("graded, mean 0.4", 8, "mixed", 0.6),
        ("binary differences, 0 % ties, 70 % of the others better", 8, "mixed", 0.6),
        ("binary differences, 90 % ties, 70 % of the others better", 10, "equal", 0.6),
        ("graded differences, 90 % ties, 70 % of the others better", 17, "single", 0.0),
        ("graded differences, 30 % ties, 70 % of the others better", 8, "mixed", 0.2),
    ],
)
def test_intervals_cover_where_the_percentile_bootstrap_does_not(kind, clusters, sizes, correlation):
    found = simulate(KINDS[kind], clusters, sizes, correlation, SETS)
    assert found.covered >= LEAST
    assert found.before < LEAST, "or this cell shows nothing"


@pytest.mark.parametrize("kind", ["binary, mean 0.5", "graded, mean 0.4"])
def test_intervals_are_little_wider_where_the_percentile_bootstrap_covers(kind):
    found = simulate(KINDS[kind], 100, "mixed", 0.2, SETS)
    assert found.covered >= LEAST
    assert found.width < 1.1 * found.width_before


def test_brackets_contain_0_exactly_when_p_is_above_05():
    rng = np.random.default_rng(5)
    paired = [kind for kind in KINDS.values() if kind.paired]
    apart = count = 0
    while count < 10_000:
        sizes, correlation = DESIGNS[rng.integers(len(DESIGNS))]
        drawn = draw(paired[rng.integers(len(paired))], int(rng.integers(2, 40)), sizes, correlation, 100, seed=count)
        low, high = bounds(drawn, paired[0])
        p = flip_test(drawn.sums().score, FLIPS, 0)
        assert np.array_equal((low <= 0) & (high >= 0), p > 0.05)
        apart, count = apart + int((p <= 0.05).sum()), count + len(p)
    assert apart > 1000


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_made_up_scores_have_their_mean_and_their_correlation(kind, correlation):
    scores = draw(kind, 8000, "equal", correlation, 1).scores[0]
    assert scores.mean() == pytest.approx(kind.mean, abs=0.03)
    rest = scores - scores.mean()
    pairs = (rest.sum(-1) ** 2 - (rest**2).sum(-1)).mean() / (4 * 3)
    assert pairs / np.var(scores) == pytest.approx(correlation, abs=0.06)


def test_the_table_marks_what_falls_short():
    kind = KINDS["graded, mean 0.4"]
    found = [simulate(kind, clusters, "single", 0.0, 50) for clusters in (8, 10)]
    head, _, row = table(found)
    assert head == "| graded, mean 0.4 | 8 clusters | 10 clusters |"
    assert row.startswith("| single | ")
    poor = replace(found[0], covered=0.92, before=0.95, width=1.4, width_before=1.0)
    assert entry(poor) == ".920 (.95) 1.40 *!"
    assert any("1 of graded, mean 0.4" in line for line in summary([poor]))
