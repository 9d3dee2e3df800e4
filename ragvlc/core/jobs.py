"""Jobs and their results: a question for a pipeline, and the resulting answer or failure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ragvlc.core.answer import Answer, Failure
from ragvlc.core.component import Component
from ragvlc.core.data import Example

__all__ = ["Counts", "Done", "Job", "Workers"]

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
