"""LongBench's classification score: class names that occur in the reply.

Bai et al. (2024, arXiv 2308.14508), `LongBench/metrics.py`, `classification_score`: the names of all classes that are
part of the reply (letter case counts), without those that are part of the right one; 1 divided by their number if the
right one is among them, else 0. The script takes names out of the list that it goes over, so that the name after one
that is taken out is not looked at: with the classes a, ab and abc, the reply `abc ab a` to `abc` scores 0.5.

Reads `Example.scoring["classes"]`, the names of all classes in the released order; does not apply without it.
Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._longbench import LongbenchMetric, classified


class LongbenchClassification(LongbenchMetric):
    """The share that the right class has of the classes named, by LongBench's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float | None:
        """Returns the score, or None if the names of the classes are not known."""
        classes = example.scoring.get("classes")
        return classified(reply, reference, [str(name) for name in classes]) if classes else None
