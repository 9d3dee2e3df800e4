"""An engine that takes a fixed time a request and works on a few at once: one worker over it is soon at its limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.families import Generator
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.testing import FunctionEngine


class Saturated(Generator):
    """Sleeps for each request, `lanes` of them at a time.

    Attributes:
        seconds: a request.
        lanes: requests at the same time.
    """

    seconds: Annotated[float, Field(ge=0), Execution] = 0.2
    lanes: Annotated[int, Field(ge=1), Execution] = 4

    def tokenizer(self) -> WordTokenizer:
        """Returns the word tokenizer."""
        return WordTokenizer()

    def open(self) -> _Engine:
        """Returns the engine."""
        return _Engine(self)


class _Engine(FunctionEngine):
    def __init__(self, spec: Saturated) -> None:
        super().__init__(lambda _: "done", window=10**6)
        self._seconds = spec.seconds
        self._lanes = threading.Semaphore(spec.lanes)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns replies when their time is over."""
        found = []
        for request in requests:
            with self._lanes:
                time.sleep(self._seconds)
                found += super().generate([request])
        return found
