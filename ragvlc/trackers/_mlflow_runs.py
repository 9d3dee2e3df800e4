"""Runs of an experiment: lookup by tags, reopening, logging, ending."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ragvlc.core.errors import StoreError
from ragvlc.core.families import TrackedSweep
from ragvlc.core.records import DECISION_FILE, FINISHED, OUTCOME_FILE, RULED_OUT, CellRecord, SweepRecord, score_name
from ragvlc.trackers._mlflow_calls import artifact_folder, talking
from ragvlc.trackers._mlflow_calls import client as connect
from ragvlc.trackers._mlflow_client import equals, search_runs
from ragvlc.trackers._mlflow_database import make_if_missing
from ragvlc.trackers._mlflow_errors import sqlite_file
from ragvlc.trackers._mlflow_experiment import (
    SOURCE,
    dataset_of,
    delete_file,
    digest,
    experiment_id,
    log_dataset,
    parent_run,
    without_twins,
)
from ragvlc.trackers._mlflow_machine import MachineMetrics, peaks
from ragvlc.trackers._mlflow_notes import Best, best, cell_note, note_tags, sweep_note
from ragvlc.trackers._mlflow_traces import delete_traces, known_traces, send_traces
from ragvlc.trackers._mlflow_values import (
    CELL_TAG,
    INTERVALS_TAG,
    SWEEP_TAG,
    finite,
    legal_names,
    param_text,
    series,
    stored_points,
    table_text,
    tag_text,
)

__all__ = ["ORDER_TAG", "STALE_TAG", "Sending", "opened"]

ORDER_TAG = "ragvlc.order"
STALE_TAG = "ragvlc.stale"
BEST_TAG = "ragvlc.best"
DECISION_TAG = "ragvlc.decision"
TABLE = "questions.json"
CELL_FILES = ("resolved.yaml", "summary.json")

_PARENT_TAG = "mlflow.parentRunId"
_LOGGED_TAG = "mlflow.loggedArtifacts"
_CONTROL_TAG = "ragvlc.control"
_FILES_TAG = "ragvlc.files"
_SYSTEM = "system/"
_MOST_METRICS = 1000
_LOST_SECONDS = 60.0
"""How long after an outage no further cell tries to be sent."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Settings for sending results to MLflow.

    Attributes:
        uri: of the store.
        experiment: name.
        runs: the folder that the results of all sweeps are in.
        traces: number of questions of a cell to show.
        machine: whether samples of the machine are taken.
    """

    uri: str
    experiment: str
    runs: Path
    traces: int = 0
    machine: bool = False


@contextmanager
def opened(how: Sending, sweep: SweepRecord) -> Iterator[TrackedSweep]:
    """Yields the open sweep, and afterwards ends its parent run as finished, failed or killed. Raises `StoreError`."""
    with talking(how.uri, patient=False):
        place = artifact_folder(how.uri, how.runs)
        database = sqlite_file(how.uri)
        if database is not None and place is not None:
            make_if_missing(database, place)
        client = connect(how.uri)
        parent = parent_run(client, experiment_id(client, how.experiment, sweep, place), sweep)
    with ExitStack() as stack:
        with talking(how.uri):
            sent = _Sent(client, how, sweep, parent)
            if sweep.resolved:
                client.log_text(parent.info.run_id, sweep.resolved, "resolved.yaml")
            log_dataset(client, parent, sweep)
            if how.machine:
                sent.machine = MachineMetrics()
                stack.callback(sent.machine.close)
        try:
            yield sent
        except BaseException as error:
            # The first error matters; a failure to close the run after it does not.
            with suppress(StoreError):
                sent.close("FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        sent.close("FAILED" if sent.stopped else "FINISHED")


class _Sent:
    """A sweep whose parent run is open."""

    def __init__(self, client: Any, how: Sending, sweep: SweepRecord, parent: Any) -> None:  # noqa: ANN401 - MLflow's
        self._client = client
        self._how = how
        self._sweep = sweep
        self._parent = parent
        self._lock = threading.Lock()
        self._order = {key: f"{place:04d}" for place, key in enumerate(sweep.cells, 1)}
        self._runs: dict[str, Any] = {}
        self._records: dict[str, CellRecord] = {}
        self._lost: StoreError | None = None
        self._again = 0.0
        self._begun: dict[str, str] = {}
        self._decision = ""
        self._outcome: Mapping[str, Any] = {}
        self._peaks: dict[str, float] = {}
        self._since = time.time()
        self.machine: MachineMetrics | None = None
        self.stopped: set[str] = set()
        children = search_runs(client, parent.info.experiment_id, f"tags.`{_PARENT_TAG}` = '{parent.info.run_id}'")
        for run in without_twins(client, list(children)):
            self._found(run)
        self._traces = known_traces(client, parent.info.experiment_id, equals(sweep.name))

    def _found(self, run: Any) -> None:  # noqa: ANN401
        """Registers an earlier run of a cell, or marks the run as stale if the sweep no longer has the cell."""
        key = run.data.tags.get(CELL_TAG, "")
        if self._order and key not in self._order:
            if run.data.tags.get(STALE_TAG) != "true":
                self._client.set_tag(run.info.run_id, STALE_TAG, "true")
            return
        self._runs.setdefault(key, run)
        if run.info.status == "FAILED":
            self.stopped.add(key)

    def cell(self, record: CellRecord) -> None:
        """Sends one cell; sending it again changes nothing. Raises `StoreError`."""
        with self._lock, self._sending():
            self.stopped.add(record.key)  # until all of it is there
            if record.key in self._begun:
                self._reread(record.key)
            run = self._runs[record.key] = self._reopened(record)
            name = self._begun[record.key] = run.info.run_id
            self._log(run, record)
            shown = self._traces.get(name, {})
            self._traces[name] = send_traces(self._client, run, record, self._how.traces, shown)
            complete = record.status in FINISHED
            self._client.set_terminated(name, status="FINISHED" if complete else "FAILED", end_time=_end(record))
            self._runs[record.key] = self._client.get_run(name)
            self._records[record.key] = record
            del self._begun[record.key]
            if complete:
                self.stopped.discard(record.key)

    def _reread(self, key: str) -> None:
        """Reads again what the store has of a cell that was sent in part."""
        self._runs[key] = self._client.get_run(self._begun[key])
        self._traces = known_traces(self._client, self._parent.info.experiment_id, equals(self._sweep.name))

    def files(self, paths: Mapping[str, Path]) -> None:
        """Sends files to the sweep's run and deletes earlier ones that are not among them. Raises `StoreError`."""
        decided = paths.get(DECISION_FILE)
        self._decision = "" if decided is None else decided.read_text(encoding="utf-8").strip()
        outcome = paths.get(OUTCOME_FILE)
        self._outcome = {} if outcome is None else json.loads(outcome.read_text(encoding="utf-8"))
        with self._lock, self._sending(), tempfile.TemporaryDirectory() as folder:
            for place, path in paths.items():
                local = Path(folder) / PurePosixPath(place)
                local.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, local)
            run = self._client.get_run(self._parent.info.run_id)
            for place in json.loads(run.data.tags.get(_FILES_TAG, "[]")):
                if place not in paths:
                    delete_file(self._client, run, place, self._how.uri)
            for place in sorted(paths):  # one by one: each is sent again by itself
                parent = str(PurePosixPath(place).parent)
                inside = None if parent == "." else parent
                self._client.log_artifact(run.info.run_id, str(Path(folder) / PurePosixPath(place)), inside)
            self._client.set_tag(run.info.run_id, _FILES_TAG, json.dumps(sorted(paths)))

    def close(self, status: str) -> None:
        """Ends the sweep's run, with the end time of its last cell. Raises `StoreError`."""
        ends = [run.info.end_time for run in self._runs.values() if run.info.end_time]
        end = max([*ends, self._parent.info.start_time])
        if self._lost:  # once more, but shortly: nothing is to be left running
            self._again = 0.0
            self._client.expect_little()
        with self._lock, self._sending():
            for begun in self._begun.values():
                self._client.set_terminated(begun, status="FAILED")
            self._client.set_terminated(self._parent.info.run_id, status=status, end_time=end)
            self._client.discard_twins()
            self._describe()

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Context manager for calls to MLflow that waits for an unreachable server once a minute, not every cell."""
        if self._lost and time.monotonic() < self._again:
            raise self._lost
        try:
            with talking(self._how.uri):
                yield
        except StoreError as error:
            self._lost = error if error.transient else None
            self._again = time.monotonic() + _LOST_SECONDS
            raise
        self._lost = None

    def _reopened(self, record: CellRecord) -> Any:  # noqa: ANN401
        run = self._runs.get(record.key)
        kept: Mapping[str, str] = {}
        if run is not None:
            if not self._contradicted(run, record):
                return run
            kept = run.data.tags
            delete_traces(self._client, run.info.experiment_id, self._traces.pop(run.info.run_id, {}))
            self._client.delete_run(run.info.run_id)
        tags = {
            **SOURCE,
            **kept,
            _PARENT_TAG: self._parent.info.run_id,
            SWEEP_TAG: self._sweep.name,
            CELL_TAG: record.key,
        }
        return self._client.create_run(
            self._parent.info.experiment_id, start_time=_start(record), run_name=record.name, tags=tags
        )

    def _data_of(self, record: CellRecord) -> SweepRecord | CellRecord:
        """Returns the cell's record if it names a data set, and the sweep's record otherwise."""
        return record if record.dataset else self._sweep

    def _contradicted(self, run: Any, record: CellRecord) -> bool:  # noqa: ANN401
        params, metrics = _params(record), series(record.metrics)
        digests = {given.dataset.digest for given in run.inputs.dataset_inputs}
        return (
            any(params.get(name) != value for name, value in run.data.params.items())
            or any(name not in metrics for name in run.data.metrics if not name.startswith(_SYSTEM))
            or not digests <= {digest(self._data_of(record))}
        )

    def _log(self, run: Any, record: CellRecord) -> None:  # noqa: ANN401
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        known = run.data
        names = legal_names(record.tags)
        tags = {names[name]: tag_text(value) for name, value in record.tags.items()}
        tags |= {SWEEP_TAG: self._sweep.name, CELL_TAG: record.key, "mlflow.runName": record.name}
        tags |= {"ragvlc.status": record.status, _CONTROL_TAG: str(record.control).lower()}
        tags |= {STALE_TAG: "false", ORDER_TAG: self._order.get(record.key, "0000")}
        values = series(record.metrics)
        tags[INTERVALS_TAG] = json.dumps({name: points for name, points in values.items() if len(points) > 1})
        stored = stored_points(known.metrics, known.tags)
        if record.table:
            tags[_LOGGED_TAG] = _with_table(known.tags.get(_LOGGED_TAG, "[]"))
        self._client.log_batch(
            run.info.run_id,
            metrics=[
                Metric(name, value, now, step)
                for name, points in sorted(values.items())
                if stored.get(name) != list(points)
                for step, value in enumerate(points)
            ],
            params=[Param(name, value) for name, value in sorted(_params(record).items()) if name not in known.params],
            tags=[RunTag(name, value) for name, value in sorted(tags.items()) if known.tags.get(name) != value],
        )
        self._log_machine(run, record)
        log_dataset(self._client, run, self._data_of(record))
        if record.table:
            # Not log_table: it appends to a table that is there.
            self._client.log_text(run.info.run_id, table_text(record.table), TABLE)
        for file in CELL_FILES:
            if (record.folder / file).is_file():
                self._client.log_artifact(run.info.run_id, str(record.folder / file))

    def _log_machine(self, run: Any, record: CellRecord) -> None:  # noqa: ANN401
        """Sends the machine samples taken since the previous cell, if this cell was computed in that time."""
        if self.machine is None:
            return
        samples, since, self._since = self.machine.taken(), self._since, time.time()
        rows = record.folder / "predictions.jsonl"
        if not rows.is_file() or rows.stat().st_mtime < since:
            return
        from mlflow.entities import Metric

        highest = peaks(samples)
        self._peaks |= {name: max(value, self._peaks.get(name, value)) for name, value in highest.items()}
        last = max(samples)
        points = [
            Metric(name, value, when, step)
            for step, (when, sample) in enumerate(samples.items())
            for name, value in sample.items()
        ]
        points += [Metric(name, value, last, 0) for name, value in highest.items()]
        for first in range(0, len(points), _MOST_METRICS):
            self._client.log_batch(run.info.run_id, metrics=points[first : first + _MOST_METRICS])

    def _describe(self) -> None:
        """Writes which cells are the best to the sweep's run and the cells' runs, once all cells are sent."""
        wins = self._wins()
        for key, record in self._records.items():
            own = [win for win in wins if key in win.keys]
            note = cell_note(record, self._sweep.metrics, own)
            tags = {BEST_TAG: ", ".join(win.metric for win in own)}
            self._retag(self._runs[key], tags | note_tags(note, self._runs[key].data.tags))
        run = self._client.get_run(self._parent.info.run_id)
        first = [win for win in wins if win.metric == self._sweep.metrics[0]]
        tags = {"ragvlc.metric": self._sweep.metrics[0]} if self._sweep.metrics else {}
        tags |= {BEST_TAG: tag_text("; ".join(win.words for win in first))}
        tags |= {DECISION_TAG: tag_text(self._decision)} if self._decision or DECISION_TAG in run.data.tags else {}
        note = sweep_note(self._sweep, wins, self._decision, self._outcome.get("sentences", ()))
        self._log_outcome(run)
        self._retag(run, tags | note_tags(note, run.data.tags, earlier=self._sweep.description))
        self._log_peaks(run)

    def _wins(self) -> list[Best]:
        runs = {key: run for key, run in self._runs.items() if run.data.tags.get(_CONTROL_TAG) != "true"}
        order = [key for key in (self._order or runs) if key in runs]
        names = {key: runs[key].info.run_name for key in order}
        datasets = {key: dataset_of(runs[key]) for key in order}
        legal = legal_names(score_name(label) for label in self._sweep.metrics)
        out = {key for key in order if runs[key].data.tags.get("ragvlc.status") in RULED_OUT}
        wins = []
        for label in self._sweep.metrics:
            place = legal[score_name(label)]
            scores = {key: runs[key].data.metrics[place] for key in order if place in runs[key].data.metrics}
            if len(scores) > 1:
                smaller = label in self._sweep.smaller_is_better
                wins += best(label, scores, names, datasets, smaller=smaller, out=out)
        return wins

    def _retag(self, run: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401
        from mlflow.entities import RunTag

        changed = {name: value for name, value in tags.items() if run.data.tags.get(name, "") != value}
        if changed:
            self._client.log_batch(run.info.run_id, tags=[RunTag(*item) for item in changed.items()])

    def _log_outcome(self, run: Any) -> None:  # noqa: ANN401
        """Logs the numbers of the verdict to the sweep's run; what only an earlier one had becomes NaN."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        values = finite(self._outcome.get("metrics", {}))
        if values:
            logged = {name for name, value in run.data.metrics.items() if not math.isnan(value)}
            values |= {name: math.nan for name in logged - set(values) if name.startswith("verdict/")}
        changed = [(name, value) for name, value in sorted(values.items()) if run.data.metrics.get(name) != value]
        if changed:
            self._client.log_batch(run.info.run_id, metrics=[Metric(*item, now, 0) for item in changed])

    def _log_peaks(self, run: Any) -> None:  # noqa: ANN401
        """Logs the sweep's peaks; a smaller value of a later run does not replace a peak."""
        for name, value in self._peaks.items():
            if value > run.data.metrics.get(name, 0.0):
                self._client.log_metric(run.info.run_id, name, value)


def _params(record: CellRecord) -> dict[str, str]:
    names = legal_names(record.params)
    return {names[name]: param_text(value) for name, value in record.params.items()}


def _with_table(tag: str) -> str:
    """Returns the tag that tells MLflow which artifacts are tables."""
    entry = {"path": TABLE, "type": "table"}
    logged = json.loads(tag)
    return json.dumps(logged if entry in logged else [*logged, entry])


def _start(record: CellRecord) -> int:
    """Returns the creation time of the cell's files in milliseconds, which MLflow uses as the start of the run."""
    begun = record.folder / "resolved.yaml"
    end = _end(record)
    return min(int(begun.stat().st_mtime * 1000), end) if begun.is_file() else end


def _end(record: CellRecord) -> int:
    done = record.folder / "summary.json"
    return int((done.stat().st_mtime if done.is_file() else time.time()) * 1000)
