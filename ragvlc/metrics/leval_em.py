"""L-Eval's exact match: topic retrieval, and with `code: true` the outputs of codeU.

An et al. (2023, arXiv 2307.11088), `Evaluation/em.py`, `exact_match_score`: of a reference of the letters A to D alone
see `leval_exam`; numbers are compared as numbers (`3.0` is `3`); any other reference must be part of the reply, without
blanks and in lower case. Texts keep their letter case in the comparison of letters, so `The` is no article there.

`code: true` reads replies and references as `process_output_code` does. Best reference. The script averages the three
positions of topic retrieval, which is the mean where each has as many questions. Differences: none in value.
"""

from __future__ import annotations

from ragvlc.core.data import Example
from ragvlc.metrics._leval import LevalMetric, clean_code, clean_code_reply, exact_match


class LevalEm(LevalMetric):
    """Exact match of the reply by L-Eval's script.

    Attributes:
        code: whether texts are read as outputs of programs, as for the set codeU.
    """

    code: bool = False

    def compare(self, reply: str, reference: str, example: Example) -> float:  # noqa: ARG002 - needs no more gold
        """Returns 1, 0.25 for some of several letters, or 0."""
        if self.code:
            return exact_match(clean_code_reply(reply, reference), clean_code(reference))
        return exact_match(reply, reference)
