"""Seconds from shapes: by hand, against measurements, and with measured answers in place of peaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from estimate_things import full, ran, sweep_over

from ragvlc.analysis.speculation_break_even import speculative_seconds
from ragvlc.core.errors import ConfigError
from ragvlc.estimate.estimate import Options, estimate
from ragvlc.hardware.devices import CPU, DEVICES, device_named, this_machine
from ragvlc.hardware.model_sizes import Shape, UnknownShape, config_of, shape_of
from ragvlc.hardware.placement import Machine
from ragvlc.hardware.roofline import (
    Device,
    decode_seconds,
    prefill_seconds,
    together,
    verify_seconds,
)
from tests.row_lines import read_rows, write_rows

LLAMA_8B = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "dtype": "bfloat16",
}
SMALL = Shape(layers=2, hidden=8, heads=4, kv_heads=2, head_size=2, intermediate=16, vocabulary=10)
PLAIN = Device("plain", 1e6, 1e6, 1e3, 1e6, compute_share=1.0, traffic_share=1.0)


def test_parameters_and_bytes_by_hand() -> None:
    # attention 8x8 + 2 of 8x4 + 8x8 = 192; feed-forward 3 of 8x16 = 384; two tables of 80
    assert SMALL.parameters == 2 * (192 + 384) + 2 * 80
    assert SMALL.active_parameters == 2 * (192 + 384)
    assert SMALL.held_bytes(10) == 2 * 2 * 2 * 2 * 10 * 2  # layers, keys and values, heads, size, tokens, bytes
    assert shape_of(LLAMA_8B).parameters == pytest.approx(8.03e9, rel=0.001)


def test_seconds_by_hand() -> None:
    # five tokens behind three: 2 operations a parameter; each looks at 3 and at 1 to 5 of its own: 30 pairs, 4 x 4 x 2
    # operations a layer each; the last one against the vocabulary
    flops = 2 * 1152 * 5 + 2 * 32 * 30 + 2 * 80
    fast = Device("fast", 1e6, 1e6, 1e12, 1e6, compute_share=1.0, traffic_share=1.0)
    assert prefill_seconds(SMALL, fast, 5, 3) == pytest.approx(flops / 1e6)
    # one token for each of three rows of 100: weights and one table once, three caches, 2 bytes each
    traffic = 2 * (1152 + 80) + 3 * 2 * 100 * 2 * 2 * 2 * 2
    assert decode_seconds(SMALL, PLAIN, 100, 3) == pytest.approx(traffic / 1e3)
    assert verify_seconds(SMALL, PLAIN, 99, 1) == pytest.approx(decode_seconds(SMALL, PLAIN, 100), rel=0.01)
    launched = Device("slow to start", 1e12, 1e12, 1e12, 1e6, launch_seconds=0.5)
    assert decode_seconds(SMALL, launched, 100) == 1.0
    assert prefill_seconds(SMALL, PLAIN, 0) == 0.0


def test_the_measured_anchors_are_met() -> None:
    """One H200, an 8B Llama in bfloat16, vLLM: 10.2 s for 130,000 tokens, 8.8 ms a token behind 131,072.

    Other steps and rounds are in `test_estimate_launches`.
    """
    shape, h200 = shape_of(LLAMA_8B), DEVICES["h200"]
    assert prefill_seconds(shape, h200, 130_000) == pytest.approx(10.2, rel=0.1)
    assert decode_seconds(shape, h200, 131_072) == pytest.approx(8.8e-3, rel=0.1)
    cached = prefill_seconds(shape, h200, 60, 130_000)
    assert cached < prefill_seconds(shape, h200, 130_000) / 100


def test_decoding_together_shares_the_weights_and_two_devices_share_the_work() -> None:
    shape, h200 = shape_of(LLAMA_8B), DEVICES["h200"]
    alone, batch = decode_seconds(shape, h200, 1000), decode_seconds(shape, h200, 1000, 16) / 16
    assert batch < alone / 10
    assert alone / 2 < decode_seconds(shape, together(h200, 2), 1000) < alone


def test_speculation_pays_where_drafts_are_cheap_and_accepted() -> None:
    target, h200 = shape_of(LLAMA_8B), DEVICES["h200"]
    contexts = (131_072, 4096)
    plain = decode_seconds(target, h200, contexts[0])
    good, bad = (
        speculative_seconds(target, target, h200, contexts=contexts, gamma=10, acceptance=share) for share in (0.9, 0.1)
    )
    steps = 10 * decode_seconds(target, h200, 4096) + verify_seconds(target, h200, 131_072, 11)
    assert good == pytest.approx(steps / ((1 - 0.9**11) / 0.1))
    assert good < plain < bad
    certain = speculative_seconds(target, target, h200, contexts=contexts, gamma=10, acceptance=1.0)
    assert certain == pytest.approx(steps / 11)


def test_experts_that_nobody_chose_are_not_read() -> None:
    mixture = shape_of(LLAMA_8B | {"num_local_experts": 8, "num_experts_per_tok": 2})
    one = mixture.read_parameters(1)
    assert one == pytest.approx(mixture.active_parameters + 4096 * 128256)
    assert one < mixture.read_parameters(16) < mixture.read_parameters(1000) < mixture.parameters
    assert mixture.active_parameters < mixture.parameters / 3


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kv_lora_rank": 512}, "kv_lora_rank"),
        ({"layer_types": ["linear_attention", "full_attention"]}, "linear_attention"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
    ],
)
def test_models_of_another_build_are_not_guessed_at(facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownShape, match=reason):
        shape_of(LLAMA_8B | facts)


def test_variants_of_configurations() -> None:
    assert shape_of({"text_config": LLAMA_8B}).layers == 32
    assert shape_of(LLAMA_8B, "float32").weight_bytes == 4
    assert shape_of(LLAMA_8B | {"quantization_config": {"bits": 4}}).weight_bytes == 0.5
    sliding = shape_of(LLAMA_8B | {"sliding_window": 4096})
    assert sliding.seen_bytes(100_000) == sliding.seen_bytes(4096)
    mixed = shape_of(LLAMA_8B | {"sliding_window": 4096, "layer_types": ["sliding_attention", "full_attention"] * 16})
    assert mixed.sliding_layers == 16
    with pytest.raises(UnknownShape, match="not on this machine"):
        config_of("nobody/has-this-model")


def test_a_device_that_is_not_known_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"--device h2000: not known.*Nearest: h200"):
        device_named("h2000")


def test_this_machine_is_measured() -> None:
    cpu = device_named(CPU)
    assert cpu.bandwidth > 1e8
    assert cpu.half_flops > 1e7
    assert this_machine() is not None


# --- of a sweep


def served(url: str = "http://127.0.0.1:9/v1", **settings: Any) -> dict[str, Any]:
    return full(kind="openai_compatible", url=url, model="some-model", **settings)


def test_a_server_without_price_and_stored_answers_is_unknown_and_asked_nothing(data: Path, runs: Path) -> None:
    found = estimate(sweep_over(data, pipelines={"full": served()}), runs)
    total = found.to_json()["total"]
    assert (total["money"], total["seconds"]) == (None, None)
    assert total["calls"] == 12
    notes = " ".join(found.notes)
    for words in ("seconds unknown", "rather too high", "no prompt is cut", "no cached tokens"):
        assert words in notes


def test_money_is_what_the_price_says(data: Path, runs: Path) -> None:
    price = {"prompt": 2.0, "completion": 10.0}
    total = estimate(sweep_over(data, pipelines={"full": served(price=price)}), runs).total
    assert total["money"] == pytest.approx((2 * total["prompt_tokens"] + 10 * total["completion_tokens"]) / 1e6)
    assert total["money_most"] == pytest.approx((2 * total["prompt_tokens"] + 10 * 12 * 32) / 1e6)


def test_the_tokens_of_a_server_that_counts_for_itself_are_estimated(data: Path, runs: Path) -> None:
    found = estimate(sweep_over(data, pipelines={"full": served(tokenizer_from="server", window=500)}), runs)
    assert found.total["calls"] == 12
    assert "rather too high" in " ".join(found.notes)


def test_seconds_are_those_measured_before(data: Path, runs: Path) -> None:
    limited = {"kind": "jsonl", "path": str(data), "limit": 6}
    first, _ = ran(sweep_over(data, pipelines={"full": full()}, dataset=limited), runs)
    [folder] = [path.parent for path in first.folder.glob("*/predictions.jsonl")]
    rows = read_rows(folder / "predictions.jsonl")
    fresh = sum(row["answer"]["usage"]["prompt_tokens"] for row in rows)
    for row in rows:  # as an engine would have measured: 1 ms a token read, 50 ms a token written
        usage = row["answer"]["usage"]
        phases = {"prefill": usage["prompt_tokens"] / 1000, "decode": usage["completion_tokens"] / 20}
        row["answer"]["timing"]["phases"] = phases
    write_rows(folder / "predictions.jsonl", rows)
    assert fresh
    found = estimate(sweep_over(data, pipelines={"full": full()}), runs)
    total = found.total
    assert total["questions"] == 6
    assert total["prefill_seconds"] == pytest.approx(total["prompt_tokens"] / 1000)
    assert total["decode_seconds"] == pytest.approx(total["completion_tokens"] / 20)
    assert any("measured in 6 stored answers" in note for note in found.notes)


def test_another_device_is_reckoned_by_shape(data: Path, runs: Path, tiny_llama: Path) -> None:
    llama = {"kind": "transformers", "model": str(tiny_llama), "dtype": "float32"}
    sweep = sweep_over(data, pipelines={"full": full(**llama)})
    slow, fast = (estimate(sweep, runs, Options(machine=Machine(name))) for name in ("l4", "h200"))
    assert 0 < fast.total["seconds"] <= slow.total["seconds"]
    assert any("by shape on l4" in note for note in slow.notes)
