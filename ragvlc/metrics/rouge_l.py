"""ROUGE-L: the longest common subsequence of words, for summaries and long answers.

The F measure of Lin (2004, https://aclanthology.org/W04-1013) as the `rouge-score` package computes it without
stemming, one subsequence over the whole text (`rougeL`, not `rougeLsum`), best reference. Its tokens are runs of ASCII
letters and digits: `naïve` is read as `na` and `ve`.

Differences: where a reference or the question is mostly Chinese or Japanese (or always, or never: `script`), or a
reference's letters are mostly not ASCII (the package would drop them and score 0), tokens are separated by blanks and
punctuation of any script, Chinese and Japanese by character. A declined reply scores 0. Where all references are
required, they are joined in their order. Does not apply to unanswerable examples.
"""

from __future__ import annotations

from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import Script, by_character, reply_text
from ragvlc.text.normalising import words
from ragvlc.text.rouge import google_words, lcs_rouge


class RougeL(Metric):
    """ROUGE-L F-measure against the best reference.

    Attributes:
        script: `cjk` compares Chinese and Japanese by character, `latin` compares by word; `auto` takes `cjk` where a
            reference or the question is mostly Chinese or Japanese.
    """

    version: ClassVar[int] = 2

    script: Script = "auto"

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        references = example.references
        if example.unanswerable or not any(reference.strip() for reference in references):
            return None
        if example.answer_mode == "all":
            references = (" ".join(references),)
        unicode = by_character(self.script, example) or any(map(_mostly_foreign, references))
        split = words if unicode else google_words
        reply = split(reply_text(answer))
        return max(lcs_rouge(split(reference), reply).f for reference in references)


def _mostly_foreign(text: str) -> bool:
    letters = [character.isascii() for character in text if character.isalpha()]
    return 2 * sum(letters) < len(letters)
