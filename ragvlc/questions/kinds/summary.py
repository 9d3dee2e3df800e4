"""Requests for a summary of what a part of a document says about a subject."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ragvlc.core.families import Metric
from ragvlc.questions.item import Level
from ragvlc.questions.kind import FORM, QuestionKind
from ragvlc.questions.written import NOTHING

PROMPT = f"""{{passages}}

Write one request for a short summary of what this text says about its main subject, and that summary in two or three \
sentences.
Rules:
- Write in the language of the text.
- A reader who has never seen this text must understand the request: name the subject. Never write "the text", "the \
passage" or "above".
- Copy as quotes, word for word, the two sentences of the text that matter most, each on a line that begins with QUOTE.
- If the text has no main subject, reply with the single word {NOTHING}.

{FORM}
QUESTION: Summarise how Oldmoor grew after its harbour opened.
ANSWER: The harbour of Oldmoor opened in 1902. A school followed six years later.
QUOTE: The harbour of Oldmoor opened in 1902.
QUOTE: A school for the children of Oldmoor followed in 1908."""


class SummaryQuestion(QuestionKind):
    """A summary of what a part of a document says."""

    level: ClassVar[Level] = "document"
    form: ClassVar[Literal["question", "summary"]] = "summary"
    names_options: ClassVar[bool] = True
    prompt: str = PROMPT
    lengths: tuple[int, ...] = (384,)
    metrics: tuple[Metric, ...] = Field(default=("token_f1", "rouge_l"))  # type: ignore[arg-type]
    right: float = 0.3
    wrong: float = 0.15
