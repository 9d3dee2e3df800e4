"""LooGLE's BLEU: the share of the reply's words, or runs of four words, that the reference has.

The script of Li et al. (2024, arXiv 2311.04939), `automatic_metrics.py`, which calls nltk's `sentence_bleu` without
smoothing on words between blanks, with all weight on single words (`order: 1`) or on runs of four (`order: 4`): clipped
precision of that order times the brevity penalty. "BLEU-4" is therefore no geometric mean of four orders. A reply
without any word of the reference scores 0, and an empty one is read as the word `None`.

Differences: where no run of four is common, nltk gives 2.2e-308 and here it is 0. With several references the best
counts. The reply has no white space around it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._loogle import words_of
from ragvlc.metrics._overlap import best

__all__ = ["LoogleBleu", "bleu"]


class LoogleBleu(Metric):
    """Precision of words or of runs of four words, with a penalty for short replies.

    Attributes:
        order: 1 or 4, the length of the runs of words.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    order: Literal[1, 4] = 1

    @property
    def label(self) -> str:
        """The label, `loogle_bleu_1` or `loogle_bleu_4`."""
        return f"{self.kind}_{self.order}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        return best(lambda reply, reference: bleu(words_of(reply), reference.split(), self.order), answer, example)


def bleu(reply: Sequence[str], reference: Sequence[str], order: int) -> float:
    """Returns clipped precision of word runs of one length times the brevity penalty."""
    runs = _runs(reply, order)
    common = (runs & _runs(reference, order)).total()
    if not common or not set(reply) & set(reference):
        return 0.0
    penalty = 1.0 if len(reply) >= len(reference) else math.exp(1 - len(reference) / len(reply))
    return penalty * common / runs.total()


def _runs(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))
