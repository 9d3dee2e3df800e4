"""Where the main memory of a run will go: weights, prefixes and batches of each model, by the plan of memory."""

from __future__ import annotations

from collections.abc import Iterable

from ragvlc import memory
from ragvlc.core.families import Embedder, Generator
from ragvlc.engines.batching.dtypes import has_accelerator
from ragvlc.hardware.memory_plan import plan_memory
from ragvlc.hardware.placement import shape_for, window_for
from ragvlc.packaged.model_files import weight_bytes

__all__ = ["memory_notes"]


def memory_notes(generators: Iterable[Generator], embedders: Iterable[Embedder]) -> list[str]:
    """Returns a sentence on the budget and what each local model takes of it; none where nothing is loaded here."""
    parts_here: list[Generator | Embedder] = [*generators, *embedders]
    local = [one for one in parts_here if _is_here(one)]
    sizes = [weight_bytes(str(one.spec()["model"]), str(one.spec()["dtype"])) for one in local]
    if not any(sizes):
        return []
    budget = memory.budget()
    left, parts = budget.total, []
    for part, size in zip(local, sizes, strict=True):
        left -= size or 0
        words = f"{part.kind} {part.spec()['model']}: weights {memory.gigabytes(size) if size else 'unknown'}"
        if isinstance(part, Generator):
            words, taken = _with_caches(part, words, max(0, left))
            left -= taken
        parts.append(words)
    notes = [f"Memory: {memory.gigabytes(budget.total)} planned, {budget.words}. {'; '.join(parts)}."]
    if (needed := sum(size or 0 for size in sizes)) > budget.total:
        notes.append(
            f"The weights, {memory.gigabytes(needed)} together, exceed that: the run will refuse them. Take smaller "
            f"models or dtypes, or set {memory.MEMORY_MB.variable}."
        )
    return notes


def _with_caches(part: Generator, words: str, left: int) -> tuple[str, int]:
    """Returns the words with the shares of a generator's caches, and the bytes that these reserve."""
    own = part.spec()
    mb = own["prefix_cache_mb"]
    prefixes = None if mb is None else int(mb) * 2**20
    plan = plan_memory(
        shape_for(part, []), left, window_for(part, []), batch_tokens=int(own["batch_tokens"]), prefixes=prefixes
    )
    words += (
        f", prefixes and running requests at most {memory.gigabytes(plan.kv_bytes)} (prefixes alone "
        f"{memory.gigabytes(plan.prefixes)}), a forward pass {memory.gigabytes(plan.pass_bytes)}"
    )
    return words, plan.kv_bytes + plan.pass_bytes


def _is_here(part: Generator | Embedder) -> bool:
    """Whether a model's weights will be in the main memory of this process."""
    device = part.spec().get("device")
    here = device == "cpu" or (device == "auto" and not has_accelerator())
    return here and part.kind in {"transformers", "sentence_transformer"}
