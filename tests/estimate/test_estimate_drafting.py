"""Cells that decode speculatively are counted by rounds: as the forecast of their pipeline says, or as was measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from estimate_things import generator, ran, sweep_over

from ragvlc.analysis.speculation_acceptance import ASSUMED
from ragvlc.analysis.speculation_break_even import expected_tokens
from ragvlc.estimate.estimate import Options, estimate, estimate_pipeline
from ragvlc.estimate.forecast import Given, forecasts
from ragvlc.hardware.placement import Machine
from ragvlc.pipeline import Pipeline
from tests.row_lines import read_rows, write_rows

ROUTE: dict[str, Any] = {
    "kind": "rapid",
    "retriever": "bm25",
    "floor": None,
    "temperature": 0,
    "eta": 0,
    "gamma": 3,
    "minimum": 64,
    "answer_tokens": 12,
    "chunker": {"kind": "tokens", "size": 32},
}
H200 = Machine("h200")


def drafted(model: dict[str, Any], **route: Any) -> dict[str, Any]:
    return {"generators": {"main": model, "draft": model}, "routes": {"it": ROUTE | route}}


def tiny(llama: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "transformers", "model": str(llama), "dtype": "float32", "device": "cpu", **settings}


@pytest.mark.parametrize("gamma", [3, 10])
def test_a_cell_takes_as_long_as_the_forecast_of_its_pipeline_says(runs: Path, tiny_llama: Path, gamma: int) -> None:
    pipeline = Pipeline(**drafted(tiny(tiny_llama), gamma=gamma))
    options = Options(machine=H200, new_tokens=9, acceptance=0.6)
    total = estimate_pipeline(pipeline, 400, runs, options=options).total
    [forecast] = forecasts(pipeline, 460, runs, Given(0.6, machine=H200))
    assert total["decode_seconds"] == pytest.approx(9 * forecast.asked.seconds, rel=0.01)
    assert total["decode_seconds"] != pytest.approx(9 * forecast.asked.plain_seconds, rel=0.3)
    rounds = 9 / expected_tokens(gamma, 0.6)
    assert total["completion_tokens"] == 9 + round(rounds * gamma)
    assert total["completion_tokens_most"] == 12 + 12 * gamma
    assert total["calls"] == 2


def test_plain_decoding_that_is_measured_takes_its_time(runs: Path, tiny_llama: Path) -> None:
    options = Options(machine=H200, new_tokens=9)
    without, measured = (
        estimate_pipeline(Pipeline(**drafted(tiny(tiny_llama), measure_plain=on)), 400, runs, options=options).total
        for on in (False, True)
    )
    [forecast] = forecasts(Pipeline(**drafted(tiny(tiny_llama))), 460, runs, Given(machine=H200))
    more = measured["decode_seconds"] - without["decode_seconds"]
    assert more == pytest.approx(9 * forecast.asked.plain_seconds, rel=0.01)
    assert measured["completion_tokens"] == without["completion_tokens"]


def test_every_session_is_computed_for_itself(data: Path, runs: Path) -> None:
    model = generator("estimate_things:SealedTokens")["main"]
    sweep = sweep_over(data, pipelines={"rapid": drafted(model)}, axes={"routes.it.gamma": [2, 5]})
    found = estimate(sweep, runs)
    outcome, _ = ran(sweep, runs)
    rows = [row.answer for cell in outcome.results().cells for row in cell.rows.values() if row.answer is not None]
    assert found.total["calls"] == found.total["calls_asked"] == sum(one.usage.calls for one in rows) == 48
    assert found.total["prompt_tokens"] == sum(one.usage.prompt_tokens for one in rows)
    assert any(note.startswith(f"it: acceptance taken as {ASSUMED:g}") for note in found.notes)


def test_a_route_inside_another_is_counted_by_rounds_too(runs: Path, tiny_llama: Path) -> None:
    inside = {"kind": "self_route", "first": {"kind": "retrieve", "decline": "no"}, "then": ROUTE}
    model = tiny(tiny_llama)
    pipeline = Pipeline(generators={"main": model, "draft": model}, routes={"both": inside})
    total = estimate_pipeline(pipeline, 100, runs, options=Options(machine=H200, new_tokens=9)).total
    assert total["calls"] == 3
    assert total["completion_tokens"] == 9 + 9 + round(3 * 9 / expected_tokens(3, ASSUMED))


# ---------------------------------------------------------------- by stored answers


def steps(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in found:
        yield one
        yield from steps(one.get("steps", []))


def measured(data: Path, runs: Path, pipeline: dict[str, Any]) -> float:
    """Runs four questions and puts 10 rounds of 3 + 1 tokens into each row; returns the mean tokens of an answer."""
    limited = {"kind": "jsonl", "path": str(data), "limit": 4}
    outcome, _ = ran(sweep_over(data, name="earlier", pipelines={"it": pipeline}, dataset=limited), runs)
    [path] = outcome.folder.glob("*/predictions.jsonl")
    rows = read_rows(path)
    tokens = 0
    for row in rows:
        usage = row["answer"]["usage"]
        assert usage["drafted"]
        tokens += usage["completion_tokens"] - usage["drafted"]
        [facts] = [step["facts"] for step in steps(row["answer"]["trace"]) if "rounds" in step["facts"]]
        facts |= {"rounds": 10, "tokens": 30, "tried_at": "10 10 10", "judged_at": "10 9 6", "accepted_at": "9 6 5"}
        facts |= {"draft_seconds": 2.0, "verify_seconds": 1.0, "prefill_seconds": 0.5, "draft_prefill_seconds": 0.25}
    write_rows(path, rows)
    return tokens / len(rows)


@pytest.mark.parametrize("role", ["draft", "main"])  # with a bill of its own, or on the target's
def test_acceptance_tokens_and_seconds_are_those_of_stored_answers(
    data: Path, runs: Path, tiny_llama: Path, role: str
) -> None:
    pipeline = drafted(tiny(tiny_llama), draft=role)
    mean = measured(data, runs, pipeline)
    limited = {"kind": "jsonl", "path": str(data), "limit": 8}
    sweep = sweep_over(data, pipelines={"it": pipeline}, dataset=limited)
    found = estimate(sweep, runs)
    tokens = max(1, round(mean))
    # by place: the 40, 36 and 24 judged tokens of four answers; the last are below 30, so their place has the mean
    rounds = max(1.0, tokens / expected_tokens(3, (36 / 40, 24 / 36, 80 / 100)))
    assert found.total["completion_tokens"] == 8 * (tokens + round(3 * rounds))
    # a pass of this model takes what its launches take, of whatever rows: 3.0 s for 40 of them
    assert found.total["decode_seconds"] == pytest.approx(8 * rounds * 4 * 3.0 / 40, rel=0.02)
    assert any("0.80" in note and "4 stored answers" in note for note in found.notes)
    assert any("seconds as measured in 4 stored answers" in note for note in found.notes)


def test_a_given_acceptance_comes_before_a_measured_one(data: Path, runs: Path, tiny_llama: Path) -> None:
    measured(data, runs, drafted(tiny(tiny_llama)))
    sweep = sweep_over(data, pipelines={"it": drafted(tiny(tiny_llama))})
    found = estimate(sweep, runs, Options(acceptance=0.0, new_tokens=6))
    assert found.total["completion_tokens"] == found.total["questions"] * (6 + 3 * 6)
    assert any("as given" in note for note in found.notes)
