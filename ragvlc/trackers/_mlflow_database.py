"""MLflow's database: its tables are made whole or not at all, by one process at a time.

MLflow makes the tables of a new store in dozens of steps, and cannot use a SQLite file in which that was interrupted.
PostgreSQL takes the steps back itself; there, the processes of all machines wait for the one that makes the tables.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ragvlc.core import interruption
from ragvlc.core.errors import StoreError
from ragvlc.trackers._mlflow_client import repeated
from ragvlc.trackers._mlflow_errors import shown

__all__ = ["check_whole", "locked", "made_by_one", "make_if_missing", "set_aside"]

_LONGEST_WAIT = 300.0
_ADVISORY_LOCK = 0x7261_6776_6C63  # of this program, among all that use the database
_NEEDED = frozenset({"alembic_version", "experiments", "metrics", "params", "runs", "tags"})


@contextmanager
def locked(database: Path | None) -> Iterator[None]:
    """Holds the lock of a SQLite file, so that processes write one after another; for None there is none.

    A thread may take the lock again inside. Raises `StoreError` if another process does not release it.
    """
    if database is None or not database.parent.is_dir():
        yield
        return
    lock = FileLock(database.with_name(f".{database.name}.lock"), timeout=_LONGEST_WAIT, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"{database}: another process has been writing for {_LONGEST_WAIT:.0f} s. Send later: ragvlc track"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def made_by_one(uri: str) -> Iterator[None]:
    """Holds the lock under which one process makes or upgrades the tables of a PostgreSQL store; else there is none.

    Also finds out at once, and not after MLflow's own minutes, whether the server is there.
    """
    if not uri.startswith("postgresql"):
        yield
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(uri, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with repeated(uri, engine.connect, patient=False) as opened:  # the lock ends with the connection
        waited = 0.0
        while not opened.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}).scalar():
            if waited > _LONGEST_WAIT:
                raise StoreError(
                    f"MLflow at {shown(uri)}: another process has been making its tables for {_LONGEST_WAIT:.0f} s. "
                    f"Send later: ragvlc track"
                )
            interruption.pause(0.2)
            waited += 0.2
        yield


def make_if_missing(database: Path, artifacts: Path) -> None:
    """Makes the file with MLflow's tables if there is none; call it with the lock held.

    Raises `StoreError`, with the way out, for a file that an interrupted program left half made.
    """
    for part in database.parent.glob(f"{database.name}.*.part*"):  # of makers that were killed: the lock is ours
        part.unlink(missing_ok=True)
    if database.exists():
        check_whole(database)
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    part = database.with_name(f"{database.name}.{os.getpid()}.part")
    database.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = SqlAlchemyStore(f"sqlite:///{part.as_posix()}", artifacts.as_uri())
        made.engine.dispose()
        os.replace(part, database)  # noqa: PTH105
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_whole(database: Path) -> None:
    """Raises `StoreError`, with the way out, for a file that is damaged or half made. Writes nothing."""
    try:
        # A file that is locked by a reader is still read; a missing one is not made.
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            tables = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            version = (
                opened.execute("SELECT version_num FROM alembic_version").fetchone() if tables >= _NEEDED else None
            )
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{database}: is damaged ({error}). {_way_out(database)}") from error
    if version is None:
        raise StoreError(f"{database}: is half made: a program was interrupted while it made it. {_way_out(database)}")


def set_aside(database: Path) -> Path:
    """Renames a damaged file, so that a new one is made; returns its new path."""
    number = 0
    while (away := database.with_suffix(f".broken{f'.{number}' if number else ''}")).exists():
        number += 1
    return database.rename(away)


def _way_out(database: Path) -> str:
    away = database.with_suffix(".broken")
    return f"Nothing is lost with it: run `mv {database} {away}`, then `ragvlc track` for each folder of results."
