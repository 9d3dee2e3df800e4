"""The share of its grid that a race is expected to ask, and a budget that a race spends block by block."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sweep"))

from race_things import answers, race_sweep
from sweep_things import ran

from ragvlc.estimate.estimate import workings
from ragvlc.estimate.limits import over_budget
from ragvlc.estimate.races import strategy_shares
from ragvlc.results.races import race_notes
from ragvlc.statistics.race_shares import asked_shares


def shares_of(sweep, runs):
    work = workings(sweep, runs)
    return strategy_shares(sweep, [one.cell for one in work.sampled], work.asked)


def test_a_race_is_expected_to_ask_less_the_larger_the_differences(tmp_path):
    found = shares_of(race_sweep(tmp_path / "set"), tmp_path / "runs")
    assert [one.difference for one in found] == [0.05, 0.1, 0.2]
    assert found[0].share > found[1].share > found[2].share
    assert all(one.low <= one.share <= one.high <= 1 for one in found)
    assert "in 8 of 10 races) if all cells but the best are 0.2 behind." in found[2].sentence()
    assert (found[0].cells, found[0].clusters, found[0].answers) == (4, 60, 240)
    wider = shares_of(
        race_sweep(tmp_path / "set", strategy={"kind": "race", "target": "population"}), tmp_path / "runs"
    )
    assert all(two.share > one.share for one, two in zip(found, wider, strict=True))


def test_the_expected_share_is_that_of_the_simulation_in_make_coverage():
    from races import simulate

    expected = asked_shares([1] * 60, 6, 0.2, block=3, races=200).mean()
    assert expected == pytest.approx(simulate(6, 60, 0.2, sweeps=400).asked, abs=0.03)
    level = asked_shares([1] * 150, 6, 0.0, block=7, margin=0.1, races=100)
    assert np.mean(level) < asked_shares([1] * 150, 6, 0.0, block=7, races=100).mean()


def test_a_search_asks_what_was_said(tmp_path):
    sweep = race_sweep(tmp_path / "set", strategy="halving")
    [found] = shares_of(sweep, tmp_path / "runs")
    outcome, engine = ran(sweep, tmp_path / "runs", answers())
    assert found.difference is None
    assert round(found.share * found.answers) == len(engine.requests)
    assert race_notes(outcome.folder)


def test_without_a_strategy_that_stops_nothing_is_said(tmp_path):
    assert shares_of(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "runs") == []


def test_a_budget_below_the_grid_does_not_refuse_a_race_but_one_below_its_first_block_does(tmp_path):
    assert over_budget(race_sweep(tmp_path / "set", strategy="all", budget={"calls": 50}), tmp_path / "runs")
    assert over_budget(race_sweep(tmp_path / "set", budget={"calls": 50}), tmp_path / "runs") == []
    [problem] = over_budget(race_sweep(tmp_path / "set", budget={"calls": 5}), tmp_path / "runs")
    assert "the first block of strategy race alone, 5% of the grid, is estimated at 12" in problem
