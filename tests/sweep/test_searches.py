"""Searches over cells: what they ask, that they say that they are searches, and that the winner is measured again."""

from __future__ import annotations

import pytest
from race_things import SHARES, answers, pipeline, race_sweep
from sweep_things import Interrupting, ran, standing

from ragvlc.analysis.races import race_sentences, race_tables
from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError
from ragvlc.results.races import race_notes
from ragvlc.statistics import mean_interval
from ragvlc.sweep.runner import SweepInterrupted


def note_of(folder):
    [note] = race_notes(folder).values()
    return note


def test_halving_promotes_the_better_half_and_measures_the_winner_on_questions_held_back(tmp_path):
    outcome, engine = ran(race_sweep(tmp_path / "set", strategy="halving"), tmp_path / "runs", answers())
    note, results = note_of(outcome.folder), Results.load(outcome.folder)
    assert note.searches
    assert note.names[note.winner] == "good"
    assert len(engine.requests) == 4 * 21 + 2 * 21 + 18 == note.answers
    assert [note.ended[cell.facts["key"]].clusters for cell in results.cells] == [60, 42, 21, 21]
    assert "not in the better half" in results.cell("bad").race.ended.reason
    good = results.cell("good")
    held = {name for name, _ in note.clusters[42:]}
    names = [name for name in good.examples if f"cluster d{name[1:]}" in held]
    own = mean_interval([good.scores("contains")[name] for name in names], names)
    figures = good.summary["metrics"]["contains"]
    assert (figures["n"], figures["mean"], figures["low"]) == (18, own.mean, own.low)
    assert "measured again on 18 questions held back" in note.verdict
    text = " ".join(race_sentences(note, results.cells))
    assert f"There good has contains {own.mean:.3f} [{own.low:.3f}, {own.high:.3f}]." in text
    assert set(outcome.status.values()) == {"complete", "pruned"}
    bad = results.cell("bad").summary["metrics"]["contains"]
    assert bad["low"] is bad["high"] is None, "a search has no bounds"
    [table] = race_tables(results)
    assert len(table.heads) == 4, "nothing is said of differences"
    assert next(name for name, _ in table.rows if name.startswith("good")) == "good (measured again)"


def test_one_at_a_time_moves_along_an_axis_from_the_best_so_far(tmp_path):
    pipelines = {name: pipeline(name) for name in ("bad", "good")}
    sweep = race_sweep(
        tmp_path / "set",
        pipelines=pipelines,
        axes={"routes.full.answer_tokens": [5, 6, 7], "routes.full.summary_tokens": [8, 9]},
        strategy={"kind": "one_at_a_time", "held_back": 0.5},
    )
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    note = note_of(outcome.folder)
    asked = {cell.name: len(cell.rows) for cell in Results.load(outcome.folder).cells if cell.rows}
    assert len(note.names) == 12
    assert len(asked) == 2 + 2 + 1, "two pipelines, two more values of one axis, one more of the other"
    assert sum("never asked" in one.reason for one in note.ended.values()) == 7
    assert note.names[note.winner].startswith("good")
    assert "measured again on 30 questions" in note.verdict


@pytest.mark.parametrize("kind", ["halving", "one_at_a_time"])
def test_an_interrupted_search_goes_on_to_the_same_winner(tmp_path, kind):
    sweep = race_sweep(tmp_path / "set", strategy=kind)
    straight, _ = ran(sweep, tmp_path / "straight", answers())
    with pytest.raises(SweepInterrupted):
        ran(sweep, tmp_path / "broken", answers(), watcher=Interrupting(40))
    resumed, _ = ran(sweep, tmp_path / "broken", answers())
    assert note_of(resumed.folder) == note_of(straight.folder)
    assert standing(resumed.folder) == standing(straight.folder)
    _, none = ran(sweep, tmp_path / "broken", answers())
    assert none.requests == []


def test_a_winner_with_every_row_still_has_the_figure_of_the_questions_held_back(tmp_path):
    ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "runs", answers())
    outcome, engine = ran(race_sweep(tmp_path / "set", strategy="halving"), tmp_path / "runs", answers())
    assert engine.requests == []
    assert Results.load(outcome.folder).cell("good").summary["metrics"]["contains"]["n"] == 18


def test_too_few_clusters_for_a_search_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="10 are needed"):
        ran(race_sweep(tmp_path / "set", 9, 9, strategy="halving"), tmp_path / "runs", answers())
    assert len(SHARES) == 4
