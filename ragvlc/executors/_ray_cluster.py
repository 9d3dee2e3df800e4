"""The Ray cluster that a sweep works on: joined, or started on this machine alone; watched, and cleared away."""

from __future__ import annotations

import importlib
import ipaddress
import logging
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ragvlc.core.errors import EngineError

__all__ = ["Cluster", "last_line", "opened"]

log = logging.getLogger("ragvlc")

_MAIN = frozenset({"raylet", "gcs_server"})
_ENDING_SECONDS = 10.0
_ELSE = "or leave out `executor: {kind: ray}`: one process answers the same questions"


class Cluster:
    """A cluster that this process is part of.

    Attributes:
        nodes: resources of each node, `CPU` and `GPU`, as Ray counts them.
    """

    def __init__(self) -> None:
        import ray

        self.nodes: list[Mapping[str, float]] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        name = ray.get_runtime_context().get_node_id()
        self._main = [one for one in _processes() if _name(one) in _MAIN and name in " ".join(_command(one))]
        self._seen: dict[int, Any] = {}
        self.look()

    def look(self) -> None:
        """Notes which processes Ray has on this machine, to find those that outlive it."""
        for main in self._main:
            for one in (main, *_children(main)):
                self._seen[one.pid] = one

    def ended(self) -> str:
        """Returns the name of a process without which Ray cannot go on, if it has ended; else an empty string."""
        return next((_name(one, "raylet") for one in self._main if not _alive(one)), "")

    def check(self) -> None:
        """Raises `EngineError` if Ray cannot go on."""
        if self.ended():
            raise EngineError(
                "Ray ended on this machine in the middle of the work: its node was killed, or ran out of memory. "
                "Every answer so far is on disk: run the same command again for the rest.",
                transient=True,
            )

    def end(self) -> None:
        """Ends the processes of Ray that outlived it."""
        _end(self._seen.values())

    def open_ports(self) -> list[int]:
        """Returns the ports of this machine at which Ray listens for other machines."""
        self.look()
        own = importlib.import_module("psutil").Process()
        return sorted({port for one in (own, *self._seen.values()) for port in _open_ports(one)})


@contextmanager
def opened(address: str | None) -> Iterator[Cluster]:
    """Joins or starts a cluster; one that was started ends with all its processes. Raises `EngineError`."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():  # by the calling program, which also shuts it down
        yield Cluster()
        return
    place = address or os.environ.get("RAY_ADDRESS") or "local"
    own = place == "local"
    before = {one.pid for one in _children()}
    try:
        _start(place)
    except Exception as error:  # Ray raises anything, a bare Exception for a start that took too long
        with suppress(Exception):
            ray.shutdown()
        _end([one for one in _children() if own and one.pid not in before])
        raise EngineError(_no_cluster(place, error), transient=True) from error
    cluster = Cluster()
    _say_ports(cluster.open_ports(), place)
    with _without_dumps():
        try:
            yield cluster
        finally:
            cluster.look()
            ray.shutdown()
            if own:
                cluster.end()


def _start(place: str) -> None:
    import ray

    options: dict[str, Any] = {"address": place, "log_to_driver": False, "logging_level": "error"}
    if place != "local":
        ray.init(**options)
        return
    with _loopback():
        ray.init(**options, include_dashboard=False, _node_ip_address="127.0.0.1")


@contextmanager
def _loopback() -> Iterator[None]:
    """Lets Ray take 127.0.0.1 at its word; otherwise it looks up, and listens at, the address seen by others."""
    with _replaced("ray._private.ray_constants", "ENABLE_RAY_CLUSTER", lambda _: False):
        yield


@contextmanager
def _without_dumps() -> Iterator[None]:
    """Keeps the state of a killed node, dozens of lines that Ray prints, off the terminal; its log has them."""

    def silenced(known: Any) -> Any:  # noqa: ANN401 - a function of Ray's
        def shown(data: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if not any("Raylet is terminated" in str(line) for line in data.get("lines", ())):
                known(data, *args, **kwargs)

        return shown

    with _replaced("ray._private.worker", "print_to_stdstream", silenced):
        yield


@contextmanager
def _replaced(module: str, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Replaces something of Ray for which it has no setting; a version that does not have it is left as it is."""
    found: Any = importlib.import_module(module)
    known = getattr(found, name, None)
    if known is None:
        yield
        return
    setattr(found, name, change(known))
    try:
        yield
    finally:
        setattr(found, name, known)


def _no_cluster(place: str, error: Exception) -> str:
    said = last_line(error)
    if place != "local":
        return (
            f"no Ray cluster at '{place}': {said}. Start one with `ray start --head`, or omit the address. "
            f"Where one runs with token authentication, RAY_AUTH_MODE and RAY_AUTH_TOKEN must be the same here."
        )
    if "timed out" in str(error) or isinstance(error, TimeoutError):
        return f"Ray did not start on this machine in its time: it is busy or short of memory. Try again, {_ELSE}."
    logs = "/tmp/ray/session_latest/logs"  # noqa: S108 - where Ray has them
    return f"Ray could not be started on this machine: {said}. Its log is in {logs}. Mend it, {_ELSE}."


def _say_ports(ports: list[int], place: str) -> None:
    """Says which ports are open to whom, if other machines can reach any."""
    if not ports:
        return
    level = logging.WARNING if place == "local" else logging.INFO
    log.log(
        level,
        "Ray listens on this machine for others at ports %s, and runs what it is sent: whoever reaches them can run "
        "programs here. Keep them inside the cluster, or set RAY_AUTH_MODE=token (docs/cluster.md).",
        ", ".join(map(str, ports)),
    )


def _end(processes: Iterable[Any]) -> None:
    """Waits for processes to end, kills those that do not, and names those that cannot be killed."""
    psutil = importlib.import_module("psutil")
    _, left = psutil.wait_procs([one for one in processes if _alive(one)], timeout=_ENDING_SECONDS)
    for one in left:
        with suppress(psutil.Error):
            one.kill()
    _, left = psutil.wait_procs(left, timeout=_ENDING_SECONDS)
    if left := [one for one in left if _alive(one)]:
        names = ", ".join(f"{_name(one)} ({one.pid})" for one in left)
        log.warning("processes of Ray still run and could not be ended: %s", names)


def _processes() -> Iterator[Any]:
    yield from importlib.import_module("psutil").process_iter()


def _children(process: Any = None) -> list[Any]:  # noqa: ANN401 - psutil has no types
    psutil = importlib.import_module("psutil")
    try:
        return list((process or psutil.Process()).children(recursive=True))
    except psutil.Error:
        return []


def _alive(process: Any) -> bool:  # noqa: ANN401
    psutil = importlib.import_module("psutil")
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _name(process: Any, unknown: str = "") -> str:  # noqa: ANN401
    try:
        return str(process.name())
    except importlib.import_module("psutil").Error:
        return unknown


def _command(process: Any) -> list[str]:  # noqa: ANN401
    try:
        return list(process.cmdline())
    except importlib.import_module("psutil").Error:
        return []


def _open_ports(process: Any) -> list[int]:  # noqa: ANN401
    psutil = importlib.import_module("psutil")
    try:
        found = process.net_connections(kind="inet")
    except psutil.Error:  # of another user
        return []
    return [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN and not _is_loopback(one.laddr.ip)]


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None)
    return (inner or found).is_loopback


def last_line(error: BaseException) -> str:
    """Returns the last line of an error's text, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return textwrap.shorten(lines[-1], 240, placeholder=" ...").rstrip(".") if lines else type(error).__name__
