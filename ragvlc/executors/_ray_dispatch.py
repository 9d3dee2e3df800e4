"""Hands jobs to the workers of the Ray executor and takes in what comes of them, in a thread of its own."""

from __future__ import annotations

import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any, Generic, TypeVar, cast

from ragvlc.core.answer import Failure
from ragvlc.core.component import Component
from ragvlc.core.data import documents_key
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.core.work import Done, Job
from ragvlc.executors._answering import done_with
from ragvlc.executors._ray_board import Board, Task
from ragvlc.executors._ray_fleet import Answered, Finished, Fleet, Place, Started
from ragvlc.executors._ray_worker import Cell, Order, Reply

__all__ = ["Dispatch"]

ResultT = TypeVar("ResultT")

_TICK_SECONDS = 0.5


class Dispatch(Generic[ResultT]):
    """One call of `work`.

    Args:
        fleet: the workers.
        number: counts the calls.
        concurrency: jobs in work at the same time in each worker.
        retries: how often a job is done again when its worker was lost.
        environment: returns what of this process's environment a pipeline needs.
    """

    def __init__(
        self,
        fleet: Fleet,
        number: int,
        *,
        concurrency: int,
        retries: int,
        environment: Callable[[Component], Mapping[str, str]],
    ) -> None:
        self._fleet = fleet
        self._number = number
        self._concurrency = concurrency
        self._retries = retries
        self._environment = environment
        self._sent_at_most = concurrency + max(1, concurrency // 4)  # so that none waits for the next to arrive
        self._unfinished_at_most = 4 * concurrency
        self._results: queue.SimpleQueue[list[ResultT] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._sent = 0
        self._finishing = 0
        self._cells: dict[str, Any] = {}
        self._shared: dict[str, tuple[Sequence[Any], Any]] = {}
        self._left: Counter[str] = Counter()

    def results(
        self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Iterator[ResultT]:
        """Yields what `finish` makes of each job; at its end, however that comes, nothing is in work any more."""
        thread = threading.Thread(target=self._run, args=(jobs, wanted, finish), name="ragvlc-ray", daemon=True)
        thread.start()
        try:
            while (found := self._results.get()) is not None:
                yield from found
        finally:
            self._stop.set()
            thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]) -> None:
        try:
            self._fleet.wait_anew()
            with ThreadPoolExecutor(self._concurrency, thread_name_prefix="ragvlc-finish") as finishers:
                done = 0
                for _, group in groupby(jobs, key=lambda job: job.stage):
                    stage = list(group)
                    done += len(stage)
                    self._together(stage, wanted, lambda outcome: self._hand_over(finishers, outcome, finish))
                    if self._stop.is_set():
                        break
                    if done < len(jobs):
                        self._fleet.release(done_with(stage, jobs[done:]))
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are read
            self._fail(error)
        finally:
            self._results.put(None)

    def _together(self, stage: Sequence[Job], wanted: Callable[[Job], bool], hand_over: Callable[[Done], None]) -> None:
        """Does the jobs of a stage. One that cannot go on still waits for what is in work."""
        board = Board([Task(job) for job in stage], self._retries)
        cold = stage[0].cold
        self._left = Counter(job.group for job in stage)
        ended = False
        while not self._fleet.closed:
            if not self._stop.is_set():
                try:
                    self._give(board, wanted, cold=cold)
                except Exception as error:  # noqa: BLE001 - what is in work is waited for first
                    self._fail(error)
            if self._stop.is_set() and not ended:
                ended = True
                self._fleet.end(self._number)
            if not self._sent and not self._finishing and (self._stop.is_set() or not len(board)):
                return
            try:
                event = self._fleet.events.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            try:
                self._handle(event, board, hand_over)
            except Exception as error:  # noqa: BLE001 - what is in work is waited for first
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _give(self, board: Board, wanted: Callable[[Job], bool], *, cold: bool) -> None:
        """Gives workers jobs until each has its share, beginning with those that have least to do."""
        self._fleet.check_places()
        workers = self._fleet.standing[:1] if cold else list(self._fleet.standing)
        dry = {one for one in workers if any(map(board.is_suspect, one.tasks))}  # what may kill takes no others along
        while (free := [one for one in workers if one not in dry]) and self._finishing < self._unfinished_at_most:
            share = math.ceil((len(board) + self._sent) / len(workers))
            place = min(free, key=lambda one: len(one.tasks))
            if (cold and (self._sent or self._finishing)) or len(place.tasks) >= min(self._sent_at_most, share):
                return
            task = board.take(place.number, suspects=not place.tasks)
            if task is None:
                dry.add(place)
                continue
            if board.is_suspect(task):
                dry.add(place)
            if wanted(task.job):
                self._fleet.send(place, task, self._order(task.job))
                self._sent += 1
            else:
                self._forget(task.job)

    def _handle(self, event: Started | Answered | Finished, board: Board, hand_over: Callable[[Done], None]) -> None:
        match event:
            case Started():
                if not self._fleet.closed:
                    self._fleet.started(event)
            case Finished():
                self._finishing -= 1
            case Answered(place=place, task=task) if task in place.tasks:
                self._answered(event, board, hand_over)

    def _answered(self, event: Answered, board: Board, hand_over: Callable[[Done], None]) -> None:
        place, task, error = event.place, event.task, event.future.exception()
        if error is not None and _was_lost(error):
            self._lost(place, task, error, board, hand_over)
            return
        self._sent -= 1
        del place.tasks[task]
        if error is None:
            self._take_in(place, task, event.future.result(), hand_over)
        else:  # such as an answer that cannot be sent
            self._over(task, Done(task.job, failure=Failure.of("route", cast("Exception", error))), hand_over)

    def _take_in(self, place: Place, task: Task, reply: Reply | None, hand_over: Callable[[Done], None]) -> None:
        if reply is None:  # the work was stopped before its turn
            return
        self._fleet.replied(place, reply)
        if reply.trouble:
            raise EngineError(
                f"{reply.trouble} Modules of outside kinds must be importable on every node: install them there, "
                f"or put them into a folder that all nodes see and name it in PYTHONPATH."
            )
        self._over(task, Done(task.job, reply.answer, reply.failure), hand_over)

    def _lost(
        self, place: Place, task: Task, error: BaseException, board: Board, hand_over: Callable[[Done], None]
    ) -> None:
        """Puts back what was lost with a worker, and ends what was lost too often."""
        from ray.exceptions import RayActorError

        gone = isinstance(error, RayActorError)
        lost = list(place.tasks) if gone else [task]
        alone = all(board.is_suspect(one) for one in lost)
        for one in lost:
            self._sent -= 1
            del place.tasks[one]
            one.losses += 1
            if one.losses > self._retries:
                message = f"the worker was lost {one.losses} times while this question was in work there"
                failure = Failure("generate", "WorkerLost", message, transient=True)
                self._over(one, Done(one.job, failure=failure), hand_over)
        board.lost(place.number, [one for one in lost if one.losses <= self._retries])
        if gone and not self._fleet.closed:
            self._fleet.lose(place, error, blameless=alone)

    def _over(self, task: Task, outcome: Done, hand_over: Callable[[Done], None]) -> None:
        self._forget(task.job)
        self._finishing += 1
        hand_over(outcome)

    def _hand_over(self, finishers: ThreadPoolExecutor, outcome: Done, finish: Callable[[Done], ResultT]) -> None:
        def finished(future: Future[ResultT]) -> None:
            error = future.exception()
            if error is None:
                self._results.put([future.result()])
            else:
                self._fail(error)
            self._fleet.events.put(Finished())

        finishers.submit(finish, outcome).add_done_callback(finished)

    def _order(self, job: Job) -> Order:
        group, documents = self._documents(job)
        return Order(
            self._number,
            job.cell,
            self._cell(job),
            group,
            documents,
            replace(job.example, documents=()),
            job.seed,
            job.cold,
        )

    def _cell(self, job: Job) -> Any:  # noqa: ANN401 - an ObjectRef
        if job.cell not in self._cells:
            import ray
            from ray import cloudpickle

            cell = Cell(job.pipeline, self._environment(job.pipeline))
            try:
                packed = cloudpickle.dumps(cell)
            except Exception as error:
                raise ConfigError(
                    f"a pipeline cannot be sent to workers, for a part cannot be pickled: {error}"
                ) from error
            self._cells[job.cell] = ray.put(packed)
        return self._cells[job.cell]

    def _documents(self, job: Job) -> tuple[str, Any]:
        """Returns a name for a job's documents and a reference to them; they are sent once for a group."""
        import ray

        documents = job.example.documents
        name = job.group
        if name not in self._shared:
            self._shared[name] = documents, ray.put(documents)
        if self._shared[name][0] != documents:  # a group that shares no documents
            name = documents_key(documents)
            if name not in self._shared:
                self._shared[name] = documents, ray.put(documents)
        return name, self._shared[name][1]

    def _forget(self, job: Job) -> None:
        """Lets go of documents that no job needs any more."""
        self._left[job.group] -= 1
        if not self._left[job.group]:
            self._shared.pop(job.group, None)


def _was_lost(error: BaseException) -> bool:
    from ray.exceptions import RayError, RayTaskError

    return isinstance(error, RayError) and not isinstance(error, RayTaskError)
