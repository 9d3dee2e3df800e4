"""Hole rate: the share of the first k documents that nobody judged (lower is better).

BEIR's `Hole@k` (Thakur et al. 2021, arXiv 2104.08663): documents among the first `k` that no question of the data set
has a judgement of, divided by `k`, also where fewer were ranked. A high rate says that other ranking scores are lower
than they should be, because unjudged documents count as not relevant.

Reads `Example.scoring["judged"]`: the ids of all documents that were judged for any question. Does not apply where the
data set does not give them. Excluded documents are taken out first. Ranks are those of documents.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._ranking import ranked_documents


class HoleRate(Metric):
    """Share of the first `k` documents without a judgement for any question; lower is better.

    Attributes:
        k: the number of top-ranked documents that count.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"ranking"})
    smaller_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0
    k: Annotated[int, Field(ge=1)] = 10

    @property
    def label(self) -> str:
        """The label, such as `hole_rate_at_10`."""
        return f"{self.kind}_at_{self.k}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the data set does not say what was judged."""
        if "judged" not in example.scoring:
            return None
        first = ranked_documents(answer, example)[: self.k]
        judged = frozenset(map(str, example.scoring["judged"])) if first else frozenset()
        return sum(name not in judged for name in first) / self.k
