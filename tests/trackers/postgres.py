"""A PostgreSQL server of Debian's package on this machine, for the time of a test."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PASSWORD = "a-planted-password"


def programs() -> Path:
    """Returns the folder of the server's programs; skips the test, with the reason, where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and not on_path:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("the driver of PostgreSQL is not installed: pip install 'psycopg[binary]'")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


class Postgres:
    """A server with the empty database `mlflow`, whose owner signs in with a password.

    Attributes:
        uri: of the database.
    """

    def __init__(self, folder: Path) -> None:
        self._bin = programs()
        self._folder = folder / "data"
        self._sockets = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"postgresql://ragvlc:{PASSWORD}@127.0.0.1:{self.port}/mlflow"
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:  # the server refuses to run as root
            owner = pwd.getpwnam("postgres")
            for path in (folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._do("initdb", "-D", self._folder, "-U", "ragvlc", "-A", "scram-sha-256", f"--pwfile={secret}", "-N")

    def start(self, **settings: object) -> None:
        """Starts the server, with settings such as `max_connections`."""
        given = {"fsync": "off", "listen_addresses": "127.0.0.1", "port": self.port} | settings
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        options += f" -c unix_socket_directories={self._sockets}"
        self._do("pg_ctl", "-D", self._folder, "-w", "-l", self._sockets / "log", "-o", options, "start")

    def stop(self) -> None:
        """Stops the server at once, whoever is connected."""
        self._do("pg_ctl", "-D", self._folder, "-w", "-m", "immediate", "stop")

    def sql(self, *statements: str, database: str = "") -> list[tuple[object, ...]]:
        """Runs statements one by one in the database, or in another one, and returns the rows of the last one."""
        import psycopg

        place, _, name = self.uri.rpartition("/")
        opened = psycopg.connect(f"{place}/{database or name}")
        try:
            opened.autocommit = True
            with opened.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            opened.close()

    def _do(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        as_root = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,  # the server would hold the pipe
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            timeout=120,
            **as_root,  # type: ignore[arg-type]
        )
        assert done.returncode == 0, f"{program}: {(done.stdout or b'').decode()}"


@contextmanager
def running(**settings: object) -> Iterator[Postgres]:
    """Makes and starts a server; stops and deletes it afterwards."""
    programs()
    # Not in a folder of pytest, which no other user may enter.
    folder = Path(tempfile.mkdtemp(prefix="ragvlc-postgres-"))
    try:
        server = Postgres(folder)
        server.start(**settings)
        server.sql("CREATE DATABASE mlflow", database="postgres")
        try:
            yield server
        finally:
            with suppress(AssertionError):  # stopped already
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
