"""The abstract component classes, one per family. Each file in a family's folder defines a subclass.

Data sets, which build on files and lengths, are in `ragvlc.documents.dataset`; `ragvlc.families` lists all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.grids import Grid, Look
from ragvlc.core.jobs import Workers
from ragvlc.core.outside import signature
from ragvlc.core.parts import Chunker, Embedder, Generator, Order, Price, Selector
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.core.run import Engines, Reranker, Retriever, Run

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
    "ScoredQuestion",
    "Selector",
    "Strategy",
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
    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "ranking", "notes", "quotes"})
    """What its answers have for metrics to score; everything, unless a route says less."""

    @abstractmethod
    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer to the query, created with `run.answer`."""

    @property
    def asks_officially(self) -> bool:
        """Whether a benchmark's own prompt is used where a query has one; by default the route asks with its own."""
        return False

    def provides(self) -> frozenset[str]:
        """Returns what the answers have for metrics to score: `gives`, or that of the routes it holds."""
        return self.gives


@dataclass(frozen=True, slots=True)
class Choice:
    """A router's decision: the chosen route, the reason, and the signals used."""

    route: str
    reason: str = ""
    signals: Mapping[str, Any] = field(default_factory=dict)


class Router(Component):
    """Chooses a route before answering, from question, documents and declared metadata only."""

    family: ClassVar[str] = "routers"

    @abstractmethod
    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:
        """Returns the choice of one of `routes`."""

    @abstractmethod
    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:
        """Returns the names of the routes that this router may choose; checked when a pipeline loads."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's result for one answer: the score, remarks, and the usage of scoring.

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


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """A question of one cell with its scores, from which `Metric.official` computes figures.

    Attributes:
        id: of the question.
        score: by the metric; None where it does not apply. A failed call has the metric's worst score.
        scores: by all metrics of the experiment, by label.
        flags: remarks on the answer, of all metrics, such as `unparsed`.
        failed: whether there is no answer, as the call failed.
        replied: whether the answer has text.
        task: of the example.
        tags: of the example.
        cluster: of the example.
        unanswerable: whether the example is.
    """

    id: str
    score: float | None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    failed: bool = False
    replied: bool = True
    task: str = "qa"
    tags: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = ""
    unanswerable: bool = False


class Metric(Component):
    """Scores one answer. A subclass overrides `score`, or `assess` and `applies` if scoring needs loaded models."""

    family: ClassVar[str] = "metrics"
    smaller_is_better: ClassVar[bool] = False
    worst: ClassVar[float] = 0.0
    """What a question that failed counts as, so that failing never pays."""
    score_flags: ClassVar[frozenset[str]] = frozenset()
    """Remarks that belong to a score that a generator gave, and stay with it where it is not asked for again."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """What it scores, in the words of `Route.gives`: it does not apply to routes without that."""

    @classmethod
    def wanting(cls) -> str:
        """Returns an error text that names the methods this metric class must still define; empty if complete."""
        if cls.assess is not Metric.assess:
            alone = cls.score is Metric.score and cls.applies is Metric.applies
            return f"defines assess without score. Define {signature(cls, 'applies')} too." if alone else ""
        if cls.score is Metric.score:
            return f"defines no score. Define {signature(cls, 'score')}, or assess where opened models are needed."
        return super().wanting()

    @property
    def span(self) -> tuple[float, float] | None:
        """The least and the largest score; None if unknown. Shipped metrics score from 0 to 1."""
        return None if ":" in self.kind else (0.0, 1.0)

    @property
    def label(self) -> str:
        """Column name of the metric, unique within a sweep."""
        return self.kind

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score, or None if the metric does not apply. Larger is better unless the metric says otherwise."""
        message = f"{self.kind} scores with opened models only: use assess"
        raise NotImplementedError(message)

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:  # noqa: ARG002 - most have none
        """Returns remarks on the answer, such as `unparsed`, which reports count in addition to the score."""
        return ()

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:  # noqa: ARG002 - most need none
        """Returns the score of an answer, with remarks."""
        return Score(self.score(answer, example), self.flags(answer, example))

    def applies(self, example: Example) -> bool:
        """Returns whether the metric applies to `example`; if so, a failure to answer gets the metric's worst score."""
        return self.score(Answer(""), example) is not None

    def official(self, questions: Sequence[ScoredQuestion]) -> Mapping[str, float]:  # noqa: ARG002 - most have none
        """Returns the figures that a benchmark's authors compute from a cell's questions, by name.

        They follow the authors' units, denominators and rounding, and are shown beside the mean. Empty without any.
        Overridden without reading settings from elsewhere: results that are loaded build the metric again.
        """
        return {}

    @property
    def has_official(self) -> bool:
        """Whether the authors of the benchmark compute other figures than the mean."""
        return type(self).official is not Metric.official

    def objection(self, candidates: Sequence[Generator]) -> str | None:  # noqa: ARG002 - most have none
        """Returns the reason why this metric must not score answers of these generators, or None."""
        return None


class TrackedSweep(Protocol):
    """A sweep that is open in a tracker and accepts finished cells and files."""

    def cell(self, record: CellRecord) -> None:
        """Sends one finished cell; sending the same cell again changes nothing."""
        ...

    def files(self, paths: Mapping[str, Path]) -> None:
        """Sends files about the whole sweep, keyed by their path in the tracker; replaces the files sent before."""
        ...


class Tracker(Component):
    """Sends results to a tracking service. Results are written to disk first, so no outage of the service loses any."""

    family: ClassVar[str] = "trackers"

    @abstractmethod
    def open(self, sweep: SweepRecord) -> AbstractContextManager[TrackedSweep]:
        """Opens the sweep in the tracker, or reopens a sweep that was sent before."""


class Executor(Component):
    """Decides where and when a sweep's questions are answered. An executor cannot change the answers themselves."""

    family: ClassVar[str] = "executors"

    @abstractmethod
    def open(self, engines: Engines, *, concurrency: int) -> AbstractContextManager[Workers]:
        """Opens the worker pool.

        Args:
            engines: the opened models of this process; closed by whoever opened them.
            concurrency: questions in work at the same time, for each process that holds models.
        """


class Strategy(Component):
    """Decides which questions of a sweep are asked of which cells, block by block, from the rows so far alone.

    Attributes:
        metric: that cells are judged by; by default that of `decide`, else the first.
    """

    family: ClassVar[str] = "strategies"
    fewest_clusters: ClassVar[int] = 0
    """Fewer clusters of questions are refused."""
    stops: ClassVar[bool] = True
    """Whether cells may end without all questions."""
    searches: ClassVar[bool] = False
    """Whether it promotes by scores alone, so that it says nothing with confidence of the cells left out."""
    metric: str = ""

    @property
    def by_size(self) -> bool:
        """Whether clusters of questions come in an order drawn in proportion to their sizes; else all are alike."""
        return False

    def refusal(self, clusters: int) -> str:
        """Returns why a data set with this number of clusters is refused and what to do; empty if it is not."""
        if clusters >= self.fewest_clusters:
            return ""
        return f"and {self.fewest_clusters} are needed. Ask over more documents, or take strategy: all."

    @abstractmethod
    def looks(self, grid: Grid) -> Iterator[Look]:
        """Yields what to ask next, until a verdict.

        Whatever a look asks has a row before the next one, or never will. A look depends on the stored rows only, so
        that a second pass over the same rows yields the same looks: this is how an interrupted sweep continues.
        """
