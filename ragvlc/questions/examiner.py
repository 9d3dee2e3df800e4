"""Asks a question under examination: with given passages, without any, and piece by piece over whole documents.

A reply is right, wrong, declined, or unsure: where the model failed, gave no answer, was cut off, read less than was
sent, or where the metrics neither say right nor wrong. Nothing is concluded from an unsure reply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from ragvlc.core import interruption
from ragvlc.core.answer import Answer, Usage
from ragvlc.core.data import ChunkSet, Collection, Document, Example, Hit, Query, Span
from ragvlc.core.engines import Generation
from ragvlc.core.families import Chunker, Retriever
from ragvlc.core.texts import first_line, one_line
from ragvlc.pool import EnginePool
from ragvlc.questions.item import GeneratedQuestion
from ragvlc.questions.kind import QuestionKind
from ragvlc.questions.overlap import content_words
from ragvlc.reading.asking import Asking
from ragvlc.results.unanswered import cause
from ragvlc.roles import Models
from ragvlc.routes.closed_book import ClosedBook
from ragvlc.routes.full_context import FullContext
from ragvlc.run import LiveRun
from ragvlc.text.matching import distinctive, has_cjk, locate, normalise
from ragvlc.text.refusals import refuses

__all__ = ["Asked", "Bench", "Examiner", "Outcome"]

Outcome = Literal["right", "wrong", "declined", "unsure"]
RouteT = TypeVar("RouteT", bound=Asking)
_SHOWN = 300
_PIECE_SHARE = 0.8
"""Share of the window beside question and answer that a piece of a document may take."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A reply to the question under examination.

    Attributes:
        outcome: what it is.
        reply: its text.
        why: why it is unsure; empty otherwise.
        grounded: whether the reply's words occur in what was read.
    """

    outcome: Outcome
    reply: str = ""
    why: str = ""
    grounded: bool = False

    def facts(self) -> dict[str, Any]:
        """Returns what a finding stores of it."""
        return {"outcome": self.outcome, "reply": one_line(self.reply, _SHOWN)}


@dataclass(frozen=True)
class Bench:
    """What all examinations of a set share.

    Attributes:
        models: by role.
        pool: that opens them.
        documents: of the set, by id.
        chunker: that cuts them into passages to search and to compare with.
        retriever: that searches these passages.
        answer_tokens: tokens that a reply may have.
        summary_tokens: tokens that a summary may have.
        decline: the word with which a reader may say that the text does not answer.
        seed: of the set.
    """

    models: Models
    pool: EnginePool
    documents: Mapping[str, Document]
    chunker: Chunker
    retriever: Retriever
    answer_tokens: int = 64
    summary_tokens: int = 192
    decline: str = "UNANSWERABLE"
    seed: int = 0
    _all: list[Collection] = field(default_factory=list)

    def collection(self) -> Collection:
        """Returns all documents, with a key that is computed once."""
        if not self._all:
            self._all.append(Collection(self.documents.values()))
        return self._all[0]

    def run(self, query: Query, documents: Sequence[Document]) -> LiveRun:
        """Returns a run that books what one reply takes."""
        return LiveRun(self.models, self.pool, Example(query, tuple(documents)), seed=self.seed)

    def chunks(self, run: LiveRun, documents: Sequence[Document] | None = None) -> ChunkSet:
        """Returns the passages of documents; of all of them by default."""
        return run.chunks(self.chunker, self.collection() if documents is None else documents, "reader")

    def search(self, text: str, n: int) -> list[Hit]:
        """Returns the passages of all documents that share most with a text, best first."""
        query = Query("search", text)
        run = self.run(query, ())
        return [hit for hit in run.search(self.retriever, query, self.chunks(run)) if hit.score > 0][:n]


class Examiner:
    """Asks one question under examination, and adds up what that takes.

    Attributes:
        item: the question.
        kind: its kind, which says when a reply is right.
        bench: what all examinations share.
        bills: usage by role.
        seconds: of the models at work.
    """

    def __init__(self, item: GeneratedQuestion, kind: QuestionKind, bench: Bench) -> None:
        self.item = item
        self.kind = kind
        self.bench = bench
        self.bills: dict[str, Usage] = {}
        self.seconds = 0.0
        self.query = Query(item.id, item.question, form=kind.form)
        self.documents = tuple(bench.documents[name] for name in item.documents)
        self.example = Example(self.query, self.documents, item.answers, unanswerable=item.unanswerable)

    def read(self, spans: Sequence[Span], role: str) -> Asked:
        """Returns the reply to the question over pieces of documents, which may be other documents than its own."""
        names = dict.fromkeys(span.document_id for span in spans)
        documents = [self.bench.documents[name] for name in names]
        route = self._route(FullContext, role)
        run = self.bench.run(self.query, documents)
        text = "\n".join(self.text(span) for span in spans)
        return self._asked(run, lambda: route.read(self.query, documents, run, spans=spans), text)

    def recall(self, role: str) -> Asked:
        """Returns the reply to the question without any text."""
        route = self._route(ClosedBook, role)
        run = self.bench.run(self.query, ())
        return self._asked(run, lambda: route.answer(self.query, (), run), "")

    def pieces(self, document: Document, role: str) -> list[Span]:
        """Returns a whole document in pieces that fit the reader's window, at the ends of passages."""
        run = self.bench.run(self.query, (document,))
        reader = run.generator(role)
        empty = len(reader.tokenizer.render(self._route(FullContext, role).prompt(self.query, "")))
        room = int(_PIECE_SHARE * (reader.window - empty - self.bench.answer_tokens))
        found: list[Span] = []
        size = 0
        for chunk in self.bench.chunks(run, (document,)).chunks:
            tokens = reader.tokenizer.count(chunk.text)
            if found and size + tokens <= room:
                found[-1], size = Span(document.id, found[-1].start, chunk.end), size + tokens
            else:
                found.append(chunk.span)
                size = tokens
        return found

    def text(self, span: Span) -> str:
        """Returns the characters of a span."""
        return self.bench.documents[span.document_id].text[span.start : span.end]

    def holds_answer(self, text: str) -> bool:
        """Returns whether a text has an accepted answer in it, word for word in any typography."""
        cjk = has_cjk(self.item.answers)
        given = normalise(text, cjk=cjk)
        return any(normalise(answer, cjk=cjk) in given for answer in self.item.answers if answer.strip())

    def _route(self, cls: type[RouteT], role: str) -> RouteT:
        bench = self.bench
        return cls(
            generator=role,
            answer_tokens=bench.answer_tokens,
            summary_tokens=bench.summary_tokens,
            decline=bench.decline,
        )

    def _asked(self, run: LiveRun, ask: Callable[[], Answer], text: str) -> Asked:
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001 - whatever a model's library raises: nothing is concluded from it
            interruption.check()
            self._book(run.answer(Generation("")))
            return Asked("unsure", why=f"the model failed: {type(error).__name__}", reply=first_line(error))
        self._book(answer)
        return self._read(answer, text)

    def _book(self, answer: Answer) -> None:
        for role, usage in answer.bills.items():
            self.bills[role] = self.bills.get(role, Usage()) + usage
        self.seconds += answer.timing.engine_seconds

    def _read(self, answer: Answer, text: str) -> Asked:
        reply = answer.text
        declined = answer.finish == "declined" or (bool(reply.strip()) and (refuses(reply) or self._declines(reply)))
        if why := self._unusable(answer, declined=declined):
            return Asked("unsure", reply, why)
        if declined:
            return Asked("declined", reply)
        grounded = bool(text) and _occurs(reply, text)
        if self.item.unanswerable:
            return Asked("wrong", reply, grounded=grounded)
        outcome, why = self._judged(answer)
        return Asked(outcome, reply, why, grounded)

    def _declines(self, reply: str) -> bool:
        """Returns whether the decline word is in the reply, as in `the year is UNANSWERABLE`."""
        return re.search(rf"\b{self.bench.decline}\b", reply) is not None

    def _unusable(self, answer: Answer, *, declined: bool) -> str:
        """Returns why nothing can be concluded from a reply; empty if something can."""
        if not answer.answered:
            return f"no answer: {cause(answer)}"
        if answer.dropped_tokens or answer.unread_tokens:
            return "the text did not fit the window"
        if answer.finish == "filtered":
            return "the reply was filtered"
        cut = answer.finish == "length" and self.kind.form == "question" and not declined
        return "the reply was cut off" if cut else ""

    def _judged(self, answer: Answer) -> tuple[Outcome, str]:
        """Returns whether an answer is right by the kind's metrics, and why that is not known."""
        scores: dict[str, float] = {}
        for metric in self.kind.metrics:
            if not metric.applies(self.example):
                continue
            score = metric.assess(answer, self.example, self.bench.pool)
            if score.usage.calls:
                self.bills["judge"] = self.bills.get("judge", Usage()) + score.usage
            if score.missing:
                return "unsure", f"{metric.label} gave no verdict"
            if score.value is not None:
                scores[metric.label] = score.value
        return self._verdict(scores, answer.text)

    def _verdict(self, scores: Mapping[str, float], reply: str) -> tuple[Outcome, str]:
        """Returns what scores say of a reply, and why they say nothing."""
        best, limit = max(scores.values(), default=-1.0), self.kind.right
        others = max((value for label, value in scores.items() if label != "contains"), default=0.0)
        outcome: Outcome = "unsure"
        why = "neither right nor wrong by " + " and ".join(scores) if scores else "no metric applies to the answer"
        if best >= limit and others < limit and not self._whole_words(reply):
            why = "the answer occurs in the reply inside of other words"
        elif best >= limit and scores.get("contains", 0.0) < limit and not self._says_what_is_new(reply):
            why = "the reply shares with the answer what the question says already"
        elif best >= limit:
            outcome, why = "right", ""
        elif scores and best <= self.kind.wrong:
            outcome, why = "wrong", ""
        return outcome, why

    def _says_what_is_new(self, reply: str) -> bool:
        """Returns whether the reply has most words of an answer that the question does not have.

        An answer that repeats the question has many words in common with any reply that does so too.
        """
        if self.kind.form == "summary":
            return True
        known, said = set(content_words(self.item.question)), set(content_words(reply))
        new = [set(content_words(answer)) - known for answer in self.item.answers]
        return any(not words or len(words & said) >= self.kind.right * len(words) for words in new)

    def _whole_words(self, reply: str) -> bool:
        """Returns whether the reply has an answer as whole words where that matters: `5` is found in `1995` too."""
        cjk = has_cjk(self.item.answers)
        telling = distinctive(self.item.answers, cjk=cjk)
        return any(not any(map(str.isdigit, one)) for one in telling) or self.holds_answer(reply)


def _occurs(reply: str, text: str) -> bool:
    cjk = has_cjk([reply])
    said = normalise(reply, cjk=cjk)
    return bool(said.strip()) and (said in normalise(text, cjk=cjk) or locate(reply, text) is not None)
