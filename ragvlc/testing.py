"""For tests of routes and sweeps: pools without models, engines of your own, and a generator that fails on purpose."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast
from zlib import crc32

from pydantic import Field

from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import Example
from ragvlc.core.engines import Generation, Request, TextEngine, Tokenizer, VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder, Generator
from ragvlc.engines.scripted.decode_state import ScriptedDecodeState
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.memo.disk import Cache
from ragvlc.pool import EnginePool
from ragvlc.rerankers.cross_encoder import CrossEncoder

if TYPE_CHECKING:
    from ragvlc.core.engines import Vectors

__all__ = ["Flaky", "FunctionEngine", "ScriptedPool", "WordPairs", "WordVectors", "without_gold"]

OpenedT = TypeVar("OpenedT")


class FunctionEngine:
    """A text engine around a function from prompt text to reply. Notes every request; counts tokens as words.

    Where log-probabilities are asked for, every token of a reply has the one that `sure` gives for the reply: -0.1 by
    default.

    Attributes:
        requests: every request, in the order of arrival.
        most_at_once: the largest number of requests in work at the same time.
        decode_states: every decode state, in the order in which they were opened.
    """

    def __init__(
        self, reply: Callable[[str], str], window: int = 8192, *, sure: Callable[[str], float] | None = None
    ) -> None:
        self._reply = reply
        self._sure = sure or (lambda _: -0.1)
        self._window = window
        self._tokenizer = WordTokenizer()
        self._lock = threading.Lock()
        self._working = 0
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.decode_states: list[ScriptedDecodeState] = []

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns the function's replies."""
        with self._lock:
            self.requests += requests
            self._working += len(requests)
            self.most_at_once = max(self.most_at_once, self._working)
        try:
            return [self._one(request) for request in requests]
        finally:
            with self._lock:
                self._working -= len(requests)

    @property
    def vocabulary(self) -> str:
        """Names the tokens: words."""
        return self._tokenizer.id

    def start(self, request: Request, *, width: int | None = None) -> ScriptedDecodeState:
        """Returns a decode state that gives the function's reply, word by word."""
        text, tokens = request.prompt.text(), len(self._tokenizer.render(request.prompt))
        state = ScriptedDecodeState(self._reply(text), tokens, max_tokens=request.max_tokens, width=width)
        with self._lock:
            self.requests.append(request)
            self.decode_states.append(state)
        return state

    def _one(self, request: Request) -> Generation:
        text = self._reply(request.prompt.text())
        usage = Usage(len(self._tokenizer.render(request.prompt)), 0, self._tokenizer.count(text), 1)
        logprobs = (self._sure(text),) * usage.completion_tokens if request.logprobs else None
        return Generation(text, finish="stop", usage=usage, timing=Timing(engine_seconds=0.0), logprobs=logprobs)

    def close(self) -> None:
        """Does nothing."""


class WordVectors:
    """An embedding engine without a model: a text is its hashed words, counted. Notes what it embeds.

    Attributes:
        embedded: (side, text) of every text, in the order of arrival.
    """

    def __init__(self) -> None:
        self.embedded: list[tuple[str, str]] = []

    @property
    def window(self) -> int:
        """Tokens beyond which a text is cut: none is."""
        return sys.maxsize

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit-length vectors of 257 numbers, one row for each text."""
        import numpy as np

        self.embedded += [(side, text) for text in texts]
        vectors = np.zeros((len(texts), 257), np.float32)
        vectors[:, 256] = 0.1  # a text without words has a direction too
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                vectors[row, crc32(word.encode("utf-8", "surrogatepass")) % 256] += 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns for each text one row for each (start, end) in it: the words there."""
        return [self.embed([text[a:b] for a, b in own], side=side) for text, own in zip(texts, spans, strict=True)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns each text's length in words and marks."""
        return [WordTokenizer().count(text) for text in texts]

    def close(self) -> None:
        """Does nothing."""


class WordPairs:
    """A cross-encoder without a model: a passage scores the share of the question's words that it has."""

    @property
    def window(self) -> int:
        """Tokens beyond which a pair is cut: none is."""
        return sys.maxsize

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Returns a share for each passage."""
        asked = set(re.findall(r"\w+", question.casefold()))
        return [len(asked & set(re.findall(r"\w+", passage.casefold()))) / max(1, len(asked)) for passage in passages]

    def lengths(self, question: str, passages: Sequence[str]) -> list[int]:
        """Returns each pair's length in words and marks."""
        return [WordTokenizer().count(question) + WordTokenizer().count(passage) for passage in passages]

    def close(self) -> None:
        """Does nothing."""


class ScriptedPool(EnginePool):
    """A pool without models: every generator is the engine given, embedders and cross-encoders count words."""

    def __init__(self, engine: TextEngine, folder: Path) -> None:
        super().__init__(Cache(folder), reuse=False)  # the spec does not say which engine answers
        self.engine = engine
        self.word_vectors = WordVectors()

    def text(self, generator: Generator) -> TextEngine:  # noqa: ARG002 - the same for all
        """Returns the engine given."""
        return self.engine

    def vectors(self, embedder: Embedder) -> VectorEngine:  # noqa: ARG002 - the same for all
        """Returns the engine that counts words."""
        return self.word_vectors

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the engine that compares words for a cross-encoder; opens what else is asked for."""
        if isinstance(part, CrossEncoder):
            return cast("OpenedT", WordPairs())
        return super().opened(part, open_it)

    def tokenizer(self, generator: Generator) -> Tokenizer:  # noqa: ARG002 - the same for all
        """Returns the word tokenizer."""
        return WordTokenizer()


class Flaky(Generator):
    """Answers with the last word of the prompt, and fails on prompts that match.

    Attributes:
        fails: regular expression; a prompt in which it is found fails.
        transient: whether the failure is said to be a passing one.
        window: tokens of prompt and answer together.
    """

    fails: str = "(?!)"
    transient: bool = False
    window: Annotated[int, Field(ge=1)] = 8192

    def tokenizer(self) -> Tokenizer:
        """Returns the word tokenizer."""
        return WordTokenizer()

    def open(self) -> TextEngine:
        """Returns the engine."""

        def reply(text: str) -> str:
            if re.search(self.fails, text):
                raise EngineError("this prompt fails on purpose", transient=self.transient)
            return text.rsplit(maxsplit=1)[-1]

        return FunctionEngine(reply, self.window)


def without_gold(example: Example) -> Example:
    """Returns the example with everything about the right answer taken out: what a route may know."""
    return Example(example.query, example.documents)
