"""LooGLE's cloze scores: the share of masked entities that the reply names.

The script of Li et al. (2024, arXiv 2311.04939), `automatic_metrics.py`: the reply must be a Python mapping from mask
to entity; for each mask, `exact` wants the same text and `partial` one word, between blanks, in common. A reply that is
no mapping scores 0. The official figure divides the masks found in all questions by the masks of all, with four digits:
it needs the tag `masks`, the number of masks of a question, on every question.

Reads `Example.scoring["masks"]`, a mapping from mask to entity; does not apply without it. Differences: the script
evaluates the reply as Python code; here only literals are read, so that a call such as `dict(...)` is no mapping, and
neither are replies of more than 100,000 characters. Where the script fails, on an entity that is no text, it is wrong.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric, ScoredQuestion

__all__ = ["LoogleCloze", "literal_mapping", "masks_found"]

_LONGEST = 100_000


class LoogleCloze(Metric):
    """Share of the masks for which the reply names the right entity.

    Attributes:
        match: `exact`, the same text, or `partial`, a word in common.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    match: Literal["exact", "partial"] = "exact"

    @property
    def label(self) -> str:
        """The label, `loogle_cloze_exact` or `loogle_cloze_partial`."""
        return f"{self.kind}_{self.match}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no masks."""
        masks = example.scoring.get("masks")
        if not masks:
            return None
        return masks_found(literal_mapping(answer.text) or {}, masks, self.match) / len(masks)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply is no mapping."""
        wanted = example.scoring.get("masks") and literal_mapping(answer.text) is None
        return ("unparsed",) if wanted else ()

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:
        """Returns masks found / masks of all questions, if every question says how many it has."""
        counted = [(one.score, one.tags.get("masks")) for one in questions if one.score is not None]
        if not counted or not all(isinstance(masks, int) and masks > 0 for _, masks in counted):
            return {}
        found = sum(round(score * int(masks or 0)) for score, masks in counted)
        return {f"{self.match} match": round(found / sum(int(masks or 0) for _, masks in counted), 4)}


def literal_mapping(reply: str) -> dict[Any, Any] | None:
    """Returns the mapping that a reply is, read as Python literals; None if it is none."""
    if len(reply) > _LONGEST or "{" not in reply:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that Python would warn of
            found = ast.literal_eval(reply.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def masks_found(reply: Mapping[Any, Any], masks: Mapping[str, Any], match: Literal["exact", "partial"]) -> int:
    """Returns the number of masks whose entity the reply names."""
    pairs = [(reply[mask], entity) for mask, entity in masks.items() if mask in reply]
    if match == "exact":
        return sum(found == entity for found, entity in pairs)
    texts = [(found, entity) for found, entity in pairs if isinstance(found, str) and isinstance(entity, str)]
    return sum(not set(entity.split()).isdisjoint(found.split()) for found, entity in texts)
