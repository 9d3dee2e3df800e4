"""Facts of the steps of an answer, read from its stored trace in one walk."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from msgspec import UNSET

from ragvlc.core.answer import Usage
from ragvlc.results.attention import attention_pairs
from ragvlc.results.row_form import StepForm, UsageForm

__all__ = ["TraceFacts"]


class TraceFacts:
    """What the steps of an answer say.

    Args:
        trace: of the answer.

    Attributes:
        dropped_tokens: sum over all steps.
        no_answer: likewise.
        agents: the largest.
        paths: the largest; 1 without any.
        indexes: id and seconds of each index.
        sampled_by_server, thoughts_read: whether some step says so.
        cut: whether some step counts texts that were not read whole.
        speculated: whether some step decoded speculatively.
        lengths: of the prompts, as far as the steps record them.
    """

    __slots__ = (
        "agents", "cut", "dropped_tokens", "indexes", "lengths", "no_answer", "paths", "sampled_by_server",
        "speculated", "thoughts_read",
    )  # fmt: skip

    def __init__(self, trace: Sequence[StepForm]) -> None:
        self.dropped_tokens = self.no_answer = self.agents = 0
        self.paths = -1
        self.sampled_by_server = self.thoughts_read = self.cut = self.speculated = False
        self.indexes: list[tuple[str | int, float]] = []
        self.lengths: list[int] = []
        for step in trace:
            self._walk(step)
        if self.paths < 0:
            self.paths = 1

    def pairs(self, usage: Usage | UsageForm) -> float:
        """Returns the number of token pairs that attention compared; NaN if the steps do not record every prompt."""
        lengths = self.lengths
        whole = len(lengths) == usage.calls and sum(lengths) == usage.prompt_tokens
        return attention_pairs(lengths) if whole else nan

    def _walk(self, step: StepForm) -> None:
        """Collects the facts of a step and all inside it; what this records of its prompts goes before what they do."""
        facts, lengths = step.facts, self.lengths
        if facts.dropped_tokens:
            self.dropped_tokens += facts.dropped_tokens
        if facts.no_answer:
            self.no_answer += facts.no_answer
        if facts.agents is not UNSET:
            self.agents = max(self.agents, facts.agents)
        if facts.paths is not UNSET:
            self.paths = max(self.paths, facts.paths)
        if facts.index_seconds is not UNSET:
            self.indexes.append((facts.index, facts.index_seconds))
        if facts.temperature_unsent:
            self.sampled_by_server = True
        if facts.thoughts_read:
            self.thoughts_read = True
        if facts.embedder_cut_chunks is not UNSET or facts.reranker_cut_passages is not UNSET:
            self.cut = True
        if facts.rounds is not UNSET:
            self.speculated = True
        before = len(lengths)
        for inner in step.steps:
            self._walk(inner)
        if facts.prompt_tokens is not UNSET:
            lengths[before:] = [facts.prompt_tokens]
        elif len(lengths) == before and step.usage.calls == 1:
            lengths.append(step.usage.prompt_tokens)
