"""The abstract parts, one verb each. A kind is a file in the family's folder that subclasses one of these.

Data sets, which build on files and lengths, are in `ragvlc.documents.dataset`; `ragvlc.families` lists all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.outside import signature
from ragvlc.core.parts import Chunker, Embedder, Generator, Order, Price, Selector
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.core.run import Engines, Reranker, Retriever, Run
from ragvlc.core.work import Workers

__all__ = [
    "Choice",
    "Chunker",
    "Embedder",
    "Executor",
    "Generator",
    "Metric",
    "Order",
    "Price",
    "Reranker",
    "Retriever",
    "Route",
    "Router",
    "Score",
    "Selector",
    "TrackedSweep",
    "Tracker",
]


class Route(Component):
    """Answers a question over documents in one way."""

    family: ClassVar[str] = "routes"
    uses_gold: ClassVar[bool] = False
    """True for controls that read the right answer's place; their rows are marked."""
    ranks_only: ClassVar[bool] = False
    """True for routes that give a ranking and no text."""

    @abstractmethod
    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer, made by `run.answer`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a router decided, why, and from which signals."""

    route: str
    reason: str = ""
    signals: Mapping[str, Any] = field(default_factory=dict)


class Router(Component):
    """Chooses a route before answering, from question, documents and declared metadata only."""

    family: ClassVar[str] = "routers"

    @abstractmethod
    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:
        """Returns which of `routes` to take."""

    @abstractmethod
    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:
        """Returns the names of the routes that this router may choose; checked when a pipeline loads."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a metric made of one answer.

    Attributes:
        value: the score; None where the metric does not apply.
        flags: remarks to count beside the score, such as `unparsed`.
        missing: the score was wanted but could not be had (a judge that failed); it is tried again when the row is
            scored again.
        usage: tokens and calls that scoring cost.
    """

    value: float | None
    flags: tuple[str, ...] = ()
    missing: bool = False
    usage: Usage = field(default_factory=Usage)


class Metric(Component):
    """Scores one answer. A kind overrides `score`, or `assess` and `applies` if it needs opened models."""

    family: ClassVar[str] = "metrics"
    smaller_is_better: ClassVar[bool] = False
    worst: ClassVar[float] = 0.0
    """What a question that failed counts as, so that failing never pays."""

    @classmethod
    def wanting(cls) -> str:
        """Returns what a metric must define and this class does not."""
        if cls.assess is not Metric.assess:
            alone = cls.score is Metric.score and cls.applies is Metric.applies
            return f"defines assess without score. Define {signature(cls, 'applies')} too." if alone else ""
        if cls.score is Metric.score:
            return f"defines no score. Define {signature(cls, 'score')}, or assess where opened models are needed."
        return super().wanting()

    @property
    def label(self) -> str:
        """Column name; unique within a sweep."""
        return self.kind

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score, larger is better unless the docstring says otherwise, or None if it does not apply."""
        message = f"{self.kind} scores with opened models only: use assess"
        raise NotImplementedError(message)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:  # noqa: ARG002 - most have none
        """Returns remarks to count beside the score, such as `unparsed`."""
        return ()

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:  # noqa: ARG002 - most need none
        """Returns the score with its remarks."""
        return Score(self.score(answer, example), self.flags(answer, example))

    def applies(self, example: Example) -> bool:
        """Returns whether an answer to `example` has a score: one that failed then counts as 0."""
        return self.score(Answer(""), example) is not None

    def objection(self, candidates: Sequence[Generator]) -> str | None:  # noqa: ARG002 - most have none
        """Returns why answers of these generators must not be scored this way, or None."""
        return None


class TrackedSweep(Protocol):
    """A sweep as its tracker sees it."""

    def cell(self, record: CellRecord) -> None:
        """Sends one finished cell; sending it again changes nothing."""
        ...

    def files(self, paths: Mapping[str, Path]) -> None:
        """Sends files about the whole sweep by the place where they are shown, in place of those sent before."""
        ...


class Tracker(Component):
    """Shows results somewhere. The results folder is written first: a tracker's outage never costs a result."""

    family: ClassVar[str] = "trackers"

    @abstractmethod
    def open(self, sweep: SweepRecord) -> AbstractContextManager[TrackedSweep]:
        """Opens the sweep; one that was sent before is reopened."""


class Executor(Component):
    """Decides where a sweep's questions are answered. It cannot change an answer, only when and where it is made."""

    family: ClassVar[str] = "executors"

    @abstractmethod
    def open(self, engines: Engines, *, concurrency: int) -> AbstractContextManager[Workers]:
        """Opens the workers.

        Args:
            engines: the opened models of this process; closed by whoever opened them.
            concurrency: questions in work at the same time, for each process that holds models.
        """
