"""Attention cost of prompts, as the number of token pairs compared.

Chain of Agents (Zhang et al. 2024, arXiv 2406.02818) compares reading costs by such pairs: n(n+1)/2 for a prompt of n
tokens, so O(n^2) for full context and ceil(n/k) k(k+1)/2, O(nk), for a chain whose workers read k tokens each. That
counts documents only; the counter here takes real prompts, instructions and notes included.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["attention_pairs", "chain_pairs"]


def attention_pairs(lengths: Iterable[int]) -> int:
    """Returns the number of token pairs that causal attention compares in prompts of these lengths (in tokens)."""
    return sum([length * (length + 1) // 2 for length in lengths])


def chain_pairs(tokens: int, window: int) -> int:
    """Returns the number of token pairs that attention compares if a text is read in pieces of `window` tokens."""
    return -(-tokens // window) * attention_pairs([window])
