"""Drops questions that name nothing of what they are about, such as `What is the answer to this question?`."""

from __future__ import annotations

import re

from ragvlc.questions.examiner import Examiner
from ragvlc.questions.filter import QuestionFilter
from ragvlc.questions.item import FilterFinding
from ragvlc.questions.overlap import content_words

_ABOUT_ITSELF = re.compile(
    r"\b(?:this|the(?: following| above)?|my|your) question\b|\b(?:the|your) answer\b"
    r"|\b(?:great|good|wonderful|delightful|interesting|excellent|fantastic) (?:\w+ )?(?:question|challenge)\b"
    r"|\b(?:dieser?|diese|der obigen) Frage\b|\bcette question\b|\besta pregunta\b|\bquesta domanda\b",
    re.IGNORECASE,
)


class NamesSubjectFilter(QuestionFilter):
    """Looks for a word that carries meaning and is in the passages shown or in the titles of their documents.

    A question about itself (`this question`, `the answer`) names nothing either.
    """

    def check(self, examiner: Examiner) -> FilterFinding:
        """Returns whether the question names something of its passages."""
        item = examiner.item
        about = _ABOUT_ITSELF.search(item.question)
        if about:
            return self.dropped("the question speaks of itself", words=about[0])
        asked = set(content_words(item.question))
        titles = [f"{document.title} {document.id}" for document in examiner.documents]
        shown = {word for text in (*map(examiner.text, item.passages), *titles) for word in content_words(text)}
        if asked & shown:
            return self.passed()
        return self.dropped("the question names nothing of its passages")
