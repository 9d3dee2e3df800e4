"""`backend: auto`: the number format by a measured table, in the key, with its loss said."""

from __future__ import annotations

import pytest

from ragvlc import config
from ragvlc.core.errors import EngineError
from ragvlc.embedders import _formats
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.sweep.plan import plan
from ragvlc.sweep.spec import Sweep

LAPTOP = {"sse2", "avx2", "fma", "avx_vnni"}
SERVER = LAPTOP | {"avx512f", "avx512_vnni"}
COOPER = SERVER | {"avx512_bf16"}
SAPPHIRE = COOPER | {"amx_bf16", "amx_int8"}


@pytest.fixture
def processor(monkeypatch):
    """Sets the instruction sets of this machine, which has no GPU, and the environment's limits on them."""

    def have(flags, gpu=False, **limits):
        monkeypatch.setattr(_formats, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(_formats, "has_accelerator", lambda: gpu)
        for name in ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in limits.items():
            monkeypatch.setenv(name, value)

    return have


@pytest.mark.parametrize(
    ("flags", "limits", "dtype"),
    [
        (SAPPHIRE, {}, "bfloat16"),
        (COOPER, {}, "float32"),  # measured slower than float32 there
        (SERVER, {}, "float32"),
        (LAPTOP, {}, "float32"),
        (set(), {}, "float32"),  # not Linux, or not x86: nothing was measured
        ({"asimd", "bf16"}, {}, "float32"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "float32"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, "float32"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, "bfloat16"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "default"}, "bfloat16"),
        (SAPPHIRE, {"ATEN_CPU_CAPABILITY": "avx2"}, "float32"),
    ],
)
def test_auto_takes_the_fastest_format_that_was_measured_there(processor, flags, limits, dtype):
    processor(flags, **limits)
    made = SentenceTransformerEmbedder(backend="auto")
    assert made.computed_dtype == dtype
    assert made.identity()["dtype"] == dtype
    assert "dtype" not in SentenceTransformerEmbedder().identity()  # vectors stored before there was a choice


def test_the_format_is_part_of_the_key(processor):
    processor(SAPPHIRE)
    fast = SentenceTransformerEmbedder(backend="auto").key
    assert fast != SentenceTransformerEmbedder().key
    processor(LAPTOP)
    assert SentenceTransformerEmbedder(backend="auto").key != fast


@pytest.mark.parametrize(("device", "gpu"), [("cuda", True), ("auto", True), ("mps", False)])
def test_other_devices_were_not_measured(processor, device, gpu):
    processor(SAPPHIRE, gpu=gpu)
    made = SentenceTransformerEmbedder(backend="auto", device=device)
    assert made.computed_dtype == "float32"
    assert list(_formats.format_remarks("m", "bfloat16", device)) == []


def test_the_loss_is_said_in_points(processor):
    processor(SAPPHIRE)
    [said] = [one for one in SentenceTransformerEmbedder(backend="auto").remarks() if "bfloat16" in one]
    assert "2.5 times as fast" in said
    assert "nDCG@10 changes by +0.05 points (95% interval -0.10 to +0.20)" in said
    assert "4% of questions have other passages" in said
    assert [one for one in SentenceTransformerEmbedder().remarks() if "float" in one] == []
    processor(LAPTOP)
    [said] = [one for one in SentenceTransformerEmbedder(backend="auto").remarks() if "float" in one]
    assert "computed in float32: no other format was measured here to be 1.3 times" in said


@pytest.mark.parametrize(("flags", "times"), [(LAPTOP, "5"), (SERVER, "3.3"), (COOPER, "1.2")])
def test_bfloat16_where_it_is_slow_is_said(processor, flags, times):
    processor(flags)
    [said] = [one for one in SentenceTransformerEmbedder(dtype="bfloat16").remarks() if "bfloat16" in one]
    assert f"{times} times as slow as float32" in said


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_auto_beside_a_dtype_is_refused(dtype):
    [said] = SentenceTransformerEmbedder(backend="auto", dtype=dtype).refusals()
    assert said == f"backend 'auto' chooses the dtype, and dtype is '{dtype}'. Leave out one of the two."
    assert SentenceTransformerEmbedder(backend="auto", dtype="float32").refusals() == []


@pytest.mark.parametrize(("flags", "dtype"), [(SAPPHIRE, "bfloat16"), (LAPTOP, "float32")])
def test_weights_are_loaded_in_the_chosen_format(processor, flags, dtype, monkeypatch):
    import sentence_transformers
    import torch

    asked = {}

    class Model:
        def __init__(self, folder, **given):
            asked.update(given)
            raise RuntimeError("far enough")

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Model)
    processor(flags)
    with pytest.raises(EngineError, match="far enough"):
        SentenceTransformerEmbedder(model=".", backend="auto").open()
    assert asked["model_kwargs"] == {"dtype": getattr(torch, dtype)}


@pytest.mark.parametrize("base", [{}, {"backend": "auto"}])
def test_backends_are_an_axis(processor, base):
    processor(SAPPHIRE)
    embedder = {"kind": "sentence_transformer", **base}
    pipeline = {"generators": {"main": "scripted"}, "embedders": {"main": embedder}}
    pipeline["routes"] = {"rag": {"kind": "retrieve", "retriever": "dense"}}
    data = {"name": "formats", "dataset": "toy", "pipelines": {"rag": pipeline}, "metrics": ["contains"]}
    data |= {"tracker": "none", "axes": {"embedders.main.backend": ["torch", "auto"]}}
    cells = plan(config.build(Sweep, data, "formats"))
    found = [cell.pipeline.embedders["main"].computed_dtype for cell in cells]
    assert found == ["float32", "bfloat16"]
