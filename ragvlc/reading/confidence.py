"""The model's confidence in its answer: the log-probabilities of the answer's tokens, as deciles in the trace.

A sum or a mean over tokens falls with the answer's length or hides its one doubtful token; quantiles do neither (Gupta
et al. 2024, Language Model Cascades: Token-level Uncertainty and Beyond, arXiv 2404.10136). All eleven are kept, so
that a rule on them can be chosen later, on stored answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ragvlc.core.answer import Answer
from ragvlc.core.data import Query
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.run import Run
from ragvlc.reading.asking import Asking

__all__ = ["FACT", "Confiding", "at_quantile", "deciles", "deciles_of"]

FACT = "logprob_quantiles"
"""Name of the fact: eleven numbers, the smallest first; none for an answer without tokens."""


class Confiding(Asking):
    """A route that asks once and can record how confident the model was.

    Attributes:
        logprobs: also ask for the log-probability of each token; their deciles stand in the trace. The generator must
            have them: `transformers`, `vllm`, and most servers.
    """

    logprobs: bool = False

    def request(self, prompt: Prompt, query: Query, run: Run) -> Request:
        """Returns the request for the answer, with log-probabilities if they are wanted."""
        return replace(super().request(prompt, query, run), logprobs=self.logprobs)

    def noted(self, generation: Generation) -> dict[str, Any]:
        """Returns the facts about the reply that the trace records, with deciles of the log-probabilities if wanted."""
        facts = super().noted(generation)
        if self.logprobs and generation.logprobs is not None:
            known = [value for value in generation.logprobs if value is not None]
            missing = len(generation.logprobs) - len(known)
            if missing:
                facts["logprobs_missing"] = missing
            if known or not missing:  # none of many tokens is no confidence at all, not that of an empty answer
                facts[FACT] = deciles(known)
        return facts


def deciles(logprobs: Sequence[float]) -> list[float]:
    """Returns the 0th, 10th, ..., 100th percentiles, linearly interpolated; empty if there are no tokens."""
    if not logprobs:
        return []
    ordered = sorted(max(float(value), -1e9) for value in logprobs)  # JSON knows no infinity
    return [round(_between(ordered, part / 10 * (len(ordered) - 1)), 5) for part in range(11)]


def deciles_of(answer: Answer) -> tuple[float, ...] | None:
    """Returns the last deciles recorded in the answer's trace, or None if there are none."""
    found = None
    for fact in answer.facts(FACT):
        found = tuple(float(value) for value in fact)
    return found


def at_quantile(found: Sequence[float], quantile: float) -> float:
    """Returns the value at `quantile` (0 to 1), linearly interpolated between the eleven deciles."""
    return _between(found, quantile * (len(found) - 1))


def _between(ordered: Sequence[float], place: float) -> float:
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
