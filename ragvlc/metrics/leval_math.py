"""L-Eval's score of calculations: gsm100.

An et al. (2023, arXiv 2307.11088), `Evaluation/auto_eval.py`, `process_math`: of both texts the word after `The answer
is`, or else the last word with a digit in the first paragraph; of that word the digits up to a full stop, so that
`$1,234.50` is 1234 and `-5` is 5. Then the exact match of `leval_em`. Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._leval import LevalMetric, exact_match, number_in


class LevalMath(LevalMetric):
    """1 if the number in the reply is that in the reference, by L-Eval's script."""

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns 1 or 0."""
        return exact_match(number_in(reply), number_in(reference))
