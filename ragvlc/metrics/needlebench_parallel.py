"""NeedleBench's score of several needles: the share of their keywords in the reply.

Li et al. (2024, arXiv 2407.11963), `NeedleBenchParallelEvaluator`: the keywords are searched in the raw reply, letter
case included; the figure is the mean over depths of the share of replies that have the keyword of that depth.

Reads `keyword*keyword#depth*depth` as the reference, or `Example.scoring["keywords"]` and, where it is known,
`scoring["depths"]`: a keyword without a depth does not count. Does not apply without keywords.

Differences: the script takes the depths from the first example and adds up keywords at equal depths, so that its figure
can exceed 100; here each keyword counts once. The figures are equal where all examples have as many keywords, each at a
depth of its own. Figures for single depths are not shown.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._needlebench import NeedlebenchMetric, keywords_of


class NeedlebenchParallel(NeedlebenchMetric):
    """The share of keywords that occur in the reply."""

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the share, or None if no keyword is known."""
        texts, mark, depths = reference.partition("#")
        keywords = texts.split("*") if mark else keywords_of(example)
        known = depths.split("*") if mark else example.scoring.get("depths")
        counted = keywords if known is None else keywords[: len(known)]
        return sum(one in reply for one in counted) / len(counted) if counted else None
