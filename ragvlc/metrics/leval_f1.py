"""L-Eval's token F1.

An et al. (2023, arXiv 2307.11088), `Evaluation/f1.py`: words after SQuAD's normalisation, counted with their
multiplicity; texts without a common word score 0, two empty ones, too. Best reference. Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._leval import LevalMetric
from ragvlc.metrics._published import token_f1
from ragvlc.text.normalising import normalise


class LevalF1(LevalMetric):
    """Token F1 of the reply by L-Eval's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns F1 of the words."""
        return token_f1(normalise(reply).split(), normalise(reference).split())
