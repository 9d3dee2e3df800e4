"""A real MLflow server on this machine, and what arrived at it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow


@contextmanager
def serving(
    backend: str, artifacts: Path, port: int, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Runs a server over a database; yields its address and its process."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend, "--workers", "1"]
    command += ["--artifacts-destination", artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--disable-security-middleware"],
        env={
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **variables,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        wait_for(uri, process)
        yield uri, process
    finally:
        end(process)


def wait_for(uri: str, process: subprocess.Popen[bytes]) -> None:
    """Waits until a server answers."""
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server does not start")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server and the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, 15)
        process.wait(60)


@dataclass(frozen=True)
class Arrived:
    """What a store holds of an experiment.

    Attributes:
        runs: by name: parameters, metrics, tags without times and ids, artifacts, traces with their spans and feedback.
        doubled: names of runs, metric points, traces and feedback that are there more than once.
        running: names of runs that are not ended.
        deleted: number of runs among MLflow's deleted ones.
    """

    runs: Mapping[str, Mapping[str, Any]]
    doubled: tuple[str, ...]
    running: tuple[str, ...]
    deleted: int


def arrived(uri: str, experiment: str) -> Arrived:
    """Reads what arrived, without a proxy between."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = list(client.search_runs([found.experiment_id]))
    deleted = client.search_runs([found.experiment_id], run_view_type=mlflow.entities.ViewType.DELETED_ONLY)
    names = Counter(run.info.run_name for run in runs)
    doubled = [name for name, count in names.items() if count > 1]
    holds: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        for metric in run.data.metrics:
            points = Counter((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            doubled += [f"{run.info.run_name} {metric}" for count in points.values() if count > 1]
        traces = list(
            client.search_traces(
                [found.experiment_id], filter_string=f"metadata.`mlflow.sourceRun` = '{run.info.run_id}'"
            )
        )
        feedback = Counter((trace.info.trace_id, one.name) for trace in traces for one in trace.info.assessments)
        doubled += [f"{run.info.run_name} {what}" for what, count in feedback.items() if count > 1]
        holds[run.info.run_name] = {
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": sorted(tag for tag in run.data.tags if tag != "ragvlc.request"),
            "datasets": [given.dataset.name for given in run.inputs.dataset_inputs],
            "files": files(client, run.info.run_id),
            "traces": sorted(
                (trace.info.tags["ragvlc.question"], len(trace.data.spans), len(trace.info.assessments))
                for trace in traces
            ),
        }
    running = tuple(run.info.run_name for run in runs if run.info.status == "RUNNING")
    return Arrived(holds, tuple(doubled), running, len(deleted))


def files(client: mlflow.MlflowClient, run: str, folder: str | None = None) -> list[tuple[str, int]]:
    """Returns the artifacts of a run with their sizes."""
    found: list[tuple[str, int]] = []
    for file in client.list_artifacts(run, folder):
        found += files(client, run, file.path) if file.is_dir else [(file.path, file.file_size)]
    return sorted(found)
