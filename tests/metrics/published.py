"""A case of a published scorer: a reply, what it is compared with, and the value of the authors' own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind
from ragvlc.core.data import Example, Query
from ragvlc.families import Metric

__all__ = ["Case", "cases", "score_of"]


@dataclass(frozen=True)
class Case:
    """One input of a metric.

    Attributes:
        kind: of the metric.
        reply: text of the answer.
        references: of the example.
        value: of the authors' code, from 0 to 1; None if it fails there.
        source: file and function of that code.
        settings: of the metric.
        scoring: of the example.
        tags: of the example.
        choices: of the query.
        ours: the metric's value, where it is another one on purpose.
        why: the reason for that.
    """

    kind: str
    reply: str
    references: tuple[str, ...]
    value: float | None
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    ours: float | None = None
    why: str = ""

    @property
    def wanted(self) -> float | None:
        """What the metric must give."""
        return self.ours if self.why else self.value

    def __str__(self) -> str:
        return f"{self.kind}-{self.reply[:20]!r}"


def cases(kind: str, source: str, *rows: tuple[Any, ...], **common: Any) -> Iterator[Case]:
    """Yields cases of one metric.

    Args:
        kind: of the metric.
        source: file and function of the authors' code.
        rows: reply, reference or references, value; and where ours is another one, ours and the reason.
        common: further fields of all.
    """
    for reply, references, value, *other in rows:
        wanted = (references,) if isinstance(references, str) else references
        ours, why = other or (None, "")
        yield Case(kind, reply, wanted, value, source, ours=ours, why=why, **common)


def score_of(case: Case) -> float | None:
    """Returns the metric's value of a case."""
    metric = find_kind(Metric, case.kind).model_validate(dict(case.settings))
    query = Query("q", "?", case.choices)
    example = Example(query, (), case.references, scoring=case.scoring, tags=case.tags)
    return metric.score(Answer(case.reply), example)
