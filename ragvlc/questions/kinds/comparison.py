"""Questions that compare what two documents say."""

from __future__ import annotations

from typing import ClassVar

from ragvlc.questions.item import Level
from ragvlc.questions.kind import PAIR, RULES, Places, QuestionKind

PROMPT = f"""{{passages}}

These are places of two documents. Write one question that compares something of the first with something of the \
second (which is older, larger, earlier, by how much), with its short answer.
{RULES.replace("- The question must not contain its answer.", "- Name both things that are compared.")}
- Give two quotes, one from each document, each on a line of its own that begins with QUOTE.

{PAIR}"""


class ComparisonQuestion(QuestionKind):
    """A comparison of two things that two documents describe."""

    level: ClassVar[Level] = "corpus"
    places: ClassVar[Places] = "other_document"
    names_options: ClassVar[bool] = True
    prompt: str = PROMPT
    lengths: tuple[int, ...] = (96, 192)
