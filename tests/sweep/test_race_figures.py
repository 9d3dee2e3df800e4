"""Pruned cells in figures, in scores by length, in effective lengths, on the front, and as the best of a tracker."""

from __future__ import annotations

import pytest
from race_things import answers, pipeline, race_sweep
from sweep_things import questions, ran, write_set

from ragvlc.analysis.axes import axis
from ragvlc.analysis.by_length import length_tables, tasks
from ragvlc.analysis.drawing import label
from ragvlc.analysis.effective_length import length_frame, route_lengths
from ragvlc.analysis.figures import figure
from ragvlc.analysis.front import front_tables
from ragvlc.analysis.length_words import effective_tables
from ragvlc.analysis.page import html_page
from ragvlc.analysis.races import race_tables
from ragvlc.analysis.results import Results
from ragvlc.core.length_margin import LengthMargin

LENGTHS = (100, 200)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A race over questions of two lengths, each asked at both, in 60 clusters."""
    folder = tmp_path_factory.mktemp("race")
    race_sweep(folder / "set")
    asked = []
    for one in questions(60, 60):
        for length in LENGTHS:
            name = f"{one['question_id']}@{length}"
            asked.append(one | {"question_id": name, "meta": {"length": length}})
    write_set(folder / "set", asked, 60, things=60)
    sweep = race_sweep(folder / "set", effective_length={"metric": "contains", "margin": 0.1})
    write_set(folder / "set", asked, 60, things=60)
    outcome, _ = ran(sweep, folder / "runs", answers())
    return Results.load(outcome.folder)


def test_a_table_by_length_marks_pruned_cells_and_compares_them_on_the_same_questions(raced):
    [table] = length_tables(raced)
    rows = dict(table.rows)
    [task] = tasks(raced)
    bad = next(one for one in task.systems if one.label == "bad")
    [title] = [one for one in rows if one.startswith("bad (pruned at block")]
    block = raced.cell("bad").race.ended
    assert rows[title][-1].value == pytest.approx(bad.mean("contains", over_lengths=True).mean)
    assert rows[title][-1].interval == ""
    assert bad.mean("contains", over_lengths=True).n == 2 * block.clusters
    [same] = [one for one in rows if one == f"good on the questions of those {title[5:-1]}"]
    good = next(one for one in task.systems if one.label == "good").on_questions_of(bad)
    assert {name for own in good.scores("contains").values() for name in own} == set(raced.cell("bad").rows)
    assert rows[same][-1].value == pytest.approx(good.mean("contains", over_lengths=True).mean)
    assert not rows[same][-1].best
    assert rows["good (asked until the verdict)"][-1].best
    assert "compare a pruned one with the row of the best" in table.note


def test_an_effective_length_of_a_stopped_route_is_of_common_questions_and_claims_nothing(raced):
    found = {one.route: one for one in route_lengths(raced, LengthMargin(metric="contains", margin=0.1))}
    bad = found["bad"]
    assert bad.found is None
    assert bad.questions.n == len(raced.cell("bad").rows) / 2
    frame = length_frame([bad])
    assert frame[["low", "high", "difference_low", "difference_high", "p"]].isna().all(axis=None)
    [table] = effective_tables(raced)
    title = f"bad ({raced.cell('bad').race.mark})"
    entries = dict(table.rows)[title]
    assert all(entry.interval == "" for entry in entries)
    assert f"bad: {raced.cell('bad').race.mark}, so that the differences are of the" in table.note
    assert "run it with strategy: all" in table.note


def test_figures_draw_cells_without_all_questions_hollow_with_broken_bars_and_say_so(raced):
    [place] = figure(raced, "quality_tokens").axes
    found = dict(zip(*reversed(place.get_legend_handles_labels()), strict=True))
    mark = raced.cell("bad").race.mark
    points = found[f"bad ({mark})"]
    line, _, bars = points.lines
    assert line.get_markerfacecolor() == "none"
    assert bars
    assert all(one.get_linestyle()[0][1] for one in bars), "broken"
    low, high = (raced.cell("bad").summary["metrics"]["contains"][end] for end in ("low", "high"))
    ends = [point[1] for point in bars[0].get_segments()[0]]
    assert ends == pytest.approx([low, high]), "the sequential bounds, no others"
    assert len(bars) == 1, "no interval of a cost whose number of questions depended on the scores"
    [place] = figure(raced, "by_length").axes
    lines = {one.get_label(): one for one in place.get_lines()}
    assert lines[f"bad ({mark})"].get_linestyle() == "--"


def test_labels_of_figures_never_cut_how_a_cell_was_left():
    long = "rag " + "x" * 100 + " size=64"
    assert label(f"{long} (pruned at block 5)").endswith("size=64 (pruned at block 5)")
    assert label(f"{long} (pruned at block 5) (control)").endswith("size=64 (pruned at block 5) (control)")
    assert len(label(long)) == 64


def test_captions_of_a_page_say_how_stopped_cells_are_drawn(raced):
    assert "cells that a race or search stopped early" in html_page(raced)


def test_a_front_places_no_cell_that_is_ruled_out_and_marks_its_bounds(raced):
    [table] = front_tables(raced, "tokens")
    rows = dict(table.rows)
    score, cost, place = rows[f"bad ({raced.cell('bad').race.mark})"]
    assert place.word == raced.cell("bad").race.mark
    assert score.interval.endswith("†")
    assert cost.interval == ""
    assert rows["good (asked until the verdict)"][-1].word == "on the front"
    assert "Costs of cells without all questions have no brackets" in table.note


def test_a_line_over_a_setting_has_its_stopped_points_hollow_with_sequential_bars(tmp_path):
    one = pipeline("good")
    one["routes"]["full"]["max_context_tokens"] = 500
    axes = {"routes.full.max_context_tokens": [7, 500]}
    sweep = race_sweep(tmp_path / "set", pipelines={"good": one}, axes=axes)

    def reply(prompt: str) -> str:
        return answers()(prompt) if "as everybody knows" in prompt else "unknown"

    outcome, _ = ran(sweep, tmp_path / "runs", reply)
    results = Results.load(outcome.folder)
    found = axis(results.cells, "routes.full.max_context_tokens", "contains")
    assert found is not None
    assert found.lines[0].stopped == {7, 500}
    [place] = figure(results, "over_max_context_tokens").axes
    _, labels = place.get_legend_handles_labels()
    assert "good, stopped early: sequential bounds" in labels
    assert len(place.containers) == 2


def test_the_table_of_a_race_says_in_words_how_each_cell_was_left(raced, tmp_path):
    def words(results: Results) -> dict[str, str]:
        [table] = race_tables(results)
        return {name.split(" (")[0]: entries[0].word for name, entries in table.rows}

    assert words(raced) == {"good": "best", "fair": "pruned", "poor": "pruned", "bad": "pruned"}
    level = {"good": 0.8, "fair": 0.8, "bad": 0.05}
    three = {name: pipeline(name) for name in level}
    equal = answers({**level, "good": 1.0, "fair": 1.0})
    end, _ = ran(race_sweep(tmp_path / "a", pipelines=three), tmp_path / "end", equal)
    exact = "level on all questions"
    assert words(Results.load(end.folder)) == {"good": exact, "fair": exact, "bad": "pruned"}
    target = {"kind": "race", "target": "population"}
    open_, _ = ran(race_sweep(tmp_path / "a", pipelines=three, strategy=target), tmp_path / "open", equal)
    known = "still in question"
    assert words(Results.load(open_.folder)) == {"good": known, "fair": known, "bad": "pruned"}
    decide = {"metric": "contains", "margin": 0.3, "cost": "tokens"}
    margin = race_sweep(tmp_path / "b", 200, 200, pipelines=three, decide=decide)
    near, _ = ran(margin, tmp_path / "near", answers(level))
    assert sorted(words(Results.load(near.folder)).values()) == [
        "equivalent within the margin",
        "not better by the margin",
        "pruned",
    ]
