"""Experiments, runs and data sets of a sweep in an MLflow store."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.trackers._mlflow_client import REQUEST_TAG, equals, search_runs
from ragvlc.trackers._mlflow_notes import experiment_note, note_tags
from ragvlc.trackers._mlflow_values import CELL_TAG, SWEEP_TAG, legal_names, tag_text

__all__ = [
    "SOURCE",
    "dataset_of",
    "delete_file",
    "digest",
    "experiment_id",
    "log_dataset",
    "parent_run",
    "without_twins",
]

SOURCE = {"mlflow.source.name": "ragvlc", "mlflow.source.type": "LOCAL"}


def experiment_id(client: Any, name: str, sweep: SweepRecord, artifacts: Path | None) -> str:  # noqa: ANN401
    """Returns the experiment's id; creates, restores and describes the experiment as needed."""
    found = client.get_experiment_by_name(name)
    if found is None:
        place = (artifacts / re.sub(r"[^\w.-]", "_", name)).as_uri() if artifacts else None
        # The kind decides which of MLflow's pages come first: runs and charts, not traces.
        tags = {"mlflow.experimentKind": "custom_model_development", **note_tags(experiment_note(sweep), {})}
        return str(client.create_experiment(name, artifact_location=place, tags=tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    for tag, value in note_tags(experiment_note(sweep), found.tags).items():
        if found.tags.get(tag) != value:
            client.set_experiment_tag(found.experiment_id, tag, value)
    return str(found.experiment_id)


def parent_run(client: Any, experiment_id: str, sweep: SweepRecord) -> Any:  # noqa: ANN401
    """Returns the sweep's parent run, in status running."""
    from mlflow.entities import RunTag

    names = legal_names(sweep.tags)
    tags = {names[name]: tag_text(value) for name, value in sweep.tags.items()}
    tags |= {SWEEP_TAG: sweep.name, "ragvlc.dataset": sweep.dataset, "ragvlc.examples": str(sweep.examples)}
    found = [
        run
        for run in search_runs(client, experiment_id, f"tags.`{SWEEP_TAG}` {equals(sweep.name)}")
        if run.data.tags.get(SWEEP_TAG) == sweep.name and CELL_TAG not in run.data.tags
    ]
    for run in without_twins(client, found)[:1]:
        client.log_batch(run.info.run_id, tags=[RunTag(*item) for item in tags.items()])
        client.update_run(run.info.run_id, status="RUNNING")
        return run
    tags |= note_tags(sweep.description, {})
    return client.create_run(experiment_id, run_name=sweep.name, tags=SOURCE | tags)


def without_twins(client: Any, runs: list[Any]) -> list[Any]:  # noqa: ANN401
    """Returns the runs in their order, and discards those that a slow server created beside one of the same request."""
    best: dict[str, Any] = {}
    for run in runs:
        request = run.data.tags.get(REQUEST_TAG, run.info.run_id)
        best[request] = max(best.get(request, run), run, key=_said)
    left = {run.info.run_id for run in best.values()}
    for run in runs:
        if run.info.run_id not in left:
            client.discard(run)
    return [run for run in runs if run.info.run_id in left]


def _said(run: Any) -> tuple[bool, int]:  # noqa: ANN401
    """Returns how much a run holds: a twin has nothing but what it was created with."""
    return run.info.status == "FINISHED", len(run.data.tags) + len(run.data.params) + len(run.data.metrics)


def log_dataset(client: Any, run: Any, record: SweepRecord | CellRecord) -> None:  # noqa: ANN401
    if not record.dataset or digest(record) in {given.dataset.digest for given in run.inputs.dataset_inputs}:
        return
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=record.dataset,
        digest=digest(record),
        source_type="ragvlc",
        source=json.dumps({"dataset": record.dataset, "key": record.dataset_key}),
        profile=json.dumps({"num_rows": record.examples}),
    )
    client.log_inputs(run.info.run_id, [DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "eval")])])


def digest(record: SweepRecord | CellRecord) -> str:
    return record.dataset_key[:12] or "unknown"


def dataset_of(run: Any) -> str:  # noqa: ANN401
    """Returns the name of a cell run's data set; equal contents have equal names."""
    return " and ".join(sorted(f"{one.dataset.name} {one.dataset.digest[:6]}" for one in run.inputs.dataset_inputs))


def delete_file(client: Any, run: Any, place: str, uri: str) -> None:  # noqa: ANN401
    """Deletes an artifact if the store supports deletion; a file that is already gone is no error."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with suppress(NotImplementedError, MlflowException, OSError):
        files = get_artifact_repository(run.info.artifact_uri, tracking_uri=uri)
        client.repeat(lambda: files.delete_artifacts(place))
