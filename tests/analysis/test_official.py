"""Figures by the rules of a benchmark's authors: shown wherever results are, and computed from rows alone."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping, Sequence

import pytest
import sweep_folders as made
from sweep_folders import cell, example, failed, row

from ragvlc.analysis.official import official_frame, official_table
from ragvlc.analysis.report import official_parts, report_tables
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Metric, ScoredQuestion
from ragvlc.results.official import official_metrics, scored_questions


class Halves(Metric):
    """A metric whose authors leave out failed calls, and report a group of its own."""

    def score(self, answer, example):
        return 1.0

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        asked = [one for one in questions if not one.failed and one.score is not None]
        hard = [one.score for one in asked if one.tags["level"] == "hard"]
        return {"Halves": round(100 * sum(one.score for one in asked) / len(asked), 2), "hard": sum(hard)}


class Broken(Halves):
    """One that cannot count."""

    def official(self, questions):
        raise ZeroDivisionError("no denominator")


@pytest.fixture
def kinds(monkeypatch):
    module = types.ModuleType("my_metrics")
    Halves.__module__ = Broken.__module__ = "my_metrics"
    module.Halves, module.Broken = Halves, Broken
    monkeypatch.setitem(sys.modules, "my_metrics", module)
    return {"Halves": {"kind": "my_metrics:Halves"}, "Broken": {"kind": "my_metrics:Broken"}}


def folder(path, official, **rows):
    questions = [example("q1"), example("q2", tags={"level": "easy"}), example("q3"), example("q4")]
    first = [row("q1", {"m": 1.0}), row("q2", {"m": 0.5}), row("q3", {"m": 0.0}), failed("q4", {"m": 0.0})]
    cells = [cell("full", first, official=official), cell("rag", [row("q1", {"m": None})], official=official)]
    return made.write(path, questions, cells)


def test_shown_in_report_show_and_results(tmp_path, kinds):
    results = folder(tmp_path, {"m": kinds["Halves"]})
    table = official_table(results)
    assert table.heads == ("m\nHalves", "m\nhard")
    assert [[entry.text for entry in entries] for _, entries in table.rows] == [["50.00", "1.00"], ["-", "-"]]
    assert table in report_tables(results, None, ())
    assert len(official_parts(results)) == 3
    frame = results.official()
    assert frame[["cell", "metric", "figure", "value"]].values.tolist() == [
        ["full", "m", "Halves", 50.0],
        ["full", "m", "hard", 1.0],
    ]
    assert "Official figures" in results.report().html
    results.export(tmp_path / "out", to=["markdown", "csv"])
    lines = (tmp_path / "out/data/official.csv").read_text().splitlines()
    assert lines[:2] == ["dataset,cell,metric,figure,value", "toy,full,m,Halves,50.0"]
    assert "m Halves" in (tmp_path / "out/tables/official-figures.md").read_text().replace("<br>", " ")


def test_questions_say_what_their_rows_say(tmp_path, kinds):
    results = folder(tmp_path, {})
    found = scored_questions(results.cells[0], "m")
    assert [(one.id, one.score, one.failed, one.replied) for one in found] == [
        ("q1", 1.0, False, True),
        ("q2", 0.5, False, True),
        ("q3", 0.0, False, True),
        ("q4", 0.0, True, False),
    ]
    assert found[1].tags == {"level": "easy"}
    assert found[1].scores == {"m": 0.5}


def test_nothing_is_shown_without_any(tmp_path):
    results = folder(tmp_path, {})
    assert official_table(results) is None
    assert official_parts(results) == []
    assert results.official().empty


@pytest.mark.parametrize(
    ("spec", "words"),
    [({"kind": "my_metrics:Broken"}, "ZeroDivisionError: no denominator"), ({"kind": "no_such"}, "no_such")],
)
def test_figures_that_cannot_be_computed_are_said(tmp_path, kinds, spec, words):
    results = folder(tmp_path, {"m": spec})
    assert words in official_table(results).note
    assert official_frame(results, all_of_them=False).empty
    with pytest.raises(ConfigError, match=words):
        results.official()


def test_cells_hold_the_metrics_with_figures_of_their_own_alone():
    class Plain(Metric):
        """One with a mean alone."""

        def score(self, answer, example):
            return 1.0

    found = official_metrics([Halves(), Plain()])
    assert list(found) == [Halves().label]
    assert json.loads(json.dumps(found)) == found
