"""Decoding agrees with the library's own, and no request feels its neighbours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from ragvlc.core.engines import Generation, Prompt, Request, TextEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.core.families import Generator
from ragvlc.engines.batching import decoding as _decoding
from ragvlc.engines.batching import dtypes as _dtypes
from ragvlc.generators.transformers import TransformersGenerator

QUESTIONS = ["the cat", "what is the answer to the question?", "a", "the dog ran after the cat on the mat " * 3]


def tiny_spec(folder: Path, **fields: object) -> TransformersGenerator:
    """The tiny model, exact, on the CPU, one request at a time."""
    return TransformersGenerator(**{"model": str(folder), "device": "cpu", "batch_size": 1, **fields})


def request(text: str, **settings: object) -> Request:
    """A question as data."""
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 12, **settings})


@pytest.fixture(scope="module")
def engine(tiny_model: Path):
    """One at a time."""
    opened = tiny_spec(tiny_model).open()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def batching(tiny_model: Path):
    """Four at a time."""
    opened = tiny_spec(tiny_model, batch_size=4).open()
    yield opened
    opened.close()


def by_the_library(folder: Path, text: str, tokens: int = 12) -> list[int]:
    """What `model.generate` makes of the same prompt."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([tiny_spec(folder).tokenizer().render(Prompt("{q}", {"q": text}))])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens)
    return out[0, ids.shape[1] :].tolist()


def tokens_of(generations: list[Generation]) -> list[tuple[int, ...]]:
    """The ids alone."""
    return [generation.token_ids for generation in generations]


def test_greedy_tokens_are_those_of_the_library(tiny_model: Path, engine) -> None:
    for text in QUESTIONS:
        (generation,) = engine.generate([request(text)])
        assert list(generation.token_ids) == by_the_library(tiny_model, text)
    assert isinstance(engine, TextEngine)


def test_a_batch_changes_nothing(engine, batching) -> None:
    requests = [request(text, max_tokens=5 + 3 * i, logprobs=True) for i, text in enumerate(QUESTIONS)]
    alone = [engine.generate([one])[0] for one in requests]
    together = batching.generate(requests)
    assert tokens_of(together) == tokens_of(alone)
    assert [g.text for g in together] == [g.text for g in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_equal_lengths_and_more_requests_than_fit_one_batch(engine, batching) -> None:
    requests = [request(text) for text in ["the cat", "the dog", "the mat", "the cat", *QUESTIONS]]
    assert tokens_of(batching.generate(requests)) == [engine.generate([one])[0].token_ids for one in requests]
    assert batching.generate([]) == []


def test_a_seed_repeats_its_sample_in_any_batch(engine, batching) -> None:
    sampled = [request("the cat", temperature=1.5, seed=seed) for seed in range(5)]
    alone = [engine.generate([one])[0].token_ids for one in sampled]
    assert alone == [engine.generate([one])[0].token_ids for one in sampled]
    assert len(set(alone)) == 5
    mixed = [sampled[3], request(QUESTIONS[3]), sampled[1], request("a", temperature=2.0, seed=9)]
    together = batching.generate(mixed)
    assert [together[0].token_ids, together[2].token_ids] == [alone[3], alone[1]]


def test_a_tiny_nucleus_is_greedy_and_the_spec_sets_the_defaults(tiny_model: Path, engine) -> None:
    greedy = engine.generate([request("the cat")])[0].token_ids
    assert engine.generate([request("the cat", temperature=2.0, top_p=1e-6, seed=3)])[0].token_ids == greedy
    hot = tiny_spec(tiny_model, temperature=1.5).open()
    assert hot.generate([request("the cat", seed=3)])[0].token_ids != greedy
    assert hot.generate([request("the cat", seed=3, temperature=0.0)])[0].token_ids == greedy


def test_samples_follow_the_models_probabilities() -> None:
    import torch

    logits = torch.tensor([0.0, 2.0, 1.0, -1.0])
    state = _decoding.RequestState(prompt=[0], max_tokens=1, temperature=2.0, top_p=0.8)
    drawn = [_decoding.sample_token(logits, state) for _ in range(4000)]
    kept = torch.exp(torch.tensor([1.0, 0.5, 0.0]))  # tokens 1, 2, 0: 0.455, 0.276, 0.167 reach 0.8 together
    for token, share in zip((1, 2, 0), (kept / kept.sum()).tolist(), strict=True):
        assert drawn.count(token) / 4000 == pytest.approx(share, abs=0.03)
    assert drawn.count(3) == 0


def test_stop_texts_end_the_answer_wherever_tokens_break(engine) -> None:
    (whole,) = engine.generate([request("the cat", max_tokens=20)])
    assert len(whole.text) > 8
    for start in (1, 4):
        stop = whole.text[start : start + 4]
        (cut,) = engine.generate([request("the cat", max_tokens=20, stop=("never", stop))])
        assert cut.text == whole.text[: whole.text.index(stop)]
        assert cut.finish == "stop"
        assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]
        assert cut.usage.completion_tokens == len(cut.token_ids) < 20


def with_end(tiny_model: Path, folder: Path, end: object) -> Path:
    """A copy whose generation settings name other ends."""
    copy = shutil.copytree(tiny_model, folder / "ending")
    settings = json.loads((copy / "generation_config.json").read_text())
    (copy / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": end}))
    return copy


def test_an_end_token_stops_and_leaves_no_text(tiny_model: Path, engine, tmp_path: Path) -> None:
    (whole,) = engine.generate([request("the cat")])
    assert whole.finish == "length"
    end = whole.token_ids[4]
    (stopped,) = tiny_spec(with_end(tiny_model, tmp_path, [2, end])).open().generate([request("the cat")])
    assert stopped.token_ids == whole.token_ids[: whole.token_ids.index(end) + 1]
    assert stopped.finish == "stop"
    assert whole.text.startswith(stopped.text)
    assert stopped.text == tiny_spec(tiny_model).tokenizer().decode(stopped.token_ids[:-1])


def test_a_row_that_ends_early_lets_the_others_finish(tiny_model: Path, engine, tmp_path: Path) -> None:
    end = engine.generate([request("the cat")])[0].token_ids[1]
    folder = with_end(tiny_model, tmp_path, end)
    requests = [request(text) for text in QUESTIONS]
    one, four = tiny_spec(folder).open(), tiny_spec(folder, batch_size=4).open()
    together = four.generate(requests)
    assert tokens_of(together) == [one.generate([each])[0].token_ids for each in requests]
    assert len({len(ids) for ids in tokens_of(together)}) > 1


def test_logprobs_are_those_of_the_untempered_model(tiny_model: Path, engine) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    asked = request("the cat", temperature=1.3, seed=4, logprobs=True)
    (generation,) = engine.generate([asked])
    prompt = tiny_spec(tiny_model).tokenizer().render(asked.prompt)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + list(generation.token_ids)])).logits[0, len(prompt) - 1 : -1]
    expected = logits.log_softmax(-1).gather(1, torch.tensor([generation.token_ids]).T)[:, 0].tolist()
    assert generation.logprobs == pytest.approx(expected, abs=1e-4)
    assert engine.generate([request("the cat")])[0].logprobs is None


def test_exactly_the_window_fits_and_one_more_does_not(tiny_model: Path) -> None:
    spec = tiny_spec(tiny_model, window=40)
    prompt = len(spec.tokenizer().render(request("the cat").prompt))
    opened = spec.open()
    assert opened.window == 40
    assert opened.generate([request("the cat", max_tokens=40 - prompt)])[0].finish == "length"
    with pytest.raises(WindowExceeded, match=f"{prompt} prompt tokens and {41 - prompt} new ones exceed .* of 40"):
        opened.generate([request("a"), request("the cat", max_tokens=41 - prompt)])
    assert tiny_spec(tiny_model).open().window == 256


def test_usage_and_time_are_counted_for_each_request(tiny_model: Path, batching) -> None:
    requests = [request(text) for text in QUESTIONS]
    tokenizer = tiny_spec(tiny_model).tokenizer()
    generations = batching.generate(requests)
    for asked, generation in zip(requests, generations, strict=True):
        usage, timing = generation.usage, generation.timing
        assert usage.prompt_tokens == len(tokenizer.render(asked.prompt))
        assert (usage.completion_tokens, usage.calls) == (12, 1)
        assert timing.engine_seconds == pytest.approx(timing.phases["prefill"] + timing.phases["decode"])
        assert set(timing.phases) == {"prefill", "decode", "saved"}
        assert 0 < timing.phases["prefill"] < timing.first_token_seconds
    shares = {generation.timing.phases["decode"] for generation in generations}
    assert max(shares) == pytest.approx(min(shares))


def test_a_closed_engine_says_so(tiny_model: Path) -> None:
    opened = tiny_spec(tiny_model).open()
    opened.close()
    with pytest.raises(EngineError, match="is closed"):
        opened.generate([request("a")])


def test_the_key_is_that_of_the_files_not_of_their_place(tiny_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    here, there = tiny_spec(tiny_model), tiny_spec(copy)
    assert here.key == there.key
    assert here.dtype == "float32"
    assert tiny_spec(tiny_model, device="meta").key == here.key
    assert tiny_spec(tiny_model, prefix_cache_mb=0, batch_tokens=9).key == here.key
    for fields in ({"dtype": "bfloat16"}, {"batch_size": 2}, {"system": "x"}, {"template_options": {"a": True}}):
        assert tiny_spec(tiny_model, **fields).key != here.key
    (copy / "generation_config.json").write_text("{}")
    assert tiny_spec(copy).key != here.key
    assert here.tokenizer() is tiny_spec(tiny_model, dtype="bfloat16").tokenizer()


def test_auto_dtype_is_the_published_one_where_the_device_computes_it_fast(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_dtypes, "has_accelerator", lambda: False)
    monkeypatch.setattr(_dtypes, "cpu_flags", lambda: frozenset({"avx2", "avx512_bf16"}))
    assert TransformersGenerator().dtype == "bfloat16"
    assert TransformersGenerator(dtype="float32").dtype == "float32"
    assert TransformersGenerator(model="nobody/nothing").dtype == "auto"
    for settings, dtype in (({"text_config": {"torch_dtype": "bfloat16"}}, "bfloat16"), ({}, "float32")):
        (tmp_path / "config.json").write_text(json.dumps(settings))
        assert TransformersGenerator(model=str(tmp_path)).dtype == dtype
    fast = TransformersGenerator()
    monkeypatch.setattr(_dtypes, "cpu_flags", lambda: frozenset({"avx2"}))
    assert TransformersGenerator().dtype == "float32"
    assert TransformersGenerator().key != fast.key
    assert TransformersGenerator().key == TransformersGenerator(dtype="float32").key
    assert TransformersGenerator(device="cuda").dtype == "bfloat16"
    assert TransformersGenerator(device="cuda").key == fast.key
    monkeypatch.setattr(_dtypes, "has_accelerator", lambda: True)
    assert TransformersGenerator().dtype == "bfloat16"
    assert TransformersGenerator(device="cpu").dtype == "float32"
    assert TransformersGenerator.model_validate(fast.model_dump()) == fast


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [
        ("ATEN_CPU_CAPABILITY", "avx2", "float32"),
        ("ATEN_CPU_CAPABILITY", "default", "float32"),
        ("ATEN_CPU_CAPABILITY", "avx512", "bfloat16"),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", "float32"),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI", "float32"),
        ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX", "bfloat16"),
        ("ONEDNN_MAX_CPU_ISA", "", "bfloat16"),
    ],
)
def test_auto_dtype_sees_no_instructions_that_the_environment_keeps_from_torch(monkeypatch, name, value, dtype) -> None:
    monkeypatch.setattr(_dtypes, "has_accelerator", lambda: False)
    monkeypatch.setattr(_dtypes, "cpu_flags", lambda: frozenset({"avx2", "avx512_bf16", "amx_bf16"}))
    for one in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setenv(name, value)
    assert TransformersGenerator().dtype == dtype
    assert TransformersGenerator(device="cuda").dtype == "bfloat16"


CUDA, CPU = 'cuda: Optional[str] = "13.0"', "cuda: Optional[str] = None\nhip: Optional[str] = None"


@pytest.mark.parametrize(
    ("version", "driver", "visible", "found"),
    [
        (CUDA, "/proc/driver/nvidia/gpus", None, True),
        (CUDA, "/dev/dxg", "0,1", True),
        ("cuda = None\nhip: Optional[str] = '7.0'", "/dev/kfd", None, True),
        (CUDA, "/proc/driver/nvidia/gpus", "", False),
        (CUDA, "/proc/driver/nvidia/gpus", "-1", False),
        (CUDA, None, None, False),
        (CPU, "/proc/driver/nvidia/gpus", None, False),
    ],
)
def test_an_accelerator_is_found_without_torch(version, driver, visible, found, tmp_path, monkeypatch) -> None:
    (tmp_path / "version.py").write_text(version)
    origin = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_dtypes, "find_spec", lambda name: origin)
    monkeypatch.setattr(_dtypes.platform, "system", lambda: "Linux")
    drivers = {"/proc/driver/nvidia/gpus", "/dev/kfd", "/dev/dxg"}
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == driver if str(self) in drivers else exists(self))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _dtypes.has_accelerator.__wrapped__() is found


def test_what_is_found_agrees_with_torch_here() -> None:
    import torch

    assert _dtypes.has_accelerator.__wrapped__() == (torch.cuda.is_available() or torch.backends.mps.is_available())


def test_bfloat16_loads_and_answers(tiny_model: Path) -> None:
    opened = tiny_spec(tiny_model, dtype="bfloat16", batch_size=4).open()
    assert {len(ids) for ids in tokens_of(opened.generate([request(text) for text in QUESTIONS]))} == {12}


def test_yaml_form_round_trips_and_unknown_models_are_refused_when_read() -> None:
    spec = Generator.build({"kind": "transformers", "batch_size": 2, "template_options": {"enable_thinking": False}})
    assert Generator.build(spec.spec()) == spec
    with pytest.raises(ValidationError, match="Nearest: smollm2-135m-instruct"):
        TransformersGenerator(model="packaged:smolm2-135m-instruct")


def test_a_model_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be loaded"):
        TransformersGenerator(model=str(tmp_path)).open()


@pytest.fixture(scope="module")
def smollm2(language_model: Path):
    """The packaged model as shipped."""
    opened = TransformersGenerator(device="cpu", batch_size=2).open()
    yield opened
    opened.close()


def test_smollm2_answers_and_stops_by_itself(smollm2) -> None:
    (generation,) = smollm2.generate([request("What is the capital of France?", max_tokens=12)])
    assert "Paris" in generation.text
    assert generation.finish == "stop"
    assert "<|im_end|>" not in generation.text
    assert smollm2.window == 8192
