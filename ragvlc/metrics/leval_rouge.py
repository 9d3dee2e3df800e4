"""L-Eval's ROUGE, and its headline: the geometric mean of the averages of ROUGE-1, -2 and -L.

An et al. (2023, arXiv 2307.11088), `Evaluation/rouge.py` and `auto_eval.py`: Google's ROUGE without a stemmer
(`ragvlc.text.rouge`), the best reference for each type. With all three types among the metrics, that of type L has the
geometric mean as a second official figure. Differences: none in value. The script cuts sentences first, which changes
none of these types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Literal

from ragvlc.core.data import Example
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics._leval import LevalMetric
from ragvlc.text.rouge import RougeType, google_rouge

_TYPES: Mapping[object, RougeType] = {1: "1", 2: "2", "L": "L"}


class LevalRouge(LevalMetric):
    """ROUGE F of the reply by L-Eval's script.

    Attributes:
        type: `1` and `2` count words and pairs of words, `L` is the longest common subsequence.
    """

    type: Literal[1, 2, "L"] = "L"

    @property
    def label(self) -> str:
        """The label, such as `leval_rouge_L`."""
        return f"{self.kind}_{self.type}"

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns ROUGE's F."""
        return google_rouge(_TYPES[self.type], reference, reply).f

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns the average times 100 and, with all three types, their geometric mean."""
        found = dict(super().official(questions))
        labels = [f"{self.kind}_{kind}" for kind in _TYPES]
        own = [one for one in questions if one.score is not None]
        if self.type != "L" or not own or not all(label in one.scores for one in own for label in labels):
            return found
        averages = [100 * sum(one.scores[label] or 0.0 for one in own) / len(own) for label in labels]
        return {**found, "geometric mean": round(prod(averages) ** (1 / 3), 4)}
