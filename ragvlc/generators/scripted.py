"""Scripted replies by rule, for tests and examples: no model, no files, but the token counts of a real engine."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from ragvlc.core.answer import Finish, Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.families import Generator
from ragvlc.core.window import prompt_ids
from ragvlc.engines.scripted.decode_state import ScriptedDecodeState
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

__all__ = ["Scripted"]


class Scripted(Generator):
    r"""Answers with the first reply whose pattern is found in the prompt; a decode state gives it word by word.

    Attributes:
        replies: reply by regular expression, tried in order; `\1` or `\g<name>` is a group of the match. In a sampled
            answer `{seed}` becomes the request's seed.
        default: the reply if no pattern is found.
        window: the largest number of tokens of prompt and answer together.
        seconds_per_call: seconds that each answer takes.
    """

    version: ClassVar[int] = 1
    offers: ClassVar[frozenset[str]] = frozenset({"TextEngine", "TokenEngine"})
    replies: Mapping[str, str] = Field(default_factory=dict)
    default: str = ""
    window: Annotated[int, Field(ge=2)] = 8192
    seconds_per_call: Annotated[float, Field(ge=0), Execution] = 0.0

    @field_validator("replies")
    @classmethod
    def _check_replies(cls, replies: Mapping[str, str]) -> Mapping[str, str]:
        for pattern, reply in replies.items():
            try:
                re.compile(pattern).sub(reply, "")  # also reads the reply's group references
            except (re.error, IndexError) as error:
                raise ValueError(f"reply {reply!r} for pattern {pattern!r}: {error}") from error
        return replies

    def identity(self) -> Mapping[str, Any]:
        """Returns the order of the patterns: the first match wins, and a mapping's hash forgets order."""
        return {"order": list(self.replies)}

    def tokenizer(self) -> WordTokenizer:
        """Returns the tokenizer of words and punctuation marks."""
        return WordTokenizer()

    def open(self) -> _ScriptedEngine:
        """Returns an engine; there is nothing to load."""
        return _ScriptedEngine(self)


class _ScriptedEngine:
    def __init__(self, spec: Scripted) -> None:
        self._spec = spec
        self._rules = tuple((re.compile(pattern), reply) for pattern, reply in spec.replies.items())
        self._tokenizer = spec.tokenizer()

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._spec.window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one reply for each request. Raises `WindowExceeded` before any is made."""
        lengths = [self._length(request) for request in requests]
        return [self._one(request, length) for request, length in zip(requests, lengths, strict=True)]

    @property
    def vocabulary(self) -> str:
        """Identifier of the tokens: words have the same ids in all scripted decode states of a process."""
        return self._tokenizer.id

    def start(self, request: Request, *, width: int | None = None) -> ScriptedDecodeState:
        """Returns a decode state that gives the reply. Raises `WindowExceeded`."""
        length, reply = self._length(request), self._reply(request)
        return ScriptedDecodeState(reply, length, max_tokens=request.max_tokens, width=width)

    def close(self) -> None:
        """Does nothing: there is no memory to free."""

    def _length(self, request: Request) -> int:
        return len(prompt_ids(request, self._tokenizer, self.window))

    def _one(self, request: Request, prompt_tokens: int) -> Generation:
        seconds = self._spec.seconds_per_call
        if seconds:
            time.sleep(seconds)
        text = self._reply(request)
        finish: Finish = "stop"
        for stop in request.stop:
            text = text.partition(stop)[0]
        spans = self._tokenizer.spans(text)
        if len(spans) > request.max_tokens:
            spans, finish = spans[: request.max_tokens], "length"
            text = text[: spans[-1][1]]
        return Generation(
            text=text,
            token_ids=tuple(self._tokenizer.render(Prompt(text))),
            finish=finish,
            usage=Usage(prompt_tokens=prompt_tokens, completion_tokens=len(spans), calls=1),
            timing=Timing(first_token_seconds=seconds, engine_seconds=seconds, phases={"decode": seconds}),
            logprobs=(0.0,) * len(spans) if request.logprobs else None,
        )

    def _reply(self, request: Request) -> str:
        prompt = request.prompt.text()
        reply = self._spec.default
        for pattern, template in self._rules:
            if match := pattern.search(prompt):
                reply = match.expand(template)
                break
        temperature = self._spec.temperature if request.temperature is None else request.temperature
        return reply.replace("{seed}", str(request.seed)) if temperature > 0 else reply
