"""Facts of the steps of an answer, read from its stored trace in one walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from ragvlc.core.answer import UNSENT_TEMPERATURE, Usage
from ragvlc.results.attention import attention_pairs

__all__ = ["TraceFacts"]

_SUMS = frozenset({"dropped_tokens", "no_answer"})
_LARGEST = frozenset({"agents", "paths"})
_MARKS = {
    UNSENT_TEMPERATURE: "sampled_by_server",
    "thoughts_read": "thoughts_read",
    "embedder_cut_chunks": "cut",
    "reranker_cut_passages": "cut",
    "rounds": "speculated",
}
_THERE = frozenset({"embedder_cut_chunks", "reranker_cut_passages", "rounds"})
"""Facts that count whatever their value."""
_READ = _SUMS | _LARGEST | _MARKS.keys() | {"index_seconds"}


class TraceFacts:
    """What the steps of an answer say.

    Args:
        trace: JSON values of the steps.

    Attributes:
        dropped_tokens: sum over all steps.
        no_answer: likewise.
        agents: the largest.
        paths: the largest; 1 without any.
        indexes: id and seconds of each index.
        sampled_by_server, thoughts_read: whether some step says so.
        cut: whether some step counts texts that were not read whole.
        speculated: whether some step decoded speculatively.
    """

    __slots__ = (
        "_lengths", "agents", "cut", "dropped_tokens", "indexes", "no_answer", "paths", "sampled_by_server",
        "speculated", "thoughts_read",
    )  # fmt: skip

    def __init__(self, trace: Sequence[Mapping[str, Any]]) -> None:
        self.dropped_tokens = self.no_answer = 0
        self.sampled_by_server = self.thoughts_read = self.cut = self.speculated = False
        self.indexes: list[tuple[str, float]] = []
        self._lengths: list[int] = []
        largest: dict[str, int] = {}
        for step in trace:
            self._lengths += self._walk(step, largest)
        self.agents, self.paths = largest.get("agents", 0), largest.get("paths", 1)

    def pairs(self, usage: Usage) -> float:
        """Returns the number of token pairs that attention compared; NaN if the steps do not record every prompt."""
        lengths = self._lengths
        whole = len(lengths) == usage.calls and sum(lengths) == usage.prompt_tokens
        return attention_pairs(lengths) if whole else nan

    def _walk(self, step: Mapping[str, Any], largest: dict[str, int]) -> list[int]:
        """Collects the facts of a step and all inside it; returns the lengths of its prompts, as far as it has them."""
        facts: Mapping[str, Any] = step["facts"]
        for name in () if _READ.isdisjoint(facts) else facts.keys() & _READ:
            value = facts[name]
            if name in _SUMS:
                setattr(self, name, getattr(self, name) + value)
            elif name in _LARGEST:
                largest[name] = max(value, largest.get(name, value))
            elif name == "index_seconds":
                self.indexes.append((facts.get("index", ""), value))
            else:
                setattr(self, _MARKS[name], getattr(self, _MARKS[name]) or name in _THERE or bool(value))
        lengths: list[int] = []
        if "steps" in step:
            for inner in step["steps"]:
                lengths += self._walk(inner, largest)
        if "prompt_tokens" in facts:
            return [int(facts["prompt_tokens"])]
        usage = step.get("usage")
        if lengths or usage is None or usage.get("calls") != 1:
            return lengths
        return [usage.get("prompt_tokens", 0)]  # zeros are left out of rows
