"""`ragvlc run` says how long a small sweep will take on this machine, before it starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ragvlc.cli.running import _say_how_long
from ragvlc.core.errors import EngineError
from ragvlc.estimate import estimate as estimating
from ragvlc.sweep.spec import Sweep


def figures(**changed: float) -> SimpleNamespace:
    """An estimate, as far as it is read."""
    total = {"questions": 36.0, "calls": 30.0, "seconds": 150.0, "prompt_tokens": 9000.0, "cached_tokens": 4000.0}
    return SimpleNamespace(total=total | changed)


def said(capsys: pytest.CaptureFixture[str], sweep: Sweep) -> str:
    """What is printed before a sweep."""
    _say_how_long(sweep, Path("nowhere"))
    return capsys.readouterr().out


def quickstart(**changed: object) -> Sweep:
    """The quickstart, with other settings."""
    return Sweep.load("quickstart").model_copy(update=changed)


def test_the_time_is_said_of_small_sweeps_with_models_of_this_machine(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(estimating, "estimate", lambda *given: asked.append(given) or figures())
    found = said(capsys, quickstart())
    assert found.startswith(
        "This will take about 2 min here, and half a minute to load: 36 answers, 5,000 prompt tokens"
    )
    values = tuple({"routes.rag.selector.k": k} for k in range(1, 26))
    assert said(capsys, quickstart(axes={"passages": values})) == ""
    scripted = tmp_path / "scripted.yaml"
    scripted.write_text(
        "dataset: {kind: python_reference}\nmetrics: [contains]\n"
        "pipelines: {full: {generators: {main: {kind: scripted}}, routes: {full: full_context}}}\n"
    )
    assert said(capsys, Sweep.load(scripted)) == ""
    assert len(asked) == 1


def test_nothing_is_said_where_nothing_is_pending_or_known(monkeypatch, capsys):
    for known in (figures(calls=0.0), figures(seconds=float("nan"))):
        monkeypatch.setattr(estimating, "estimate", lambda *_, known=known: known)
        assert said(capsys, quickstart()) == ""

    def refused(*_: object) -> None:
        raise EngineError("running it says so")

    monkeypatch.setattr(estimating, "estimate", refused)
    assert said(capsys, quickstart()) == ""
