"""What a route would cost: the route itself goes through the question, and nothing is generated.

Chunks and rankings are real, and found made when the route is then taken. Prompts are real and counted by the
generator's tokenizer. Replies are words of no meaning, as long as they may be, so that what a route makes of a reply
(notes passed on, sub-questions asked) is of the right size at most, and not what it will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import Field

from ragvlc.core.answer import Answer, Finish, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Hit, Query, Span
from ragvlc.core.engines import Generation, Reader, Request, Tokenizer
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Route
from ragvlc.core.run import Run
from ragvlc.core.window import prompt_ids

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ragvlc.core.decode_state import DecodeState

__all__ = ["Speed", "rehearsed"]


class Speed(Component):
    """How fast a model works, as the tokens and engine seconds of a report show.

    Attributes:
        prompt: tokens read in a second.
        completion: tokens written in a second.
    """

    key_name: ClassVar[str] = "ragvlc.routers._rehearsing:Speed"
    prompt: Annotated[float, Field(gt=0)]
    completion: Annotated[float, Field(gt=0)]

    def of(self, usage: Usage) -> float:
        """Returns the seconds for `usage`."""
        return usage.prompt_tokens / self.prompt + usage.completion_tokens / self.completion


class _Enough(Exception):
    """Raised at the first use of a decode state: only its prompt can be known."""


def rehearsed(
    route: Route, query: Query, documents: Sequence[Document], run: Run, *, share: float = 1.0
) -> Mapping[str, Usage] | None:
    """Returns the usage that the route would have, by role; None if a prompt does not fit its window.

    Args:
        route: what is rehearsed; no control.
        query: what is asked.
        documents: to be read.
        run: at work; nothing is charged to it but searching.
        share: how much of its limit a reply is taken to use.
    """
    counted = _Rehearsal(run, share)
    try:
        route.answer(query, documents, cast("Run", counted))
    except _Enough:
        pass
    except WindowExceeded:
        return None
    return counted.bills


@dataclass(slots=True)
class _Rehearsal:
    """A run that generates nothing. What is not here is the real run's."""

    run: Run
    share: float
    bills: dict[str, Usage] = field(default_factory=dict)

    def generator(self, role: str = "main") -> Reader:
        return cast("Reader", _CountingReader(self, self.run.generator(role), role))

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401, ARG002 - nothing is noted
        yield dict(facts)

    def answer(
        self,
        generation: Generation,
        *,
        ranking: Sequence[Hit] = (),
        context: Sequence[Span] = (),
        finish: Finish | None = None,
    ) -> Answer:
        usage = sum(self.bills.values(), Usage())
        return Answer(generation.text, "", tuple(ranking), tuple(context), usage, finish=finish or generation.finish)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the run has
        return getattr(self.run, name)


@dataclass(slots=True)
class _CountingReader:
    rehearsal: _Rehearsal
    reader: Reader
    role: str

    @property
    def window(self) -> int:
        return self.reader.window

    @property
    def tokenizer(self) -> Tokenizer:
        return self.reader.tokenizer

    @property
    def vocabulary(self) -> str:
        return self.reader.vocabulary

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        return [self._one(request) for request in requests]

    def start(self, request: Request, *, width: int | None = None) -> AbstractContextManager[DecodeState]:  # noqa: ARG002
        self._one(request)
        return cast("AbstractContextManager[DecodeState]", _NoDecodeState())

    def _one(self, request: Request) -> Generation:
        new = max(1, round(request.max_tokens * self.rehearsal.share))
        prompt = len(prompt_ids(request, self.reader.tokenizer, self.window))
        usage = Usage(prompt_tokens=prompt, completion_tokens=new, calls=1)
        bills = self.rehearsal.bills
        bills[self.role] = bills.get(self.role, Usage()) + usage
        logprobs = (0.0,) * new if request.logprobs else None
        return Generation(" ".join(["word"] * new), usage=usage, logprobs=logprobs)


class _NoDecodeState:
    """Decode state that ends the dry run at its first use: nothing but the prompt can be known of it."""

    width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        raise _Enough
