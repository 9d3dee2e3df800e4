"""Attention cost of prompts, as the number of token pairs compared; also counts agents and calls per answer.

Chain of Agents (Zhang et al. 2024, arXiv 2406.02818) compares reading costs by such pairs: n(n+1)/2 for a prompt of n
tokens, so O(n^2) for full context and ceil(n/k) k(k+1)/2, O(nk), for a chain whose workers read k tokens each. That
counts documents only; the counter here takes real prompts, instructions and notes included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ragvlc.core.answer import Answer, Step

__all__ = ["Telemetry", "attention_pairs", "chain_pairs", "prompt_lengths", "telemetry"]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Numbers of agents, calls and tokens of one answer.

    Attributes:
        agents: number of pieces read by workers; 0 for routes without any.
        paths: number of orders in which they were read.
        calls: number of calls of language models.
        prompt_tokens_per_call: tokens read, on average.
        tokens_per_call: new tokens, on average; the paper's output tokens of an agent.
        pairs: of tokens that attention compared in reading all prompts; None where a call's length is not in the trace.
    """

    agents: int
    paths: int
    calls: int
    prompt_tokens_per_call: float
    tokens_per_call: float
    pairs: int | None


def attention_pairs(lengths: Iterable[int]) -> int:
    """Returns the number of token pairs that causal attention compares in prompts of these lengths (in tokens)."""
    return sum(length * (length + 1) // 2 for length in lengths)


def chain_pairs(tokens: int, window: int) -> int:
    """Returns the number of token pairs that attention compares if a text is read in pieces of `window` tokens."""
    return -(-tokens // window) * attention_pairs([window])


def prompt_lengths(answer: Answer) -> list[int] | None:
    """Returns the length of each prompt in tokens, in order; None if the trace does not record every length."""
    found = [length for root in answer.trace for length in _lengths(root)]
    return found if len(found) == answer.usage.calls and sum(found) == answer.usage.prompt_tokens else None


def telemetry(answer: Answer) -> Telemetry:
    """Returns the numbers of agents, calls and tokens of one answer."""
    agents, paths = list(answer.facts("agents")), list(answer.facts("paths"))
    lengths, usage = prompt_lengths(answer), answer.usage
    return Telemetry(
        agents=max(agents, default=0),
        paths=max(paths, default=1),
        calls=usage.calls,
        prompt_tokens_per_call=usage.prompt_tokens / usage.calls if usage.calls else 0.0,
        tokens_per_call=usage.completion_tokens / usage.calls if usage.calls else 0.0,
        pairs=None if lengths is None else attention_pairs(lengths),
    )


def _lengths(step: Step) -> list[int]:
    """Returns the prompt lengths of all calls in a step, in tokens, as far as the trace records them."""
    if "prompt_tokens" in step.facts:
        return [int(step.facts["prompt_tokens"])]
    inner = [length for below in step.steps for length in _lengths(below)]
    if inner or step.usage.calls != 1:
        return inner
    return [step.usage.prompt_tokens]
