"""Protocols of loaded models, the requests sent to them, and the generations that they return.

Components (see `families`) are plain settings; these models hold memory, are thread-safe, and are closed by their pool.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from ragvlc.core.answer import Finish, Timing, Usage
from ragvlc.core.replies import Reply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.core.decode_state import DecodeState

    Vectors = NDArray[np.float32]
    Arrays = Mapping[str, NDArray[Any]]

__all__ = [
    "PROTOCOLS",
    "Closable",
    "Generation",
    "Prompt",
    "Reader",
    "Request",
    "SpanVectorEngine",
    "TextEngine",
    "TokenEngine",
    "Tokenizer",
    "VectorEngine",
    "members",
    "missing_from",
    "placeholders",
]

OpenedT = TypeVar("OpenedT")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=256)
def placeholders(template: str) -> tuple[str, ...]:
    """Returns the distinct field names in braces of a prompt template, in order of appearance."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))


@dataclass(frozen=True, slots=True)
class Prompt:
    """One user message: a template, and the data to fill in.

    Fields are data, never control: an engine must see to it that no character of a field opens a control token.

    Attributes:
        template: text with `{name}` where a field goes; other braces stand for themselves.
        fields: text by name.
        system: a system message in place of the generator's own; empty for that.
        lead: text that the reply begins with, put after the chat template; servers are sent none.
        raw: without a chat template and a system message; servers apply theirs all the same.
    """

    template: str
    fields: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    lead: str = ""
    raw: bool = False

    def text(self) -> str:
        """Returns the message with all fields filled in; braces inside a field's value are left unchanged."""
        return _PLACEHOLDER.sub(lambda match: self.fields.get(match[1], match[0]), self.template)

    def digest(self) -> str:
        """Returns a hash of everything that is sent; prompts with equal ones are equal."""
        text = self.text()
        if self.system or self.lead or self.raw:
            text = json.dumps([text, self.system, self.lead, self.raw])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """A request for one generation: the prompt, the token limit and the sampling settings.

    Attributes:
        prompt: what to say.
        max_tokens: at most so many new tokens.
        temperature: 0 is greedy; None takes the generator's own setting.
        top_p: nucleus sampling; None takes the generator's own setting.
        stop: texts that end the answer; they are cut off.
        seed: makes a sampled answer repeatable, whatever else is in its batch.
        logprobs: also return the log-probability of each new token.
        cold: computed whole: nothing taken from, or left in, a cache of prefixes; for measurements of time.
    """

    prompt: Prompt
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: bool = False
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """The text generated for one request, with its usage and timing.

    An engine returns it as the model sent it: `text` with all that is in it, and `reply` where more was sent than a
    text. Whoever asks through a run gets it read: `text` is the answer alone, and `reply` is what came.

    Attributes:
        text: the answer.
        token_ids: of the answer, where the engine knows them.
        finish: why it ended.
        usage: tokens, counted by the engine.
        timing: seconds, measured by the engine.
        logprobs: one for each token, if asked for; None for a token whose own is not known.
        reused: found, not computed; usage and timing are those of the first time.
        notes: further facts for the trace, such as `control_strings_broken`.
        reply: what was sent, as it came; None if it was `text` and nothing else.
        thought: what was read as thought, and is no part of the answer.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish: Finish = "stop"
    usage: Usage = Usage()
    timing: Timing = Timing()
    logprobs: tuple[float | None, ...] | None = None
    reused: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
    reply: Reply | None = None
    thought: str = ""


class Closable(Protocol):
    """A loaded model or another resource that must be closed."""

    def close(self) -> None:
        """Frees the memory. The resource is not used afterwards."""
        ...


@runtime_checkable
class Tokenizer(Protocol):
    """Counts and locates tokens without model weights. Control strings in data are tokenised as ordinary text."""

    @property
    def id(self) -> str:
        """Identifier of the vocabulary and its rules; tokenizers with equal ids produce equal tokens."""
        ...

    def count(self, text: str) -> int:
        """Returns the number of tokens in `text`, where control strings are ordinary text."""
        ...

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Returns the character range (start, end) of each token in `text`, in order and without gaps."""
        ...

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the message in the model's chat template, up to where the answer starts."""
        ...


@runtime_checkable
class TextEngine(Protocol):
    """A language model that answers requests. `generate` may be called from many threads."""

    @property
    def window(self) -> int:
        """Largest number of tokens, in prompt and answer together, that the model can process."""
        ...

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order."""
        ...

    def close(self) -> None:
        """Frees the memory. The engine is not used afterwards."""
        ...


@runtime_checkable
class TokenEngine(TextEngine, Protocol):
    """A language model that drafts and verifies: it returns probabilities and rewinds text. Thread-safe."""

    @property
    def vocabulary(self) -> str:
        """Identifier of the tokens and their ids; models with equal identifiers may exchange tokens."""
        ...

    def start(self, request: Request, *, width: int | None = None) -> DecodeState:
        """Returns a decode state for the prompt; waits until there is enough memory for the state.

        Args:
            request: prompt, limits, temperature and seed. Its `max_tokens` is the largest number of tokens that the
                state ever has after its prompt.
            width: of the rows of probabilities, for a model that drafts for another one: token ids from there on are
                never sampled, and missing ones have no probability. None is the model's own.

        Raises:
            WindowExceeded: the prompt with its new tokens does not fit the window.
            EngineError: the model's KV cache cannot be rewound, or the memory is full (transient).
        """
        ...


class TextLimit(Protocol):
    """How many tokens of a text a model reads, known without loading the model."""

    @property
    def window(self) -> int:
        """Largest number of tokens per text, or per pair of question and text; what exceeds it is not read."""
        ...

    def lengths(self, texts: Sequence[str], question: str = "") -> list[int]:
        """Returns the tokens of each text, or of each pair of `question` and text, special tokens included."""
        ...


@runtime_checkable
class VectorEngine(Protocol):
    """An embedding model. `embed` may be called from many threads."""

    @property
    def window(self) -> int:
        """Largest number of tokens per text; longer texts are cut to this length."""
        ...

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns one unit-length float32 vector per text, as rows. `side` is `query` or `passage`."""
        ...

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's length in this model's tokens, special tokens included, before the text is cut."""
        ...

    def close(self) -> None:
        """Frees the memory. The engine is not used afterwards."""
        ...


@runtime_checkable
class SpanVectorEngine(VectorEngine, Protocol):
    """An embedding model that returns a vector for each part of a text, computed in the context of the whole text."""

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns, for each text, one unit-length float32 vector per span; a span is (start, end) in characters.

        The whole text is read, in several windows where it is longer than one, and each part's tokens are pooled.
        """
        ...


class Reader(Protocol):
    """A loaded generator for use by a route; the usage of every call is added to the current answer."""

    @property
    def window(self) -> int:
        """Largest number of tokens in prompt and answer together."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """The generator's tokenizer."""
        ...

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order. Pass independent requests in one call."""
        ...

    @property
    def vocabulary(self) -> str:
        """Identifier of the tokens and their ids; only a `TokenEngine` has one."""
        ...

    def start(self, request: Request, *, width: int | None = None) -> AbstractContextManager[DecodeState]:
        """Opens a decode state of a `TokenEngine`; closing the state adds its usage and timing to the answer."""
        ...

    def read(self, text: str, finish: Finish) -> Generation:
        """Returns what the text of a decode state says: the answer and, apart from it, its thought."""
        ...


PROTOCOLS: tuple[type, ...] = (TextEngine, TokenEngine, VectorEngine, SpanVectorEngine)
"""What a model's `offers` may name."""


def missing_from(made: object, protocol: type) -> list[str]:
    """Returns the names of a protocol's methods and properties that an object lacks; calls none of them."""
    return [name for name in members(protocol) if not _has(made, name)]


def _has(made: object, name: str) -> bool:
    try:
        inspect.getattr_static(made, name)
    except AttributeError:
        return hasattr(made, name)  # by `__getattr__`, if at all
    return True


def members(protocol: type) -> list[str]:
    """Returns the names of a protocol's methods and properties, those of its base protocols first."""
    classes = [one for one in reversed(protocol.__mro__) if getattr(one, "_is_protocol", False)]
    return list(dict.fromkeys(name for one in classes for name in vars(one) if not name.startswith("_")))
