"""API errors: whether and when to retry a failed call, and the server's error message.

Nothing here stores an exception of a client library: exceptions refer to requests, and requests contain API keys.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ragvlc.core.errors import EngineError, WindowExceeded

__all__ = ["ApiFailure", "Secrets", "is_transport_error", "read_failure"]

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_TRANSPORT_PACKAGES = frozenset({"aiohttp", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
_FINAL_CODES = frozenset({"insufficient_quota"})
_WINDOW_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
# vLLM, TGI and others have no error code for a prompt that is too long, only a sentence.
_WINDOW_WORDS = re.compile(
    r"(?i)context[ _](length|size|window)|maximum model length|max_model_len|max_total_tokens|prompt is too long"
    r"|inputs` tokens \+ `max_new_tokens"
)
_MESSAGE_LIMIT = 1000


class Secrets:
    """Removes API keys from text that is shown or stored.

    Args:
        values: the keys.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        # Longest first: a key within another would leave the rest of the longer one readable.
        self._values = sorted({value for value in values if value}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)})"

    def hide(self, text: str) -> str:
        """Returns `text` with API keys replaced by stars."""
        for value in self._values:
            text = text.replace(value, "***")
        return text


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """A failed call to an API.

    Attributes:
        message: the server's own, if it sent one.
        transient: whether a later retry may succeed.
        too_long: whether the prompt exceeds the window.
        status: of HTTP; None without an answer.
        wait: seconds that the server asked to wait.
    """

    message: str
    transient: bool = False
    too_long: bool = False
    status: int | None = None
    wait: float | None = None

    def exception(self, caller: str) -> EngineError:
        """Returns the exception to raise; its message starts with the name of the caller."""
        if self.too_long:
            return WindowExceeded(f"{caller}: the prompt does not fit: {self.message}")
        return EngineError(f"{caller}: {self.message}", transient=self.transient)


def read_failure(error: BaseException, secrets: Secrets) -> ApiFailure:
    """Converts a client library's exception to an `ApiFailure`: an HTTP error response or a broken connection."""
    body = _error_object(getattr(error, "body", None))
    status = _status(error, body)
    message = secrets.hide(_message(error, body))[:_MESSAGE_LIMIT]
    if status is None:
        # A body without a status comes from inside a stream: the request itself was accepted.
        transient = bool(body) or any(is_transport_error(one) for one in _chain(error))
        return ApiFailure(f"{type(error).__name__}: {message}", transient=transient)
    codes = {str(body.get("code")), str(body.get("type")), str(body.get("error_type"))}
    # By code where there is one, else by the sentence; other statuses never mean the prompt's length.
    too_long = status in {400, 413, 422} and (bool(codes & _WINDOW_CODES) or bool(_WINDOW_WORDS.search(message)))
    transient = (status in _TRANSIENT_STATUSES or status >= 500) and not codes & _FINAL_CODES
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return ApiFailure(
        f"HTTP {status}: {message}",
        transient=transient,
        too_long=too_long,
        status=status,
        wait=_seconds(headers.get("retry-after")),
    )


def _error_object(body: object) -> Mapping[str, object]:
    """Returns the innermost error object of a response body: `{"error": {...}}`, `{"error": "..."}` or the body."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return {"message": body}
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    if isinstance(inner, Mapping):
        return inner
    return {**body, "message": inner} if isinstance(inner, str) else body


def _status(error: BaseException, body: Mapping[str, object]) -> int | None:
    """Returns the HTTP status of the response or of an error inside a stream; None if there is neither."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        for found in (getattr(one, "status_code", None), getattr(response, "status_code", None)):
            if isinstance(found, int):
                return found
    code = str(body.get("code") or "")
    return int(code) if re.fullmatch("[45][0-9][0-9]", code) else None


def _message(error: BaseException, body: Mapping[str, object]) -> str:
    message = body.get("message") or body.get("detail") or str(error)
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    cause = error.__cause__
    if not body and cause is not None and str(cause) and str(cause) not in text:
        text = f"{text} ({cause})"  # a client's "Connection error." hides the cause
    return " ".join(text.split()) or "no reason given"


def is_transport_error(error: BaseException) -> bool:
    """Returns whether an error means a broken connection, by its class or the package that defines it."""
    root = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or root in _TRANSPORT_PACKAGES


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()  # chains of exceptions may be circular
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _seconds(retry_after: str | None) -> float | None:
    """Returns the seconds to wait that a Retry-After header gives as a number or a date; None if it gives neither."""
    if not retry_after:
        return None
    if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", retry_after):
        return float(retry_after)
    try:
        until = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
