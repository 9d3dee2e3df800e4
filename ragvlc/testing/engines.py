"""Engines that need no models, a pool of them, and a generator that fails on purpose."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar, cast

from pydantic import Field

from ragvlc.core.component import Component
from ragvlc.core.data import Example
from ragvlc.core.engines import TextEngine, Tokenizer, VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder, Generator
from ragvlc.engines.scripted.engine import FunctionEngine
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.engines.scripted.word_vectors import WordVectors
from ragvlc.memo.disk import Cache
from ragvlc.pool import EnginePool
from ragvlc.rerankers.cross_encoder import CrossEncoder

__all__ = ["Flaky", "FunctionEngine", "ScriptedPool", "WordPairs", "WordVectors", "without_gold"]

OpenedT = TypeVar("OpenedT")


class WordPairs:
    """A cross-encoder without a model: a passage's score is the share of the question's words in it."""

    @property
    def window(self) -> int:
        """The maximum number of tokens of a pair: unlimited."""
        return sys.maxsize

    def score(self, question: str, passages: Sequence[str]) -> list[float]:
        """Returns, for each passage, the share of the question's words in it."""
        asked = set(re.findall(r"\w+", question.casefold()))
        return [len(asked & set(re.findall(r"\w+", passage.casefold()))) / max(1, len(asked)) for passage in passages]

    def lengths(self, question: str, passages: Sequence[str]) -> list[int]:
        """Returns the length of each pair in words and punctuation marks."""
        return [WordTokenizer().count(question) + WordTokenizer().count(passage) for passage in passages]

    def close(self) -> None:
        """Does nothing."""


class ScriptedPool(EnginePool):
    """A pool without models: every generator is the given engine; embedders and cross-encoders count words."""

    def __init__(self, engine: TextEngine, folder: Path) -> None:
        super().__init__(Cache(folder), reuse=False)  # the spec does not say which engine answers
        self.engine = engine
        self.word_vectors = WordVectors()

    def text(self, generator: Generator) -> TextEngine:  # noqa: ARG002 - the same for all
        """Returns the given engine for any generator."""
        return self.engine

    def vectors(self, embedder: Embedder) -> VectorEngine:  # noqa: ARG002 - the same for all
        """Returns the engine that counts words, for any embedder."""
        return self.word_vectors

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the word-comparing engine for a cross-encoder; opens any other component normally."""
        if isinstance(part, CrossEncoder):
            return cast("OpenedT", WordPairs())
        return super().opened(part, open_it)

    def tokenizer(self, generator: Generator) -> Tokenizer:  # noqa: ARG002 - the same for all
        """Returns the word tokenizer."""
        return WordTokenizer()


class Flaky(Generator):
    """Answers with the last word of the prompt, and fails on prompts that match a regular expression.

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
        """Returns an engine that fails on the matching prompts."""

        def reply(text: str) -> str:
            if re.search(self.fails, text):
                raise EngineError("this prompt fails on purpose", transient=self.transient)
            return text.rsplit(maxsplit=1)[-1]

        return FunctionEngine(reply, self.window)


def without_gold(example: Example) -> Example:
    """Returns a copy of the example with only what a route may know: its question and documents."""
    return Example(example.query, example.documents)


# Results are stored under the name that this kind has in YAML, which is that of the package.
Flaky.__module__ = "ragvlc.testing"
