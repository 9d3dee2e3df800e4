"""Every YAML file that is shipped: it parses, plans, says how to start it, and runs through on the toy set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ragvlc import config
from ragvlc.datasets.toy import Toy
from ragvlc.pipeline import Pipeline
from ragvlc.reading.retrieving import Retrieving
from ragvlc.replay.spec import Replay, is_replay
from ragvlc.strategies.all import All
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

ROOT = Path(__file__).parents[2]
PIPELINES = config.shipped("pipelines")
REPLAYS = {name: path for name, path in config.shipped("experiments").items() if is_replay(path)}
EXPERIMENTS = {name: path for name, path in config.shipped("experiments").items() if name not in REPLAYS}
ON_TOY = {"dataset": {"kind": "toy"}, "tracker": "none"}


def reply(prompt: str) -> str:
    """Returns a letter where one is asked for, else the prompt's first words."""
    return "A" if "multiple-choice" in prompt else " ".join(prompt.split()[:8])


@pytest.fixture
def pool(tmp_path):
    with ScriptedPool(FunctionEngine(reply), tmp_path / "cache") as pool:
        yield pool


def test_every_file_is_found():
    for family, found in (("pipelines", PIPELINES), ("experiments", EXPERIMENTS | REPLAYS)):
        assert sorted(found.values()) == sorted((ROOT / family).rglob("*.yaml"))
        assert found
        assert not [*(ROOT / family).rglob("*.yml"), *(ROOT / family).rglob("*.py")]


@pytest.mark.parametrize("command", ["ask", "run", "replay"])
@pytest.mark.parametrize("name", sorted({*PIPELINES, *EXPERIMENTS, *REPLAYS}))
def test_it_begins_with_what_it_is_and_how_to_start_it(name, command):
    path = {"ask": PIPELINES, "run": EXPERIMENTS, "replay": REPLAYS}[command].get(name)
    if path is None:  # a name of the other folder alone; some stand in both
        return
    schema, first, *others = path.read_text(encoding="utf-8").splitlines()
    assert schema.startswith("# yaml-language-server: $schema=../schema/")
    assert re.match(rf"# {re.escape(path.name)} - \w.+[.?]$", first)
    comments = others[: next(place for place, line in enumerate(others) if not line.startswith("#"))]
    launches = [line for line in comments if line.startswith(f"#   ragvlc {command} ")]
    assert launches, f"no line '#   ragvlc {command} {name}'"
    assert all(line.split()[3] == name for line in launches)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_answers_the_toy_set(name, pool):
    pipeline = Pipeline.load(name)
    assert pipeline.description
    for example in Toy().load():
        answer = pipeline.answer_example(example, pool=pool)
        if pipeline.routes[answer.route].ranks_only:
            assert answer.ranking
            assert (answer.text, pool.engine.requests) == ("", [])
        else:
            replies = [reply(request.prompt.text()) for request in pool.engine.requests]
            # A session's drafter is asked last and does not answer, and its target says no more than it may.
            said = replies[-2].startswith(answer.text) if pool.engine.decode_states else answer.text in replies
            assert said


def test_pipelines_that_retrieve_call_their_route_rag():
    for name in PIPELINES:
        for route_name, route in Pipeline.load(name).routes.items():
            if isinstance(route, Retrieving):
                assert route_name == "rag", name  # so that one axis reaches all of them


@pytest.mark.parametrize("name", REPLAYS)
def test_a_replay_loads(name):
    replay = Replay.load(name)
    assert replay.name == Path(name).name
    assert replay.description
    assert replay.routers


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_planned_as_it_stands(name):
    sweep = Sweep.load(name)
    cells = plan(sweep)
    assert sweep.name == Path(name).name
    assert sweep.description
    assert len({cell.key for cell in cells}) == len({cell.name for cell in cells}) == len(cells) > 1
    assert {cell.pipeline_name for cell in cells} == set(sweep.pipelines)
    assert not sweep.baseline or sweep.baseline in sweep.pipelines


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_through_on_the_toy_set(name, pool, tmp_path):
    sweep = Sweep.load(name, overrides=ON_TOY)
    axes = {path: values for path, values in sweep.axes.items() if not path.startswith("dataset")}
    sweep = sweep.model_copy(
        update={"axes": axes, "dataset": Toy(), "strategy": All()}
    )  # too small for lengths, and no axis of its own
    outcome = run_sweep(sweep, tmp_path / "runs", pool=pool)
    assert outcome.complete
    assert outcome.untracked is None
    cells, examples = plan(sweep), Toy().load()
    assert set(outcome.status) == {cell.key for cell in cells}
    results = outcome.results()
    assert len(results.cells) == len(cells)
    for cell in results.cells:
        assert cell.complete
        assert set(cell.rows) == {example.id for example in examples}
        assert [row.failure for row in cell.rows.values() if row.failure] == []
        assert set(cell.metrics) == {metric.label for metric in sweep.metrics}
