"""Questions that fit a document and that it does not answer."""

from __future__ import annotations

from typing import ClassVar

from ragvlc.questions.item import Level
from ragvlc.questions.kind import FORM, QuestionKind
from ragvlc.questions.written import NOTHING

PROMPT = f"""{{passages}}

Write one question that a reader of this text could well ask next, about a detail of the people, places or things in \
it, and that the text does not answer.
Rules:
- Write in the language of the text.
- A reader who has never seen this text must understand the question: name people, places and things. Never write "the \
text", "the passage" or "above".
- Copy as the quote, word for word, the sentence of the text that comes nearest to the question.
- If there is no such question, reply with the single word {NOTHING}.

{FORM}
QUESTION: How much did the harbour of Oldmoor cost?
QUOTE: The harbour of Oldmoor opened in 1902."""


class UnanswerableQuestion(QuestionKind):
    """A plausible question that the document leaves unanswered."""

    level: ClassVar[Level] = "document"
    answered: ClassVar[bool] = False
    prompt: str = PROMPT
