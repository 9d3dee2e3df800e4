"""Messages over the pipes between this process and the one with the vLLM engine. Needs nothing but Python."""

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
    """Loads a model with these arguments of vLLM's engine."""

    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Answers `OpenEngine`: the model is loaded.

    Attributes:
        window: the largest number of tokens of prompt and answer together.
        library: vLLM's version.
    """

    window: int
    library: str


@dataclass(frozen=True, slots=True)
class StartGeneration:
    """Starts one generation.

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
    """Aborts a generation that no thread waits for any more."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseEngine:
    """Frees the model and ends the process."""


@dataclass(frozen=True, slots=True)
class GenerationReply:
    """Answers `StartGeneration`: the generated tokens, with times of the machine's monotonic clock.

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
    """Reports a failure of one generation, or of the engine.

    Attributes:
        message: one line; empty if only the log has the cause.
        number: of the generation; None if the whole engine failed.
    """

    message: str
    number: int | None = field(default=None)
