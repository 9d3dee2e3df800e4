"""Qasper's answer F1: token F1 against the best annotator's answer.

The script of Dasigi et al. (2021, arXiv 2105.03011), `evaluator.py`: SQuAD's normalisation, 0 without a common word
(also where both are empty), the maximum over the annotators. Answers are texts: extracted spans joined by a comma and a
blank, free text, "Yes" or "No", or "Unanswerable" where an annotator found no answer, which is scored like any other
word. Questions without a prediction count 0.

References are the annotators' answers in that form; where all are required they are the spans of one answer.
Differences: a declined reply is read as "Unanswerable", and so is the reference of a question without one that is
marked as unanswerable. The script's figures by type of answer are not computed.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._overlap import harmonic, overlap
from ragvlc.text.normalising import normalise

UNANSWERABLE = "Unanswerable"


class QasperF1(Metric):
    """Token F1 of an answer by Qasper's script, best over the annotators."""

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the right answer is not known."""
        references = example.references
        if example.answer_mode == "all" and references:
            references = (", ".join(references),)
        if example.unanswerable:
            references = (UNANSWERABLE,)
        reply = normalise(UNANSWERABLE if answer.finish == "declined" else answer.text).split()
        return max((harmonic(*overlap(reply, normalise(one).split())) for one in references), default=None)
