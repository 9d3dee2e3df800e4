"""Calls to MLflow: file locations, short timeouts, no log output, one type of error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ragvlc.trackers._mlflow_client import Client
from ragvlc.trackers._mlflow_database import locked, made_by_one
from ragvlc.trackers._mlflow_errors import DATABASES, Unanswered, failure, sqlite_file

__all__ = ["artifact_folder", "client", "sqlite_uri", "talking"]


def client(uri: str) -> Client:
    """Returns an MLflow client for the store at `uri`, without changing the process's own tracking URI."""
    with made_by_one(uri):
        return Client(uri)


def sqlite_uri(runs: Path) -> str:
    """Returns the URI of the SQLite store in the folder `runs`."""
    return f"sqlite:///{(runs / 'mlflow.db').absolute().as_posix()}"


def artifact_folder(uri: str, runs: Path) -> Path | None:
    """Returns the artifact folder for a database without a server (MLflow's default is `./mlruns`); else None."""
    if urlsplit(uri).scheme.partition("+")[0] not in DATABASES:
        return None
    database = sqlite_file(uri)
    return (database.parent if database else runs).absolute() / "mlartifacts"


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
        except (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError, Unanswered) as error:
            raise failure(uri, error) from error


@contextmanager
def _environment(*, patient: bool) -> Iterator[None]:
    """Sets environment variables for single, short and silent calls, except those that the user has set."""
    limits = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # calls are repeated by `Client`, which looks first for what was done
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30" if patient else "5",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
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
    """Hides the log messages about the tables of a new database, and tracebacks of errors that are raised as well."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "mlflow.utils.rest_utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
