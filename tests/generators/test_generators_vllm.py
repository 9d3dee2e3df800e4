"""What can be said about `kind: vllm` without vLLM: settings, keys, arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ragvlc.core.engines import Prompt, Request
from ragvlc.core.errors import MissingExtra
from ragvlc.core.families import Generator
from ragvlc.engines.vllm import arguments as _vllm_arguments
from ragvlc.engines.vllm.engine import cause_in
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.generators.vllm import VllmGenerator

SCRIPTED = Path(__file__).parent / "scripted_vllm"


@pytest.fixture
def without_vllm(monkeypatch: pytest.MonkeyPatch):
    """As if vLLM were not installed."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    _vllm_arguments.known_arguments.cache_clear()
    yield
    _vllm_arguments.known_arguments.cache_clear()


@pytest.fixture
def with_scripted_vllm(monkeypatch: pytest.MonkeyPatch):
    """As if the stand-in were installed."""
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.syspath_prepend(SCRIPTED)
    _vllm_arguments.known_arguments.cache_clear()
    yield
    _vllm_arguments.known_arguments.cache_clear()


def spec(folder: Path, **fields: object) -> VllmGenerator:
    """The tiny model, exact."""
    return VllmGenerator(**{"model": str(folder), "dtype": "float32", **fields})


def test_it_is_missing_by_name_and_counts_tokens_all_the_same(tiny_model: Path, without_vllm) -> None:
    made = spec(tiny_model, engine={"max_num_batched_tokens": 8192})
    with pytest.raises(MissingExtra, match=r"vLLM is not installed.*ragvlc\[vllm\]"):
        made.open()
    assert made.tokenizer() is TransformersGenerator(model=str(tiny_model)).tokenizer()


def test_yaml_form_round_trips(tiny_model: Path, without_vllm) -> None:
    fields = {"model": str(tiny_model), "engine": {"kv_cache_dtype": "fp8", "max_num_batched_tokens": 16}}
    made = Generator.build({"kind": "vllm", "gpu_memory": 0.5, "window": 128, **fields})
    assert Generator.build(made.spec()) == made
    assert made.dtype == "float32"  # what the tiny model was published in


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("max_model_len", r"has a field of its own: set window: "),
        ("enable_prefix_caching", r"set prefix_caching: "),
        ("disable_log_stats", r"cannot be set: times are read from its statistics"),
        ("max_num_batched_token", r"no argument 'max_num_batched_token'\. Nearest: max_num_batched_tokens\."),
        ("_internal", r"no argument '_internal'"),
    ],
)
def test_further_arguments_are_checked_when_read(name: str, problem: str, tiny_model, with_scripted_vllm) -> None:
    with pytest.raises(ValidationError, match=problem):
        spec(tiny_model, engine={name: 1})
    assert spec(tiny_model, engine={"max_num_batched_tokens": 8192, "enable_log_requests": True})
    assert "vllm" not in sys.modules


def test_the_key_holds_what_may_change_answers(tiny_model: Path) -> None:
    here = spec(tiny_model)
    for fields in ({"gpu_memory": 0.5}, {"pipeline_parallel": 2}, {"price": {"prompt": 1, "completion": 2}}):
        assert spec(tiny_model, **fields).key == here.key
    for fields in (
        {"dtype": "bfloat16"},
        {"window": 128},
        {"prefix_caching": False},
        {"batch_size": 1},
        {"tensor_parallel": 2},
        {"quantization": "fp8"},
        {"eager": True},
        {"load_format": "dummy"},
        {"system": "x"},
        {"template_options": {"a": True}},
        {"trust_remote_code": True},
        {"engine": {"additional_config": {"a": 1}}},
    ):
        assert spec(tiny_model, **fields).key != here.key
    assert here.key != TransformersGenerator(model=str(tiny_model)).key


def test_arguments_of_the_engine(tiny_model: Path) -> None:
    assert spec(tiny_model).arguments() == {
        "model": str(tiny_model),
        "dtype": "float32",
        "enable_prefix_caching": True,
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "enforce_eager": False,
        "load_format": "auto",
        "disable_log_stats": False,
    }
    most = {"window": 64, "batch_size": 4, "gpu_memory": 0.5, "quantization": "fp8", "trust_remote_code": True}
    given = spec(tiny_model, **most, engine={"seed": 3}).arguments()
    assert {name: given[name] for name in ("max_model_len", "max_num_seqs", "gpu_memory_utilization")} == {
        "max_model_len": 64,
        "max_num_seqs": 4,
        "gpu_memory_utilization": 0.5,
    }
    assert (given["quantization"], given["seed"]) == ("fp8", 3)
    assert set(_vllm_arguments.FIELDS) - set(given) == set()


def test_sampling_of_a_request(tiny_model: Path) -> None:
    made, prompt = spec(tiny_model, temperature=0.5, top_p=0.9), Prompt("a")
    assert made.sampling(Request(prompt, 7, seed=2**63 + 5)) == {
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 5,
        "detokenize": False,
    }
    greedy = Request(prompt, 7, temperature=0.0, top_p=0.3, stop=("x", "y"), logprobs=True, seed=1)
    assert made.sampling(greedy) == {"max_tokens": 7, "temperature": 0.0, "stop": ["x", "y"], "logprobs": 0}
    assert made.sampling(Request(prompt, 1, temperature=1.5, top_p=0.3))["top_p"] == 0.3


def test_the_cause_is_found_in_a_log() -> None:
    log = """
    INFO nothing of note: an Error here is no error
    (Worker_TP1 pid=9) ERROR 11-22 07:00:00 [multiproc.py:3]   File "x.py", line 3, in f
    (Worker_TP1 pid=9) ERROR 11-22 07:00:00 [multiproc.py:3] torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB.
    (EngineCore pid=8) ERROR 11-22 07:00:00 [core.py:9] Exception: WorkerProc initialization failed due to an exception
    RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}
    """
    assert cause_in(log.splitlines()) == "CUDA out of memory. Tried 2 GiB."
    assert cause_in(["KeyboardInterrupt"]) == "KeyboardInterrupt"
    assert cause_in(["all is well"]) == ""
