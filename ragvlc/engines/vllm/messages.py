"""Messages over the pipes between this process and the vLLM engine's process; imports only the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AbortGeneration",
    "CloseEngine",
    "EngineFailure",
    "EngineReady",
    "GenerationReply",
    "OpenEngine",
    "StartGeneration",
]


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """Request to load a model with the given arguments of vLLM's engine."""

    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Reply to `OpenEngine`: the model is loaded.

    Attributes:
        window: the largest number of tokens of prompt and answer together.
        library: vLLM's version.
    """

    window: int
    library: str


@dataclass(frozen=True, slots=True)
class StartGeneration:
    """Request to start one generation.

    Attributes:
        number: identifies it until it is done.
        prompt: token ids.
        sampling: fields of vLLM's `SamplingParams`.
        salt: separates it from every other request in the prefix cache; None shares.
    """

    number: int
    prompt: list[int]
    sampling: Mapping[str, Any]
    salt: str | None = None


@dataclass(frozen=True, slots=True)
class AbortGeneration:
    """Request to abort a generation that no thread waits for any more."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseEngine:
    """Request to free the model and end the process."""


@dataclass(frozen=True, slots=True)
class GenerationReply:
    """Reply to `StartGeneration`: the generated tokens, with times on the machine's monotonic clock.

    Attributes:
        number: of the generation.
        tokens: new ids, the one that ended the answer included.
        reason: why it ended, in vLLM's word: `stop`, `length` or another.
        stop_text: whether a stop text ended it, not a token.
        cached: prompt tokens found in the prefix cache.
        logprobs: one for each token, if requested.
        scheduled: when the engine started it.
        first: when its first token was generated.
        last: when its last token was generated.
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
class EngineFailure:
    """Report of a failure of one generation, or of the whole engine.

    Attributes:
        message: one line; empty if only the log has the cause.
        number: of the generation; None if the whole engine failed.
    """

    message: str
    number: int | None = field(default=None)
