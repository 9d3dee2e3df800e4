"""The class of a question, guessed from its words by readable and replaceable rules.

The classes are those in which long contexts and retrieval differ (Li et al. 2025, LaRA, arXiv 2502.09977), and one for
the whole text:

- `comparison`: two things, or two times, set beside each other.
- `reasoning`: why, how, what follows.
- `whole`: of the whole text: a summary, a theme, everything of a kind, how many.
- `location`: all others: something that stands in one place.

LaRA's fourth class, questions that the text does not answer, cannot be seen in a question.

Rules are regular expressions, looked for without regard to case. The first class with a match wins, in the order above.
They are English, with the plainest words of German, French, Spanish and Chinese. A guess, not a label: of the 476
answerable questions that the tests have of LaRA they call 64 of 69 comparisons so, 222 of 233 look-ups `location`, and
of 174 for reasoning 76 `reasoning` and 78 `comparison` (most ask what a change of figures means).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

from ragvlc.core.data import Query

__all__ = ["CLASSES", "WORDS", "Words", "guessed_class"]

CLASSES = ("comparison", "reasoning", "whole", "location")

WORDS: dict[str, tuple[str, ...]] = {
    "comparison": (
        r"\b(compar\w+|contrast\w*|differ\w*|versus|vs\.?|similarit\w+|in common|as opposed to|relative to)\b",
        r"\b(both|respectively|than)\b",
        r"\bbetween\b.+\band\b",
        r"\b(chang|increas|decreas|grow|grew|declin|evolv|shift|improv)\w*\b.+\b(from|since|between)\b.+\b(to|and|until)\b",
        r"\b(vergleich\w*|unterschied\w*|unterscheid\w*|sowohl|gegenüber)\b",
        r"\b(compar\w+|différence|diffère\w*|diferencia\w*|similitud\w*)\b",
        r"比较|相比|区别|不同|差异|异同",
    ),
    "reasoning": (
        r"\b(why|reasons?|because|explain\w*|impl(y|ies|ied|ication)\w*|infer\w*|suggest\w*|conclu\w+|motivat\w+)\b",
        r"\bhow (do|does|did|can|could|might|would|is|are|was|were|has|have)\b",
        r"\b(what|which) (\w+ )?(led|leads|caused|causes|made|prompted|influence\w*|impact\w*|effect\w*|role)\b",
        r"\b(what (would|could|might)|significance|purpose|strategy|strategies|consequences?|result of)\b",
        r"\b(warum|weshalb|wieso|inwiefern|pourquoi|comment|por qué|cómo)\b",
        r"为什么|为何|原因|如何|怎样|怎么",
    ),
    "whole": (
        r"\b(summar\w+|overview|main (idea|theme|point|topic)s?|overall|throughout|in total|altogether|outline)\b",
        r"\b(list|name|enumerate) (all|every|each)\b|\bhow (many|often)\b.+\b(mention|appear|times|discuss)\w*\b",
        r"\b(zusammenfass\w*|insgesamt|überblick|résum\w+|resum\w+|en total)\b",
        r"总结|概括|主要内容|全文|一共",
    ),
}


def _readable(words: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for name, patterns in words.items():
        if not re.fullmatch(r"\w+", name):
            raise ValueError(f"'{name}' is no name for a class of questions: use letters, digits and _")
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{name}: {pattern!r}: {error}") from error
    return words


Words = Annotated[Mapping[str, tuple[str, ...]], AfterValidator(_readable)]
"""Regular expressions by class, the first class with a match wins."""


def guessed_class(query: Query, words: Mapping[str, Sequence[str]] | None = None) -> str:
    """Returns the first class with an expression that matches the question; `location` if none matches."""
    if query.form == "summary":
        return "whole"
    for name, pattern in _patterns(tuple((name, tuple(given)) for name, given in (words or WORDS).items())):
        if pattern.search(query.text):
            return name
    return "location"


@lru_cache(maxsize=16)
def _patterns(words: tuple[tuple[str, tuple[str, ...]], ...]) -> list[tuple[str, re.Pattern[str]]]:
    return [
        (name, re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)", re.IGNORECASE))
        for name, patterns in words
    ]
