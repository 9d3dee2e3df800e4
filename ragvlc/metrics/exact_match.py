"""Exact match: 1 if the reply equals a reference, after normalisation.

SQuAD 2.0's definition (Rajpurkar, Jia and Liang 2018, arXiv 1806.03822), maximum over the references; see `normalising`
for what is normalised and `_references` for empty references. Unanswerable examples score 1 for a declined reply only.

A reply without an answer (its tokens went into a thought, a content filter, a tool call, nothing at all) is wrong on
every question; `empty: refusal` is SQuAD's own rule, under which it is a refusal.

Typography is compared as in that script: curly quotes and ligatures are not folded (`contains` folds them), and `3.5`
equals `35` (`number_match` compares values). Differences: Chinese and Japanese as `normalising` says. Where all
references are required, the reply must hold the same words as all of them together, in any order; the word `and` does
not count on either side.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Empty, Script, as_counted, compare


class ExactMatch(Metric):
    """1 if the normalised reply equals a normalised reference, else 0.

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
        """Returns 0 or 1, or None if the example has no references."""
        sides = compare(as_counted(answer, self.empty), example, self.script)
        if sides is None:
            return None
        if example.answer_mode == "all":
            return float(any(_listed(sides.reply) == _listed(reference) for reference in sides.references))
        return float(sides.reply in sides.references)


def _listed(text: str) -> list[str]:
    return sorted(word for word in text.split() if word != "and")
