"""Questions that need two documents."""

from __future__ import annotations

from typing import ClassVar

from ragvlc.questions.item import Level
from ragvlc.questions.kind import PAIR, RULES, Places, QuestionKind

PROMPT = f"""{{passages}}

These are places of two documents. Write one question that can be answered only by who has read both of them, because \
what one says leads to what the other says, with its short answer.
{RULES}
- Give two quotes, one from each document, each on a line of its own that begins with QUOTE.

{PAIR}"""


class AcrossDocumentsQuestion(QuestionKind):
    """A fact that takes two documents together."""

    level: ClassVar[Level] = "corpus"
    places: ClassVar[Places] = "other_document"
    prompt: str = PROMPT
    lengths: tuple[int, ...] = (96, 192)
