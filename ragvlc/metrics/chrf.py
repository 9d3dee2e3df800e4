"""chrF: the overlap of character sequences between reply and reference.

Popović (2015, https://doi.org/10.18653/v1/W15-3049) as sacrebleu computes it for one sentence (Post 2018, arXiv
1804.08771), divided by 100: n-grams of characters up to `char_order`, blanks left out, precision and recall averaged
over the orders, and their F measure with recall counting `beta` times as much; the best reference. With `word_order: 2`
it is chrF++ (Popović 2017, https://doi.org/10.18653/v1/W17-4770). It knows no words, so it suits languages written
without blanks or with many endings, and forgives small differences of spelling.

Differences: the column is a mean of sentence scores and not the corpus score that papers report. A declined reply
scores 0. Where all references are required, they are joined in their order. Does not apply to unanswerable examples.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import reply_text
from ragvlc.metrics._texts import texts_wanted


class Chrf(Metric):
    """Sentence chrF against the best reference.

    Attributes:
        char_order: longest sequence of characters counted.
        word_order: longest sequence of words counted besides; 0 for chrF, 2 for chrF++.
        beta: weight of recall against precision.
        lowercase: compare in lower case.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    char_order: Annotated[int, Field(ge=1, le=12)] = 6
    word_order: Annotated[int, Field(ge=0, le=8)] = 0
    beta: Annotated[int, Field(ge=1)] = 2
    lowercase: bool = False

    @property
    def label(self) -> str:
        """The label `chrf`, or `chrf_words_2` if word sequences of up to 2 words count too."""
        return f"{self.kind}_words_{self.word_order}" if self.word_order else self.kind

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        references = texts_wanted(example)
        if not references:
            return None
        scorer = _scorer(self.char_order, self.word_order, self.beta, self.lowercase)
        return min(1.0, float(scorer.sentence_score(reply_text(answer), list(references)).score) / 100)


@lru_cache(maxsize=16)
def _scorer(characters: int, words: int, beta: int, lowercase: bool) -> Any:  # noqa: ANN401 - the library's
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(char_order=characters, word_order=words, beta=beta, lowercase=lowercase)
