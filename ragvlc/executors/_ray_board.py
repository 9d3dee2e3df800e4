"""Which question goes to which worker next: those over the same documents stay together while others have work too."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from ragvlc.core.work import Job

__all__ = ["Board", "Task"]


@dataclass(slots=True, eq=False)
class Task:
    """A job and how often it was lost with its worker."""

    job: Job
    losses: int = 0


class Board:
    """The jobs of one stage that nobody works on yet.

    A worker takes a whole group, the next one when that is used up, and when no group is left part of what another
    worker has still to do. Questions stay with the worker that has begun with them, for it has their rankings.

    Jobs that were lost with a worker are done again by the next one, side by side. Those lost once more come last and
    each alone in its worker: if one of them is what kills workers, it takes no others with it.

    Args:
        tasks: in the order in which they are to be done.
        retries: how often a lost task is handed out again.
    """

    def __init__(self, tasks: Iterable[Task], retries: int) -> None:
        groups: dict[str, deque[Task]] = {}
        self._left = 0
        for task in tasks:
            groups.setdefault(task.job.group, deque()).append(task)
            self._left += 1
        self._groups = deque(groups.values())
        self._own: dict[int, deque[Task]] = {}
        self._seen: dict[int, set[str]] = {}
        self._suspects: deque[Task] = deque()
        self._alone_from = min(2, retries)

    def __len__(self) -> int:
        return self._left

    def is_suspect(self, task: Task) -> bool:
        """Whether the task may be what kills workers."""
        return task.losses > 0 and task.losses >= self._alone_from

    def take(self, worker: int, *, suspects: bool) -> Task | None:
        """Returns the next task for a worker, or None; a suspect one only if `suspects`."""
        if not self._own.get(worker):
            self._own[worker] = self._groups.popleft() if self._groups else self._part_of_another()
        if own := self._own[worker]:
            task = own.popleft()
            self._seen.setdefault(worker, set()).add(task.job.example.id)
        elif suspects and self._suspects:
            task = self._suspects.popleft()
        else:
            return None
        self._left -= 1
        return task

    def lost(self, worker: int, tasks: Iterable[Task]) -> None:
        """Takes back what a worker that is gone had in work, and what it would have done next."""
        again: deque[Task] = deque()
        for task in tasks:
            (self._suspects if self.is_suspect(task) else again).append(task)
            self._left += 1
        for left in (self._own.pop(worker, None), again):
            if left:
                self._groups.appendleft(left)
        self._seen.pop(worker, None)

    def _part_of_another(self) -> deque[Task]:
        """Returns half of what the worker with most to do has left: questions that it has not begun with, if any."""
        worker, left = max(self._own.items(), key=lambda item: len(item[1]), default=(0, deque[Task]()))
        seen = self._seen.get(worker, set())
        sizes = Counter(task.job.example.id for task in left)
        examples = sorted(sizes, key=lambda name: name not in seen)
        taken: set[str] = set()
        count = 0
        while len(examples) > 1 and 2 * count < len(left):
            name = examples.pop()
            taken.add(name)
            count += sizes[name]
        if not taken:  # all about one question
            return deque(left.pop() for _ in range((len(left) + 1) // 2))
        self._own[worker] = deque(task for task in left if task.job.example.id not in taken)
        return deque(task for task in left if task.job.example.id in taken)
