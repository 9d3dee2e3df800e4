"""What goes over the pipes between this process and the one that holds a vLLM engine. Needs nothing but Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Ask", "Close", "Drop", "Failed", "Open", "Ready", "Reply"]


@dataclass(frozen=True, slots=True)
class Open:
    """Asks to load a model with these arguments of vLLM's engine."""

    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """Says that the model is loaded.

    Attributes:
        window: tokens of prompt and answer together.
        library: vLLM's version.
    """

    window: int
    library: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One generation asked for.

    Attributes:
        number: names it until it is done.
        prompt: token ids.
        sampling: fields of vLLM's `SamplingParams`.
        salt: keeps it apart from every other request in the cache of prefixes; None shares.
    """

    number: int
    prompt: list[int]
    sampling: Mapping[str, Any]
    salt: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Nobody waits for this request any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """Asks to free the model and to end."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Attributes:
        number: of the request.
        tokens: new ids, the one that ended the answer included.
        reason: vLLM's word for why it ended: `stop`, `length` or another.
        stop_text: whether a stop text ended it, not a token.
        cached: prompt tokens found in the cache of prefixes.
        logprobs: one for each token, if asked for.
        scheduled: when the engine began with it, in seconds of the machine's monotonic clock.
        first: when its first token was there.
        last: when its last token was there.
    """

    number: int
    tokens: list[int]
    reason: str
    stop_text: bool = False
    cached: int = 0
    logprobs: list[float] | None = None
    scheduled: float = 0.0
    first: float = 0.0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """What went wrong.

    Attributes:
        message: one line; empty where the cause stands in the log only.
        number: of the request; None where it is the whole engine that failed.
    """

    message: str
    number: int | None = field(default=None)
