"""The dispatcher of the Ray executor: a thread that sends jobs to workers and receives their results."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from ragvlc.core import interruption
from ragvlc.core.answer import Failure
from ragvlc.core.component import Component
from ragvlc.core.data import documents_key
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.core.jobs import Done, Job
from ragvlc.executors._answering import stages
from ragvlc.executors._ray_pool import JobAnswered, RemoteWorker, ResultHandled, WorkerPool, WorkerStarted
from ragvlc.executors._ray_queue import JobQueue, QueuedJob
from ragvlc.executors._ray_worker import JobMessage, JobReply, SentCell

__all__ = ["Dispatch"]

ResultT = TypeVar("ResultT")

_TICK_SECONDS = 0.5
_INTERRUPTED_SECONDS = 10.0


class Dispatch(Generic[ResultT]):
    """Dispatches the jobs of one call of `work`.

    Args:
        pool: the workers.
        number: of the call.
        concurrency: the number of jobs that each worker runs at the same time.
        retries: how often a job is retried when its worker was lost.
        environment: returns the environment variables that a pipeline needs.
    """

    def __init__(
        self,
        pool: WorkerPool,
        number: int,
        *,
        concurrency: int,
        retries: int,
        environment: Callable[[Component], Mapping[str, str]],
    ) -> None:
        self._pool = pool
        self._number = number
        self._concurrency = concurrency
        self._retries = retries
        self._environment = environment
        self._sent_at_most = concurrency + max(
            1, concurrency // 4
        )  # so that no worker waits for its next job to arrive
        self._unfinished_at_most = 4 * concurrency
        self._results: queue.SimpleQueue[list[ResultT] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._running = 0
        self._finishing = 0
        self._ends_at = 0.0
        self._cells: dict[str, Any] = {}
        self._shared: dict[str, tuple[Sequence[Any], Any]] = {}
        self._left: Counter[str] = Counter()

    def results(
        self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Iterator[ResultT]:
        """Runs the jobs and yields `finish`'s result for each; no job is still running after the last one."""
        thread = threading.Thread(target=self._run, args=(jobs, wanted, finish), name="ragvlc-ray", daemon=True)
        thread.start()
        with interruption.scope():
            try:
                with interruption.scope():  # Ctrl-C reaches the workers before they are waited for
                    while (found := self._results.get()) is not None:
                        yield from found
                    interruption.check()
            finally:
                self._stop.set()
                thread.join()
        if self._error is not None:
            raise self._error

    def _run(self, jobs: Sequence[Job], wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]) -> None:
        try:
            self._pool.restart_clock()
            with ThreadPoolExecutor(self._concurrency, thread_name_prefix="ragvlc-finish") as finishers:
                for stage, unused in stages(jobs):
                    self._run_stage(
                        list(jobs[stage]), wanted, lambda outcome: self._hand_over(finishers, outcome, finish)
                    )
                    if self._stop.is_set():
                        break
                    if stage.stop < len(jobs):
                        self._pool.release(unused)
        except BaseException as error:  # noqa: BLE001 - raised where the results are read
            self._fail(error)
        finally:
            self._results.put(None)

    def _run_stage(
        self, stage: Sequence[Job], wanted: Callable[[Job], bool], hand_over: Callable[[Done], None]
    ) -> None:
        """Runs the jobs of a stage. After an error, waits for the running jobs before it returns."""
        waiting = JobQueue([QueuedJob(job) for job in stage], self._retries)
        cold = stage[0].cold
        self._left = Counter(job.group for job in stage)
        ended = False
        while not self._pool.closed:
            self._pool.check_cluster()  # what runs there has no result
            if not self._stop.is_set():
                try:
                    self._assign(waiting, wanted, cold=cold)
                except Exception as error:  # noqa: BLE001 - raised once the running jobs have ended
                    self._fail(error)
            if interruption.requested():
                self._stop.set()
            if self._stop.is_set() and not ended:
                ended = True
                self._pool.cancel(self._number)
            if interruption.requested() and self._interrupted():
                return
            if not self._running and not self._finishing and (self._stop.is_set() or not len(waiting)):
                return
            try:
                event = self._pool.events.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            try:
                self._handle(event, waiting, hand_over)
            except Exception as error:  # noqa: BLE001 - raised once the running jobs have ended
                self._fail(error)

    def _interrupted(self) -> bool:
        """Interrupts the workers; returns whether they have had their time to end: what still runs is lost."""
        if not self._ends_at:
            self._ends_at = time.monotonic() + _INTERRUPTED_SECONDS
            self._pool.interrupt()
        return time.monotonic() > self._ends_at

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _assign(self, waiting: JobQueue, wanted: Callable[[Job], bool], *, cold: bool) -> None:
        """Sends jobs to workers until each has its share, least loaded workers first."""
        self._pool.check_started()
        workers = self._pool.ready[:1] if cold else list(self._pool.ready)
        # A worker that runs a suspect job gets no other jobs.
        busy = {one for one in workers if any(map(waiting.is_suspect, one.running))}
        while (free := [one for one in workers if one not in busy]) and self._finishing < self._unfinished_at_most:
            share = math.ceil((len(waiting) + self._running) / len(workers))
            worker = min(free, key=lambda one: len(one.running))
            if (cold and (self._running or self._finishing)) or len(worker.running) >= min(self._sent_at_most, share):
                return
            queued = waiting.take(worker.number, suspects=not worker.running)
            if queued is None:
                busy.add(worker)
                continue
            if waiting.is_suspect(queued):
                busy.add(worker)
            if wanted(queued.job):
                self._pool.send(worker, queued, self._message(queued.job))
                self._running += 1
            else:
                self._forget(queued.job)

    def _handle(
        self, event: WorkerStarted | JobAnswered | ResultHandled, waiting: JobQueue, hand_over: Callable[[Done], None]
    ) -> None:
        match event:
            case WorkerStarted():
                if not self._pool.closed:
                    self._pool.started(event)
            case ResultHandled():
                self._finishing -= 1
            case JobAnswered(worker=worker, queued=queued) if queued in worker.running:
                self._answered(event, waiting, hand_over)

    def _answered(self, event: JobAnswered, waiting: JobQueue, hand_over: Callable[[Done], None]) -> None:
        worker, queued, error = event.worker, event.queued, event.future.exception()
        if error is not None and _was_lost(error):
            self._lost(worker, queued, error, waiting, hand_over)
            return
        self._running -= 1
        del worker.running[queued]
        if error is None:
            self._receive(worker, queued, event.future.result(), hand_over)
        else:  # such as an answer that cannot be sent
            self._complete(queued, Done(queued.job, failure=Failure.of("route", cast("Exception", error))), hand_over)

    def _receive(
        self, worker: RemoteWorker, queued: QueuedJob, reply: JobReply | None, hand_over: Callable[[Done], None]
    ) -> None:
        if reply is None:  # the call was cancelled before the job started
            return
        self._pool.record_reply(worker, reply)
        if reply.load_error:
            raise EngineError(
                f"{reply.load_error} Modules of custom kinds must be importable on every node: install them there, "
                f"or put them into a shared folder and add it to PYTHONPATH."
            )
        self._complete(queued, Done(queued.job, reply.answer, reply.failure), hand_over)

    def _lost(
        self,
        worker: RemoteWorker,
        queued: QueuedJob,
        error: BaseException,
        waiting: JobQueue,
        hand_over: Callable[[Done], None],
    ) -> None:
        """Requeues the jobs lost with a worker; jobs that were lost too often become failures."""
        from ray.exceptions import RayActorError

        gone = isinstance(error, RayActorError)
        lost = list(worker.running) if gone else [queued]
        alone = all(waiting.is_suspect(one) for one in lost)
        for one in lost:
            self._running -= 1
            del worker.running[one]
            one.losses += 1
            if one.losses > self._retries:
                message = f"the worker was lost {one.losses} times while it ran this question"
                failure = Failure("generate", "WorkerLost", message, transient=True)
                self._complete(one, Done(one.job, failure=failure), hand_over)
        waiting.lost(worker.number, [one for one in lost if one.losses <= self._retries])
        if gone and not self._pool.closed:
            self._pool.replace(worker, error, blameless=alone)

    def _complete(self, queued: QueuedJob, outcome: Done, hand_over: Callable[[Done], None]) -> None:
        self._forget(queued.job)
        self._finishing += 1
        hand_over(outcome)

    def _hand_over(self, finishers: ThreadPoolExecutor, outcome: Done, finish: Callable[[Done], ResultT]) -> None:
        def finished(future: Future[ResultT]) -> None:
            error = future.exception()
            if error is None:
                self._results.put([future.result()])
            else:
                self._fail(error)
            self._pool.events.put(ResultHandled())

        finishers.submit(finish, outcome).add_done_callback(finished)

    def _message(self, job: Job) -> JobMessage:
        group, documents = self._documents(job)
        return JobMessage(
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

            cell = SentCell(job.pipeline, self._environment(job.pipeline))
            try:
                packed = cloudpickle.dumps(cell)
            except Exception as error:
                raise ConfigError(
                    f"a pipeline cannot be sent to workers because a part cannot be pickled: {error}"
                ) from error
            self._cells[job.cell] = ray.put(packed)
        return self._cells[job.cell]

    def _documents(self, job: Job) -> tuple[str, Any]:
        """Returns a key and an object-store reference for a job's documents, stored once for each group of jobs."""
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
        """Releases the documents of a group once no pending job needs them."""
        self._left[job.group] -= 1
        if not self._left[job.group]:
            self._shared.pop(job.group, None)


def _was_lost(error: BaseException) -> bool:
    from ray.exceptions import RayError, RayTaskError

    return isinstance(error, RayError) and not isinstance(error, RayTaskError)
