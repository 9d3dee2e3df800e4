"""Sweeps as MLflow experiments: a parent run for the sweep, a child run for each cell.

Runs are identified by their tags, `ragvlc.sweep` (the sweep's name) on every run and `ragvlc.cell` (the cell's key) on
the children, and reopened, so sending again duplicates nothing. MLflow cannot take back a parameter, a metric or a
dataset: a cell whose record contradicts what its run says gets a new run, which keeps the user's own tags and notes;
the old one goes to MLflow's deleted runs. A metric that changed gets a further point at step 0; the latest is shown.
`ragvlc.order` has a cell's place in the plan; cells that the sweep no longer has are marked by `ragvlc.stale`.

Names of metrics, parameters and tags are made legal as `_mlflow_values.py` says: `recall@5` is `recall_at_5` in MLflow.
Without a server everything lands in `mlflow.db` and `mlartifacts/` next to the results, never in the current directory.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field

from ragvlc.core.component import Execution
from ragvlc.core.errors import StoreError
from ragvlc.core.families import TrackedSweep, Tracker
from ragvlc.core.records import SweepRecord
from ragvlc.trackers._mlflow_calls import artifact_folder, sqlite_uri, talking
from ragvlc.trackers._mlflow_calls import client as connect
from ragvlc.trackers._mlflow_database import check_whole, locked
from ragvlc.trackers._mlflow_database import set_aside as rename_damaged
from ragvlc.trackers._mlflow_errors import shown, sqlite_file
from ragvlc.trackers._mlflow_runs import ORDER_TAG, STALE_TAG, Sending, opened
from ragvlc.trackers._mlflow_values import CELL_TAG, SWEEP_TAG

__all__ = ["CELL_TAG", "SWEEP_TAG", "MlflowTracker", "charts_page", "damaged_database", "set_aside", "ui_command"]


class MlflowTracker(Tracker):
    """Sends cells to MLflow.

    Attributes:
        uri: tracking URI; by default the environment's MLFLOW_TRACKING_URI, else a SQLite file next to the results.
        experiment: by default the sweep's name.
        traces: the number of questions of each cell shown as traces, with the passages read, the same questions in
            every cell; up to as many failed ones are added. 0 shows none, and deletes earlier traces.
        system_metrics: log memory and processor use while cells are computed: of this process, of the machine, and of
            CUDA devices.
    """

    uri: Annotated[str | None, Execution] = None
    experiment: Annotated[str | None, Execution] = None
    traces: Annotated[int, Field(ge=0), Execution] = 5
    system_metrics: Annotated[bool, Execution] = False

    def store(self, runs: Path) -> str:
        """Returns the tracking URI for the sweeps stored in the folder `runs`."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(runs)

    def open(self, sweep: SweepRecord) -> AbstractContextManager[TrackedSweep]:
        """Opens the sweep's parent run. Raises `StoreError` if MLflow is unreachable or refuses."""
        runs = sweep.folder.absolute().parent
        experiment = self.experiment or sweep.name
        return opened(Sending(self.store(runs), experiment, runs, self.traces, self.system_metrics), sweep)


def damaged_database(uri: str) -> str:
    """Returns what is wrong with a store's SQLite file; empty if it is whole, not there, or no such store."""
    database = sqlite_file(uri)
    if database is None or not database.exists():
        return ""
    try:
        check_whole(database)
    except StoreError as error:
        return str(error)
    return ""


def set_aside(uri: str) -> Path | None:
    """Renames the damaged SQLite file of a store, so that a new one is made; returns its new path, if it was damaged.

    Raises `StoreError` if another process is writing to it.
    """
    database = sqlite_file(uri)
    with locked(database):
        return rename_damaged(database) if database is not None and damaged_database(uri) else None


def ui_command(store: str | Path, port: int = 5000) -> list[str]:
    """Returns the command that opens a store in the browser, at http://127.0.0.1:`port`.

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
        "searchFilter": f"tags.`{STALE_TAG}` = 'false'",  # cells have it, the sweep's own run does not
        "orderByKey": f"tags.`{ORDER_TAG}`",
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
