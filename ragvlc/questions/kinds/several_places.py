"""Questions that need two places of one document."""

from __future__ import annotations

from typing import ClassVar

from ragvlc.questions.item import Level
from ragvlc.questions.kind import PAIR, RULES, Places, QuestionKind

PROMPT = f"""{{passages}}

These are two places of one document. Write one question that can be answered only by who has read both of them, with \
its short answer.
{RULES}
- Give two quotes, one from each place, each on a line of its own that begins with QUOTE.

{PAIR}"""


class SeveralPlacesQuestion(QuestionKind):
    """A fact that takes two places of a document together."""

    level: ClassVar[Level] = "document"
    places: ClassVar[Places] = "same_document"
    prompt: str = PROMPT
    lengths: tuple[int, ...] = (96, 192)
