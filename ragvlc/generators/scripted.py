"""Scripted replies for tests and examples, chosen by patterns in the prompt, without a model."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from ragvlc.core.answer import Timing
from ragvlc.core.component import Execution
from ragvlc.core.families import Generator
from ragvlc.engines.scripted.engine import ScriptedCall, ScriptedEngine, ScriptedReply
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

__all__ = ["Scripted"]


class Scripted(Generator):
    r"""Answers with the first scripted reply whose pattern is found in the prompt.

    A decode state gives the reply word by word.

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
        """Returns the patterns in order, because the first match wins and a mapping's hash ignores the order."""
        return {"order": list(self.replies)}

    def tokenizer(self) -> WordTokenizer:
        """Returns the tokenizer of words and punctuation marks."""
        return WordTokenizer()

    def open(self) -> ScriptedEngine:
        """Returns an engine; there is nothing to load."""
        seconds = self.seconds_per_call
        timing = Timing(first_token_seconds=seconds, engine_seconds=seconds, phases={"decode": seconds})
        return ScriptedEngine(self._answer, self.window, self.tokenizer(), cuts_replies=True, timing=timing)

    def _answer(self, call: ScriptedCall) -> ScriptedReply:
        if self.seconds_per_call and not call.opens_state:
            time.sleep(self.seconds_per_call)
        prompt, reply = call.request.prompt.text(), self.default
        for pattern, template in self.replies.items():
            if match := re.search(pattern, prompt):
                reply = match.expand(template)
                break
        temperature = self.temperature if call.request.temperature is None else call.request.temperature
        return ScriptedReply(reply.replace("{seed}", str(call.request.seed)) if temperature > 0 else reply)
