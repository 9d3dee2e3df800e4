"""The second route of a wrapper counts by the share of the questions that went on to it, or at most for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from estimate_things import WINDOW, full, generator, prompt_tokens, sweep_over, write_set

from ragvlc.estimate.estimate import estimate
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

WORD = "unanswerable"


def some_decline(text: str) -> str:
    """Declines to say what colour things 4 to 7 are: half of what is asked."""
    return WORD if "exactly exactly exactly exactly" in text else "red"


def wrapped(**settings: Any) -> dict[str, Any]:
    first = {
        "kind": "retrieve",
        "decline": WORD,
        "chunker": {"kind": "tokens", "size": 20},
        "selector": {"kind": "top_k", "k": 2},
    }
    route = {"kind": "self_route", "first": first, "then": {"kind": "full_context", "decline": WORD}} | settings
    return {"generators": generator(), "routes": {"it": route}}


def run(sweep: Sweep, runs: Path) -> FunctionEngine:
    engine = FunctionEngine(some_decline, WINDOW)
    with ScriptedPool(engine, runs / "cache") as pool:
        run_sweep(sweep, runs, pool=pool)
    return engine


def limited(folder: Path, limit: int) -> dict[str, Any]:
    return {"kind": "jsonl", "path": str(folder), "limit": limit}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Three documents and 24 questions."""
    return write_set(tmp_path / "many", each=8)


def test_without_stored_answers_both_routes_count_and_that_is_said(many: Path, runs: Path) -> None:
    found = estimate(sweep_over(many, pipelines={"it": wrapped()}), runs)
    assert found.total["calls"] == 48
    assert [note for note in found.notes if note.startswith("it (self_route)") and "at most" in note]


def test_stored_answers_say_how_many_go_on(many: Path, runs: Path) -> None:
    first = run(sweep_over(many, pipelines={"it": wrapped()}, dataset=limited(many, 12)), runs)
    went = len(first.requests) - 12
    assert 0 < went < 12
    sweep = sweep_over(many, pipelines={"it": wrapped()})
    found = estimate(sweep, runs)
    assert found.total["calls"] == pytest.approx(12 + went)
    assert any(f"it (self_route): {went / 12:.0%} of the questions go on" in note for note in found.notes)
    second = run(sweep, runs)
    assert abs(len(second.requests) - found.total["calls"]) < 3
    assert found.total["prompt_tokens"] == pytest.approx(prompt_tokens(second), rel=0.25)


def test_fewer_than_ten_answers_say_nothing(many: Path, runs: Path) -> None:
    run(sweep_over(many, pipelines={"it": wrapped()}, dataset=limited(many, 9)), runs)
    assert estimate(sweep_over(many, pipelines={"it": wrapped()}), runs).total["calls"] == 30


def test_a_wrapper_inside_another_counts_by_both_shares(many: Path, runs: Path) -> None:
    nested = wrapped(then=wrapped()["routes"]["it"])
    run(sweep_over(many, pipelines={"it": nested}, dataset=limited(many, 22)), runs)
    found = estimate(sweep_over(many, pipelines={"it": nested}), runs)
    shares = [note for note in found.notes if note.startswith("it")]
    assert any(note.startswith("it.then (self_route): 100%") for note in shares)  # all that went on go on once more
    [outer] = [int(note.split()[2].rstrip("%")) / 100 for note in shares if note.startswith("it (self_route)")]
    assert 0.4 < outer < 0.6
    assert found.total["calls_asked"] == pytest.approx(2 * (1 + 2 * outer), rel=0.01)


def test_what_another_cell_asks_of_all_questions_is_not_counted_by_a_share(many: Path, runs: Path) -> None:
    whole = full()
    whole["routes"]["full"] = {"kind": "full_context", "decline": WORD}
    run(sweep_over(many, pipelines={"it": wrapped()}, dataset=limited(many, 12)), runs)
    [it, other] = estimate(sweep_over(many, pipelines={"it": wrapped(), "whole": whole}, cache=False), runs).cells
    went = it["calls"] - 12
    assert 0 < went < 12
    assert it["calls"] + other["calls"] == pytest.approx(12 + 24)
    assert other["calls_asked"] == 24
