"""The job queue of the Ray executor: questions over the same documents stay on one worker where possible."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ragvlc.core.jobs import Job

__all__ = ["JobQueue", "QueuedJob"]


@dataclass(slots=True, eq=False)
class QueuedJob:
    """A job in the queue, with the number of workers that were lost while running it."""

    job: Job
    losses: int = 0


class JobQueue:
    """The jobs of one stage that no worker has started.

    A worker takes a whole group of questions over the same documents, then the next group. When no group is left, it
    takes part of another worker's group. A question that a worker has started stays there, because its rankings are
    in that worker's memory.

    Jobs that were lost with a worker are retried together by the next one. Jobs that are lost again are suspects: they
    run last, each alone in its worker, so that a job that kills its worker takes no others with it.

    Args:
        jobs: in the order in which they should run.
        retries: how often a lost job is retried.
    """

    def __init__(self, jobs: Iterable[QueuedJob], retries: int) -> None:
        groups: dict[str, deque[QueuedJob]] = {}
        self._left = 0
        for queued in jobs:
            groups.setdefault(queued.job.group, deque()).append(queued)
            self._left += 1
        self._groups = deque(groups.values())
        self._reserved: dict[int, deque[QueuedJob]] = {}
        self._started: dict[int, set[str]] = {}
        self._suspects: deque[QueuedJob] = deque()
        self._alone_from = min(2, retries)

    def __len__(self) -> int:
        return self._left

    def is_suspect(self, queued: QueuedJob) -> bool:
        """Whether the job is suspected of killing its worker."""
        return queued.losses > 0 and queued.losses >= self._alone_from

    def take(self, worker: int, *, suspects: bool) -> QueuedJob | None:
        """Returns the next job for a worker, or None; `suspects` allows jobs that may have killed an earlier worker."""
        if not self._reserved.get(worker):
            self._reserved[worker] = self._groups.popleft() if self._groups else self._split_largest()
        if reserved := self._reserved[worker]:
            queued = reserved.popleft()
            self._started.setdefault(worker, set()).add(queued.job.example.id)
        elif suspects and self._suspects:
            queued = self._suspects.popleft()
        else:
            return None
        self._left -= 1
        return queued

    def lost(self, worker: int, jobs: Iterable[QueuedJob]) -> None:
        """Takes back the jobs that a lost worker was running and those reserved for it."""
        again: deque[QueuedJob] = deque()
        for queued in jobs:
            (self._suspects if self.is_suspect(queued) else again).append(queued)
            self._left += 1
        for left in (self._reserved.pop(worker, None), again):
            if left:
                self._groups.appendleft(left)
        self._started.pop(worker, None)

    def _split_largest(self) -> deque[QueuedJob]:
        """Takes half of the largest group reserved for a worker, preferring questions that it has not started."""
        worker, left = max(self._reserved.items(), key=lambda item: len(item[1]), default=(0, deque[QueuedJob]()))
        started = self._started.get(worker, set())
        sizes = Counter(queued.job.example.id for queued in left)
        examples = sorted(sizes, key=lambda name: name not in started)
        taken: set[str] = set()
        count = 0
        while len(examples) > 1 and 2 * count < len(left):
            name = examples.pop()
            taken.add(name)
            count += sizes[name]
        if not taken:  # all jobs are of one question
            return deque(left.pop() for _ in range((len(left) + 1) // 2))
        self._reserved[worker] = deque(queued for queued in left if queued.job.example.id not in taken)
        return deque(queued for queued in left if queued.job.example.id in taken)
