"""A server that speaks OpenAI's protocol, through the official client: opened once, called with patience.

The client's own retries are switched off: they do not cover a stream that breaks off, and cannot be counted.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ragvlc.core.errors import EngineError, missing_extra, nearest
from ragvlc.engines.remote.api_errors import Secrets, Trouble, is_transport, trouble_of

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Address", "CutOff", "Server", "Tried"]

ResultT = TypeVar("ResultT")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_CONNECT_SECONDS = 10.0
_WINDOW_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")
"""How servers call it in their list of models: vLLM and SGLang, OpenRouter and Together, Groq, Mistral."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is served, and how long to try.

    Attributes:
        url: up to and including `/v1`.
        model: the server's name for it.
        api_key_env: environment variable that holds the key; None sends none.
        timeout_seconds: without a sign of life from the server.
        retries: further attempts after one that failed for a passing reason.
    """

    url: str
    model: str
    api_key_env: str | None = None
    timeout_seconds: float = 600.0
    retries: int = 5

    def __str__(self) -> str:
        return f"'{self.model}' at {self.url}"


class CutOff(Exception):
    """A stream that ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Tried(Generic[ResultT]):
    """What came of it, and how many attempts failed before."""

    value: ResultT
    failures: int


def _pause(seconds: float, abandoned: threading.Event) -> None:
    """Waits before the next attempt, unless nobody wants it any more."""
    abandoned.wait(seconds)


class Server:
    """An open connection. Safe to use from many threads.

        server = Server(Address("http://localhost:8000/v1", "my-model", timeout_seconds=60, retries=2))
        tokens = server.window()
        ids = server.post("/tokenize", {"prompt": "a b"})["tokens"]

    Raises:
        MissingExtra: without the `openai` client.
        EngineError: the key's environment variable is not set.
    """

    def __init__(self, address: Address) -> None:
        key = _key(address)
        self.address = address
        self.secrets = Secrets([key])
        self.client = _client(address, key)

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()

    def window(self) -> int:
        """Returns how many tokens the model holds, as the server's list of models says. Raises `EngineError`."""
        model = self.address.model
        listed = {one.id: one for one in self.patiently(lambda: list(self.client.models.list())).value}
        if model not in listed:
            raise EngineError(
                f"The server at {self.address.url} lists no model '{model}'. It serves: {', '.join(listed) or 'none'}."
                f"{nearest(model, listed)} If it answers to this name all the same, set window: in the generator."
            )
        facts = listed[model].model_extra or {}
        for name in _WINDOW_NAMES:
            if isinstance(facts.get(name), int) and facts[name] > 1:
                return int(facts[name])
        raise EngineError(
            f"The server at {self.address.url} does not say how long the window of '{model}' is. "
            f"Set window: in the generator."
        )

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the JSON object that the server answers under its root, outside `/v1`."""
        root = self.address.url.removesuffix("/v1")
        found = self.patiently(lambda: self.client.post(root + path, cast_to=object, body=dict(body))).value
        if not isinstance(found, Mapping):
            raise EngineError(f"{self.address}: {path} did not answer with a JSON object.")
        return found

    def patiently(
        self, attempt: Callable[[], ResultT], abandoned: threading.Event | None = None, *, what: str = ""
    ) -> Tried[ResultT]:
        """Returns what `attempt` returns, tried again after failures that may pass.

        Waits as long as the server asks (`Retry-After`), else twice as long each time, less a random part.

        Args:
            attempt: one call to the server.
            abandoned: ends a wait early.
            what: named in errors, in place of the address.

        Raises:
            EngineError: in the server's own words; transient once every attempt has failed for a passing reason.
            WindowExceeded: the server says that the prompt is too long.
        """
        stop = abandoned or threading.Event()
        for failures in count():
            try:
                return Tried(attempt(), failures)
            except Exception as error:  # what is not of the client or its transport goes on below
                if not _is_clients(error):
                    raise
                trouble = _trouble(error, self.secrets)
            # Outside the handler: an error raised inside would carry the client's, with its request and the key.
            self._give_up_if_due(trouble, failures, what or str(self.address))
            _pause(_seconds_before_next(trouble, failures), stop)
        raise AssertionError

    def _give_up_if_due(self, trouble: Trouble, failures: int, what: str) -> None:
        if not trouble.transient:
            raise trouble.error(what)
        if failures >= self.address.retries:
            raise trouble.error(f"{what}, after {failures + 1} attempts")
        if (trouble.wait or 0.0) > self.address.timeout_seconds:
            raise trouble.error(f"{what} (asks to wait {trouble.wait:.0f} s, longer than timeout_seconds)")


def _seconds_before_next(trouble: Trouble, failures: int) -> float:
    if trouble.wait is not None:
        return trouble.wait
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16))
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - so that many clients do not come back together
    return longest * share


def _is_clients(error: Exception) -> bool:
    from openai import OpenAIError

    return isinstance(error, OpenAIError | CutOff | json.JSONDecodeError) or is_transport(error)


def _trouble(error: Exception, secrets: Secrets) -> Trouble:
    if isinstance(error, CutOff | json.JSONDecodeError):
        return Trouble(f"broken off: {secrets.hide(str(error))}", transient=True)
    return trouble_of(error, secrets)


def _key(address: Address) -> str:
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
        from openai import OpenAI, Timeout
    except ImportError as error:
        missing_extra("openai", "servers", error)
    seconds = address.timeout_seconds
    return OpenAI(
        api_key=key or "none",  # else the client takes another service's key from the environment
        base_url=address.url,
        timeout=Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        max_retries=0,
    )
