"""What starting layers takes: small models by the figures that one H200 gave, and who waits for Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ragvlc.analysis.speculation_break_even import Speculator
from ragvlc.core.families import Generator
from ragvlc.estimate.forecast import Given, forecasts
from ragvlc.hardware.devices import CPU, DEVICES, device_named, eager
from ragvlc.hardware.model_sizes import KNOWN, Shape, shape_of
from ragvlc.hardware.placement import Machine, device_for
from ragvlc.hardware.roofline import Device, Recorded, decode_seconds, prefill_seconds, replayed, verify_seconds
from ragvlc.pipeline import Pipeline

H200 = eager(DEVICES["h200"], recorded=True)
SMOL = Shape(layers=30, hidden=576, heads=9, kv_heads=3, head_size=64, intermediate=1536, vocabulary=49152, tied=True)
ONE, EIGHT = shape_of(KNOWN["llama-3.2-1b"]), shape_of(KNOWN["llama-3.1-8b"])
STEPS = [
    (SMOL, 7800, 0.72),
    (SMOL, 1000, 0.668),
    (SMOL, 800, 0.708),
    (ONE, 4096, 0.99),
    (EIGHT, 131_072, 8.07),
    (EIGHT, 262_144, 11.86),
    (EIGHT, 524_288, 19.41),
]
"""Milliseconds of a recorded step of one row, bfloat16."""
CHECKS = [(SMOL, 7800, 5, 1.13), (SMOL, 7800, 11, 1.20)]
ROUNDS = [
    (ONE, 131_072, 4096, (11.09, 11.72, 12.55, 13.50, 14.68, 15.43, 16.64, 17.94, 18.55, 19.37)),
    (EIGHT, 131_072, 5461, (14.89, 18.59, 23.10, 27.59, 32.25, 35.58)),
    (EIGHT, 262_144, 10_922, (18.50, 23.45, 28.48, 31.85, 36.73, 39.87)),
    (EIGHT, 524_288, 21_845, (26.02, 31.30, 35.91, 41.50, 46.95, 50.27)),
]
"""Milliseconds of a round of an 8B target by drafter, target's and drafter's context; drafts of 1, 2, 3, ..."""
PLAIN = Device("plain", 1e12, 1e12, 1e12, 1e6, compute_share=1.0, traffic_share=1.0)
TINY = Shape(layers=2, hidden=8, heads=4, kv_heads=2, head_size=2, intermediate=16, vocabulary=10)


@pytest.mark.parametrize(("shape", "context", "measured"), STEPS)
def test_a_recorded_step_takes_what_was_measured(shape: Shape, context: int, measured: float) -> None:
    assert decode_seconds(shape, H200, context) * 1e3 == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(("shape", "context", "rows", "measured"), CHECKS)
def test_a_recorded_check_takes_what_was_measured(shape: Shape, context: int, rows: int, measured: float) -> None:
    assert verify_seconds(shape, H200, context, rows) * 1e3 == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize(("drafter", "context", "own", "measured"), ROUNDS)
def test_a_round_takes_what_was_measured(drafter: Shape, context: int, own: int, measured: tuple[float, ...]) -> None:
    step = decode_seconds(drafter, H200, own)
    rounds = [gamma * step + verify_seconds(EIGHT, H200, context, gamma + 1) for gamma in range(1, len(measured) + 1)]
    assert [seconds * 1e3 for seconds in rounds] == pytest.approx(measured, rel=0.1)


def test_what_pays_and_the_best_drafts_are_those_measured() -> None:
    """Acceptance .75 imposed: 4 drafted by 1B at 1.82 times; 2, 2 and 3 drafted by 8B itself at 1.01, 1.17 and 1.48."""
    found = [
        Speculator(EIGHT, drafter, H200, lambda _, own=own: own, 0.75).best(context)
        for drafter, context, own, _ in ROUNDS
    ]
    assert 4 <= found[0].gamma <= 6
    assert [point.gamma for point in found[1:]] == [2, 2, 3]
    assert [point.speedup for point in found] == pytest.approx([1.82, 1.01, 1.17, 1.48], rel=0.07)


@pytest.mark.parametrize("acceptance", [0.5, 0.75, 0.95])
def test_a_small_model_never_gains_by_drafting_for_itself_behind_a_few_thousand_tokens(acceptance: float) -> None:
    """Measured: SmolLM2 at 7,800 tokens, .47 times the speed with drafts of 4 and .28 with drafts of 10."""
    model = Speculator(SMOL, SMOL, H200, lambda _: 879, acceptance)
    assert model.best(7800).speedup < 0.9


def test_a_pass_that_python_launches_takes_no_less_whatever_the_rows() -> None:
    """Measured on an H200: 25 to 30 ms for SmolLM2 and up to 16 rows."""
    launched = eager(DEVICES["h200"])
    assert [decode_seconds(SMOL, launched, 1000, rows) * 1e3 for rows in (1, 16)] == pytest.approx([27.5] * 2, rel=0.1)
    assert verify_seconds(SMOL, launched, 7800, 5) == decode_seconds(SMOL, launched, 7800)
    assert decode_seconds(EIGHT, launched, 2**21) > EIGHT.layers * launched.launch_seconds  # the device is what waits


def test_rows_take_recorded_steps_in_turn_until_a_pass_over_all_is_sooner() -> None:
    alone, launched = decode_seconds(SMOL, H200, 1000), decode_seconds(SMOL, eager(DEVICES["h200"]), 1000)
    assert decode_seconds(SMOL, H200, 1000, 8) == pytest.approx(8 * alone)
    assert 8 * alone < launched < 64 * alone
    assert decode_seconds(SMOL, H200, 1000, 64) == pytest.approx(launched, rel=0.1)


def test_seconds_of_recorded_layers_by_hand() -> None:
    device = replace(PLAIN, recorded=Recorded(0.1, 0.3, 0.5))
    assert decode_seconds(TINY, device, 100) == pytest.approx(2 * 0.1)
    assert decode_seconds(TINY, device, 100, 9) == pytest.approx(2 * 0.1)  # all rows in one recorded pass
    assert verify_seconds(TINY, device, 100, 4) == pytest.approx(2 * 0.3)
    assert prefill_seconds(TINY, device, 100) == pytest.approx(2 * 0.3)
    slow = replace(device, bandwidth=1e3)  # weights 2 x (1152 + 80), twice; 104 tokens, 2 layers x 16 bytes
    assert verify_seconds(TINY, slow, 100, 4) == pytest.approx(0.6 + (2 * 2464 + 32 * 104) / 1e3)
    both = replace(device, launch_seconds=5.0)
    assert prefill_seconds(TINY, both, 100) == 10.0
    assert decode_seconds(TINY, both, 100) == pytest.approx(0.2)
    assert decode_seconds(replace(TINY, llama=False), both, 100) == 10.0


LLAMA: dict[str, Any] = {**KNOWN["llama-3.1-8b"], "model_type": "llama", "hidden_act": "silu"}


@pytest.mark.parametrize(
    ("facts", "recorded"),
    [
        ({}, True),
        ({"model_type": "qwen3"}, True),
        ({"model_type": "gemma2"}, False),
        ({"hidden_act": "gelu"}, False),
        ({"head_dim": 80}, False),
        ({"num_local_experts": 8, "num_experts_per_tok": 2}, False),
        ({"sliding_window": 4096}, False),
    ],
)
def test_which_layers_are_recorded(facts: dict[str, Any], recorded: bool) -> None:
    shape = shape_of(LLAMA | facts)
    assert replayed(shape, H200) == recorded
    assert replayed(shape, DEVICES["h200"])  # an engine that records everything
    assert not replayed(shape, eager(DEVICES["h200"]))


@pytest.mark.parametrize(
    ("settings", "launched", "recorded"),
    [
        ({}, True, True),
        ({"cuda_graphs": False}, True, False),
        ({"batch_size": 1}, True, False),
        ({"attention": "eager"}, True, False),
        ({"kind": "vllm"}, False, True),
    ],
)
def test_settings_decide_who_launches(settings: dict[str, Any], launched: bool, recorded: bool) -> None:
    spec = {"kind": "transformers", "model": "packaged:smollm2-135m-instruct", **settings}
    device = device_for(Generator.build(spec), Machine("h200"))
    assert device is not None
    assert (device.launch_seconds > 0, device.recorded is not None) == (launched, recorded)


def test_a_cpu_records_nothing() -> None:
    assert device_named(CPU).recorded is None


def test_a_forecast_says_what_launches_take(tiny_llama: Any) -> None:
    route = {"kind": "rapid", "retriever": "bm25", "floor": None}

    def said(**settings: Any) -> str:
        model = {"kind": "transformers", "model": str(tiny_llama), "dtype": "bfloat16", **settings}
        pipeline = Pipeline(generators={"main": model, "draft": model}, routes={"it": route})
        [found] = forecasts(pipeline, 1000, "nowhere", Given(0.5, machine=Machine("h200")))
        return found.notes[0]

    assert "launches of 0.9 ms a layer at least" in said()  # heads of 8 are too narrow to be recorded
    assert "recorded" not in said()
    sized = Given(0.5, {"main": "llama-3.1-8b", "draft": "llama-3.2-1b"}, Machine("h200"))
    scripted = Pipeline(generators={"main": {"kind": "scripted"}, "draft": {"kind": "scripted"}}, routes={"it": route})
    [found] = forecasts(scripted, 1000, "nowhere", sized)
    assert "21 µs more for a layer of a recorded step and 35 for one of a check" in found.notes[0]
