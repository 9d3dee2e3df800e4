"""LongBench's code similarity: the first line of code against the reference.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `code_sim_score`: the first line of the reply without a
backtick, `#` or `//` (a line with an address counts as a comment), compared by fuzzywuzzy's `ratio` in whole per cent.
That is the ratio of Python's difflib where python-Levenshtein is not installed, which LongBench does not ask for; where
it is, values differ (`a b c d e f` and its reverse: 45 instead of 27).

Differences: none in value to difflib's. Its time grows with the product of both lengths: seconds for lines of
10,000 characters, which are no lines of code.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import LongbenchMetric, code_similarity


class LongbenchCodeSim(LongbenchMetric):
    """Similarity of a line of code by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns the similarity of the first line of code."""
        return code_similarity(reply, reference)
