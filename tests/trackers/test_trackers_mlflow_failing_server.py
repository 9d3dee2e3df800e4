"""A server that fails 30 % of all calls, that is away, or refuses: everything arrives once, or is counted."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import failing_store
import pytest
from mlflow_server import arrived, end, serving, wait_for
from test_trackers_and_sweeps import sweep_of

from ragvlc.core.errors import StoreError
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.tracking import send as track
from ragvlc.trackers import _mlflow_client
from ragvlc.trackers._mlflow_calls import sqlite_uri
from ragvlc.trackers._mlflow_client import Client
from ragvlc.trackers.mlflow import MlflowTracker
from tests.faulty_proxy import FAULTS
from tests.faulty_proxy import serving as failing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(f"sqlite:///{folder}/mlflow.db", folder / "artifacts", port) as (uri, _):
        yield uri


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience, and short time-outs."""
    monkeypatch.setattr(_mlflow_client, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(_mlflow_client, "_AWAY_SECONDS", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def test_everything_arrives_once_where_three_of_ten_calls_fail(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(failing_store.SECONDS))
    failing_store.send(server, tmp_path, "whole", 4)
    line = failing_store.tried(
        server,
        tmp_path,
        "failing",
        cells=4,
        share=0.3,
        faults=FAULTS,
        seed=12,
        whole=arrived(server, "whole"),
    )
    assert line.error == ""
    assert line.failed > line.calls / 5
    assert line.missing == ()
    assert (len(line.arrived.runs), line.arrived.doubled, line.arrived.running) == (5, (), ())


def test_a_run_that_a_slow_server_made_twice_is_found_and_deleted(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Client._of_request
    blind = [True]

    def later(self: Client, experiment: str, request: str) -> list:
        """As if the first of two calls had not been handled yet when the run is looked for."""
        if blind:
            blind.clear()
            return []
        return original(self, experiment, request)

    monkeypatch.setattr(Client, "_of_request", later)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    port = int(server.rpartition(":")[2])
    with failing(port, share=0.3, faults=["reset after"], seed=3) as proxy:
        failing_store.send(f"http://127.0.0.1:{proxy.port}", tmp_path, "twins", 6)
    assert not blind, "no creation lost its reply"
    found = arrived(server, "twins")
    assert (len(found.runs), found.doubled, found.running, found.deleted) == (7, (), (), 1)


def test_a_server_that_is_away_amid_a_sweep_gets_the_rest_at_the_end(
    server: str, tmp_path: Path, brief: None, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(server.rpartition(":")[2])
    with failing(port, share=0.0) as proxy:
        uri = f"http://127.0.0.1:{proxy.port}"

        class Breaking:
            """Takes the server away after the first cell, and brings it back after the last."""

            ended = 0

            def __getattr__(self, name: str) -> object:
                return lambda *_: None

            def done(self, *_: object) -> None:
                self.ended += 1
                proxy.down = self.ended in {1, 2}

        caplog.set_level(logging.INFO, "ragvlc")
        sweep = sweep_of(name="breaking", tracker={"kind": "mlflow", "uri": uri, "traces": 1})
        outcome = run_sweep(sweep, tmp_path, watcher=Breaking())  # type: ignore[arg-type]
    assert (outcome.complete, outcome.untracked) == (True, None)
    assert "all cells were sent" in caplog.text
    found = arrived(server, "breaking")
    assert (len(found.runs), found.doubled, found.running) == (4, (), ())


def test_what_could_not_be_sent_is_counted_and_tracked_later(server: str, tmp_path: Path, brief: None) -> None:
    port = int(server.rpartition(":")[2])
    with failing(port, share=0.0) as proxy:
        uri = f"http://127.0.0.1:{proxy.port}"
        sweep = sweep_of(name="later", tracker={"kind": "mlflow", "uri": uri, "traces": 1})

        class Breaking:
            def __getattr__(self, name: str) -> object:
                return lambda *_: None

            def done(self, *_: object) -> None:
                proxy.down = True

        outcome = run_sweep(sweep, tmp_path, watcher=Breaking())  # type: ignore[arg-type]
        assert outcome.complete
        assert str(outcome.untracked).startswith("2 of 3 cells")
        assert "does not answer" in str(outcome.untracked)
        proxy.down = False
        assert track(sweep, tmp_path) is None
    found = arrived(server, "later")
    assert (len(found.runs), found.doubled, found.running) == (4, (), ())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("401", "refuses the credentials .401.*MLFLOW_TRACKING_USERNAME"),
        ("403", "does not allow this to the user .403"),
        ("503", "answers 503 each time .tried .*Its log says why"),
        ("507", "answers 507 each time .tried .*a full disk"),
        ("429", "answers 429 .*send later"),
        ("404", "refused: .*404"),
        ("cut", "does not answer"),
    ],
)
def test_a_refusal_is_one_sentence(server: str, tmp_path: Path, status: str, words: str, brief: None) -> None:
    port = int(server.rpartition(":")[2])
    started = time.monotonic()
    with (
        failing(port, share=1.0, faults=[status]) as proxy,
        pytest.raises(StoreError, match=words) as caught,
    ):
        failing_store.send(f"http://me:secret@127.0.0.1:{proxy.port}", tmp_path, "refused", 1)
    assert time.monotonic() - started < 20
    assert caught.value.transient == (status in {"503", "507", "429", "cut"})
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_ends_and_starts_again_has_all_of_it(tmp_path: Path, free_port: int, brief: None) -> None:
    database = sqlite_uri(tmp_path)
    sweep, records = failing_store.sweep_in(tmp_path, "again", 2)
    with serving(database, tmp_path / "artifacts", free_port) as (uri, process):
        with MlflowTracker(uri=uri, traces=2).open(sweep) as opened:
            opened.cell(records[0])
        end(process)
        with pytest.raises(StoreError, match="does not answer"):
            failing_store.send(uri, tmp_path, "again", 2)
    with serving(database, tmp_path / "artifacts", free_port) as (uri, process):
        wait_for(uri, process)
        failing_store.send(uri, tmp_path, "again", 2)
        found = arrived(uri, "again")
    assert (len(found.runs), found.doubled, found.running) == (3, (), ())


def test_a_database_that_is_full_is_one_sentence_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    failing_store.send(sqlite_uri(tmp_path), tmp_path, "full", 1)

    def full(opened: object, *_: object) -> None:
        opened.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    event.listen(Engine, "checkout", full)
    try:
        with pytest.raises(StoreError, match="refused: .*full") as caught:
            failing_store.send(sqlite_uri(tmp_path), tmp_path, "more", 400)
    finally:
        event.remove(Engine, "checkout", full)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err
