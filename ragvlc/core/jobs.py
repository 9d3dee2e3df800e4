"""Jobs and their results: a question for a pipeline, and the resulting answer or failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from ragvlc.core.answer import Answer, Failure, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import Example

__all__ = ["Counts", "Done", "Job", "Setup", "SetupResult", "TriesSetups", "Workers", "added"]

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Job:
    """One question for the pipeline of one cell.

    Attributes:
        cell: key of the cell.
        pipeline: a `ragvlc.Pipeline`.
        example: the question.
        seed: of the cell.
        cold: nothing but opened models, chunks and indexes may be taken from others' work.
        stage: jobs of one stage go together; the next stage starts when none of this one is left.
        group: jobs of one group share documents, and are best done side by side.
    """

    cell: str
    pipeline: Component
    example: Example
    seed: int
    cold: bool = False
    stage: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a job: an answer or a failure."""

    job: Job
    answer: Answer | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of requests, computations and cache hits by stage (`chunk`, `index`, `rank`, `generate` ...).

    Attributes:
        asked: requests.
        computed: computations.
        stored: found on disk, from earlier runs.
    """

    asked: Mapping[str, int] = field(default_factory=dict)
    computed: Mapping[str, int] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    """A model that is tried before the first question.

    Attributes:
        part: a generator, an embedder, or a reranker with a model of its own.
        stays_open: whether the first questions need it; any other is closed again, so that no more models are in
            memory together than during the run.
    """

    part: Component
    stays_open: bool = True


@dataclass(frozen=True, slots=True)
class SetupResult:
    """The result of trying a model.

    Attributes:
        key: of its component.
        name: of the model, for people.
        seconds: that it took.
        usage: of the question, where one was asked.
        problem: why no question can be asked; empty if it works.
        note: why the result is not known; empty if it is.
    """

    key: str
    name: str
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)
    problem: str = ""
    note: str = ""


@runtime_checkable
class TriesSetups(Protocol):
    """A worker pool that can try models where its jobs will run."""

    def try_setups(self, jobs: Sequence[Job], setups: Sequence[Setup], wait_seconds: float) -> list[SetupResult]:
        """Tries the models one after the other, and returns a result for each.

        Args:
            jobs: that will be run.
            setups: to try.
            wait_seconds: how long to wait for servers to come up.
        """
        ...


def added(one: Counts, other: Counts) -> Counts:
    """Returns the sums of two counts."""

    def both(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
        return {name: a.get(name, 0) + b.get(name, 0) for name in {**a, **b}}

    return Counts(both(one.asked, other.asked), both(one.computed, other.computed), both(one.stored, other.stored))


class Workers(Protocol):
    """A worker pool, opened by an executor."""

    def work(
        self, jobs: Sequence[Job], *, wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Generator[ResultT]:
        """Runs the jobs and yields `finish`'s result for each, in any order; skips jobs that are no longer `wanted`.

        `finish` is called in this process, from several threads. Closing the iterator, or an error, waits for what is
        in flight and does no more; whatever was in flight is finished too.
        """
        ...

    def counts(self) -> Counts:
        """Returns the counts of requests, computations and cache hits of all workers so far."""
        ...
