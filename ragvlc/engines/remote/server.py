"""Connection to a server with OpenAI's protocol, through the official client, with retries.

The client's own retries are switched off: they do not cover a stream that breaks off, and cannot be counted.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ragvlc.core.errors import EngineError, missing_extra, nearest
from ragvlc.engines.remote.api_errors import (
    ApiFailure,
    ReplyRefused,
    ReplyUnusable,
    Secrets,
    is_transport_error,
    is_unreachable,
    never_connected,
    read_failure,
)
from ragvlc.engines.remote.concurrency import CallGroup, ConcurrencyLimit
from ragvlc.engines.remote.error_words import is_web_page, parsed, web_page_words, words_of
from ragvlc.engines.remote.redirects import RedirectRefused, refuse_redirect

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Address", "RetryResult", "Server", "StreamBroken", "not_an_answer"]

ResultT = TypeVar("ResultT")

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
_JITTER, _LONGEST_JITTER = 0.25, 10.0  # of the wait that a server asks for, and in seconds
_MAX_REDIRECTS = 5
_CONNECT_SECONDS = 10.0
_MOST_NAMED = 20  # models, in an error
_MOST_CALLS = 32  # at a time, of those that generate nothing
_SHOWN = 300
_WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Servers' names for the window in their list of models: vLLM and SGLang, OpenRouter and Together, Groq, Mistral."""


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a served model, with timeout and retries.

    Attributes:
        url: up to and including `/v1`.
        model: the server's name for the model.
        api_key_env: environment variable with the API key; None sends none.
        timeout_seconds: the longest time without data from the server.
        retries: the number of further attempts after a transient failure.
        deadline_seconds: the longest time of a call, with all attempts; None takes ten times `timeout_seconds`.
    """

    url: str
    model: str
    api_key_env: str | None = None
    timeout_seconds: float = 600.0
    retries: int = 5
    deadline_seconds: float | None = None

    @property
    def deadline(self) -> float:
        """The longest time of a call in seconds."""
        return 10 * self.timeout_seconds if self.deadline_seconds is None else self.deadline_seconds

    def __str__(self) -> str:
        return f"'{self.model}' at {self.url}"


class StreamBroken(Exception):
    """Raised when a stream ends before the answer is complete."""


@dataclass(frozen=True, slots=True)
class RetryResult(Generic[ResultT]):
    """The result of a call, and the number of attempts that failed before it."""

    value: ResultT
    failures: int


def _wait(seconds: float, cancelled: threading.Event) -> None:
    """Waits before the next attempt; returns early if the call is cancelled."""
    cancelled.wait(seconds)


class Server:
    """Open connection to a server. Safe to use from many threads.

        server = Server(Address("http://localhost:8000/v1", "my-model", timeout_seconds=60, retries=2))
        tokens = server.window()
        ids = server.post("/tokenize", {"prompt": "a b"})["tokens"]

    Raises:
        MissingExtra: without the `openai` client.
        EngineError: the key's environment variable is not set.
    """

    def __init__(self, address: Address) -> None:
        key = _api_key(address)
        self.address = address
        self.secrets = Secrets([key])
        self.client = _client(address, key)
        self._answered = False
        self._served: str | None = None
        self._calls = ConcurrencyLimit(_MOST_CALLS, str(address), address.deadline)

    def close(self) -> None:
        """Closes the connections."""
        self._calls.close()
        self.client.close()

    def window(self) -> int:
        """Returns the model's window in tokens, from the server's list of models. Raises `EngineError`."""
        model = self.address.model
        listed = {str(one["id"]): one for one in self._bounded(self._listed)}
        if model not in listed:
            raise EngineError(
                f"The server at {self.address.url} lists no model '{model}'. It serves: {', '.join(listed) or 'none'}."
                f"{nearest(model, listed)} If it answers to this name all the same, set window: in the generator."
            )
        facts = listed[model]
        for name in _WINDOW_NAMES:
            if isinstance(facts.get(name), int) and facts[name] > 1:
                return int(facts[name])
        raise EngineError(
            f"The server at {self.address.url} does not say how long the window of '{model}' is. "
            f"Set window: in the generator."
        )

    def served(self) -> str:
        """Returns a sentence on the models that the server lists instead of ours; empty if it lists ours or none."""
        if self._served is None:
            try:
                names = [str(one["id"]) for one in self._listed()]
            except Exception:  # noqa: BLE001 - it is advice on another error, which is raised
                names = []
            model, most = self.address.model, _MOST_NAMED
            more = f" and {len(names) - most} more" if len(names) > most else ""
            listed = f"The server lists: {', '.join(names[:most])}{more}.{nearest(model, names)}"
            self._served = listed if names and model not in names else ""
        return self._served

    def _listed(self) -> list[Mapping[str, Any]]:
        """Returns the entries of the server's list of models; one attempt."""
        body = parsed(self.client.models.with_raw_response.list().text)
        entries = body.get("data", body.get("models")) if isinstance(body, Mapping) else body
        if not isinstance(entries, list):
            raise ReplyUnusable(
                f"its list of models is none: {not_an_answer(body)} Set window: if it has no such list."
            )
        return [one for one in entries if isinstance(one, Mapping) and "id" in one]

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Posts to a path under the server's root, outside `/v1`; returns the JSON object of the response."""
        root = self.address.url.removesuffix("/v1")
        found = self._bounded(lambda: self.client.post(root + path, cast_to=object, body=dict(body)))
        if not isinstance(found, Mapping):
            raise EngineError(f"{self.address}: {path} did not answer with a JSON object.")
        return found

    def _bounded(self, attempt: Callable[[], ResultT]) -> ResultT:
        """Returns the result of `attempt`, retried, within the deadline; ends early if the program is interrupted."""

        def call(one: Callable[[], ResultT], group: CallGroup) -> ResultT:
            return self.with_retries(one, group.cancelled).value

        return self._calls.run(call, [attempt])[0]

    def with_retries(
        self,
        attempt: Callable[[], ResultT],
        cancelled: threading.Event | None = None,
        *,
        what: str = "",
        advise: Callable[[ApiFailure], str] = lambda failure: "",  # noqa: ARG005 - most know no more than the server
    ) -> RetryResult[ResultT]:
        """Returns the result of `attempt`, retried after transient failures.

        Waits as long as the server asks (`Retry-After` and its relatives) and a random part longer, else twice as long
        each time, less a random part: many clients do not return at the same moment. Until the server has answered
        once, a refused connection is tried only twice.

        Args:
            attempt: one call to the server.
            cancelled: ends a wait early.
            what: the caller's name in errors; empty for the address.
            advise: returns what to do about a failure, as a sentence to add to its error.

        Raises:
            EngineError: with the server's own message; transient if every attempt has failed with a transient error.
            WindowExceeded: the server says that the prompt is too long.
        """
        stop = cancelled or threading.Event()
        for failures in count():
            try:
                value = attempt()
            except Exception as error:  # raised again below unless it is of the client or its transport
                if not _is_client_error(error):
                    raise
                absent = never_connected(error) and not self._answered
                failure = _read_failure(error, self.secrets)
                # A certificate that cannot be verified is no server that is still to be started.
                failure = replace(failure, unreachable=failure.transient and is_unreachable(error))
            else:
                self._answered = True
                return RetryResult(value, failures)
            # Outside the handler: an error raised inside would be chained to the client's, with its request and the
            # key.
            self._answered = self._answered or failure.status is not None
            if absent and failures:  # a server that was never there does not come back
                raise failure.exception(what or str(self.address))
            self._raise_if_final(failure, failures, what or str(self.address), advise)
            _wait(_seconds_to_wait(failure, failures), stop)
        raise AssertionError

    def _raise_if_final(
        self, failure: ApiFailure, failures: int, what: str, advise: Callable[[ApiFailure], str]
    ) -> None:
        if not failure.transient:
            raise failure.exception(what, advise(failure))
        if failures >= self.address.retries:
            tried = f", after {failures + 1} attempts" if failures else ""
            raise failure.exception(f"{what}{tried}", advise(failure))
        if (failure.wait or 0.0) > self.address.timeout_seconds:
            raise failure.exception(f"{what} (asks to wait {failure.wait:.0f} s, longer than timeout_seconds)")


def _seconds_to_wait(failure: ApiFailure, failures: int) -> float:
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 16))
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - so that many clients do not retry at the same moment
    if failure.wait is None:
        return longest * share
    later: float = random.uniform(0.0, min(_LONGEST_JITTER, _FIRST_WAIT + _JITTER * failure.wait))  # noqa: S311
    return max(failure.wait + later, longest * share)  # a server that asks for no wait at all gets one


def _is_client_error(error: Exception) -> bool:
    from openai import OpenAIError

    own = (OpenAIError, StreamBroken, ReplyRefused, ReplyUnusable, RedirectRefused, json.JSONDecodeError)
    return isinstance(error, own) or is_transport_error(error)


def _read_failure(error: Exception, secrets: Secrets) -> ApiFailure:
    if isinstance(error, StreamBroken):
        return ApiFailure(f"broken off: {secrets.hide(str(error))}", transient=True)
    if isinstance(error, json.JSONDecodeError):
        return ApiFailure("broken off: the reply is cut in the middle of its JSON", transient=True)
    refused = error if isinstance(error, RedirectRefused) else error.__cause__
    if isinstance(refused, RedirectRefused):
        return ApiFailure(secrets.hide(str(refused)))
    return read_failure(error, secrets)


def not_an_answer(body: object) -> str:
    """Returns what came in place of JSON of the wanted shape, as a sentence: a web page, other JSON, text, nothing."""
    if isinstance(body, str):
        if is_web_page(body):
            return f"it sent {web_page_words(body)}. Is url: its address up to and including /v1?"
        return f"it sent text that is no JSON: '{body[:_SHOWN]}'." if body.strip() else "it sent nothing."
    words = words_of(body)
    return f"it sent other JSON: {words[:_SHOWN]}." if words else "it sent JSON without a message."


def _api_key(address: Address) -> str:
    if address.api_key_env is None:
        return ""
    key = os.environ.get(address.api_key_env, "").strip()
    if not key:
        raise EngineError(
            f"{address} needs the key in the environment variable {address.api_key_env}, which is not set."
        )
    return key


def _client(address: Address, key: str) -> OpenAI:
    try:
        from openai import DefaultHttpxClient, OpenAI, Timeout
    except ImportError as error:
        missing_extra("openai", "servers", error)
    seconds = address.timeout_seconds
    return OpenAI(
        api_key=key or "none",  # else the client takes another service's key from the environment
        base_url=address.url,
        timeout=Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        max_retries=0,
        http_client=DefaultHttpxClient(
            base_url=address.url, max_redirects=_MAX_REDIRECTS, event_hooks={"response": [refuse_redirect]}
        ),
    )
