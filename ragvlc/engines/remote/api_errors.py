"""API errors: whether and when to retry a failed call, and the server's error message.

Nothing here stores an exception of a client library: exceptions refer to requests, and requests contain API keys.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ragvlc.core.errors import ConnectionFailed, EngineError, WindowExceeded
from ragvlc.core.surrogates import joined
from ragvlc.engines.remote.error_words import codes_of, parsed, values_of, words_of
from ragvlc.engines.remote.waits import seconds_to_wait
from ragvlc.engines.remote.window_words import exceeds_window

__all__ = [
    "ApiFailure",
    "ReplyRefused",
    "ReplyUnusable",
    "Secrets",
    "is_transport_error",
    "is_unreachable",
    "never_connected",
    "read_failure",
]

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_NO_WINDOW = frozenset({401, 402, 403, 408, 425, 429})
_TRANSPORT_PACKAGES = frozenset({"aiohttp", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
_FINAL_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_credits"})
_NO_HTTPS = ("wrong_version_number", "record_layer_failure", "unknown_protocol", "packet_length_too_long")
_FIELD = frozenset({"param", "parameter", "field"})
_MESSAGE_LIMIT = 1000
_COMPARED = 4000


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


class ReplyUnusable(Exception):
    """Raised for a reply that was accepted but is no answer: a web page, JSON of another shape, no choices.

    Args:
        words: what was wrong, after "it".
        transient: whether another attempt may get an answer.
    """

    def __init__(self, words: str, *, transient: bool = False) -> None:
        super().__init__(words)
        self.transient = transient


class ReplyRefused(Exception):
    """Raised for an error object in place of an answer, or in the middle of a stream.

    Args:
        body: the object.
    """

    def __init__(self, body: object) -> None:
        super().__init__("an error in place of the answer")
        self.body = body


@dataclass(frozen=True, slots=True)
class ApiFailure:
    """A failed call to an API.

    Attributes:
        message: the server's own, if it sent one.
        transient: whether a later retry may succeed.
        too_long: whether the prompt exceeds the window.
        status: of HTTP; None without an answer.
        wait: seconds that the server asked to wait.
        field: the field of the request that the server names, if any.
        unreachable: whether there was no connection, or none that gave a response.
    """

    message: str
    transient: bool = False
    too_long: bool = False
    status: int | None = None
    wait: float | None = None
    field: str = ""
    unreachable: bool = False

    def exception(self, caller: str, advice: str = "") -> EngineError:
        """Returns the exception to raise; its message starts with the name of the caller."""
        stop = "" if self.message.endswith((".", "!", "?", ":")) else "."
        after = f"{stop} {advice}" if advice else ""
        if self.too_long:
            return WindowExceeded(f"{caller}: the prompt does not fit: {self.message}{after}")
        kind = ConnectionFailed if self.unreachable else EngineError
        return kind(f"{caller}: {self.message}{after}", transient=self.transient)


def read_failure(error: BaseException, secrets: Secrets) -> ApiFailure:
    """Converts an exception of a call to an `ApiFailure`: an HTTP error response or a broken connection."""
    if isinstance(error, ReplyUnusable):
        return ApiFailure(secrets.hide(joined(str(error)))[:_MESSAGE_LIMIT], transient=error.transient)
    body = _body(error)
    status = _status(error, body)
    said = joined(words_of(body))[:_COMPARED]
    words, codes = said or _own_words(error), codes_of(body)
    if status is None and not said and (final := _final_transport_error(error)):
        return ApiFailure(secrets.hide(final))
    message = secrets.hide(words)[:_MESSAGE_LIMIT]
    too_long = status not in _NO_WINDOW and exceeds_window(words, codes)
    wait = seconds_to_wait(_headers(error), body, words)
    if status is None:
        # A body without a status comes from inside a stream: the request itself was accepted.
        transient = not too_long and (bool(said) or any(is_transport_error(one) for one in _chain(error)))
        named = "" if isinstance(error, ReplyRefused) else f"{type(error).__name__}: "
        return ApiFailure(f"{named}{message}", transient=transient, too_long=too_long, wait=wait)
    transient = (status in _TRANSIENT_STATUSES or status >= 500) and not too_long and not codes & _FINAL_CODES
    field = next((joined(str(value)) for value in values_of(body, _FIELD)), "")
    return ApiFailure(f"HTTP {status}: {message}", transient, too_long, status, wait if transient else None, field)


def _body(error: BaseException) -> object:
    """Returns the body of an error response, whole where the response can still be read."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if response is not None:
            try:
                text = response.text
            except Exception:  # noqa: BLE001 - a response that was not read, of any client
                text = None
            if isinstance(text, str) and text.strip():
                return parsed(text)
        body = getattr(one, "body", None)
        if body:
            return parsed(body) if isinstance(body, str) else body
    return None


def _headers(error: BaseException) -> Mapping[str, str]:
    for one in _chain(error):
        headers = getattr(getattr(one, "response", None), "headers", None)
        if isinstance(headers, Mapping) and headers:
            return headers
    return {}


def _status(error: BaseException, body: object) -> int | None:
    """Returns the HTTP status of the response or of an error inside a stream; None if there is neither."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        for holder, name in ((one, "status_code"), (response, "status_code"), (one, "code")):
            found = getattr(holder, name, None)
            if isinstance(found, int) and 300 <= found < 600:
                return int(found)
    for value in values_of(body, frozenset({"code", "status", "status_code", "statusCode"})):
        if re.fullmatch("[45][0-9][0-9]", str(value)):
            return int(value)
    return None


def _own_words(error: BaseException) -> str:
    """Returns the reason for an error whose body says nothing: of the exception, or the status in words."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        phrase = getattr(response, "reason_phrase", None)
        if phrase and getattr(response, "is_error", False):
            return f"{phrase}, without a message"
    text = str(error)
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in text:
        text = f"{text} ({cause})"  # a client's "Connection error." hides the cause
    return " ".join(text.split())[:_COMPARED] or "no reason given"


def _final_transport_error(error: BaseException) -> str:
    """Returns a sentence about a broken connection that no further attempt can mend; empty for any other."""
    for one in _chain(error):
        if type(one).__name__ == "TooManyRedirects":
            return "the server redirects in a circle. Write its final address in url:."
        text = str(one)
        if isinstance(one, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in text:
            why = getattr(one, "verify_message", "") or text
            return (
                f"the certificate of the server cannot be verified: {why}. Set the environment variable SSL_CERT_FILE "
                f"to the file with your authority's certificate, or use an address that the certificate names."
            )
        if isinstance(one, ssl.SSLError) or "[SSL" in text:
            lowered = text.lower().replace(" ", "_")
            if any(mark in lowered for mark in _NO_HTTPS):
                return f"the server does not speak https at this address. Write http:// in url: ({text})."
    return ""


def is_transport_error(error: BaseException) -> bool:
    """Returns whether an error means a broken connection, by its class or the package that defines it."""
    root = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or root in _TRANSPORT_PACKAGES


_UNREACHABLE = frozenset(
    {
        "ClientConnectorError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectTimeoutError",
        "MaxRetryError",
        "NewConnectionError",
        "ReadError",
        "RemoteProtocolError",
        "ServerDisconnectedError",
        "WriteError",
    }
)
"""Client libraries' names of errors without a response; a wait for data that takes too long is another matter."""


def never_connected(error: BaseException) -> bool:
    """Returns whether nothing listens at the server's address, or the address has no such host."""
    refused = (ConnectionRefusedError, socket.gaierror)
    return any(isinstance(one, refused) or type(one).__name__ == "ConnectError" for one in _chain(error))


def is_unreachable(error: BaseException) -> bool:
    """Returns whether an error means that a server could not be reached."""
    chain = list(_chain(error))
    if any(getattr(one, "response", None) is not None for one in chain):
        return False
    return any(
        isinstance(one, ConnectionError | socket.gaierror) or type(one).__name__ in _UNREACHABLE for one in chain
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()  # chains of exceptions may be circular
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
