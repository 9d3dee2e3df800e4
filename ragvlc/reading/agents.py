"""Base of routes whose workers write notes about pieces of whole documents; a manager answers from the notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query, Span
from ragvlc.core.engines import Prompt, Reader, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.core.window import window_too_small
from ragvlc.reading.asking import Asking
from ragvlc.reading.calls import ask_all, asked, beginning, fitted
from ragvlc.reading.pieces import Piece, pieces_of

__all__ = ["Agents", "InPieces", "context_of"]

QUESTION = """The text that the question is about is too long to be shown, so it was read for you. This is what was \
noted:

{notes}

Answer the question in a few words, from these notes alone.{decline}

{question}"""

CHOICE = """The text that the question is about is too long to be shown, so it was read for you. This is what was \
noted:

{notes}

Answer this multiple-choice question with the letter of the right option, from these notes alone.{decline}

{question}
{choices}"""

SUMMARY = """The text that the request is about is too long to be shown, so it was read for you. This is what was \
noted:

{notes}

From these notes alone, write a short summary that answers this request.{decline}

{question}"""

WHOLE = """A text that is too long to be shown was read for you. This is what was noted of it:

{notes}

From these notes alone, write a summary of the whole text.{decline}"""

SEAMS = 4
"""Tokens that can appear where a piece and a note are put into a prompt, beyond those of their own."""


class InPieces(Asking):
    """A route that reads whole documents in pieces, each call within a window.

    Attributes:
        worker: role of the model that reads the pieces.
        window: tokens of prompt and reply in any call, where that is less than the model's own window; None takes it.
    """

    worker: Annotated[str, Role("generators")] = "main"
    window: Annotated[int | None, Field(ge=2)] = None

    def window_of(self, reader: Reader) -> int:
        """Returns the number of tokens available for prompt and reply together."""
        return reader.window if self.window is None else min(self.window, reader.window)

    def limit(self, tokens: int, reader: Reader, share: int) -> int:
        """Returns `tokens`, but at most the window divided by `share`, and at least 1."""
        return max(1, min(tokens, self.window_of(reader) // share))

    def answer_limit(self, query: Query, reader: Reader, share: int) -> int:
        """Returns the maximum number of tokens of an answer, which is at most the window divided by `share`."""
        return self.limit(self.max_tokens(query), reader, share)

    def pieces(
        self, documents: Sequence[Document], reader: Reader, make: Callable[[str], Prompt], reserve: int
    ) -> list[Piece]:
        """Returns the documents as pieces that each fit into the prompt's free space.

        Args:
            documents: what to read.
            reader: who reads.
            make: the prompt around a piece.
            reserve: tokens kept free, for the reply and for what is not in that prompt yet.

        Raises:
            WindowExceeded: if nothing is left for a piece.
        """
        tokenizer = reader.tokenizer
        around = len(tokenizer.render(make("")))
        room = self.window_of(reader) - around - reserve
        return pieces_of(documents, tokenizer, room, lambda text: len(tokenizer.render(make(text))) - around)


class Agents(InPieces):
    """A route whose workers write notes about the pieces, and whose manager answers from the notes only.

    Attributes:
        generator: role of the model that answers from the notes, the manager.
        note_tokens: at most so many tokens for a note, and never more than a sixth of the window.
        summaries: whether workers know what a summary is asked for (`focused`), or summarise the whole text (`whole`),
            as they do for a request without words.
        worker_prompt: for workers that know the question, its options included.
        worker_whole_prompt: for workers that summarise the whole text.
        question_prompt: of the manager, for open questions.
        choice_prompt: of the manager, for multiple choice; `{choices}` are lines with letters.
        summary_prompt: of the manager, for summaries that answer a request.
        whole_prompt: of the manager, for summaries of the whole text.
    """

    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "notes"})
    worker_fields: ClassVar[frozenset[str]] = frozenset({"document"})
    """What a worker's prompt must contain, besides the question where it is known."""

    note_tokens: Annotated[int, Field(ge=1)] = 512
    summaries: Literal["focused", "whole"] = "focused"
    worker_prompt: Annotated[str, Template({"question"}, needs_of="worker_fields")]
    worker_whole_prompt: Annotated[str, Template(needs_of="worker_fields", knows={"question"})]
    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY
    whole_prompt: Annotated[str, Template({"notes"}, knows={"question"}, declines=True)] = WHOLE

    def of_the_whole(self, query: Query) -> bool:
        """Returns whether the query is for a summary of the whole text, and not of what the request asks about."""
        return query.form == "summary" and (self.summaries == "whole" or not query.text.strip())

    def note_limit(self, reader: Reader) -> int:
        """Returns the maximum number of tokens of a note."""
        return self.limit(self.note_tokens, reader, 6)

    def worker_message(self, query: Query, **fields: str) -> Prompt:
        """Returns the prompt for a worker about a piece; `fields` fill the prompt's other placeholders."""
        template = self.worker_whole_prompt if self.of_the_whole(query) else self.worker_prompt
        return filled(template, {"question": asked(query), **fields})

    def template(self, query: Query) -> str:
        """Returns the manager's prompt template for the query's form."""
        whole = self.of_the_whole(query) and not query.choices
        return self.whole_prompt if whole else super().template(query)

    def manager_room(self, query: Query, run: Run) -> int:
        """Returns the tokens that the manager's prompt has left for notes. Raises `WindowExceeded` if it has none."""
        manager = run.generator(self.generator)
        around = len(manager.tokenizer.render(self.message(query, notes="")))
        room = self.window_of(manager) - around - self.max_tokens(query) - SEAMS
        if room <= 0:
            raise window_too_small("notes", left=room, window=self.window_of(manager))
        return room

    def manager_request(self, query: Query, notes: str, run: Run, place: int = 0) -> Request:
        """Returns the request to the manager; notes too long for its window are cut at the end."""
        manager, limit = run.generator(self.generator), self.max_tokens(query)
        window = self.window_of(manager)
        prompt = fitted(lambda text: self.message(query, notes=text), notes, manager, window=window, max_tokens=limit)
        return Request(prompt, max_tokens=limit, seed=run.seed_for("answer", place))

    def answer_from(self, query: Query, notes: str, run: Run, context: Sequence[Span]) -> Answer:
        """Returns the manager's answer from the notes."""
        request = self.manager_request(query, notes, run)
        [generation] = ask_all(run, self.generator, [request], step="manager", notes=[{}], keep="path_answer")
        return run.answer(generation, context=context, finish=self.finish_of(generation))

    def notes_on(
        self, query: Query, documents: Sequence[Document], run: Run, **fields: str
    ) -> tuple[list[str], list[Piece]]:
        """Returns the workers' notes, one for each piece, and the pieces; all workers run in one batch."""
        worker = run.generator(self.worker)
        limit = self.note_limit(worker)

        def make(text: str) -> Prompt:
            return self.worker_message(query, document=text, **fields)

        pieces = self.pieces(documents, worker, make, limit)
        requests = [
            Request(make(piece.text), max_tokens=limit, seed=run.seed_for("worker", place))
            for place, piece in enumerate(pieces)
        ]
        facts = [{"piece": place, "divided": piece.divided} for place, piece in enumerate(pieces)]
        replies = ask_all(run, self.worker, requests, step="workers", notes=facts, keep="unit")
        return [beginning(reply.text.strip(), limit, worker.tokenizer) for reply in replies], pieces


def context_of(pieces: Sequence[Piece]) -> list[Span]:
    """Returns the document spans that the pieces consist of, in the order of the pieces."""
    return [span for piece in pieces for span in piece.spans]
