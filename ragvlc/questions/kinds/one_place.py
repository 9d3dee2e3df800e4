"""Questions that one place of a document answers."""

from __future__ import annotations

from ragvlc.questions.kind import EXAMPLE, IN_STEPS, RULES, QuestionKind

PROMPT = f"""{{passages}}

Write one question about a fact that this text states, with its short answer.
{RULES}

{EXAMPLE}"""


class OnePlaceQuestion(QuestionKind):
    """A fact that one place states."""

    prompt: str = PROMPT
    steps: tuple[str, ...] = IN_STEPS
