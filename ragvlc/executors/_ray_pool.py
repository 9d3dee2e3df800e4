"""The worker pool of the Ray executor: the dispatching process starts, replaces and stops the workers."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from ragvlc.core import interruption
from ragvlc.core.errors import EngineError
from ragvlc.core.jobs import Counts, Setup, SetupResult
from ragvlc.executors._ray_cluster import Cluster, last_line
from ragvlc.executors._ray_queue import QueuedJob
from ragvlc.executors._ray_worker import JobMessage, JobReply, Worker, WorkerInfo, WorkerSetup

__all__ = ["JobAnswered", "RemoteWorker", "ResultHandled", "WorkerPool", "WorkerRequirements", "WorkerStarted"]

log = logging.getLogger("ragvlc")

_CLOSING_SECONDS = 30
_RELEASING_SECONDS = 300


@dataclass(frozen=True, slots=True)
class WorkerRequirements:
    """The resources that the executor requests from a cluster.

    Attributes:
        workers: the number of workers.
        gpus: of each worker, on one node.
        cpus: of each worker, on the same node.
        runtime_env: Ray's description of the environment they need.
        wait_seconds: how long to wait for the first worker to start.
        retries: how often a worker that ends before its first answer is restarted.
    """

    workers: int
    gpus: float
    cpus: float
    runtime_env: Mapping[str, Any]
    wait_seconds: float
    retries: int


@dataclass(slots=True, eq=False)
class RemoteWorker:
    """A worker of the cluster, from the moment it is requested.

    Attributes:
        number: unique in the pool.
        actor: Ray's handle.
        starts: the number of starts since it, or the worker it replaces, last answered.
        location: host and process, once it is ready.
        running: jobs sent to it and not yet answered.
        counts: of all its work, as of its latest reply.
        serial: of that reply.
    """

    number: int
    actor: Any
    starts: int
    location: str = ""
    running: dict[QueuedJob, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    serial: int = 0


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """Event: a worker is ready, or could not be started."""

    worker: RemoteWorker
    future: Future[WorkerInfo]


@dataclass(frozen=True, slots=True)
class JobAnswered:
    """Event: a worker answered a job, or was lost."""

    worker: RemoteWorker
    queued: QueuedJob
    future: Future[JobReply | None]


@dataclass(frozen=True, slots=True)
class ResultHandled:
    """Event: a result was processed in this process."""


class WorkerPool:
    """The pool of all workers.

    Args:
        needs: of the workers.
        setup: of each worker.
        concurrency: the number of jobs that each worker runs at the same time.
        cluster: that they run on.

    Attributes:
        events: for the dispatching thread.
        ready: workers that can run jobs.
    """

    def __init__(self, needs: WorkerRequirements, setup: WorkerSetup, concurrency: int, cluster: Cluster) -> None:
        self.events: queue.SimpleQueue[WorkerStarted | JobAnswered | ResultHandled] = queue.SimpleQueue()
        self.ready: list[RemoteWorker] = []
        self._needs = needs
        self._setup = setup
        self._concurrency = concurrency
        self._cluster = cluster
        self._starting: set[RemoteWorker] = set()
        self._all: list[RemoteWorker] = []
        self._closed = False
        self._warned = False
        self._waiting_since = time.monotonic()
        for _ in range(needs.workers):
            self._start(0)

    def _start(self, starts: int) -> None:
        import ray

        options: dict[str, Any] = {"num_cpus": self._needs.cpus, "num_gpus": self._needs.gpus}
        if self._needs.runtime_env:
            options["runtime_env"] = dict(self._needs.runtime_env)
        # A concurrency group of its own for control calls: they would otherwise wait for running questions.
        made = ray.remote(concurrency_groups={"control": 1})(Worker).options(
            max_concurrency=self._concurrency, max_restarts=0, scheduling_strategy="SPREAD", **options
        )
        worker = RemoteWorker(len(self._all), made.remote(self._setup), starts + 1)
        self._all.append(worker)
        self._starting.add(worker)
        self.restart_clock()
        future = _control(worker, "info").future()
        future.add_done_callback(lambda done: self.events.put(WorkerStarted(worker, done)))

    def started(self, event: WorkerStarted) -> None:
        """Adds a started worker, or restarts one that failed. Raises `EngineError` if a restart cannot help."""
        from ray.exceptions import RayActorError

        worker = event.worker
        self._starting.discard(worker)
        error = event.future.exception()
        if error is None:
            info = event.future.result()
            worker.location = f"{info.host}, process {info.process}"
            if info.version != _own_version():
                raise EngineError(
                    f"ragvlc {info.version} is installed on {info.host}, and {_own_version()} here. "
                    f"Install the same version on every node."
                )
            self._cluster.look()
            self.ready.append(worker)
        elif isinstance(error, RayActorError) and not error.actor_init_failed:
            self._restart(worker, error)
        else:
            raise EngineError(
                f"a worker could not be started: {last_line(error)}. "
                f"Every node needs ragvlc {_own_version()} with the same extras, and the modules of custom kinds."
            ) from error

    def send(self, worker: RemoteWorker, queued: QueuedJob, message: JobMessage) -> None:
        """Sends a job to a worker."""
        worker.running[queued] = None
        future = worker.actor.answer.remote(message).future()
        future.add_done_callback(lambda done: self.events.put(JobAnswered(worker, queued, done)))

    def record_reply(self, worker: RemoteWorker, reply: JobReply) -> None:
        """Records the counts and warnings in a worker's reply."""
        worker.starts = 0
        if reply.serial > worker.serial:
            worker.serial, worker.counts = reply.serial, reply.counts
        for level, text in reply.warnings:
            log.log(level, "%s (worker %s)", text, worker.location)

    def replace(self, worker: RemoteWorker, error: BaseException, *, blameless: bool) -> None:
        """Replaces a lost worker with a new one; `blameless` means that a job may have caused the loss."""
        import ray

        self.ready.remove(worker)
        ray.kill(worker.actor)
        log.warning("the worker on %s was lost: %s", worker.location, last_line(error))
        worker.starts -= blameless and worker.starts > 0
        self._restart(worker, error)

    def _restart(self, worker: RemoteWorker, error: BaseException) -> None:
        if worker.starts <= self._needs.retries:
            self._start(worker.starts)
        elif not self.ready and not self._starting:
            raise EngineError(
                f"every worker was lost, the last one {worker.starts} times before it answered anything: "
                f"{last_line(error)}",
                transient=True,
            )

    def check_cluster(self) -> None:
        """Raises `EngineError` if Ray cannot go on."""
        self._cluster.check()

    def check_started(self) -> None:
        """Raises `EngineError` if no worker is ready and none has started within the time limit."""
        waited = time.monotonic() - self._waiting_since > self._needs.wait_seconds
        if self.ready:
            if waited and self._starting and not self._warned:
                self._warned = True
                here, all_of_them = len(self.ready), len(self.ready) + len(self._starting)
                log.warning("%d of %d workers have started: %s", here, all_of_them, _cluster_resources())
        elif waited:
            raise EngineError(
                f"no worker could start within {self._needs.wait_seconds:g} seconds. Each needs "
                f"{_amount(self._needs.gpus, 'GPU')} and {_amount(self._needs.cpus, 'CPU')} on one node; "
                f"{_cluster_resources()}.",
                transient=True,
            )

    def restart_clock(self) -> None:
        """Restarts the time limit of `check_started`."""
        self._waiting_since = time.monotonic()

    def try_setups(
        self, setups: Sequence[Setup], environment: Mapping[str, str], wait_seconds: float
    ) -> list[SetupResult]:
        """Tries models in the first worker that is ready. Raises `EngineError` if none starts or the worker is lost."""
        from ray import cloudpickle
        from ray.exceptions import RayError

        self.restart_clock()
        while not self.ready:
            interruption.check()
            self.check_cluster()
            self.check_started()
            try:
                event = self.events.get(timeout=interruption.POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(event, WorkerStarted):
                self.started(event)
        worker = self.ready[0]
        call = worker.actor.try_setups.remote(cloudpickle.dumps(list(setups)), dict(environment), wait_seconds)
        try:
            found: list[SetupResult] = interruption.result(call.future())
        except RayError as error:
            raise EngineError(f"the worker on {worker.location} cannot try its models: {last_line(error)}") from error
        return found

    def cancel(self, number: int) -> None:
        """Makes workers skip the jobs of this call of `work` that they have not started."""
        for worker in self.ready:
            _control(worker, "cancel", number)

    def interrupt(self) -> None:
        """Makes workers end the jobs that they run."""
        for worker in self.ready:
            _control(worker, "interrupt")

    def release(self, only: Collection[str]) -> None:
        """Closes the models with these keys in every worker, and waits until they are closed."""
        import ray

        if only and self.ready:
            closing = [_control(worker, "release", set(only)) for worker in self.ready]
            # A worker that is lost meanwhile is noticed at its next job.
            ray.wait(closing, num_returns=len(closing), timeout=_RELEASING_SECONDS)

    def counts(self) -> Counts:
        """Returns the sum of the counts of all workers, lost ones included."""
        total: dict[str, dict[str, int]] = {"asked": {}, "computed": {}, "stored": {}}
        for worker in self._all:
            for name, sums in total.items():
                for stage, count in getattr(worker.counts, name).items():
                    sums[stage] = sums.get(stage, 0) + count
        return Counts(**total)

    def close(self) -> None:
        """Ends every worker; idle workers close their models first."""
        import ray

        self._closed = True
        if self._cluster.ended():  # there is nobody to ask
            return
        idle = [_control(worker, "close") for worker in self.ready if not worker.running]
        try:
            if idle and not interruption.requested():
                ray.wait(idle, num_returns=len(idle), timeout=_CLOSING_SECONDS)
        finally:
            for worker in (*self.ready, *self._starting):
                ray.kill(worker.actor)

    @property
    def closed(self) -> bool:
        """Whether the pool is closed."""
        return self._closed


def _control(worker: RemoteWorker, method: str, *arguments: object) -> Any:  # noqa: ANN401 - an ObjectRef
    return getattr(worker.actor, method).options(concurrency_group="control").remote(*arguments)


def _own_version() -> str:
    return metadata.version("ragvlc")


def _amount(number: float, word: str) -> str:
    return f"{number:g} {word}" if number == 1 else f"{number:g} {word}s"


def _cluster_resources() -> str:
    """Returns the total and the free resources of the cluster's nodes, as text."""
    import ray

    free = ray.available_resources()
    nodes = [node for node in ray.nodes() if node["Alive"]]
    each = [
        f"{node['NodeManagerAddress']} has {_amount(node['Resources'].get('GPU', 0), 'GPU')} and "
        f"{_amount(node['Resources'].get('CPU', 0), 'CPU')}"
        for node in nodes[:16]
    ]
    more = f" and {len(nodes) - 16} more nodes" if len(nodes) > 16 else ""
    left = f"{_amount(free.get('GPU', 0), 'GPU')} and {_amount(free.get('CPU', 0), 'CPU')} are free now"
    return f"{', '.join(each)}{more}; {left}"
