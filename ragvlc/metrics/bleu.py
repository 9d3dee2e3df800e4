"""BLEU: the share of the reply's words and word sequences that occur in a reference.

Papineni et al. (2002, https://doi.org/10.3115/1073083.1073135) as sacrebleu computes it for one sentence (Post 2018,
arXiv 1804.08771), divided by 100: clipped n-gram precisions up to `max_order`, their geometric mean, and the brevity
penalty against the closest reference length. An n-gram counts up to the most often that one reference has it, so all
references serve together. The order is the effective one: n-grams longer than the reply are left out, since an answer
of two words has no 4-gram.

Made for whole corpora of translations: over short answers it is harsh and rough. Differences: the column is a mean of
sentence scores and not the corpus score that papers report. Sacrebleu's tokenizer `zh` is taken for Chinese and `char`
for Japanese references, which it would hand to a dictionary that is not installed. A declined reply scores 0. Where all
references are required, they are joined in their order. Does not apply to unanswerable examples.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric
from ragvlc.metrics._references import reply_text
from ragvlc.metrics._texts import texts_wanted
from ragvlc.text.normalising import has_cjk

_KANA = re.compile("[\u3041-\u30ff]")
Smoothing = Literal["exp", "floor", "add-k", "none"]


class Bleu(Metric):
    """Sentence BLEU against all references together.

    Attributes:
        max_order: longest n-gram counted.
        smoothing: of n-gram orders without a match, where another order has one: `exp` counts a half, then a quarter
            ... of a match (sacrebleu's default), `floor` a tenth, `add-k` adds one to matches and n-grams of every
            order above single words, `none` leaves the score 0.
        tokenizer: sacrebleu's: `13a`, `intl`, `zh`, `char`, or `none` for text split by blanks already. `auto` takes
            `char` for Japanese references, `zh` for Chinese ones, else `13a`.
        lowercase: compare in lower case.
    """

    version: ClassVar[int] = 2
    needs: ClassVar[frozenset[str]] = frozenset({"answer"})

    max_order: Annotated[int, Field(ge=1, le=8)] = 4
    smoothing: Smoothing = "exp"
    tokenizer: Literal["auto", "13a", "intl", "zh", "char", "none"] = "auto"
    lowercase: bool = False

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None for unanswerable examples and those without references."""
        references = texts_wanted(example)
        if not references:
            return None
        reply = reply_text(answer)
        tokenizer = _tokenizer(*references) if self.tokenizer == "auto" else self.tokenizer
        scorer = _scorer(self.max_order, self.smoothing, tokenizer, self.lowercase)
        return min(1.0, float(scorer.sentence_score(reply, list(references)).score) / 100)


def _tokenizer(*texts: str) -> str:
    if any(_KANA.search(text) for text in texts):
        return "char"
    return "zh" if has_cjk(*texts) else "13a"


@lru_cache(maxsize=16)
def _scorer(order: int, smoothing: str, tokenizer: str, lowercase: bool) -> Any:  # noqa: ANN401 - the library's
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(
        lowercase=lowercase,
        tokenize=tokenizer,
        smooth_method=smoothing,
        max_ngram_order=order,
        effective_order=True,
    )
