"""Calls to MLflow: file locations, short timeouts, no log output, one type of error."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ragvlc.core.errors import StoreError
from ragvlc.trackers._mlflow_database import locked

__all__ = ["artifact_folder", "client", "shown", "sqlite_file", "sqlite_uri", "talking"]

_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}


def client(uri: str) -> Any:  # noqa: ANN401 - MLflow's types are not imported here
    """Returns an MLflow client for the store at `uri`, without changing the process's own tracking URI."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def sqlite_uri(runs: Path) -> str:
    """Returns the URI of the SQLite store in the folder `runs`."""
    return f"sqlite:///{(runs / 'mlflow.db').absolute().as_posix()}"


def artifact_folder(uri: str, runs: Path) -> Path | None:
    """Returns the artifact folder for a database without a server (MLflow's default is `./mlruns`); else None."""
    if urlsplit(uri).scheme.partition("+")[0] not in _DATABASES:
        return None
    database = sqlite_file(uri)
    return (database.parent if database else runs).absolute() / "mlartifacts"


def sqlite_file(uri: str) -> Path | None:
    place = uri.removeprefix("sqlite:///")
    return Path(place).absolute() if place != uri else None


def shown(uri: str) -> str:
    return re.sub(r"//[^/]*@", "//***@", uri)


@contextmanager
def talking(uri: str, *, patient: bool = True) -> Iterator[None]:
    """Silences MLflow, shortens its timeouts, locks a SQLite file, and raises failures as `StoreError`.

    The error is transient if a server cannot be reached.
    """
    # Before the first import, which is when MLflow decides; a user's own setting is kept.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    with locked(sqlite_file(uri)), _quiet(), _environment(patient=patient):
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise _failure(uri, error) from error


def _failure(uri: str, error: Exception) -> StoreError:
    place = f"MLflow at {shown(uri)}"
    if sqlite_file(uri) is None and _unreachable(error):
        failure = StoreError(f"{place} does not answer. Start it, or correct MLFLOW_TRACKING_URI or the tracker's uri.")
        failure.transient = True
        return failure
    return StoreError(f"{place} refused: {str(error).strip().partition(chr(10))[0][:400] or type(error).__name__}")


def _unreachable(error: BaseException | None) -> bool:
    """Whether `error` was caused by a failed connection: an `OSError`, as in `requests`, that is not about a file."""
    while error is not None:
        if isinstance(error, OSError) and error.filename is None:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _environment(*, patient: bool) -> Iterator[None]:
    """Returns environment variables for short timeouts, except those that the user has set."""
    limits = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2" if patient else "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30" if patient else "5",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    }
    ours = {name: value for name, value in limits.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the log messages about the tables of a new database."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
