"""The setting `effective_length` of an experiment: stored with the results, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sweep_things as things

from ragvlc import config
from ragvlc.core.errors import ConfigError
from ragvlc.results.store import SweepStore
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep

PIPELINE = {"generators": {"main": {"kind": "scripted"}}, "routes": {"full": "full_context"}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return things.write_set(tmp_path / "data", things.questions())


def made(**fields: Any) -> Sweep:
    data = {"name": "s", "dataset": "toy", "pipelines": {"full": PIPELINE}, "metrics": ["contains", "token_f1"]}
    return config.build(Sweep, data | {"tracker": "none"} | fields, "s.yaml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "contains"}, "effective_length: needs `margin`: how much of contains a longer context may lose"),
        ({"margin": 0.1}, "effective_length: needs `metric`, the label of one metric; got None"),
        ({"metric": ["contains"], "margin": 0.1}, "effective_length: needs `metric`, the label of one metric"),
        ({"metric": "contains", "margin": 0}, "effective_length: margin: must be above 0"),
        ({"metric": "contains", "margin": "5 %"}, "effective_length: margin: '5 %' is not a number"),
        ({"metric": "contains", "margin": True}, "effective_length: margin: True is not a number"),
        ({"metric": "contains", "margin": float("inf")}, "effective_length: margin: must be above 0"),
        ({"metric": "contains", "margin": 3}, "effective_length.margin: 3 is all of contains, which is from 0 to 1."),
        ({"metric": "contain", "margin": 0.1}, "effective_length.metric: 'contain' is no metric of this sweep. Known"),
        ({"metric": "contains", "margin": 0.1, "axes": "x"}, "effective_length"),
        ("contains", "effective_length: needs a mapping such as {metric: contains, margin: 0.05}; got 'contains'"),
    ],
)
def test_a_wrong_setting_is_one_sentence(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(effective_length=given)
    [problem] = caught.value.problems
    assert message in problem


def test_the_setting_changes_no_cell_and_comes_with_the_results(data: Path, tmp_path: Path) -> None:
    plain = made()
    asked = made(effective_length={"metric": "contains", "margin": 0.1})
    assert [cell.key for cell in plan(asked)] == [cell.key for cell in plan(plain)]
    sweep = things.sweep_over(data, effective_length={"metric": "contains", "margin": 0.1})
    folder = run_sweep(sweep, tmp_path).folder
    stored = SweepStore(folder).cells()[0]["effective_length"]
    assert stored == {"metric": "contains", "margin": 0.1, "axis": ""}


def test_it_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "dataset: toy\nmetrics: [contains]\ntracker: none\n"
        "pipelines: {full: {generators: {main: {kind: scripted}}, routes: {full: full_context}}}\n"
        "effective_length: {metric: contains, margin: 0.1}\n",
        encoding="utf-8",
    )
    found = Sweep.load(file, overrides={"effective_length.margin": 0.2})
    assert found.effective_length is not None
    assert found.effective_length.margin == 0.2
    assert found.axes == {}
