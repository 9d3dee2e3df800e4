"""Models that packed attention does not support are detected when they are opened, and computed in padded batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.batching import padded as _padded
from ragvlc.engines.batching.packed import PackedBatch
from ragvlc.engines.batching.padded import PaddedBatch
from ragvlc.generators.transformers import TransformersGenerator

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
DOCUMENT = "the cat sat on the mat and the dog ran after the cat " * 2
REQUESTS = [
    Request(Prompt("{d}{q}", {"d": DOCUMENT[: 106 - 53 * (n % 2)], "q": "what is the answer " * n}), max_tokens=9)
    for n in range(5)
]


def saved(folder: Path, make: Callable[[Any], Any]) -> Path:
    """Saves the model that `make` builds from the library, with the tiny tokenizer."""
    import torch
    import transformers

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    model = make(transformers)
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened(folder: Path, **fields: object):
    """A small batch on the CPU."""
    return TransformersGenerator(**{"model": str(folder), "device": "cpu", **fields}).open()


def sizes() -> dict[str, Any]:
    """The tiny shape with the tokenizer's vocabulary."""
    return {**SHAPE, "vocab_size": len(make_tokenizer())}


def sliding(library: Any) -> Any:
    """Every token sees the eight before it."""
    return library.MistralForCausalLM(library.MistralConfig(**sizes(), sliding_window=8))


def convolving(library: Any) -> Any:
    """Every second layer has a state instead of keys and values."""
    return library.Lfm2ForCausalLM(library.Lfm2Config(**sizes(), layer_types=["conv", "full_attention"]))


def biased(library: Any) -> Any:
    """Scores fall with distance, by a bias that attention gets beside its mask."""
    config = library.FalconConfig(
        vocab_size=len(make_tokenizer()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True
    )
    config.max_position_embeddings = 256
    return library.FalconForCausalLM(config)


@pytest.mark.parametrize("make", [sliding, convolving, biased])
def test_other_kinds_of_attention_are_padded_and_right(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = saved(tmp_path, make)
    with caplog.at_level("INFO", "ragvlc"):
        batching = opened(folder)
    assert isinstance(batching._scheduler._batch, PaddedBatch)
    assert "of another kind" in caplog.text
    alone = opened(folder, batch_size=1)
    together = batching.generate(REQUESTS)
    assert [one.token_ids for one in together] == [alone.generate([one])[0].token_ids for one in REQUESTS]
    assert {one.usage.cached_tokens for one in together} == {0}


def test_positions_that_depend_on_the_longest_prompt_are_computed_alone(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    folder = saved(
        tmp_path, lambda library: library.LlamaForCausalLM(library.LlamaConfig(**sizes(), rope_parameters=rope))
    )
    engine = opened(folder)
    assert isinstance(engine._scheduler._batch, PaddedBatch)
    assert engine._scheduler._max_requests == 1
    assert len(engine.generate(REQUESTS)) == 5


@pytest.mark.parametrize("name", ["GPT2", "Qwen3", "DeepseekV3"])
def test_different_models_with_plain_attention_are_packed(name: str, tmp_path: Path) -> None:
    small = {"vocab_size": len(make_tokenizer()), "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
    mixture = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "q_lora_rank": 16}
    latent = {"kv_lora_rank": 16, "qk_rope_head_dim": 8, "v_head_dim": 6, "qk_nope_head_dim": 8}
    made = {
        "GPT2": lambda library: library.GPT2LMHeadModel(library.GPT2Config(**small, initializer_range=0.3)),
        "Qwen3": lambda library: library.Qwen3ForCausalLM(library.Qwen3Config(**sizes(), head_dim=8)),
        "DeepseekV3": lambda library: library.DeepseekV3ForCausalLM(
            library.DeepseekV3Config(**{**sizes(), "num_key_value_heads": 4}, **mixture, **latent)
        ),
    }
    engine = opened(saved(tmp_path, made[name]))
    assert isinstance(engine._scheduler._batch, PackedBatch)
    alone = opened(tmp_path, batch_size=1)
    together = engine.generate(REQUESTS)
    assert [one.token_ids for one in together] == [alone.generate([one])[0].token_ids for one in REQUESTS]
    assert sum(one.usage.cached_tokens for one in together) > 0


def test_padded_prompts_longer_than_one_part(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    padded, alone = opened(tiny_model, attention="eager"), opened(tiny_model, batch_size=1)
    assert isinstance(padded._scheduler._batch, PaddedBatch)
    expected = [alone.generate([one])[0].token_ids for one in REQUESTS]
    monkeypatch.setattr(_padded, "_PREFILL_COLUMNS", 7)  # the first parts of short rows are all padding
    assert [one.token_ids for one in padded.generate(REQUESTS)] == expected
    assert padded.generate(REQUESTS)[0].timing.first_token_seconds > 0


def test_padded_batches_are_of_like_length_and_within_the_budget(tiny_model: Path) -> None:
    from ragvlc.engines.batching.decoding import RequestState

    batch = opened(tiny_model, attention="eager", batch_tokens=300)._scheduler._batch
    waiting = [RequestState([1] * length, max_tokens=10) for length in (40, 90, 45, 20, 400, 42)]
    assert batch.select(waiting, 8) == [0, 5, 2, 3]
    assert batch.select(waiting, 2) == [0, 5]
    assert batch.select(waiting[4:], 8) == [0]
