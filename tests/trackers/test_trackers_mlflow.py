"""What MLflow holds after cells were sent: once, twice, changed, to a file and to a server."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_server import end, wait_for
from traced_questions import traced

from ragvlc.core.errors import StoreError
from ragvlc.core.families import Tracker
from ragvlc.core.records import CellRecord, SweepRecord
from ragvlc.trackers._mlflow_calls import sqlite_uri
from ragvlc.trackers._mlflow_errors import shown
from ragvlc.trackers.mlflow import CELL_TAG, SWEEP_TAG, MlflowTracker, charts_page, ui_command

mlflow = pytest.importorskip("mlflow")


def sweep_in(runs: Path, name: str = "chunk_size", **fields: object) -> SweepRecord:
    folder = runs / name
    folder.mkdir(parents=True, exist_ok=True)
    values: dict = {
        "description": "Does chunk size matter?",
        "dataset": "squad_articles",
        "dataset_key": "ab12" * 16,
        "examples": 2,
        "tags": {"ragvlc.version": "0.1.0"},
        "resolved": "name: chunk_size\n",
    }
    return SweepRecord(name=name, folder=folder, **{**values, **fields})


def cell_in(sweep: SweepRecord, key: str = "c0ffee", **fields: object) -> CellRecord:
    folder = sweep.folder / key
    folder.mkdir(exist_ok=True)
    (folder / "resolved.yaml").write_text("routes: {}\n")
    (folder / "summary.json").write_text('{"contains": 0.5}')
    values: dict = {
        "name": f"rag_edges size={key[:2]}",
        "status": "complete",
        "params": {"pipeline": "rag_edges", "routes.rag.chunker.size": 64, "prompt": "x" * 7000, "stop": None},
        "metrics": {"contains": 0.5, "recall@5": 0.25, "token_f1": float("nan"), "seconds": 3.5},
        "table": (
            {"id": "q1", "question": "Who?", "answer": "Ada", "references": ["Ada"], "contains": 1.0},
            {"id": "q2", "question": "Où ?", "answer": None, "references": ["Paris"], "contains": float("nan")},
        ),
        "tags": {"control": "false"},
    }
    return CellRecord(key=key, folder=folder, **{**values, **fields})


def send(tracker: Tracker, sweep: SweepRecord, *cells: CellRecord) -> None:
    with tracker.open(sweep) as opened:
        for cell in cells:
            opened.cell(cell)


def figures(folder: Path, *places: str) -> dict[str, Path]:
    """Returns files to send: places that end as the files are called, or not."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {place: folder / f"{number}.made" for number, place in enumerate(places)}
    for place, path in found.items():
        path.write_text(place)
    return found


class Store:
    """What a reader of the store sees."""

    def __init__(self, uri: str) -> None:
        self.client = mlflow.MlflowClient(tracking_uri=uri)

    def runs(self, experiment: str) -> list:
        found = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([found.experiment_id], order_by=["attributes.start_time"]))

    def parent(self, experiment: str):
        (parent,) = [run for run in self.runs(experiment) if "mlflow.parentRunId" not in run.data.tags]
        return parent

    def children(self, experiment: str) -> list:
        return [run for run in self.runs(experiment) if "mlflow.parentRunId" in run.data.tags]

    def files(self, run) -> list[str]:
        return sorted(file.path for file in self.client.list_artifacts(run.info.run_id))

    def all_files(self, run, folder: str | None = None) -> list[str]:
        found = []
        for file in self.client.list_artifacts(run.info.run_id, folder):
            found += self.all_files(run, file.path) if file.is_dir else [file.path]
        return sorted(found)

    def traces(self, run) -> list:
        place = f"metadata.`mlflow.sourceRun` = '{run.info.run_id}'"
        return list(self.client.search_traces([run.info.experiment_id], filter_string=place))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory that nothing may be written to."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with its tables made, which takes seconds: copied into each test."""
    runs = tmp_path_factory.mktemp("empty")
    mlflow.MlflowClient(tracking_uri=sqlite_uri(runs)).search_experiments()
    return (runs / "mlflow.db").read_bytes()


@pytest.fixture
def runs(tmp_path: Path, empty_database: bytes) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_database)
    return folder


def test_a_cell_is_a_child_run_that_says_everything(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep))
    store = Store(sqlite_uri(runs))
    parent, (child,) = store.parent("chunk_size"), store.children("chunk_size")

    assert (parent.info.run_name, parent.info.status) == ("chunk_size", "FINISHED")
    assert parent.data.tags["mlflow.note.content"] == "Does chunk size matter?"
    assert parent.data.tags["ragvlc.version"] == "0.1.0"
    assert store.files(parent) == ["resolved.yaml"]

    assert (child.info.run_name, child.info.status) == ("rag_edges size=c0", "FINISHED")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (child.data.tags[SWEEP_TAG], child.data.tags[CELL_TAG]) == ("chunk_size", "c0ffee")
    assert child.data.tags["control"] == "false"
    assert child.data.params == {
        "pipeline": "rag_edges",
        "routes.rag.chunker.size": "64",
        "prompt": "x" * 5999 + "…",
        "stop": "null",
    }
    assert child.data.metrics == {"contains": 0.5, "recall_at_5": 0.25, "seconds": 3.5}
    assert store.files(child) == ["questions.json", "resolved.yaml", "summary.json"]


def test_both_runs_name_the_data_set(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep))
    for run in Store(sqlite_uri(runs)).runs("chunk_size"):
        (given,) = run.inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == ("squad_articles", "ab12ab12ab12")
        assert given.dataset.profile == '{"num_rows": 2}'


def test_mlflow_reads_the_table(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep))
    store = Store(sqlite_uri(runs))
    (child,) = store.children("chunk_size")
    with mlflow.tracking._tracking_service.utils._use_tracking_uri(sqlite_uri(runs)):
        table = store.client.load_table(child.info.experiment_id, "questions.json", [child.info.run_id])
    assert list(table.columns) == ["id", "question", "answer", "references", "contains"]
    assert table["question"].tolist() == ["Who?", "Où ?"]
    assert table["references"].tolist() == [["Ada"], ["Paris"]]
    assert table["contains"].isna().tolist() == [False, True]


def test_sending_again_changes_nothing(runs: Path) -> None:
    sweep = sweep_in(runs)
    cells = [cell_in(sweep, "aa"), cell_in(sweep, "bb")]
    send(MlflowTracker(), sweep, *cells)
    store = Store(sqlite_uri(runs))
    first = [(run.info.run_id, run.data.to_dictionary()) for run in store.runs("chunk_size")]

    send(MlflowTracker(), sweep, *cells)
    send(MlflowTracker(), sweep, *cells, *cells)
    assert [(run.info.run_id, run.data.to_dictionary()) for run in store.runs("chunk_size")] == first
    for child in store.children("chunk_size"):
        assert len(store.client.get_metric_history(child.info.run_id, "contains")) == 1
        assert len(child.inputs.dataset_inputs) == 1
        with mlflow.tracking._tracking_service.utils._use_tracking_uri(sqlite_uri(runs)):
            assert len(store.client.load_table(child.info.experiment_id, "questions.json", [child.info.run_id])) == 2


def test_a_better_score_replaces_the_shown_one(runs: Path) -> None:
    sweep = sweep_in(runs)
    cell = cell_in(sweep)
    send(MlflowTracker(), sweep, cell)
    send(MlflowTracker(), sweep, dataclasses.replace(cell, metrics={**cell.metrics, "contains": 0.25, "new": 1.0}))
    store = Store(sqlite_uri(runs))
    (child,) = store.children("chunk_size")
    assert child.data.metrics == {"contains": 0.25, "recall_at_5": 0.25, "seconds": 3.5, "new": 1.0}
    assert {point.step for point in store.client.get_metric_history(child.info.run_id, "contains")} == {0}


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"pipeline": "rag_edges", "limit": 20}},
        {"metrics": {"seconds": 3.5}},
    ],
    ids=["params", "metrics"],
)
def test_what_mlflow_cannot_take_back_starts_a_new_run(runs: Path, change: dict) -> None:
    sweep = sweep_in(runs)
    cell = cell_in(sweep)
    send(MlflowTracker(), sweep, cell)
    store = Store(sqlite_uri(runs))
    (old,) = store.children("chunk_size")
    store.client.set_tag(old.info.run_id, "my.verdict", "keep")

    send(MlflowTracker(), sweep, dataclasses.replace(cell, **change))
    (new,) = store.children("chunk_size")
    assert new.info.run_id != old.info.run_id
    assert new.data.tags["my.verdict"] == "keep"
    assert store.client.get_run(old.info.run_id).info.lifecycle_stage == "deleted"


def test_more_questions_start_a_new_run_with_one_data_set(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep))
    send(MlflowTracker(), sweep_in(runs, dataset_key="cd34" * 16, examples=4), cell_in(sweep))
    (child,) = Store(sqlite_uri(runs)).children("chunk_size")
    assert [given.dataset.digest for given in child.inputs.dataset_inputs] == ["cd34cd34cd34"]


def test_a_stopped_cell_fails_until_it_is_complete(runs: Path) -> None:
    sweep = sweep_in(runs)
    good, bad = cell_in(sweep, "aa"), cell_in(sweep, "bb", status="stopped", metrics={})
    store = Store(sqlite_uri(runs))
    send(MlflowTracker(), sweep, good, bad)
    assert store.parent("chunk_size").info.status == "FAILED"
    assert sorted(run.info.status for run in store.children("chunk_size")) == ["FAILED", "FINISHED"]

    send(MlflowTracker(), sweep, good)
    assert store.parent("chunk_size").info.status == "FAILED"
    send(MlflowTracker(), sweep, dataclasses.replace(bad, status="complete"))
    assert {run.info.status for run in store.runs("chunk_size")} == {"FINISHED"}


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_inside_passes_and_shows(runs: Path, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), MlflowTracker().open(sweep_in(runs)):
        raise error
    assert Store(sqlite_uri(runs)).parent("chunk_size").info.status == status


def test_a_run_is_running_while_it_is_open(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep)
    with MlflowTracker().open(sweep):
        assert Store(sqlite_uri(runs)).parent("chunk_size").info.status == "RUNNING"


def test_duration_is_that_of_the_work(runs: Path) -> None:
    sweep = sweep_in(runs)
    cell = cell_in(sweep)
    os.utime(cell.folder / "resolved.yaml", (1_000_000, 1_000_000))
    os.utime(cell.folder / "summary.json", (1_000_060, 1_000_060))
    send(MlflowTracker(), sweep, cell)
    (child,) = Store(sqlite_uri(runs)).children("chunk_size")
    assert (child.info.start_time, child.info.end_time) == (1_000_000_000, 1_000_060_000)


def test_sweeps_share_an_experiment_but_no_runs(runs: Path) -> None:
    for name in ("one's", 'two"s', "both'\""):
        sweep = sweep_in(runs, name)
        send(MlflowTracker(experiment="mine"), sweep, cell_in(sweep))
        send(MlflowTracker(experiment="mine"), sweep, cell_in(sweep))
    store = Store(sqlite_uri(runs))
    assert len(store.runs("mine")) == 6
    assert store.client.get_experiment_by_name("one's") is None


def test_a_deleted_experiment_comes_back(runs: Path) -> None:
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep))
    client = mlflow.MlflowClient(tracking_uri=sqlite_uri(runs))
    client.delete_experiment(client.get_experiment_by_name("chunk_size").experiment_id)
    send(MlflowTracker(), sweep, cell_in(sweep))
    assert len(Store(sqlite_uri(runs)).runs("chunk_size")) == 2


def test_a_first_use_is_quiet_and_stays_in_the_results_folder(tmp_path: Path) -> None:
    runs = tmp_path / "my runs #1 (50%)"
    sweep = sweep_in(runs)
    program = (
        "import sys, os; from pathlib import Path; from ragvlc.core.records import *;"
        "from ragvlc.trackers.mlflow import MlflowTracker; f = Path(sys.argv[1]);\n"
        "with MlflowTracker().open(SweepRecord(name='s', folder=f, dataset='d')) as o:\n"
        "    o.cell(CellRecord(key='k', name='n', status='complete', folder=f, table=({'id': 1},)))\n"
        "import mlflow; assert str(f.parent) not in mlflow.get_tracking_uri()\n"
        "assert 'MLFLOW_HTTP_REQUEST_TIMEOUT' not in os.environ"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(sweep.folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in runs.iterdir()) == [".mlflow.db.lock", "chunk_size", "mlartifacts", "mlflow.db"]
    assert [path.name for path in (runs / "mlartifacts").rglob("*.json")] == ["questions.json"]


def test_the_environment_names_the_store(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert MlflowTracker().store(runs) == "http://127.0.0.1:1"
    assert MlflowTracker(uri="sqlite:///x.db").store(runs) == "sqlite:///x.db"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert MlflowTracker().store(runs) == f"sqlite:///{runs}/mlflow.db"


def test_an_absent_server_is_one_clear_error_soon(runs: Path, free_port: int) -> None:
    tracker = MlflowTracker(uri=f"http://me:secret@127.0.0.1:{free_port}")
    started = time.monotonic()
    with pytest.raises(StoreError, match="does not answer") as caught, tracker.open(sweep_in(runs)):
        pytest.fail("opened")
    assert time.monotonic() - started < 10
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{free_port}" in str(caught.value)
    assert caught.value.transient


@pytest.mark.parametrize("uri", ["https://me:p@ss@host:5000/x", "postgresql://me:p@host/db"])
def test_passwords_stay_private(uri: str) -> None:
    assert "ss" not in shown(uri).replace("postgresql", "")
    assert "me:" not in shown(uri)
    assert "host" in shown(uri)


def test_a_store_that_is_none_is_one_clear_error(runs: Path) -> None:
    (runs / "mlflow.db").write_text("not a database, though it has the name of one" * 100)
    with (
        pytest.raises(StoreError, match="is damaged .*not a database.*ragvlc track"),
        MlflowTracker().open(sweep_in(runs)),
    ):
        pytest.fail("opened")


class TestPages:
    """The command that shows a store."""

    def test_folder(self, runs: Path) -> None:
        command = ui_command(runs, 5123)
        assert command[:4] == [sys.executable, "-m", "mlflow", "ui"]
        assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{runs}/mlflow.db"
        assert command[command.index("--artifacts-destination") + 1] == (runs / "mlartifacts").as_uri()
        assert command[-2:] == ["--port", "5123"]

    def test_folder_of_one_sweep(self, runs: Path) -> None:
        (runs / "chunk_size").mkdir()
        assert ui_command(runs / "chunk_size") == ui_command(runs)

    def test_relative_uri_becomes_absolute(self, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.chdir(runs.parent)
            command = ui_command("sqlite:///runs/mlflow.db")
        assert f"sqlite:///{runs}/mlflow.db" in command

    def test_server(self) -> None:
        with pytest.raises(StoreError, match="open it in a browser"):
            ui_command("http://127.0.0.1:5000")

    def test_charts_of_a_file(self, runs: Path) -> None:
        sweep = sweep_in(runs)
        send(MlflowTracker(), sweep, cell_in(sweep))
        client = mlflow.MlflowClient(tracking_uri=sqlite_uri(runs))
        experiment = client.get_experiment_by_name("chunk_size").experiment_id
        page = charts_page(runs, "chunk_size", 5123)
        assert page.startswith(f"http://127.0.0.1:5123/#/experiments/{experiment}/runs?")
        query = dict(urllib.parse.parse_qsl(page.partition("?")[2]))
        assert len(client.search_runs([experiment], query["searchFilter"], order_by=[query["orderByKey"]])) == 1

    def test_charts_have_the_cells_of_today_in_the_order_of_the_plan(self, runs: Path) -> None:
        sweep = sweep_in(runs, cells=("gone", "size128", "size64"))
        names = {"gone": "size=32", "size128": "size=128", "size64": "size=64"}
        send(MlflowTracker(), sweep, *(cell_in(sweep, key, name=name) for key, name in names.items()))
        sweep = sweep_in(runs, cells=("size64", "size128"))
        send(MlflowTracker(), sweep, *(cell_in(sweep, key, name=names[key]) for key in sweep.cells))
        client = mlflow.MlflowClient(tracking_uri=sqlite_uri(runs))
        query = dict(urllib.parse.parse_qsl(charts_page(runs, "chunk_size").partition("?")[2]))
        experiment = client.get_experiment_by_name("chunk_size").experiment_id
        shown = client.search_runs([experiment], query["searchFilter"], order_by=[query["orderByKey"]])
        assert [run.info.run_name for run in shown] == ["size=64", "size=128"]
        assert len(Store(sqlite_uri(runs)).children("chunk_size")) == 3

        send(MlflowTracker(), sweep_in(runs, cells=("gone",)), cell_in(sweep, "gone", name="size=32"))
        shown = client.search_runs([experiment], query["searchFilter"], order_by=[query["orderByKey"]])
        assert [run.info.run_name for run in shown] == ["size=32"]

    def test_charts_of_nothing(self, runs: Path) -> None:
        with pytest.raises(StoreError, match="no experiment 'x'"):
            charts_page(runs, "x")

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="ragvlc track"):
            ui_command(tmp_path)


@pytest.fixture
def server(runs: Path, free_port: int) -> Iterator[tuple[str, subprocess.Popen]]:
    command = [*ui_command(runs, free_port), "--disable-security-middleware"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    uri = f"http://127.0.0.1:{free_port}"
    try:
        wait_for(uri, process)
        yield uri, process
    finally:
        end(process)


@pytest.mark.slow
def test_a_real_server_takes_all_of_it_until_it_goes_away(
    tmp_path: Path, server: tuple[str, subprocess.Popen], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, process = server
    sweep = sweep_in(tmp_path / "local", cells=("aa", "bb"), metrics=("contains",))
    for number in range(2):
        with MlflowTracker(uri=uri, traces=1, system_metrics=True).open(sweep) as opened:
            for key in ("aa", "bb"):
                opened.cell(cell_in(sweep, key, traces=(traced("q1"),)))
            opened.files(figures(tmp_path, "report.html", *(["figures/old.svg"] if number == 0 else [])))
    store = Store(uri)
    assert store.all_files(store.parent("chunk_size")) == ["report.html", "resolved.yaml"]
    for child in store.children("chunk_size"):
        [trace] = store.traces(child)
        assert [span.name for span in trace.data.spans][0] == child.info.run_name
        assert len(trace.data.spans) == 6
    assert len(store.children("chunk_size")) == 2
    for child in store.children("chunk_size"):
        assert child.info.artifact_uri.startswith("mlflow-artifacts:")
        assert store.files(child) == ["questions.json", "resolved.yaml", "summary.json"]
    assert charts_page(uri, "chunk_size").startswith(f"{uri}/#/experiments/1/runs?")
    assert not (tmp_path / "local" / "mlartifacts").exists()

    with (  # noqa: PT012 - both the cells and the closing fail
        pytest.raises(StoreError, match="does not answer"),
        MlflowTracker(uri=uri).open(sweep) as opened,
    ):
        end(process)
        with pytest.raises(StoreError, match="does not answer"):
            opened.cell(cell_in(sweep, "cc"))
        started = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            opened.cell(cell_in(sweep, "dd"))
        assert time.monotonic() - started < 0.5


def test_a_cell_over_a_data_set_of_its_own_names_that_one(runs):
    sweep = sweep_in(runs)
    send(MlflowTracker(), sweep, cell_in(sweep, dataset="qmsum", dataset_key="ef56" * 16, examples=3))
    (child,) = Store(sqlite_uri(runs)).children("chunk_size")
    assert [given.dataset.name for given in child.inputs.dataset_inputs] == ["qmsum"]
