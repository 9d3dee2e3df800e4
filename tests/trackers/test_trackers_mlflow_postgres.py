"""MLflow's store in PostgreSQL: made once whoever comes first, whole after a kill, away and back, and refusing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import failing_store
import postgres
import pytest
from mlflow_server import arrived
from test_trackers_and_sweeps import sweep_of
from test_trackers_mlflow_database import experiment, python

from ragvlc.core.errors import StoreError
from ragvlc.sweep.runner import run_sweep
from ragvlc.trackers import _mlflow_client
from ragvlc.trackers.mlflow import MlflowTracker

pytestmark = pytest.mark.slow

CONNECTIONS = 12

RUN = "import sys; from ragvlc.cli.main import main; sys.argv = ['ragvlc', *sys.argv[1:]]; main()"
KILLED_WHILE_MAKING = """
    import os, sys
    import mlflow.store.db.utils as utils
    utils._upgrade_db = lambda engine: os._exit(9)
    from ragvlc.trackers._mlflow_calls import client, talking
    with talking(sys.argv[1]):
        client(sys.argv[1])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running(max_connections=CONNECTIONS) as running:
        yield running


@pytest.fixture
def empty(server: postgres.Postgres) -> Iterator[postgres.Postgres]:
    """The server, with an empty database of its own for each test: MLflow remembers the stores that it opened."""
    name = f"mlflow{time.time_ns()}"
    server.sql(f"CREATE DATABASE {name}", database="postgres")
    before, server.uri = server.uri, server.uri.replace("/mlflow", f"/{name}")
    yield server
    server.uri = before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mlflow_client, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(_mlflow_client, "_AWAY_SECONDS", 0.2)


def test_two_sweeps_that_start_together_on_an_empty_store_are_both_tracked(
    empty: postgres.Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = []
    for name in ("one", "two"):
        file = experiment(tmp_path, name)
        (tmp_path / f"tmp_{name}").mkdir()
        # As on two machines: MLflow's own lock is a file in the folder for temporary files.
        monkeypatch.setenv("TMPDIR", str(tmp_path / f"tmp_{name}"))
        both.append(python(RUN, "run", str(file), "--runs", str(tmp_path / name), "--set", f"tracker.uri={empty.uri}"))
    for process in both:
        said, _ = process.communicate(timeout=400)
        assert process.returncode == 0, said
        assert "ot sent" not in said
    for name in ("one", "two"):
        found = arrived(empty.uri, name)
        assert (len(found.runs), found.doubled, found.running, found.deleted) == (2, (), (), 0)


def test_what_arrives_is_what_a_file_has_and_is_there_once(empty: postgres.Postgres, tmp_path: Path) -> None:
    from ragvlc.trackers._mlflow_calls import sqlite_uri

    (tmp_path / "file").mkdir()
    for _ in range(2):
        failing_store.send(empty.uri, tmp_path / "runs", "sweep", 2)
    failing_store.send(sqlite_uri(tmp_path / "file"), tmp_path / "file", "sweep", 2)
    found = arrived(empty.uri, "sweep")
    assert found == arrived(sqlite_uri(tmp_path / "file"), "sweep")
    assert (len(found.runs), found.doubled, found.running, found.deleted) == (3, (), (), 0)


def test_a_kill_while_the_tables_are_made_leaves_a_store_that_the_next_one_makes(
    empty: postgres.Postgres, tmp_path: Path
) -> None:
    killed = python(KILLED_WHILE_MAKING, empty.uri)
    said, _ = killed.communicate(timeout=120)
    assert killed.returncode == 9, said
    assert "experiments" in _tables(empty)
    assert "alembic_version" not in _tables(empty)
    failing_store.send(empty.uri, tmp_path, "after", 1)
    assert len(arrived(empty.uri, "after").runs) == 2


def _tables(server: postgres.Postgres) -> set[object]:
    """Returns the names of the tables of the store."""
    return {name for (name,) in server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_a_server_that_ends_amid_a_sweep_and_comes_back_has_all_of_it(
    empty: postgres.Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture, impatient: None
) -> None:
    sweep, records = failing_store.sweep_in(tmp_path, "sweep", 3)
    with MlflowTracker(uri=empty.uri, traces=2).open(sweep) as opened:
        opened.cell(records[0])
        empty.stop()
        with pytest.raises(StoreError, match="does not (answer|work)") as caught:
            opened.cell(records[1])
        assert caught.value.transient
        empty.start(max_connections=CONNECTIONS)
    with MlflowTracker(uri=empty.uri, traces=2).open(sweep) as opened:
        for record in records:
            opened.cell(record)
    found = arrived(empty.uri, "sweep")
    assert (len(found.runs), found.doubled, found.running) == (4, (), ())


def test_a_server_that_is_away_at_the_start_and_back_at_the_end_has_the_sweep(
    empty: postgres.Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture, impatient: None
) -> None:
    sweep = sweep_of(tracker={"kind": "mlflow", "uri": empty.uri, "traces": 1})
    empty.stop()

    class Starting:
        """Starts the server once the first cell is done."""

        def __getattr__(self, name: str) -> object:
            return lambda *_: None

        def done(self, *_: object) -> None:
            if not started:
                started.append(True)
                empty.start(max_connections=CONNECTIONS)

    started: list[bool] = []
    caplog.set_level(logging.INFO, "ragvlc")
    outcome = run_sweep(sweep, tmp_path / "runs", watcher=Starting())  # type: ignore[arg-type]
    assert (outcome.complete, outcome.untracked) == (True, None)
    assert "all cells were sent" in caplog.text
    found = arrived(empty.uri, "toys")
    assert (len(found.runs), found.doubled, found.running) == (4, (), ())


def test_an_absent_server_is_one_clear_error_soon(tmp_path: Path, free_port: int) -> None:
    postgres.programs()
    started = time.monotonic()
    uri = f"postgresql://me:secret@127.0.0.1:{free_port}/x"
    with pytest.raises(StoreError, match="does not answer .*Start it") as caught:
        failing_store.send(uri, tmp_path, "sweep", 1)
    assert time.monotonic() - started < 15
    assert caught.value.transient
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["password", "database", "read-only", "connections"])
def test_a_refusal_is_one_sentence(empty: postgres.Postgres, tmp_path: Path, wrong: str, impatient: None) -> None:
    import psycopg

    uri, held = empty.uri, ExitStack()
    name = uri.rpartition("/")[2]
    words = {
        "password": "password authentication failed",
        "database": "does not exist",
        "read-only": "read-only transaction",
        "connections": "max_connections",
    }[wrong]
    if wrong == "password":
        uri = uri.replace(postgres.PASSWORD, "another-one")
    elif wrong == "database":
        uri += "_none"
    elif wrong == "read-only":
        failing_store.send(uri, tmp_path, "before", 1)
        empty.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        uri += "?application_name=again"  # a store that MLflow has not opened yet
    else:
        try:
            while True:
                held.callback(psycopg.connect(uri).close)
        except psycopg.OperationalError:
            pass
    with held, pytest.raises(StoreError, match=words) as caught:
        failing_store.send(uri, tmp_path, "sweep", 1)
    assert caught.value.transient == (wrong == "connections")
    assert "\n" not in str(caught.value)
    assert postgres.PASSWORD not in str(caught.value)
    assert "another-one" not in str(caught.value)


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pip install psycopg2-binary"):
        failing_store.send("postgresql+psycopg2://me:secret@127.0.0.1:9/x", tmp_path, "sweep", 1)
