"""Workers on a Ray cluster: processes that hold models, on the GPUs of one or several machines.

Custom kinds (`module:Class`) and ragvlc itself must be importable on every node. Only the process that runs the
sweep writes results.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, TypeVar, cast

from pydantic import AfterValidator, Field, JsonValue

from ragvlc import packaged
from ragvlc.core.component import Component
from ragvlc.core.errors import missing_extra
from ragvlc.core.families import Executor
from ragvlc.core.jobs import Counts, Done, Job, Setup, SetupResult
from ragvlc.core.run import Engines
from ragvlc.executors import _ray_cluster
from ragvlc.executors._ray_dispatch import Dispatch
from ragvlc.executors._ray_pool import WorkerPool, WorkerRequirements
from ragvlc.executors._ray_worker import WorkerSetup
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool

__all__ = ["Ray"]

ResultT = TypeVar("ResultT")

_CARRIED = ("RAGVLC_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "VLLM_", "OMP_", "MKL_")
_OF_ONE_NODE = frozenset({"VLLM_HOST_IP"})


def _whole_above_one(number: float | None) -> float | None:
    if number is not None and number > 1 and number != int(number):
        raise ValueError("must be a whole number, or a share of one")
    return number


def _no_client(address: str | None) -> str | None:
    if address is not None and address.startswith("ray://"):
        raise ValueError(
            "ray:// is for clients outside the cluster. Start ragvlc on one of its nodes, as a job or by hand, with "
            "address: auto"
        )
    return address


Share = Annotated[float, Field(ge=0), AfterValidator(_whole_above_one)]


class Ray(Executor):
    """Distributes questions over worker processes that hold models, on this machine or on a cluster.

    Questions over the same documents go to the same worker, so that it reuses its indexes and prefixes. The
    sweep's `concurrency` is that of each worker. A worker that is lost is replaced, and its questions are asked again.
    How to start a cluster: docs/cluster.md.

    Attributes:
        workers: the number of processes that hold models; None starts one for each set of GPUs of the cluster, or a
            single one without GPUs.
        address: `auto` or `HOST:PORT` joins a running cluster and leaves it running; `local` starts one on this machine
            for the time of the sweep; None takes the environment's RAY_ADDRESS, else `local`.
        gpus: for each worker, all on one node; None takes what the pipelines' generators say (`tensor_parallel` times
            `pipeline_parallel`), or 1, or 0 where the cluster has none.
        cpus: for each worker, which also computes with that many threads unless OMP_NUM_THREADS is set. None takes an
            equal share of a node.
        retries: how often a question is retried when its worker was lost; after that it fails until the next run.
        wait_seconds: how long to wait for the first worker to start; autoscaling clusters need time.
        runtime_env: Ray's description of what workers need, such as `{env_vars: {PYTHONPATH: /shared/code}}`. Variables
            of ragvlc, Hugging Face, vLLM and OpenMP, and API keys that pipelines name, are passed on from this process.
    """

    workers: Annotated[int, Field(ge=1)] | None = None
    address: Annotated[str | None, AfterValidator(_no_client)] = None
    gpus: Share | None = None
    cpus: Share | None = None
    retries: Annotated[int, Field(ge=0)] = 3
    wait_seconds: Annotated[float, Field(gt=0)] = 300.0
    runtime_env: Mapping[str, JsonValue] = Field(default_factory=dict)

    @contextmanager
    def open(self, engines: Engines, *, concurrency: int) -> Iterator[_RayWorkers]:
        """Opens the workers; the cluster is joined or started at the first job.

        Raises:
            MissingExtra: Ray is not installed.
        """
        try:
            importlib.import_module("ray")
        except ImportError as error:
            missing_extra("Ray", "ray", error)
        with ExitStack() as stack:
            yield _RayWorkers(self, cast("EnginePool", engines), concurrency, stack)

    def requirements(self, pipelines: Sequence[Pipeline], nodes: Sequence[Mapping[str, float]]) -> WorkerRequirements:
        """Returns the resources to request from a cluster.

        Args:
            pipelines: that the workers will open.
            nodes: resources of each node, `CPU` and `GPU`, as Ray counts them.
        """
        with_gpus = [node for node in nodes if node.get("GPU", 0)]
        gpus = self.gpus
        if gpus is None:
            gpus = max((_gpus_of(pipeline) for pipeline in pipelines), default=1) if with_gpus else 0
        able = [node for node in nodes if node.get("GPU", 0) >= gpus and node.get("CPU", 0) > 0]
        places = [math.floor(node["GPU"] / gpus) for node in able] if gpus else [1 for _ in able]
        workers = self.workers or (sum(places) if gpus else 1) or 1
        cpus = self.cpus
        if cpus is None:
            beside = max(1, min(workers, max(places))) if gpus and places else math.ceil(workers / max(1, len(able)))
            cpus = min((node["CPU"] for node in able), default=1) / beside
            cpus = float(math.floor(cpus)) if cpus >= 1 else math.floor(100 * cpus) / 100
        return WorkerRequirements(workers, gpus, cpus, self.runtime_env, self.wait_seconds, self.retries)


class _RayWorkers:
    """Workers of the Ray executor. The first call of `work` joins or starts the cluster and starts the workers.

    Args:
        spec: the settings.
        pool: of this process; workers have pools of their own with the same settings.
        concurrency: the number of jobs that each worker runs at the same time.
        stack: closes the cluster and the workers.
    """

    def __init__(self, spec: Ray, pool: EnginePool, concurrency: int, stack: ExitStack) -> None:
        self._spec = spec
        self._pool = pool
        self._concurrency = concurrency
        self._stack = stack
        self._workers: WorkerPool | None = None
        self._calls = 0

    def work(
        self, jobs: Sequence[Job], *, wanted: Callable[[Job], bool], finish: Callable[[Done], ResultT]
    ) -> Generator[ResultT]:
        """Runs the jobs and yields `finish`'s result for each, in any order; skips jobs that are no longer `wanted`.

        Raises:
            EngineError: no cluster, too few resources, or workers that cannot be started.
            ConfigError: a pipeline that cannot be sent to workers.
        """
        if not jobs:
            return
        if self._workers is None:
            self._workers = self._placed(jobs)
        self._calls += 1
        dispatch: Dispatch[ResultT] = Dispatch(
            self._workers,
            self._calls,
            concurrency=self._concurrency,
            retries=self._spec.retries,
            environment=self._named_by,
        )
        yield from dispatch.results(jobs, wanted, finish)

    def try_setups(self, jobs: Sequence[Job], setups: Sequence[Setup], wait_seconds: float) -> list[SetupResult]:
        """Tries models in the first worker that is ready; starts the workers.

        Raises `EngineError` and `ConfigError` like `work`.
        """
        if self._workers is None:
            self._workers = self._placed(jobs)
        named = {name: value for job in jobs for name, value in self._named_by(job.pipeline).items()}
        return self._workers.try_setups(setups, named, wait_seconds)

    def counts(self) -> Counts:
        """Returns the counts of all workers, lost ones included."""
        return self._workers.counts() if self._workers else Counts()

    def _placed(self, jobs: Sequence[Job]) -> WorkerPool:
        cluster = self._stack.enter_context(_ray_cluster.opened(self._spec.address))
        pipelines = list({job.cell: cast("Pipeline", job.pipeline) for job in jobs}.values())
        reuse = self._pool.reuse
        setup = WorkerSetup(self._carried(), tuple(str(Path(folder).absolute()) for folder in sys.path), reuse)
        pool = WorkerPool(self._spec.requirements(pipelines, cluster.nodes), setup, self._concurrency, cluster)
        self._stack.callback(pool.close)
        return pool

    def _carried(self) -> dict[str, str]:
        """Returns the environment variables passed on to every worker; `runtime_env` takes precedence."""
        found = {name: value for name, value in os.environ.items() if name.startswith(_CARRIED)}
        found["RAGVLC_CACHE"] = str(packaged.cache_folder())
        found["RAGVLC_STORE"] = str(self._pool.cache.folder)
        return {name: value for name, value in found.items() if not self._is_set(name)}

    def _named_by(self, pipeline: Component) -> dict[str, str]:
        """Returns the environment variables that a pipeline names, such as one with an API key."""
        names = {name for name in _variables(pipeline.spec()) if name in os.environ and not self._is_set(name)}
        return {name: os.environ[name] for name in names}

    def _is_set(self, name: str) -> bool:
        given = self._spec.runtime_env.get("env_vars")
        return name in _OF_ONE_NODE or (isinstance(given, Mapping) and name in given)


def _gpus_of(pipeline: Pipeline) -> int:
    """Returns the number of GPUs that a pipeline's largest generator needs."""
    sizes = [
        getattr(model, "tensor_parallel", 1) * getattr(model, "pipeline_parallel", 1)
        for model in pipeline.generators.values()
    ]
    return max(sizes, default=1)


def _variables(spec: object) -> Iterator[str]:
    """Yields the environment variables that a spec names, as in `api_key_env: NAME` or `{env: NAME}`."""
    if isinstance(spec, Mapping):
        for name, value in spec.items():
            if isinstance(value, str) and (name == "env" or str(name).endswith("_env")):
                yield value
            yield from _variables(value)
    elif isinstance(spec, (list, tuple)):
        for value in spec:
            yield from _variables(value)
