"""The short form of `make fuzz`: the same inputs in every run, one pass over every target in about a minute."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import material
from tests.fuzz.case import Case
from tests.fuzz.command import Outcome
from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

SEED = 20
INPUTS = {"rows": 15, "results": 15, "cache": 10, "replay": 15, "answers": 15, "environment": 15, "model_folder": 15}
"""Commands of the slow targets."""
MOST = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a valid file of every kind."""
    folder = tmp_path_factory.mktemp("fuzz") / "base"
    material.build(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_ends_the_command_line_with_an_exception(target: str, base: Path, tmp_path: Path) -> None:
    found = fuzz(target, base, tmp_path / "case", first_seed=SEED, inputs=INPUTS.get(target, MOST))
    assert found.executions >= INPUTS.get(target, MOST)
    assert not [
        (fault, case.command, outcome.err or outcome.trace) for fault, (case, outcome, _) in found.faults.items()
    ]


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (Outcome(0, "fine", ""), ""),
        (Outcome(2, "", "error: a.yaml: needs a name."), ""),
        (Outcome(2, "", "error: needs a name."), "an error that does not name the file"),
        (Outcome(2, "", "error: "), "exit status 2 without a sentence"),
        (Outcome(3, "", ""), "exit status 3"),
        (Outcome(2, "", f"error: a.yaml: {'x' * 2000}"), "an error of more than a sentence"),
        (Outcome(2, "", "error: a.yaml: 'NoneType' object"), "shows Python's words: NoneType"),
        (Outcome(-1, "", "", "KeyError at results/store.py:cells"), "KeyError at results/store.py:cells"),
    ],
)
def test_what_counts_as_a_fault(outcome: Outcome, fault: str) -> None:
    assert outcome.fault(["a.yaml"]) == fault


def test_a_defect_is_found(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise KeyError(data)

    monkeypatch.setattr("ragvlc.core.yaml_text.parse_mapping", broken)
    monkeypatch.setitem(TARGETS, "broken", lambda draw, folder: Case(["plan", "exp.yaml"]))  # type: ignore[arg-type]
    found = fuzz("broken", base, tmp_path / "case", first_seed=SEED, inputs=1)
    assert list(found.faults) == ["TypeError at core/yaml_text.py:read_mapping"]
