"""A dry run of a route on one question: predicts the cost without generating anything.

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
from ragvlc.core.engines import Generation, Reader, Request
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Route
from ragvlc.core.run import Run
from ragvlc.engines.scripted.engine import ScriptedCall, ScriptedEngine, ScriptedReply

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ragvlc.core.decode_state import DecodeState

__all__ = ["Speed", "dry_run"]


class Speed(Component):
    """The speed of a model in tokens per second, from the tokens and engine seconds of a report.

    Attributes:
        prompt: tokens read in a second.
        completion: tokens written in a second.
    """

    key_name: ClassVar[str] = "ragvlc.routers._rehearsing:Speed"
    prompt: Annotated[float, Field(gt=0)]
    completion: Annotated[float, Field(gt=0)]

    def of(self, usage: Usage) -> float:
        """Returns the predicted seconds for `usage`."""
        return usage.prompt_tokens / self.prompt + usage.completion_tokens / self.completion


class _PromptsOnly(Exception):
    """Raised when a route uses a decode state, because a dry run knows only its prompt."""


def dry_run(
    route: Route, query: Query, documents: Sequence[Document], run: Run, *, share: float = 1.0
) -> Mapping[str, Usage] | None:
    """Returns the predicted token usage of the route, by role; None if a prompt exceeds its model's window.

    Args:
        route: what is tried; no control.
        query: what is asked.
        documents: to be read.
        run: at work; nothing is charged to it but searching.
        share: how much of its limit a reply is taken to use.
    """
    counted = _DryRun(run, share)
    try:
        route.answer(query, documents, cast("Run", counted))
    except _PromptsOnly:
        pass
    except WindowExceeded:
        return None
    return counted.bills


@dataclass(slots=True)
class _DryRun:
    """A run that generates nothing; all other attributes are those of the real run."""

    run: Run
    share: float
    bills: dict[str, Usage] = field(default_factory=dict)

    def generator(self, role: str = "main") -> Reader:
        return cast("Reader", _DryReader(self, self.run.generator(role), role))

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

    def reply(self, call: ScriptedCall) -> ScriptedReply:
        new = max(1, round(call.request.max_tokens * self.share))
        return ScriptedReply(" ".join(["word"] * new), tokens=new)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the run has
        return getattr(self.run, name)


@dataclass(slots=True)
class _DryReader:
    """A reader that answers without the model; all other attributes are those of the real reader."""

    run: _DryRun
    reader: Reader
    role: str

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        engine = ScriptedEngine(self.run.reply, self.reader.window, self.reader.tokenizer)
        found = engine.generate(requests)
        bills = self.run.bills
        bills[self.role] = sum((one.usage for one in found), bills.get(self.role, Usage()))
        return found

    def start(self, request: Request, *, width: int | None = None) -> AbstractContextManager[DecodeState]:  # noqa: ARG002
        self.generate([request])
        return cast("AbstractContextManager[DecodeState]", _NoDecodeState())

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the reader has
        return getattr(self.reader, name)


class _NoDecodeState:
    """A decode state that ends the dry run as soon as any of its attributes is used."""

    width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        raise _PromptsOnly
