"""What NeedleBench's metrics share: the base, and its reference texts.

Li et al. (2024, arXiv 2407.11963), `opencompass/datasets/needlebench` and `needlebench_v2` of OpenCompass. Its
references carry gold in marks: `needle*keyword` of one needle, `keyword*keyword#depth*depth` of several,
`answer*keyword keyword` of reasoning. Both forms are read: such a text, or a reference beside
`Example.scoring["keywords"]`, a list. Figures are means times 100.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.data import Example
from ragvlc.metrics._published import PublishedMetric

__all__ = ["NeedlebenchMetric", "keywords_of"]


class NeedlebenchMetric(PublishedMetric):
    """A metric of NeedleBench."""

    benchmark: ClassVar[str] = "NeedleBench"
    digits: ClassVar[int | None] = None


def keywords_of(example: Example) -> list[str]:
    """Returns the keywords that an example names beside its references; none if there are none."""
    found = example.scoring.get("keywords") or ()
    return [str(one) for one in found]
