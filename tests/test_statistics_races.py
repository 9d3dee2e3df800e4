"""A small form of the simulation of races in `make coverage`, with hand-made races beside it."""

from __future__ import annotations

import numpy as np
import pytest
from races import simulate

from ragvlc.statistics.races import RaceProcesses, size_order
from ragvlc.statistics.sequential_bounds import sequential_bounds


@pytest.mark.parametrize("target", ["grid", "population"])
@pytest.mark.parametrize("sizes", ["equal", "mixed"])
@pytest.mark.parametrize("difference", [0.0, 0.1])
def test_the_best_cell_is_dropped_in_under_5_percent(target, sizes, difference):
    found = simulate(6, 60, difference, sweeps=400, sizes=sizes, target=target)
    assert found.wrong <= 0.05


@pytest.mark.parametrize(("cells", "clusters", "difference"), [(36, 60, 0.2), (6, 150, 0.1)])
def test_clear_differences_take_under_half_of_the_grid(cells, clusters, difference):
    found = simulate(cells, clusters, difference, sweeps=100)
    assert found.asked < 0.45
    assert simulate(cells, clusters, 0.0, sweeps=50).asked > 0.7, "or the race drops what is equal"


def test_a_level_cheap_cell_is_declared_and_one_worse_by_the_margin_is_not():
    level = simulate(6, 150, 0.0, sweeps=200, margin=0.1)
    worse = simulate(6, 150, 0.0, sweeps=200, margin=0.1, lead=0.1, target="population")
    assert level.declared > 0.9
    assert level.asked < 0.8
    assert worse.declared <= 0.05


@pytest.mark.parametrize("ties", [1, 2])
def test_the_end_of_the_grid_leaves_the_best_cells_only(ties):
    random = np.random.default_rng(3)
    scores = random.integers(0, 2, (30, 4)).astype(float)
    scores[:, 0] = scores[:, 1:].max(1)  # the best by right
    scores[:, 1] = scores[:, 0] if ties == 2 else scores[:, 1]
    race = RaceProcesses(4, 30, np.array([30.0]))
    for row in scores:
        race.add(row[None], np.ones(1))
        race.look()
    assert race.alive[0].tolist() == [True, ties == 2, False, False]


def test_a_dropped_cell_is_no_opponent_any_more():
    race = RaceProcesses(3, 200, np.array([200.0]))
    for _ in range(40):
        race.add(np.array([[1.0, 0.0, 1.0]]), np.ones(1))
        race.look()
    assert race.alive[0].tolist() == [True, False, True]
    for _ in range(100):  # what is given for a cell without rows says nothing about the others
        race.add(np.array([[0.5, 1.0, 0.5]]), np.ones(1))
        race.look()
    assert race.alive[0].tolist() == [True, False, True]


def test_a_grid_whose_large_clusters_disagree_with_the_small_ones_drops_its_best_cell_rarely():
    """Sizes that go with the scores: a race that took clusters as alike would side with the many small ones."""
    random = np.random.default_rng(5)
    sizes = np.array([30.0] * 4 + [1.0] * 76)
    ahead = np.where(sizes > 1, 0.4, -0.55)  # of the first cell: best over questions, worse in most clusters
    assert (ahead * sizes).sum() > 0
    assert ahead.sum() < 0
    wrong, bounded = 0, 0
    for _ in range(300):
        order = size_order(random.random(80), sizes).argsort()
        drawn, gap = sizes[order], ahead[order]
        race = RaceProcesses(2, 80, np.array([sizes.sum() / 30]))
        for size, one in zip(drawn, gap, strict=True):
            means = np.array([[0.5 + one / 2, 0.5 - one / 2]])
            race.add(means * size / 30, np.array([size / 30]))
            race.look()
        wrong += not race.alive[0, 0]
        low, high = sequential_bounds((gap * drawn)[:15], drawn[:15], drawn, least=-1, most=1, draws=drawn)
        bounded += low <= (ahead * sizes).sum() / sizes.sum() <= high
    assert wrong <= 0.05 * 300
    assert bounded >= 0.95 * 300


def test_draws_in_proportion_to_size_are_those_of_equal_sizes_if_all_are_equal():
    uniform = np.random.default_rng(1).random(50)
    assert size_order(uniform, np.full(50, 3.0)).argsort().tolist() == uniform.argsort().tolist()
    first = [size_order(one, [1, 3]).argmin() for one in np.random.default_rng(2).random((4000, 2))]
    assert np.mean(first) == pytest.approx(0.75, abs=0.03)
    assert size_order([0.9, 0.001], [2, 0]).argmax() == 1, "empty clusters are last"


@pytest.mark.parametrize("target", ["grid", "population"])
@pytest.mark.parametrize("mixed", [False, True])
def test_sequential_bounds_contain_the_mean_at_every_look(target, mixed):
    random = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        sizes = random.integers(1, 13, 40) if mixed else np.ones(40, dtype=int)
        draws = sizes if mixed and target == "grid" else None
        if draws is not None:
            sizes = draws = sizes[size_order(random.random(40), sizes).argsort()]
        sums = random.binomial(sizes, random.beta(3, 1.3, 40)).astype(float)
        true = sums.sum() / sizes.sum() if target == "grid" else 3 / 4.3
        looks = [
            sequential_bounds(sums[:seen], sizes[:seen], sizes, least=0, most=1, target=target, draws=draws)
            for seen in (2, 10, 20, 30, 40)
        ]
        missed += any(not low - 1e-9 <= true <= high + 1e-9 for low, high in looks)
        width = looks[-1][1] - looks[-1][0]
        assert width == pytest.approx(0, abs=1e-9) if target == "grid" else width > 0.05
    assert missed <= 3


def test_sequential_bounds_of_differences_and_none_before_the_first_cluster():
    sizes = np.array([2.0, 1.0, 3.0, 2.0])
    assert sequential_bounds(np.array([]), np.array([]), sizes, least=-1, most=1) == (-1.0, 1.0)
    low, high = sequential_bounds(np.array([2.0, -1.0, 0.0]), sizes[:3], sizes, least=-1, most=1)
    assert (low, high) == (pytest.approx(-1 / 8), pytest.approx(3 / 8)), "the last two questions may be all -1 or all 1"
    with pytest.raises(ValueError, match="outside the range"):
        sequential_bounds(np.array([3.0]), sizes[:1], sizes, least=-1, most=1)


def test_an_interval_shorter_than_a_step_of_its_grid_still_has_the_mean():
    random = np.random.default_rng(1)
    values = random.binomial(1, 0.501, 5000).astype(float)
    low, high = sequential_bounds(values[:4995], np.ones(4995), np.ones(5000), least=0, most=1)
    assert low <= values.mean() <= high
    assert high - low < 0.01
