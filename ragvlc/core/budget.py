"""The budget of a sweep: the run does not start if its estimated cost exceeds these limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ragvlc.core.component import Component

__all__ = ["Budget"]

Limit = Annotated[float | None, Field(gt=0)]


class Budget(Component):
    """Limits on the pending work of a sweep, compared with its estimate before the run starts.

    What is compared is what engines will really be asked: equal prompts count once, and new tokens count as expected,
    not as their upper bound. None sets no limit.

    Attributes:
        money: in the currency of the generators' prices; every generator asked then needs a `price`.
        prompt_tokens: sent to language models, those found in a prefix cache included.
        completion_tokens: written by language models.
        seconds: of models at work.
        calls: of language models.
    """

    money: Limit = None
    prompt_tokens: Limit = None
    completion_tokens: Limit = None
    seconds: Limit = None
    calls: Limit = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are not None, keyed by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if value is not None}
