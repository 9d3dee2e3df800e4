"""Drops questions that contain their answer."""

from __future__ import annotations

import re

from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding
from ragvlc.questions.overlap import content_words
from ragvlc.text.folding import fold
from ragvlc.text.matching import has_cjk, normalise
from ragvlc.text.normalising import words

_SAYS_LITTLE = frozenset(
    {"yes", "no", "true", "false", "ja", "nein", "oui", "non", "sí", "si", "both", "neither", "none", "all"}
)
_WORDS = 4
_TELLING = re.compile(r"(?<=[^.!?\s] )[^\W\d_a-zß-öø-ÿ]\w*|\w*\d\w*")
"""Words with a capital letter within a sentence, and words with digits."""
_NEW = 0.2
"""Share of a long answer's words that may be new where it only repeats the question."""
_LETTERS = 12


class AnswerInQuestionFilter(QuestionFilter):
    """Looks for the answer in the question: as whole words, or as a long answer that only repeats the question.

    A name or number that the question does not have makes an answer of its own.
    """

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the question contains an answer."""
        if examiner.item.unanswerable:
            return self.skipped("unanswerable")
        if examiner.kind.names_options:
            return self.skipped("such a question names what it is about")
        question = examiner.item.question
        for answer in examiner.item.answers:
            if _within(answer, question):
                return self.dropped("the answer is in the question", answer=answer)
        return self.passed()


def _within(answer: str, question: str) -> bool:
    cjk = has_cjk([answer, question])
    sought = normalise(answer, cjk=cjk)
    if not sought.strip() or sought.strip() in _SAYS_LITTLE:
        return False
    if sought in normalise(question, cjk=cjk):
        return True
    found = set(content_words(answer))
    least = _LETTERS if cjk else _WORDS
    if len(found) < least or len(found - set(content_words(question))) > _NEW * len(found):
        return False
    told = {word for name in _TELLING.findall(fold(answer)) for word in words(name)}
    return told <= set(words(fold(question)))
