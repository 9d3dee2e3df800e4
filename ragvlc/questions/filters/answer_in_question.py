"""Drops questions that contain their answer."""

from __future__ import annotations

from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding
from ragvlc.questions.overlap import content_words
from ragvlc.text.matching import has_cjk, normalise

_SAYS_LITTLE = frozenset(
    {"yes", "no", "true", "false", "ja", "nein", "oui", "non", "sí", "si", "both", "neither", "none", "all"}
)
_WORDS = 4
_LETTERS = 12


class AnswerInQuestionFilter(QuestionFilter):
    """Looks for the answer in the question: as whole words, or all words that carry the meaning of a long one."""

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
    words = set(content_words(answer))
    least = _LETTERS if cjk else _WORDS
    return len(words) >= least and words <= set(content_words(question))
