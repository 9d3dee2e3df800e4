"""A case of a published scorer of rankings: the ranked documents, those that are relevant, and the authors' value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ragvlc.core.answer import Answer
from ragvlc.core.component import find_kind
from ragvlc.core.data import Chunk, Document, Example, Hit, Query
from ragvlc.families import Metric

__all__ = ["Ranking", "rankings", "score_of"]


@dataclass(frozen=True)
class Ranking:
    """One input of a metric of rankings.

    Attributes:
        kind: of the metric.
        names: the ranked documents, best first, a letter each.
        relevant: grades by document.
        value: of the authors' code.
        source: file and function of that code.
        settings: of the metric.
        scoring: of the example.
        ours: the metric's value, where it is another one on purpose.
        why: the reason for that.
    """

    kind: str
    names: str
    relevant: Mapping[str, float]
    value: float
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    ours: float | None = None
    why: str = ""

    @property
    def wanted(self) -> float | None:
        """What the metric must give."""
        return self.ours if self.why else self.value

    def __str__(self) -> str:
        return f"{self.kind}-{self.names}"


def rankings(kind: str, source: str, *rows: tuple[Any, ...]) -> Iterator[Ranking]:
    """Yields cases of one metric: ranked, relevant, value, settings, scoring; and ours with the reason."""
    for names, relevant, value, settings, scoring, *other in rows:
        ours, why = other or (None, "")
        yield Ranking(kind, names, relevant, value, source, settings, scoring, ours, why)


def score_of(case: Ranking) -> float | None:
    """Returns the metric's value of a case."""
    metric = find_kind(Metric, case.kind).model_validate(dict(case.settings))
    hits = [Hit(Chunk(name, place, 0, 5, "xxxxx"), -float(place)) for place, name in enumerate(case.names)]
    documents = tuple(Document(name, "xxxxx") for name in "abcdefghxyz")
    example = Example(Query("q", "?"), documents, relevant=case.relevant, scoring=case.scoring)
    return metric.score(Answer("", ranking=tuple(hits)), example)
