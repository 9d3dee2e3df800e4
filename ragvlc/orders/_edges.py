"""Order with the best passages at both ends of the context and the weakest in the middle.

Jin, Yoon, Han, Arik, "Long-Context LLMs Meet RAG: Overcoming Challenges for Long Inputs in RAG", ICLR 2025,
https://arxiv.org/abs/2410.05983, equation 1: of k passages, rank i is at position (i+1)/2 if i is odd and at
(k+1) - i/2 if it is even.

Trap: LangChain's and LlamaIndex's `LongContextReorder` agree with this for odd k only. For even k theirs is the mirror
image, with the best passage last, so that a sweep over k silently moves it from one end of the prompt to the other.
Here the end is named, and it is the same for every k.
"""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.core.data import Hit

__all__ = ["edges_inward"]


def edges_inward(hits: Sequence[Hit]) -> list[Hit]:
    """Returns the hits ordered from the edges inwards: the best first, the second best last, the third second, ..."""
    return [*hits[0::2], *reversed(hits[1::2])]
