"""Sweeps as MLflow experiments: a parent run for the sweep, a child run for each cell.

Runs are found again by their tags, `ragvlc.sweep` (the sweep's name) on every run and `ragvlc.cell` (the cell's key) on
the children, and reopened, so sending again duplicates nothing. MLflow cannot take back a parameter, a metric or a
dataset: a cell whose record contradicts what its run says gets a new run, which keeps the user's own tags and notes;
the old one goes to MLflow's deleted runs. A metric that changed gets a further point at step 0; the latest is shown.

Names of metrics, parameters and tags are made legal as `_mlflow_values.py` says: `recall@5` is `recall_at_5` in MLflow.
Without a server everything lands in `mlflow.db` and `mlartifacts/` next to the results, never in the current directory.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

from ragvlc.core.component import Execution
from ragvlc.core.errors import StoreError
from ragvlc.core.families import TrackedSweep, Tracker
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.trackers._mlflow_calls import artifact_folder, shown, sqlite_file, sqlite_uri, talking
from ragvlc.trackers._mlflow_calls import client as connect
from ragvlc.trackers._mlflow_values import finite, legal_names, param_text, table_text, tag_text

SWEEP_TAG = "ragvlc.sweep"
CELL_TAG = "ragvlc.cell"
TABLE = "questions.json"
CELL_FILES = ("resolved.yaml", "summary.json")

_PARENT_TAG = "mlflow.parentRunId"
_NOTE_TAG = "mlflow.note.content"
_LOGGED_TAG = "mlflow.loggedArtifacts"
_SOURCE = {"mlflow.source.name": "ragvlc", "mlflow.source.type": "LOCAL"}


class MlflowTracker(Tracker):
    """Sends cells to MLflow.

    Attributes:
        uri: tracking URI; by default the environment's MLFLOW_TRACKING_URI, else a SQLite file next to the results.
        experiment: by default the sweep's name.
    """

    uri: Annotated[str | None, Execution] = None
    experiment: Annotated[str | None, Execution] = None

    def store(self, runs: Path) -> str:
        """Returns the tracking URI for results whose sweeps are folders of `runs`."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(runs)

    def open(self, sweep: SweepRecord) -> AbstractContextManager[TrackedSweep]:
        """Opens the sweep's parent run. Raises `StoreError` if MLflow cannot be reached or refuses."""
        runs = sweep.folder.absolute().parent
        return _opened(self.store(runs), self.experiment or sweep.name, sweep, runs)


def ui_command(store: str | Path, port: int = 5000) -> list[str]:
    """Returns the command that shows a store in the browser, at http://127.0.0.1:`port`.

    Args:
        store: the folder that holds `mlflow.db`, a sweep's folder inside it, or a tracking URI.
        port: where to serve.

    Raises:
        StoreError: `store` is a server already, or a folder without a store.
    """
    uri = _uri(store)
    if _is_server(uri):
        raise StoreError(f"{shown(uri)} is a server already: open it in a browser.")
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise StoreError(f"{database} does not exist. Send results there first: ragvlc track")
    artifacts = artifact_folder(uri, Path.cwd())
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    # Runs hold the absolute place of their files; this is for what else is made in the pages, which would otherwise
    # start a folder in the current directory.
    command += ["--artifacts-destination", artifacts.as_uri()] if artifacts else []
    return [*command, "--workers", "1", "--port", str(port)]


def charts_page(store: str | Path, experiment: str, port: int = 5000) -> str:
    """Returns the address of the page that compares an experiment's cells, metric by metric.

    MLflow's own first page for an experiment shows traces, and its list of runs hides children in their parent.

    Args:
        store: as in `ui_command`.
        experiment: its name.
        port: where `ui_command` serves; unused for a server.

    Raises:
        StoreError: MLflow cannot be reached or has no such experiment.
    """
    uri = _uri(store)
    with talking(uri, patient=False):
        found = connect(uri).get_experiment_by_name(experiment)
    if found is None:
        raise StoreError(f"MLflow at {shown(uri)} has no experiment '{experiment}'. Send it first: ragvlc track")
    server = re.sub(r"//[^/]*@", "//", uri).rstrip("/") if _is_server(uri) else f"http://127.0.0.1:{port}"
    view = {
        "workflowType": "machine_learning",
        "compareRunsMode": "CHART",
        "searchFilter": f"tags.`{CELL_TAG}` != ''",
        "orderByKey": "tags.`mlflow.runName`",
        "orderByAsc": "true",
    }
    return f"{server}/#/experiments/{found.experiment_id}/runs?{urlencode(view, quote_via=quote)}"


def _uri(store: str | Path) -> str:
    """Returns the tracking URI of a store, absolute if it is a file."""
    if "://" not in str(store):
        folder = Path(store).absolute()
        inside = not (folder / "mlflow.db").is_file() and (folder.parent / "mlflow.db").is_file()
        return sqlite_uri(folder.parent if inside else folder)
    database = sqlite_file(str(store))
    return f"sqlite:///{database.as_posix()}" if database else str(store)


def _is_server(uri: str) -> bool:
    return urlsplit(uri).scheme in {"http", "https"}


class _Sent:
    """A sweep whose parent run is open."""

    def __init__(self, client: Any, uri: str, sweep: SweepRecord, parent: Any) -> None:  # noqa: ANN401 - MLflow's types
        self._client = client
        self._uri = uri
        self._sweep = sweep
        self._parent = parent
        self._lock = threading.Lock()
        self._runs: dict[str, Any] = {}
        self._lost: StoreError | None = None
        self.stopped: set[str] = set()
        for run in _search(client, parent.info.experiment_id, f"tags.`{_PARENT_TAG}` = '{parent.info.run_id}'"):
            key = run.data.tags.get(CELL_TAG, "")
            self._runs.setdefault(key, run)
            if run.info.status == "FAILED":
                self.stopped.add(key)

    def cell(self, record: CellRecord) -> None:
        """Sends one cell; sending it again changes nothing. Raises `StoreError`."""
        with self._lock, self._sending():
            run = self._reopened(record)
            self._log(run, record)
            complete = record.status == "complete"
            self._client.set_terminated(
                run.info.run_id, status="FINISHED" if complete else "FAILED", end_time=_end(record)
            )
            self._runs[record.key] = self._client.get_run(run.info.run_id)
            (self.stopped.discard if complete else self.stopped.add)(record.key)

    def close(self, status: str) -> None:
        """Ends the sweep's run at the end of its last cell, whenever it was sent. Raises `StoreError`."""
        ends = [run.info.end_time for run in self._runs.values() if run.info.end_time]
        end = max([*ends, self._parent.info.start_time])
        with self._lock, self._sending():
            self._client.set_terminated(self._parent.info.run_id, status=status, end_time=end)

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Waits for a server that went away once, not once a cell."""
        if self._lost:
            raise self._lost
        try:
            with talking(self._uri):
                yield
        except StoreError as error:
            self._lost = error if error.transient else None
            raise

    def _reopened(self, record: CellRecord) -> Any:  # noqa: ANN401
        run = self._runs.get(record.key)
        kept: Mapping[str, str] = {}
        if run is not None:
            if not self._contradicted(run, record):
                return run
            kept = run.data.tags
            self._client.delete_run(run.info.run_id)
        tags = {
            **_SOURCE,
            **kept,
            _PARENT_TAG: self._parent.info.run_id,
            SWEEP_TAG: self._sweep.name,
            CELL_TAG: record.key,
        }
        return self._client.create_run(
            self._parent.info.experiment_id, start_time=_start(record), run_name=record.name, tags=tags
        )

    def _data_of(self, record: CellRecord) -> SweepRecord | CellRecord:
        """Returns whichever of the two records names the cell's data set."""
        return record if record.dataset else self._sweep

    def _contradicted(self, run: Any, record: CellRecord) -> bool:  # noqa: ANN401
        params, metrics = _params(record), finite(record.metrics)
        digests = {given.dataset.digest for given in run.inputs.dataset_inputs}
        return (
            any(params.get(name) != value for name, value in run.data.params.items())
            or any(name not in metrics for name in run.data.metrics)
            or not digests <= {_digest(self._data_of(record))}
        )

    def _log(self, run: Any, record: CellRecord) -> None:  # noqa: ANN401
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        known = run.data
        names = legal_names(record.tags)
        tags = {names[name]: tag_text(value) for name, value in record.tags.items()}
        tags |= {SWEEP_TAG: self._sweep.name, CELL_TAG: record.key, "mlflow.runName": record.name}
        tags |= {"ragvlc.status": record.status}
        if record.table:
            tags[_LOGGED_TAG] = _with_table(known.tags.get(_LOGGED_TAG, "[]"))
        self._client.log_batch(
            run.info.run_id,
            metrics=[
                Metric(name, value, now, 0)
                for name, value in sorted(finite(record.metrics).items())
                if known.metrics.get(name) != value
            ],
            params=[Param(name, value) for name, value in sorted(_params(record).items()) if name not in known.params],
            tags=[RunTag(name, value) for name, value in sorted(tags.items()) if known.tags.get(name) != value],
        )
        _log_dataset(self._client, run, self._data_of(record))
        if record.table:
            # Not log_table: it appends to a table that is there.
            self._client.log_text(run.info.run_id, table_text(record.table), TABLE)
        for file in CELL_FILES:
            if (record.folder / file).is_file():
                self._client.log_artifact(run.info.run_id, str(record.folder / file))


@contextmanager
def _opened(uri: str, experiment: str, sweep: SweepRecord, runs: Path) -> Iterator[TrackedSweep]:
    """Yields the sweep with its parent run open; closes the run with a status that fits."""
    with talking(uri, patient=False):
        client = connect(uri)
        parent = _parent(client, _experiment(client, experiment, artifact_folder(uri, runs)), sweep)
    with talking(uri):
        sent = _Sent(client, uri, sweep, parent)
        if sweep.resolved:
            client.log_text(parent.info.run_id, sweep.resolved, "resolved.yaml")
        _log_dataset(client, parent, sweep)
    try:
        yield sent
    except BaseException as error:
        # What went wrong inside is the news; that the run could not be closed either is not.
        with suppress(StoreError):
            sent.close("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    sent.close("FAILED" if sent.stopped else "FINISHED")


def _experiment(client: Any, name: str, artifacts: Path | None) -> str:  # noqa: ANN401
    """Returns the experiment's id; makes it, or brings it back if it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        place = (artifacts / re.sub(r"[^\w.-]", "_", name)).as_uri() if artifacts else None
        # The kind decides which of MLflow's pages come first: runs and charts, not traces.
        tags = {"mlflow.experimentKind": "custom_model_development"}
        return str(client.create_experiment(name, artifact_location=place, tags=tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _parent(client: Any, experiment_id: str, sweep: SweepRecord) -> Any:  # noqa: ANN401
    """Returns the sweep's own run, running."""
    from mlflow.entities import RunTag

    names = legal_names(sweep.tags)
    tags = {names[name]: tag_text(value) for name, value in sweep.tags.items()}
    tags |= {SWEEP_TAG: sweep.name, "ragvlc.dataset": sweep.dataset, "ragvlc.examples": str(sweep.examples)}
    tags |= {_NOTE_TAG: tag_text(sweep.description)} if sweep.description else {}
    for run in _search(client, experiment_id, f"tags.`{SWEEP_TAG}` {_equals(sweep.name)}"):
        if run.data.tags.get(SWEEP_TAG) == sweep.name and CELL_TAG not in run.data.tags:
            client.log_batch(run.info.run_id, tags=[RunTag(*item) for item in tags.items()])
            client.update_run(run.info.run_id, status="RUNNING")
            return run
    return client.create_run(experiment_id, run_name=sweep.name, tags=_SOURCE | tags)


def _equals(value: str) -> str:
    """Returns the end of a filter; MLflow knows no escapes, so a name with both quotes is found among all runs."""
    mark = next((mark for mark in "'\"" if mark not in value), None)
    return f"= {mark}{value}{mark}" if mark else "!= ''"


def _search(client: Any, experiment_id: str, query: str) -> Iterator[Any]:  # noqa: ANN401
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string=query, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _log_dataset(client: Any, run: Any, record: SweepRecord | CellRecord) -> None:  # noqa: ANN401
    if not record.dataset or _digest(record) in {given.dataset.digest for given in run.inputs.dataset_inputs}:
        return
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=record.dataset,
        digest=_digest(record),
        source_type="ragvlc",
        source=json.dumps({"dataset": record.dataset, "key": record.dataset_key}),
        profile=json.dumps({"num_rows": record.examples}),
    )
    client.log_inputs(run.info.run_id, [DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "eval")])])


def _digest(record: SweepRecord | CellRecord) -> str:
    return record.dataset_key[:12] or "unknown"


def _params(record: CellRecord) -> dict[str, str]:
    names = legal_names(record.params)
    return {names[name]: param_text(value) for name, value in record.params.items()}


def _with_table(tag: str) -> str:
    """Returns the tag by which MLflow knows which artifacts are tables."""
    entry = {"path": TABLE, "type": "table"}
    logged = json.loads(tag)
    return json.dumps(logged if entry in logged else [*logged, entry])


def _start(record: CellRecord) -> int:
    """Returns when the cell's files were begun, in milliseconds, so that MLflow shows the work's duration."""
    begun = record.folder / "resolved.yaml"
    end = _end(record)
    return min(int(begun.stat().st_mtime * 1000), end) if begun.is_file() else end


def _end(record: CellRecord) -> int:
    done = record.folder / "summary.json"
    return int((done.stat().st_mtime if done.is_file() else time.time()) * 1000)
