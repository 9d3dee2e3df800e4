"""The plan of main memory: what is free, what is reserved, what is refused, and what is given back."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ragvlc import memory
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.generators import _planned_memory
from ragvlc.hardware.memory_plan import BATCH_TOKENS, MASK_ENTRIES, PASS_TOKENS, plan_memory
from ragvlc.hardware.model_sizes import shape_of
from ragvlc.memo.once import Once
from ragvlc.packaged.model_files import weight_bytes

GB = 10**9
SMALL = {"num_hidden_layers": 30, "hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3}
SMALL |= {"intermediate_size": 1536, "vocab_size": 49152, "head_dim": 64}


def group(root: Path, *, limit: str, usage: int, cached: int) -> None:
    """A control group of version 2."""
    root.mkdir(parents=True)
    (root / "memory.max").write_text(limit + "\n")
    (root / "memory.current").write_text(f"{usage}\n")
    (root / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")


def test_the_control_group_counts_with_the_groups_around_it(tmp_path: Path):
    own = tmp_path / "own"
    own.write_text("0::/outer/inner\n")
    root = tmp_path / "fs"
    group(root / "outer" / "inner", limit="max", usage=1, cached=0)
    assert memory._left_in_groups(root, own) == []
    (root / "outer" / "memory.max").write_text("4000\n")
    (root / "outer" / "memory.current").write_text("1500\n")
    (root / "outer" / "memory.stat").write_text("inactive_file 500\n")
    assert memory._left_in_groups(root, own) == [3000]
    (root / "outer" / "inner" / "memory.max").write_text("2000\n")
    assert sorted(memory._left_in_groups(root, own)) == [1999, 3000]


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path):
    own = tmp_path / "own"
    own.write_text("0::/docker/4f1c\n")
    group(tmp_path / "fs", limit="1000", usage=900, cached=300)
    assert memory._left_in_groups(tmp_path / "fs", own) == [400]
    (tmp_path / "fs" / "memory.current").write_text("2000\n")
    assert memory._left_in_groups(tmp_path / "fs", own) == [0]


def test_the_first_version_of_control_groups_has_other_names(tmp_path: Path):
    own = tmp_path / "own"
    own.write_text("9:name=systemd:/\n4:cpu,memory:/job\n0::/\n")
    folder = tmp_path / "fs" / "memory" / "job"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("700\n")
    (folder / "memory.usage_in_bytes").write_text("200\n")
    (folder / "memory.stat").write_text("total_inactive_file 50\n")
    assert memory._left_in_groups(tmp_path / "fs", own) == [550]
    (folder / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory._left_in_groups(tmp_path / "fs", own) == []
    assert memory._left_in_groups(tmp_path / "fs", tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("free", "total", "words"),
    [
        (20 * GB, 10 * GB, "half of the 20.0 GB"),
        (int(1.5 * GB), memory.FLOOR, "the least that is planned, of 1.50 GB"),
        (GB // 2, GB // 2, "the least that is planned, of 0.50 GB"),
        (900 * GB, memory.CEILING, "the most that is planned unasked, of 900.0 GB"),
    ],
)
def test_the_budget_is_half_of_what_is_free_between_floor_and_ceiling(free: int, total: int, words: str):
    found = memory.planned(free)
    assert found.total == total
    assert words in found.words


def test_a_budget_of_ones_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAGVLC_MEMORY_MB", "1500")
    assert memory.budget.__wrapped__().total == 1500 * 2**20
    monkeypatch.setenv("RAGVLC_MEMORY_MB", "much")
    with pytest.raises(ConfigError, match="RAGVLC_MEMORY_MB: must be a whole number of megabytes above 0, not 'much'"):
        memory.budget.__wrapped__()


def test_weights_that_do_not_fit_are_refused_with_the_sum():
    budget = memory.ProcessBudget(5 * GB, "half of the 10.0 GB that were free at the start")
    first = budget.reserve_weights("small", 2 * GB, "bfloat16")
    budget.reserve("prefixes and batches", "small", 4 * GB)
    with pytest.raises(EngineError) as caught:
        budget.reserve_weights("large", 4 * GB, "float32")
    assert str(caught.value) == (
        "'large' needs 4.00 GB for its weights (float32) and 2.00 GB of 'small': 6.00 GB, and 5.00 GB are planned for "
        "this process: half of the 10.0 GB that were free at the start. Take a smaller model or dtype, or set "
        "RAGVLC_MEMORY_MB to the megabytes that it may take."
    )
    assert budget.left == 0
    budget.release(first)
    assert budget.left == GB
    budget.reserve_weights("large", 4 * GB)


def test_equal_reservations_are_released_one_by_one():
    budget = memory.ProcessBudget(10, "")
    one, other = budget.reserve("weights", "m", 4), budget.reserve("weights", "m", 4)
    budget.release(other)
    assert budget.held()[0] is one
    assert budget.left == 6


def test_every_share_of_a_plan_fits_what_is_left():
    shape = shape_of(SMALL, "float32")
    for left in (10**8, GB, 30 * GB):
        plan = plan_memory(shape, left, 8192, batch_tokens=BATCH_TOKENS, prefixes=None)
        assert plan.kv_bytes <= left / 2
        assert plan.pass_bytes <= left * 0.31
        assert 256 <= plan.pass_tokens <= PASS_TOKENS
    assert plan.mask_entries == MASK_ENTRIES
    assert plan.prefixes == 10_240 * plan.token_bytes  # one and a quarter prompts of the whole window
    assert plan.token_bytes == 30 * 2 * 3 * 64 * 4
    assert plan.batch_tokens * plan.token_bytes < plan.prefixes
    assert plan_memory(shape, GB, 8192, batch_tokens=BATCH_TOKENS, prefixes=7).prefixes == 7
    assert plan_memory(shape, 30 * GB, 8192, batch_tokens=60_000, prefixes=None).batch_tokens == 60_000  # as asked for
    assert plan_memory(None, GB, 8192, batch_tokens=BATCH_TOKENS, prefixes=None).prefixes == GB // 2
    nothing = plan_memory(shape, 0, 8192, batch_tokens=BATCH_TOKENS, prefixes=None)
    assert (nothing.prefixes, nothing.batch_tokens, nothing.pass_tokens) == (0, 1, 256)  # one request at a time


def test_weights_are_counted_by_the_heads_of_their_files(tmp_path: Path):
    from safetensors.numpy import save_file

    assert weight_bytes(str(tmp_path), "float32") is None
    save_file({"a": np.zeros((10, 10), np.float32), "b": np.zeros(7, np.int8)}, tmp_path / "one.safetensors")
    save_file({"c": np.zeros(50, np.float16)}, tmp_path / "two.safetensors")
    assert weight_bytes(str(tmp_path), "float32") == 400 + 7 + 200
    assert weight_bytes(str(tmp_path), "bfloat16") == 200 + 7 + 100
    assert weight_bytes(str(tmp_path), "auto") == 400 + 7 + 100
    (tmp_path / "one.safetensors").write_bytes(b"\xff" * 30)
    assert weight_bytes(str(tmp_path), "auto") is None  # loading it says what is wrong


def test_large_values_are_dropped_by_their_bytes_and_found_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "budget", lambda: memory.ProcessBudget(1000, ""))
    once = Once(large={"index": 10})
    value = SimpleNamespace(nbytes=40)
    for name in "abc":
        once.get("index", name, lambda: value)
    assert once.get("index", "c", list).value is value
    assert once.get("index", "a", lambda: "built again").value == "built again"
    assert once.get("index", "huge", lambda: SimpleNamespace(nbytes=5000)).value.nbytes == 5000
    assert once.get("index", "huge", list).reused
    for name in "abc":
        once.get("other", name, lambda: value)
    assert all(once.get("other", name, list).reused for name in "abc")


def test_memory_is_given_back_when_the_process_has_grown():
    held, trimmed = [100], []

    def trim(pad: int) -> None:
        trimmed.append((held[0], pad))
        held[0] -= 2**26

    again = memory._GiveBack(trim, lambda: held[0])
    assert not again()
    held[0] += 2**26 - 1
    assert not again()
    held[0] += 2**26
    assert again()
    assert trimmed == [(100 + 2**27 - 1, 0)]
    assert not again()
    held[0] = 50  # a model was closed: what comes now counts from here
    assert not again()
    held[0] += 2**26
    assert again()
    assert not memory._GiveBack(None, lambda: held[0])()


def test_a_model_that_is_dropped_unclosed_returns_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = memory.ProcessBudget(5 * GB, "")
    monkeypatch.setattr(memory, "budget", lambda: budget)
    monkeypatch.setattr(_planned_memory, "weight_bytes", lambda model, dtype: GB)
    spec = SimpleNamespace(model="m", dtype="float32", device="cpu", batch_tokens=100, prefix_cache_mb=None)
    dropped, closed = (_planned_memory.PlannedMemory(spec) for _ in range(2))
    dropped.plan(100, None)
    assert [one.what for one in budget.held()] == ["weights", "weights", "prefixes and batches", "forward passes"]
    closed.release()
    closed.release()
    assert len(budget.held()) == 3
    del dropped
    gc.collect()
    assert budget.held() == ()
