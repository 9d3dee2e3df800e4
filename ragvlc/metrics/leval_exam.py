"""L-Eval's score of multiple-choice questions: coursera, quality, tpo.

An et al. (2023, arXiv 2307.11088), `Evaluation/auto_eval.py` (`process_output_mc`) and `Evaluation/em.py`: of quality
and tpo the first character of the reply that is A, B, C or D is its answer ("Because D" is B, "Answer: D" is A), and A
where there is none; coursera may name several letters, and some of the right ones without a wrong one score 0.25.

The right letters are those of the options that are references, or of a reference such as `BD` or `(B) some text`, of
which the first word counts. Differences: none in value; a reference without a word is read as A, where the script
fails.
"""

from __future__ import annotations

from typing import Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.metrics._letters import right_letters
from ragvlc.metrics._leval import LevalMetric, chosen_letters, exact_match, right_letters_in
from ragvlc.metrics._published import set_of


class LevalExam(LevalMetric):
    """1 if the reply is read as the right letters, 0.25 for some of several, else 0.

    Attributes:
        several: whether a reply may name several letters; `auto` for the set coursera.
    """

    several: Literal["auto", "always", "never"] = "auto"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns 0, 0.25 or 1, or None if no right letter is known."""
        letters = "".join(right_letters(example))
        if letters:
            return self._match(answer.text, letters, example)
        return None if example.query.choices else super().score(answer, example)

    def compare(self, reply: str, reference: str, example: Example) -> float:
        """Returns the score against the letters in the first word of a reference."""
        return self._match(reply, right_letters_in(reference), example)

    def _match(self, reply: str, letters: str, example: Example) -> float:
        auto = set_of(example.tags) == "coursera"
        several = self.several == "always" or (self.several == "auto" and auto)
        return exact_match(chosen_letters(reply, several=several), letters)
