"""Token F1: the overlap of words between reply and reference.

SQuAD 2.0's definition (Rajpurkar, Jia and Liang 2018, arXiv 1806.03822): tokens are the words after normalisation,
common tokens are counted with their multiplicity, precision is their share of the reply, recall their share of the
reference, the score is the harmonic mean and the maximum over the references. If either side is empty, the score is 1
if both are, else 0. See `normalising` for tokens, `_references` for empty references. Unanswerable examples score 1 for
a declined reply only.

A reply without an answer (its tokens went into a thought, a content filter, a tool call, nothing at all) is wrong on
every question; `empty: refusal` is SQuAD's own rule, under which it is a refusal.

Typography is compared as in that script: curly quotes and ligatures are not folded, and `3.5` equals `35`
(`number_match` compares values). Differences: Chinese and Japanese by character, as `normalising` says. Where all
references are required, they are joined into one, as Qasper joins the spans of an answer (Dasigi et al. 2021, arXiv
2105.03011); their order does not matter.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Empty, Script, as_counted, compare


class TokenF1(Metric):
    """Harmonic mean of token precision and recall against the best reference.

    Attributes:
        empty: what a reply without an answer counts as: `no_answer` or, as in SQuAD's own script, `refusal`.
        script: `cjk` compares Chinese and Japanese by character, `latin` compares by word; `auto` takes `cjk` where a
            reference or the question is mostly Chinese or Japanese.
    """

    version: ClassVar[int] = 2
    later_fields: ClassVar[frozenset[str]] = frozenset({"empty"})
    empty: Empty = "no_answer"
    script: Script = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no references."""
        sides = compare(as_counted(answer, self.empty), example, self.script)
        if sides is None:
            return None
        return max((_f1(sides.reply.split(), reference.split()) for reference in sides.references), default=0.0)


def _f1(reply: list[str], reference: list[str]) -> float:
    if not reply or not reference:
        return float(reply == reference)
    common = (Counter(reply) & Counter(reference)).total()
    return 2 * common / (len(reply) + len(reference))
