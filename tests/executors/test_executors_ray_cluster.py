"""A cluster of one's own listens to nobody else; what is killed amid a sweep loses nothing, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ray_things import notes, until
from test_executors_ray_sweep import RAY, row_counts, sweep_over, write_set

from ragvlc.core.errors import EngineError
from ragvlc.executors import _ray_cluster

QUESTIONS = 60
TIMED_OUT = "The current node timed out during startup. This could happen because some of the raylet failed to startup"
SLOW_START = """
import sys
import ray._private.services as services
def get_node(*_): raise RuntimeError("not yet")
services.get_node = get_node
sys.argv[0] = "ragvlc"
from ragvlc.cli.main import main
main()
"""


class Run:
    """A sweep in a process and with a cluster of its own."""

    def __init__(self, folder: Path, seconds: float = 0.3) -> None:
        main = {"kind": "ray_things:Noting", "folder": str(folder), "seconds": seconds}
        noting = {"generators": {"main": main}, "routes": {"full": "full_context"}}
        fields = sweep_over(write_set(folder / "things", count=QUESTIONS), pipelines={"noting": noting}, executor=RAY)
        self.runs = folder / "runs"
        self._file = folder / "slow.yaml"
        self._file.write_text(yaml.safe_dump(fields), encoding="utf-8")
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        self._environment = os.environ | {"RAGVLC_STORE": str(folder / "store"), "PYTHONPATH": path}

    def started(self, *start: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *(start or ("-m", "ragvlc")), "run", str(self._file), "--runs", str(self.runs)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def rows(self) -> Counter[str]:
        return sum(row_counts(self.runs).values(), Counter()) if self.runs.exists() else Counter()


@pytest.fixture
def amid(needs_ray: None, tmp_path: Path) -> Iterator[Callable[[], tuple[Run, Any, list[psutil.Process]]]]:
    """Returns a function that starts a sweep and waits until some of it is done: run, process, Ray's processes."""
    begun: list[psutil.Process] = []

    def begin() -> tuple[Run, Any, list[psutil.Process]]:
        run = Run(tmp_path)
        process = run.started()
        begun.append(psutil.Process(process.pid))
        assert until(lambda: run.rows().total() >= 5, 240)
        begun.extend(psutil.Process(process.pid).children(recursive=True))
        return run, process, begun[1:]

    yield begin
    for one in begun:
        if one.is_running():
            one.kill()


def alive(processes: list[psutil.Process]) -> list[str]:
    return [one.name() for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def ports(processes: list[psutil.Process]) -> list[tuple[str, str, int]]:
    found = []
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile, and listens no more
            places = [place for place in one.net_connections(kind="inet") if place.status == psutil.CONN_LISTEN]
            found += [(one.name(), place.laddr.ip, place.laddr.port) for place in places]
    return found


def open_to_others(processes: list[psutil.Process]) -> list[tuple[str, str, int]]:
    return [place for place in ports(processes) if not place[1].startswith(("127.", "::ffff:127.", "::1"))]


@pytest.mark.parametrize("victim", ["raylet", pytest.param("gcs_server", marks=pytest.mark.slow)])
def test_a_killed_node_is_one_sentence_and_the_next_run_does_the_rest(amid: Any, victim: str) -> None:
    run, process, processes = amid()
    assert len(ports(processes)) >= 5, "no port was found, so none was tried"
    assert open_to_others([*processes, psutil.Process(process.pid)]) == []
    next(one for one in processes if one.name() == victim).kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, out + err
    [said] = [line for line in err.splitlines() if line.startswith("error:")]
    assert said.startswith("error: Ray ended on this machine in the middle of the work")
    assert said.endswith("run the same command again for the rest.")
    assert "Traceback" not in out + err
    assert "state-dump" not in out + err
    assert until(lambda: not alive(processes), 60), alive(processes)
    stored = run.rows()
    assert 5 <= stored.total() < QUESTIONS
    again = run.started()
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, out + err
    assert run.rows() == {f"q{number}": 1 for number in range(QUESTIONS)}
    asked = sum(word == "end" for word, *_ in notes(run.runs.parent))
    assert asked <= QUESTIONS + 2 * RAY["workers"] * 4  # what was answered and not yet stored is asked again


@pytest.mark.slow
def test_a_killed_driver_takes_the_cluster_along_and_loses_no_row(amid: Any) -> None:
    run, process, processes = amid()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert until(lambda: not [one for one in alive(processes) if "Agent" not in one], 60), alive(processes)
    again = run.started()
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, out + err
    assert run.rows() == {f"q{number}": 1 for number in range(QUESTIONS)}
    assert until(lambda: not alive(processes), 120), alive(processes)


def test_a_start_that_takes_too_long_is_one_sentence_and_leaves_no_process(
    needs_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    started: list[subprocess.Popen[bytes]] = []

    def init(**_: object) -> None:
        started.append(subprocess.Popen(["sleep", "600"]))
        raise Exception(TIMED_OUT)  # noqa: TRY002 - as Ray does

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(_ray_cluster, "_ENDING_SECONDS", 0.5)
    with (
        pytest.raises(EngineError, match="did not start on this machine in its time.*Try again") as caught,
        _ray_cluster.opened("local"),
    ):
        pytest.fail("opened")
    assert caught.value.transient
    assert not psutil.pid_exists(started[0].pid)


@pytest.mark.slow
def test_a_start_that_really_takes_too_long_ends_with_status_2(needs_ray: None, tmp_path: Path) -> None:
    process = Run(tmp_path).started("-c", SLOW_START)
    processes: list[psutil.Process] = []

    def raylet() -> bool:
        processes[:] = psutil.Process(process.pid).children(recursive=True)
        return "raylet" in alive(processes)

    assert until(raylet, 120)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 2, out + err
    assert "error: Ray did not start on this machine in its time" in err
    assert "Traceback" not in out + err
    assert until(lambda: not alive(processes), 60), alive(processes)


def test_ports_that_others_reach_are_said(caplog: pytest.LogCaptureFixture) -> None:
    _ray_cluster._say_ports([], "local")
    assert caplog.text == ""
    _ray_cluster._say_ports([6379, 8265], "local")
    assert "ports 6379, 8265" in caplog.text
    assert "RAY_AUTH_MODE=token" in caplog.text


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", True),
        ("::", False),
        ("0.0.0.0", False),
        ("10.0.0.5", False),
    ],
)
def test_loopback_is_known_in_every_spelling(address: str, loopback: bool) -> None:
    assert _ray_cluster._is_loopback(address) == loopback
