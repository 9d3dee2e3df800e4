"""What NeedleBench's metrics share: the base, and its reference texts.

Li et al. (2024, arXiv 2407.11963), `opencompass/datasets/needlebench` and `needlebench_v2` of OpenCompass. Its
references carry gold in marks: `needle*keyword` of one needle, `keyword*keyword#depth*depth` of several,
`answer*keyword keyword` of reasoning. Both forms are read: such a text, or a reference beside
`Example.scoring["keywords"]`, a list. Figures are means times 100.

A metric applies to the questions of its task, by the set (`tags["dataset"]`, such as `origin_en_4k`, `parallel_en_4k`,
`2needle_en_4k`, or `single`, `parallel`, `reasoning`). Where that names no task, the marks decide: of depths for
several needles, no depths for one needle and for reasoning, whose marks are alike.
"""

from __future__ import annotations

import re
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._published import PublishedMetric, set_of

__all__ = ["NeedlebenchMetric", "keywords_of"]


_DEPTHS = re.compile(r"#\d+(?:\*\d+)*$")
_SETS = {
    "single": re.compile("origin|single"),
    "reasoning": re.compile(r"reasoning|\d[-_]?needle"),
    "parallel": re.compile("parallel|retrieval"),
}


class NeedlebenchMetric(PublishedMetric):
    """A metric of NeedleBench."""

    benchmark: ClassVar[str] = "NeedleBench"
    digits: ClassVar[int | None] = None

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns the score by the best reference, or None if the question is one of another task."""
        name = set_of(example.tags)
        own = self.kind.removeprefix("needlebench_")
        asked = next((task for task, pattern in _SETS.items() if pattern.search(name)), None)
        if asked is None and own != "parallel" and any(map(_DEPTHS.search, example.references)):
            return None
        return super().score(answer, example) if asked in (None, own) else None


def keywords_of(example: Example) -> list[str]:
    """Returns the keywords that an example names beside its references; none if there are none."""
    found = example.scoring.get("keywords") or ()
    return [str(one) for one in found]
