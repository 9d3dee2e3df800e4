"""Strategies that can decide nothing: `plan`, `check`, `estimate` and `run` refuse each with one and the same error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Cli
from race_things import pipeline
from sweep_things import questions, write_set

RACE = {"kind": "race", "target": "grid"}
WRONG = {
    "unknown key": ({"strategy": {"kind": "race", "blok": 3}}, "has no field 'blok'.*Nearest: block"),
    "unknown kind": ({"strategy": "rase"}, "'rase' is no kind of strategies.*Nearest: race"),
    "unknown target": (
        {"strategy": {"kind": "race", "target": "gird"}},
        "strategy.target: 'gird' is not known.*Nearest: grid",
    ),
    "nothing held back": ({"strategy": {"kind": "halving", "held_back": 0}}, "strategy.held_back: .*greater than 0"),
    "unknown metric": ({"strategy": RACE | {"metric": "contain"}}, "'contain' is no metric of this sweep.*contains"),
    "few clusters": ({"strategy": "race", "documents": 19}, "19 clusters of questions .* fewer than 20"),
    "few for a search": ({"strategy": "halving", "documents": 9}, "9 clusters of questions .* and 10 are needed"),
    "one block": ({"strategy": RACE | {"block": 30}}, "a block of 30 is all of them: no cell could stop early"),
    "margin of all": (
        {"strategy": RACE, "decide": {"metric": "contains", "margin": 1}},
        "decide.margin: 1 is all of contains",
    ),
    "margin below 0": (
        {"strategy": RACE, "decide": {"metric": "contains", "margin": -0.1}},
        "decide.*margin.*-0.1",
    ),
    "margin of all of an own metric": (
        {
            "strategy": RACE,
            "metrics": ["race_things:Percent"],
            "decide": {"metric": "race_things:Percent", "margin": 100},
        },
        "a margin of 100 is all of .*Percent, whose range is 100 wide",
    ),
    "unknown range": ({"strategy": RACE, "metrics": ["sweep_things:Length"]}, "the range of .*Length is unknown"),
    "range reversed": (
        {"strategy": RACE, "metrics": ["race_things:Reversed"]},
        r"the span \(100.0, 0.0\).*least first",
    ),
    "range without end": (
        {"strategy": "halving", "metrics": ["race_things:Boundless"]},
        r"the span \(0.0, inf\).*two finite numbers",
    ),
    "one cell": ({"strategy": RACE, "pipelines": ["good"]}, "there is one cell on .*, and nothing to choose from"),
    "cold beside warm": ({"strategy": RACE, "axes": {"latency": ["warm", "cold"]}}, "a cold cell has the scores"),
}


def experiment(folder: Path, documents: int = 30, pipelines: Any = ("good", "bad"), **fields: Any) -> str:
    write_set(folder / "set", questions(documents, documents), documents)
    given = {
        "dataset": {"kind": "jsonl", "path": "set"},
        "pipelines": {name: pipeline(name) for name in pipelines},
        "metrics": ["contains"],
        "tracker": "none",
    }
    file = folder / "wrong.yaml"
    file.write_text(yaml.safe_dump(given | fields), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("case", WRONG)
def test_every_command_refuses_a_strategy_with_the_same_error(tmp_path, ragvlc: Cli, case):
    fields, said = WRONG[case]
    file = experiment(tmp_path, **fields)
    runs = ("--runs", str(tmp_path / "runs"))
    found = [ragvlc("plan", file), ragvlc("check", file), ragvlc("estimate", file, *runs), ragvlc("run", file, *runs)]
    assert {one.code for one in found} == {2}
    [error] = {one.err for one in found}
    assert error.startswith("error: ")
    assert len(error.strip().splitlines()) == 1
    assert re.search(said, error), error


def test_what_can_be_decided_is_planned_and_checked(tmp_path, ragvlc: Cli):
    file = experiment(tmp_path, strategy=RACE, decide={"metric": "contains", "margin": 0.05})
    plan = ragvlc("plan", file)
    assert plan.code == 0, plan
    assert "Strategy race, by contains, margin 0.05: asks fewer than these answers" in plan.out
    assert ragvlc("check", file).code == 0
