"""Questions whose answer is a number, compared by its value and unit."""

from __future__ import annotations

from pydantic import Field

from ragvlc.core.families import Metric
from ragvlc.questions.kind import EXAMPLE, IN_STEPS, RULES, QuestionKind
from ragvlc.text.quantities import quantities

PROMPT = f"""{{passages}}

Write one question whose answer is a number that this text states (an amount, a date, a length, a share), with that \
number and its unit as the answer.
{RULES}

{EXAMPLE}"""

NUMBER = """{passages}

Write one short question whose answer is a number in the text above. Name people, places and things. Reply with the \
question only."""


class NumberQuestion(QuestionKind):
    """A number that a text states."""

    prompt: str = PROMPT
    steps: tuple[str, ...] = (NUMBER, IN_STEPS[1])
    metrics: tuple[Metric, ...] = Field(default=("number_match",))  # type: ignore[arg-type]

    def suits(self, text: str) -> bool:
        """Returns whether the passage states a number."""
        return bool(quantities(text, "auto"))

    def objection(self, answer: str) -> str:
        """Returns an objection to an answer without a number."""
        return "" if quantities(answer, "auto") else "the answer is no number"
