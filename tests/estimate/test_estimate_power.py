"""How many questions find a difference, from a pilot or from assumptions, and what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
import yaml
from command_line import Cli
from sweep_folders import cell, example, row, write

from ragvlc.core.errors import ConfigError
from ragvlc.estimate.estimate import estimate
from ragvlc.estimate.power import Assumed, Wanted, planned
from ragvlc.statistics.differences import pairs_of
from ragvlc.statistics.power import assumed_deviation, needed, needed_for_margin, pilot_of
from ragvlc.sweep.spec import Sweep

FULL = {"generators": {"main": {"kind": "scripted", "default": "B"}}, "routes": {"full": "full_context"}}
RAG = {"generators": {"main": {"kind": "scripted", "default": "B"}}, "routes": {"rag": "retrieve"}}
SWEEP: dict[str, Any] = {
    "dataset": "toy",
    "pipelines": {"full": FULL, "rag": RAG},
    "metrics": ["m"],
    "tracker": "none",
}
NAMES = [f"q{place:02d}" for place in range(40)]
CLUSTERS = {name: f"c{place % 20}" for place, name in enumerate(NAMES)}
RIGHT = {name: float(place % 2) for place, name in enumerate(NAMES)}
OTHER = {name: float(place % 3 == 0) for place, name in enumerate(NAMES)}


def pilot(folder: Path, *more: dict[str, Any]) -> Any:
    asked = [example(name, cluster) for name, cluster in CLUSTERS.items()]
    cells = [
        cell(name, [row(one, {"m": score}) for one, score in scores.items()])
        for name, scores in (("full", RIGHT), ("rag", OTHER))
    ]
    return write(folder, asked, [*cells, *more])


@pytest.fixture
def counted(tmp_path: Path) -> Any:
    path = tmp_path / "toys.yaml"
    path.write_text(yaml.safe_dump(SWEEP | {"metrics": ["contains"]}), encoding="utf-8")
    return estimate(Sweep.load(path), tmp_path / "none")


def test_a_pilot_says_how_many_questions_each_comparison_needs_and_what_all_cost(tmp_path: Path, counted: Any) -> None:
    found = planned(Wanted("m", 0.1), pilot(tmp_path / "pilot"), counted)
    sample = pairs_of(OTHER, RIGHT, CLUSTERS)
    expected = needed(pilot_of(sample), 0.1)
    [only] = found.cells
    assert (only.name, only.questions, only.clusters) == ("rag", expected.questions, expected.clusters)
    assert (only.pilot_questions, only.pilot_clusters) == (40, 20)
    assert expected.questions == pytest.approx(2 * expected.clusters, abs=1)
    questions = counted.cells[0]["questions"]
    assert found.costs["prompt_tokens"] == pytest.approx(counted.total["prompt_tokens"] * only.questions / questions)
    assert found.costs["seconds"] != 0 or found.costs["seconds"] != found.costs["seconds"]


def test_controls_take_no_part_and_every_further_cell_makes_it_take_more(tmp_path: Path, counted: Any) -> None:
    oracle = cell("oracle", made.as_control([row(one, {"m": 1.0}) for one in NAMES]), control=True)
    third = cell("small", [row(one, {"m": score}) for one, score in OTHER.items()])
    one = planned(Wanted("m", 0.1), pilot(tmp_path / "one"), counted)
    two = planned(Wanted("m", 0.1), pilot(tmp_path / "two", oracle, third), counted)
    assert [found.name for found in two.cells] == ["rag", "small"]
    assert two.hardest.questions > one.hardest.questions


def test_a_margin_asks_that_a_level_cell_be_shown_not_worse(tmp_path: Path, counted: Any) -> None:
    found = planned(Wanted("m", 0.1, margin=True), pilot(tmp_path / "pilot"), counted, baseline="rag")
    sample = pairs_of(RIGHT, OTHER, CLUSTERS)
    assert found.hardest.name == "full"
    assert found.hardest.questions == needed_for_margin(sample, 0.1).questions
    alike = cell("same", [row(one, {"m": score}) for one, score in RIGHT.items()])
    found = planned(Wanted("m", 0.03, margin=True), pilot(tmp_path / "alike", alike), counted)
    assert found.cells[1].clusters == 144  # 1 - .0125^(1/144) < .03: all alike, and two comparisons


def test_assumptions_stand_for_a_pilot(counted: Any) -> None:
    found = planned(Wanted("m", 0.05), Assumed(0.5, 0.2, 4.0, 3), counted)
    expected = needed(assumed_deviation(0.5, questions=4.0, correlation=0.2), 0.05, tests=3)
    assert (found.hardest.questions, found.hardest.clusters) == (expected.questions, expected.clusters)
    with pytest.raises(ConfigError, match="standard deviation above 0"):
        planned(Wanted("m", 0.05), Assumed(0.0, 0.2, 4.0, 3), counted)


def test_what_is_no_pilot_says_so(tmp_path: Path, counted: Any) -> None:
    alone = write(tmp_path / "one", [example("a")], [cell("full", [row("a", {"m": 1.0})])])
    with pytest.raises(ConfigError, match="is no pilot"):
        planned(Wanted("m", 0.1), alone, counted)
    with pytest.raises(ConfigError, match="no metric 'f1'"):
        planned(Wanted("f1", 0.1), pilot(tmp_path / "pilot"), counted)


def test_estimate_prints_questions_clusters_and_cost_and_gives_json(ragvlc: Cli, tmp_path: Path) -> None:
    path = tmp_path / "toys.yaml"
    path.write_text(yaml.safe_dump(SWEEP | {"metrics": ["contains"]}), encoding="utf-8")
    file = str(path)
    said = ragvlc("estimate", file, "--difference", "0.1", "--sd", "0.5", "--icc", "0.2", "--per-cluster", "3")
    assert said.code == 0
    assert "Questions to find a difference of 0.1 in contains, four times in five" in said.out
    assert "prompt and" in said.out
    assert ragvlc("run", file).code == 0
    found = json.loads(ragvlc("estimate", file, "--difference", "0.3", "--json").out)["power"]
    assert found[0]["source"] == "pilot toys"
    path.write_text(yaml.safe_dump(SWEEP | {"metrics": ["contains"], "decide": {"metric": "contains", "margin": 0.2}}))
    assert "to show a level cell to be not worse by 0.2 in contains" in ragvlc("estimate", file).out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--difference", "0.1"), "has no stored answers to go by. Give --from RUN"),
        (("--difference", "0"), "must be above 0"),
        (("--difference", "5"), "--difference 5: scores are from 0 to 1"),
        (("--difference", "0.1", "--sd", "5"), "--sd 5: scores are from 0 to 1"),
        (("--difference", "0.1", "--metric", "f1"), "no metric of toys. Known: ['contains']"),
        (("--from", "x"), "give --difference"),
        (("--difference", "0.1", "--from", "nowhere"), "nowhere"),
        (("--difference", "0.1", "--sd", "0.5", "--per-cluster", "3"), "give --icc, too"),
        (("--difference", "0.1", "--sd", "0.5", "--from", "x"), "give one of the two"),
        (("--difference", "0.1", "--icc", "0.5"), "belong to --sd"),
        (("--difference", "0.1", "--sd", "0.5", "--icc", "2"), "a correlation from 0 to 1"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(ragvlc: Cli, tmp_path: Path, options: Any, problem: str) -> None:
    path = tmp_path / "toys.yaml"
    path.write_text(yaml.safe_dump(SWEEP | {"metrics": ["contains"]}), encoding="utf-8")
    said = ragvlc("estimate", str(path), *options)
    assert said.code == 2
    assert problem in said.err
    assert len(said.err.splitlines()) == 1
