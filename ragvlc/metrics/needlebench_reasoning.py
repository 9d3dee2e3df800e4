"""NeedleBench's score of reasoning over several needles: the share of the answer's keywords in the reply.

Li et al. (2024, arXiv 2407.11963), `NeedleBenchMultiEvaluator`: keywords are the words behind the mark of the
reference, searched in the reply in lower case, as parts of words, too.

Reads `answer*keyword keyword` as the reference, or `Example.scoring["keywords"]`, whose items are split at blanks; does
not apply without either. Differences: none in value; a reference with several marks, on which the script fails, is
split at the first. Version 2 of the benchmark asks for an answer in a box and compares that: not computed here.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._needlebench import NeedlebenchMetric, keywords_of


class NeedlebenchReasoning(NeedlebenchMetric):
    """The share of the answer's keywords that occur in the reply."""

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the share, or None if no keyword is known."""
        _, mark, after = reference.partition("*")
        if not mark and not keywords_of(example):
            return None
        keywords = (after if mark else " ".join(keywords_of(example))).lower().split()
        text = reply.lower()
        return sum(one in text for one in keywords) / len(keywords) if keywords else 0.0
