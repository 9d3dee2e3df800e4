"""What went wrong with a call to a model elsewhere: whether it may pass, when to try again, what the other side said.

Nothing here keeps an exception of a client library: those hold requests, and requests hold keys.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ragvlc.core.errors import EngineError, WindowExceeded

__all__ = ["Secrets", "Trouble", "is_transport", "trouble_of"]

_PASSING = frozenset({408, 425, 429})
_TRANSPORTS = frozenset({"aiohttp", "anyio", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
_NEVER_PASSING_CODES = frozenset({"insufficient_quota"})
_WINDOW_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
# vLLM, TGI and others have no code for it, only a sentence.
_WINDOW_WORDS = re.compile(
    r"(?i)context[ _](length|size|window)|maximum model length|max_model_len|max_total_tokens|prompt is too long"
    r"|inputs` tokens \+ `max_new_tokens"
)
_LONGEST_MESSAGE = 1000


class Secrets:
    """Takes keys out of what is shown to people.

    Args:
        values: what must never be shown.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if value}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)})"

    def hide(self, text: str) -> str:
        """Returns `text` with stars in place of the values."""
        for value in self._values:
            text = text.replace(value, "***")
        return text


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that failed.

    Attributes:
        message: in the other side's own words where it said any.
        transient: trying again later may help.
        too_long: the prompt does not fit the window.
        status: of HTTP, where there was an answer.
        wait: seconds that the other side asked to wait.
    """

    message: str
    transient: bool = False
    too_long: bool = False
    status: int | None = None
    wait: float | None = None

    def error(self, what: str) -> EngineError:
        """Returns what to raise; `what` says whose call it was."""
        if self.too_long:
            return WindowExceeded(f"{what}: the prompt does not fit: {self.message}")
        return EngineError(f"{what}: {self.message}", transient=self.transient)


def trouble_of(error: BaseException, secrets: Secrets) -> Trouble:
    """Reads what a client library raised: the answer's status, words and headers, or the broken connection."""
    body = _words_in(getattr(error, "body", None))
    status = _status(error, body)
    said = secrets.hide(_message(error, body))[:_LONGEST_MESSAGE]
    if status is None:
        # Words without a status come from inside a stream: the request itself was accepted.
        transient = bool(body) or any(is_transport(one) for one in _chain(error))
        return Trouble(f"{type(error).__name__}: {said}", transient=transient)
    codes = {str(body.get("code")), str(body.get("type")), str(body.get("error_type"))}
    too_long = status in {400, 413, 422} and (bool(codes & _WINDOW_CODES) or bool(_WINDOW_WORDS.search(said)))
    transient = (status in _PASSING or status >= 500) and not codes & _NEVER_PASSING_CODES
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return Trouble(
        f"HTTP {status}: {said}",
        transient=transient,
        too_long=too_long,
        status=status,
        wait=_seconds(headers.get("retry-after")),
    )


def _words_in(body: object) -> Mapping[str, object]:
    """Returns the innermost error object of a reply: `{"error": {...}}`, `{"error": "..."}` or itself."""
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
    """Returns the status of the answer, or the one that an error inside a stream names."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        for found in (getattr(one, "status_code", None), getattr(response, "status_code", None)):
            if isinstance(found, int):
                return found
    code = str(body.get("code") or "")
    return int(code) if re.fullmatch("[45][0-9][0-9]", code) else None


def _message(error: BaseException, body: Mapping[str, object]) -> str:
    said = body.get("message") or body.get("detail") or str(error)
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    cause = error.__cause__
    if not body and cause is not None and str(cause) and str(cause) not in text:
        text = f"{text} ({cause})"  # a client's "Connection error." hides why
    return " ".join(text.split()) or "no reason given"


def is_transport(error: BaseException) -> bool:
    """Returns whether a connection broke. Client libraries share no class for that, but their transports are few."""
    root = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or root in _TRANSPORTS


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _seconds(retry_after: str | None) -> float | None:
    """Returns the seconds of a Retry-After header: a number, or a date; None where it is neither."""
    if not retry_after:
        return None
    if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", retry_after):
        return float(retry_after)
    try:
        until = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
