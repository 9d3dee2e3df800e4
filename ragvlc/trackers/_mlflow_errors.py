"""Errors of MLflow, its databases and its server: whether trying again may help, and a sentence with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ragvlc.core.errors import StoreError

__all__ = ["DATABASES", "Unanswered", "failure", "nobody_there", "shown", "sqlite_file", "transient"]

DATABASES = frozenset({"sqlite", "postgresql", "mysql", "mssql"})

_TRANSIENT_CODES = frozenset({408, 425, 429, *range(500, 600)} - {501, 505})
_CODE = re.compile(r"error code (\d{3}) != 200|too many (\d{3}) error responses|^(\d{3}) (?:Client|Server) Error")
_AWAY = frozenset({"ConnectionRefusedError", "NewConnectionError", "NameResolutionError", "ConnectTimeoutError"})
_CONNECTION_STATES = ("08", "57P", "53300", "40001", "40P01")
_FOR_GOOD = re.compile(
    r"authentication failed|no pg_hba\.conf entry|does not exist|no password supplied|Unknown database"
)
_SIGN_IN = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."


class Unanswered(Exception):
    """A server that did not answer a call, which was made several times."""

    def __init__(self, attempts: int, seconds: float) -> None:
        super().__init__(f"no answer in {attempts} attempts, {seconds:.0f} s")
        self.attempts = attempts
        self.seconds = seconds


def shown(text: str) -> str:
    """Returns text without the name and password of its addresses."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


def sqlite_file(uri: str) -> Path | None:
    """Returns the SQLite file that a tracking URI names, or None."""
    place = uri.removeprefix("sqlite:///")
    return Path(place).absolute() if place != uri else None


def transient(uri: str, error: BaseException) -> bool:
    """Whether the same call may succeed later: the server did not answer, or not with an answer of MLflow."""
    kind = urlsplit(uri).scheme.partition("+")[0]
    if kind == "sqlite" or isinstance(error, ImportError):
        return False
    if kind in DATABASES:
        return _database_away(error)
    if (code := _code(error)) is not None:
        return code in _TRANSIENT_CODES
    return _garbled(error) or _broken(error)


def nobody_there(error: BaseException) -> bool:
    """Whether there is no server at the address at all."""
    return any(type(one).__name__ in _AWAY for one in _chain(error)) or "Connection refused" in str(error)


def failure(uri: str, error: BaseException) -> StoreError:
    """Returns the error as one sentence with what to do; passwords are left out."""
    place, cause = f"MLflow at {shown(uri)}", error
    tried = ""
    if isinstance(error, Unanswered):
        tried = f" (tried {error.attempts} times in {max(1, round(error.seconds))} s)"
        cause = error.__cause__ or error
    said = shown(_first_line(cause))
    if isinstance(cause, ImportError):
        driver = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary"}.get(str(cause.name), str(cause.name))
        return StoreError(f"{place} needs a driver that is not installed. Install it with: pip install {driver}")
    code = _code(cause)
    if code in {401, 403, 407}:
        words = {401: "refuses the credentials", 403: "does not allow this to the user", 407: "is behind a proxy that"}
        ending = "wants credentials (407)" if code == 407 else f"({code})"
        return StoreError(f"{place} {words[code]} {ending}. {_SIGN_IN}")
    if isinstance(error, Unanswered) or transient(uri, cause):
        found = StoreError(f"{place} {_silence(uri, cause, code)}{tried}. {_advice(cause, code)}")
        found.transient = True
        return found
    return StoreError(f"{place} refused: {said}")


def _silence(uri: str, cause: BaseException, code: int | None) -> str:
    if code is not None:
        return f"answers {code} each time"
    if urlsplit(uri).scheme.partition("+")[0] in DATABASES and not nobody_there(cause):
        return f"does not work now: {shown(_first_line(cause))}"
    if _garbled(cause):
        return "does not answer like MLflow"
    return "does not answer"


def _advice(cause: BaseException, code: int | None) -> str:
    if code == 429:
        return "It limits the number of calls: send later."
    if code is not None:
        return "Its log says why: a full disk, a database that is away or read-only."
    if "too many clients" in str(cause) or "connection slots" in str(cause):
        return "Raise its max_connections, or run fewer sweeps at the same time."
    return "Start it, or correct MLFLOW_TRACKING_URI or the tracker's uri."


def _code(error: BaseException | None) -> int | None:
    """Returns the HTTP status that caused an error, or None if it was not one."""
    from mlflow.exceptions import RestException

    for one in _chain(error):
        if isinstance(one, RestException):
            return int(one.get_http_status_code())
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        if found := _CODE.search(str(one)):
            return int(next(filter(None, found.groups())))
    return None


def _garbled(error: BaseException) -> bool:
    """Whether an answer was cut, or is not of MLflow."""
    return any("JSON" in type(one).__name__ or "valid JSON format" in str(one) for one in _chain(error))


def _broken(error: BaseException) -> bool:
    """Whether a connection failed: an `OSError`, as in `requests`, that is not about a file or a wrong address."""
    wrong = ("InvalidURL", "MissingSchema", "InvalidSchema", "SSLError", "TooManyRedirects", "InvalidUrlException")
    chain = list(_chain(error))
    if any(type(one).__name__ in wrong for one in chain):
        return False
    return any(isinstance(one, OSError) and one.filename is None for one in chain)


def _database_away(error: BaseException) -> bool:
    """Whether a database server cannot be reached, ends connections, or has none left."""
    from sqlalchemy.exc import DBAPIError, OperationalError

    for one in _chain(error):
        if isinstance(one, DBAPIError):
            state = getattr(one.orig, "pgcode", None) or getattr(one.orig, "sqlstate", None)
            if one.connection_invalidated or (state and state.startswith(_CONNECTION_STATES)):
                return True
            return isinstance(one, OperationalError) and not state and not _FOR_GOOD.search(str(one))
    return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = error.__cause__ or error.__context__ or inner


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:400] or type(error).__name__
