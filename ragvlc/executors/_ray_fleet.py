"""The workers of the Ray executor as the process sees them that hands out jobs: placed, lost, replaced, closed."""

from __future__ import annotations

import logging
import queue
import textwrap
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from ragvlc.core.errors import EngineError
from ragvlc.core.work import Counts
from ragvlc.executors._ray_board import Task
from ragvlc.executors._ray_worker import Greeting, Order, Reply, Setup, Worker

__all__ = ["Answered", "Finished", "Fleet", "Needs", "Place", "Started"]

log = logging.getLogger("ragvlc")

_CLOSING_SECONDS = 30
_RELEASING_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked of a cluster.

    Attributes:
        workers: how many.
        gpus: for each, on one node.
        cpus: for each, on the same node.
        runtime_env: Ray's description of the environment they need.
        wait_seconds: how long to wait for the first place.
        retries: how often a worker that ends before it has answered anything is started again.
    """

    workers: int
    gpus: float
    cpus: float
    runtime_env: Mapping[str, Any]
    wait_seconds: float
    retries: int


@dataclass(slots=True, eq=False)
class Place:
    """A worker, from the moment it is asked for.

    Attributes:
        number: never used twice.
        actor: Ray's handle.
        starts: how often it was started since something in its place last answered.
        where: host and process, once it stands.
        tasks: in work there.
        counts: of all that it has done, as far as known.
        serial: of the reply that told them.
    """

    number: int
    actor: Any
    starts: int
    where: str = ""
    tasks: dict[Task, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A worker stands, or could not be started."""

    place: Place
    future: Future[Greeting]


@dataclass(frozen=True, slots=True)
class Answered:
    """A worker answered, or was lost."""

    place: Place
    task: Task
    future: Future[Reply | None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A result was taken in hand here."""


class Fleet:
    """All workers.

    Args:
        needs: what each must have.
        setup: what each starts with.
        concurrency: jobs in work at the same time in each.

    Attributes:
        events: what happens, for the one thread that hands out jobs.
        standing: workers that can be given jobs.
    """

    def __init__(self, needs: Needs, setup: Setup, concurrency: int) -> None:
        self.events: queue.SimpleQueue[Started | Answered | Finished] = queue.SimpleQueue()
        self.standing: list[Place] = []
        self._needs = needs
        self._setup = setup
        self._concurrency = concurrency
        self._coming: set[Place] = set()
        self._all: list[Place] = []
        self._closed = False
        self._told = False
        self._waiting_since = time.monotonic()
        for _ in range(needs.workers):
            self._start(0)

    def _start(self, starts: int) -> None:
        import ray

        options: dict[str, Any] = {"num_cpus": self._needs.cpus, "num_gpus": self._needs.gpus}
        if self._needs.runtime_env:
            options["runtime_env"] = dict(self._needs.runtime_env)
        # A group of its own for all but answers, or else these would wait behind questions.
        made = ray.remote(concurrency_groups={"control": 1})(Worker).options(
            max_concurrency=self._concurrency, max_restarts=0, scheduling_strategy="SPREAD", **options
        )
        place = Place(len(self._all), made.remote(self._setup), starts + 1)
        self._all.append(place)
        self._coming.add(place)
        self.wait_anew()
        future = _control(place, "greet").future()
        future.add_done_callback(lambda done: self.events.put(Started(place, done)))

    def started(self, event: Started) -> None:
        """Takes a worker in, or starts it again. Raises `EngineError` if starting again cannot help."""
        from ray.exceptions import RayActorError

        place = event.place
        self._coming.discard(place)
        error = event.future.exception()
        if error is None:
            greeting = event.future.result()
            place.where = f"{greeting.host}, process {greeting.process}"
            if greeting.version != _own_version():
                raise EngineError(
                    f"ragvlc {greeting.version} is installed on {greeting.host}, and {_own_version()} here. "
                    f"Install the same on every node."
                )
            self.standing.append(place)
        elif isinstance(error, RayActorError) and not error.actor_init_failed:
            self._again(place, error)
        else:
            raise EngineError(
                f"a worker could not be started: {_last_line(error)}. "
                f"Every node needs ragvlc {_own_version()} with the same extras, and the modules of outside kinds."
            ) from error

    def send(self, place: Place, task: Task, order: Order) -> None:
        """Gives a worker a job."""
        place.tasks[task] = None
        future = place.actor.answer.remote(order).future()
        future.add_done_callback(lambda done: self.events.put(Answered(place, task, done)))

    def replied(self, place: Place, reply: Reply) -> None:
        """Notes what a reply says of its worker."""
        place.starts = 0
        if reply.serial > place.serial:
            place.serial, place.counts = reply.serial, reply.counts
        for level, text in reply.remarks:
            log.log(level, "%s (worker %s)", text, place.where)

    def lose(self, place: Place, error: BaseException, *, blameless: bool) -> None:
        """Gives a worker up and starts another in its place; `blameless`: what it worked on is to blame."""
        import ray

        self.standing.remove(place)
        ray.kill(place.actor)
        log.warning("the worker on %s was lost: %s", place.where, _last_line(error))
        place.starts -= blameless and place.starts > 0
        self._again(place, error)

    def _again(self, place: Place, error: BaseException) -> None:
        if place.starts <= self._needs.retries:
            self._start(place.starts)
        elif not self.standing and not self._coming:
            raise EngineError(
                f"every worker was lost, the last one {place.starts} times before it answered anything: "
                f"{_last_line(error)}",
                transient=True,
            )

    def check_places(self) -> None:
        """Raises `EngineError` if no worker stands and none has come for too long."""
        waited = time.monotonic() - self._waiting_since > self._needs.wait_seconds
        if self.standing:
            if waited and self._coming and not self._told:
                self._told = True
                here, all_of_them = len(self.standing), len(self.standing) + len(self._coming)
                log.warning("%d of %d workers have found a place: %s", here, all_of_them, _offer())
        elif waited:
            raise EngineError(
                f"no worker found a place within {self._needs.wait_seconds:g} seconds. Each needs "
                f"{_amount(self._needs.gpus, 'GPU')} and {_amount(self._needs.cpus, 'CPU')} on one node; {_offer()}.",
                transient=True,
            )

    def wait_anew(self) -> None:
        """Starts the clock of `check_places`."""
        self._waiting_since = time.monotonic()

    def end(self, number: int) -> None:
        """Lets workers leave out jobs of this call of `work` that they have not begun."""
        for place in self.standing:
            _control(place, "end", number)

    def release(self, only: Collection[str]) -> None:
        """Closes models by the keys of their parts, in every worker, and waits for it."""
        import ray

        if only and self.standing:
            closing = [_control(place, "release", set(only)) for place in self.standing]
            # A worker that is lost meanwhile shows when it is given the next job.
            ray.wait(closing, num_returns=len(closing), timeout=_RELEASING_SECONDS)

    def counts(self) -> Counts:
        """Returns the sum over all workers, those that were lost too."""
        total: dict[str, dict[str, int]] = {"asked": {}, "computed": {}, "stored": {}}
        for place in self._all:
            for name, sums in total.items():
                for stage, count in getattr(place.counts, name).items():
                    sums[stage] = sums.get(stage, 0) + count
        return Counts(**total)

    def close(self) -> None:
        """Ends every worker: those at rest close their models first."""
        import ray

        self._closed = True
        resting = [_control(place, "close") for place in self.standing if not place.tasks]
        try:
            if resting:
                ray.wait(resting, num_returns=len(resting), timeout=_CLOSING_SECONDS)
        finally:
            for place in (*self.standing, *self._coming):
                ray.kill(place.actor)

    @property
    def closed(self) -> bool:
        """Whether no more work is done."""
        return self._closed


def _control(place: Place, method: str, *arguments: object) -> Any:  # noqa: ANN401 - an ObjectRef
    return getattr(place.actor, method).options(concurrency_group="control").remote(*arguments)


def _own_version() -> str:
    return metadata.version("ragvlc")


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return textwrap.shorten(lines[-1], 240, placeholder=" ...").rstrip(".") if lines else type(error).__name__


def _amount(number: float, word: str) -> str:
    return f"{number:g} {word}" if number == 1 else f"{number:g} {word}s"


def _offer() -> str:
    """Returns what the nodes of the cluster have, and what of it nobody has taken."""
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
