"""Retrieve, then reason: the model quotes relevant text, the quotes are verified, and it answers from them.

Source: ALR2 (Li et al. 2024, "ALR2: A Retrieve-then-Reason Framework for Long-context Question Answering",
arXiv 2410.03227): p(answer | evidence, q) x p(evidence | document, q).
Differences: the paper trains its model for both steps, because prompted models make quotes up; here both steps are
prompted, and between them every quote is looked for in the documents: word for word, then by likeness (rapidfuzz). What
is not there is dropped; what is there is read with the sentences around it, from the document and not from the reply.
Documents longer than the window are quoted from piece by piece, all pieces at once. If no quote survives, everything is
read as in `full_context`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query, Span, covered
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import InPieces
from ragvlc.reading.asking import Reading, whole
from ragvlc.reading.calls import ask_all, asked
from ragvlc.reading.quotes import LocatedQuote, find_quote, quotes_in, sentences_around

QUOTE = """{document}

Question: {question}

Copy from the text above the sentences that are needed to answer the question, word for word, one on a line, at most \
{quotes} of them. Add nothing. If none is needed, reply with the single word NONE."""


class RetrieveThenReason(InPieces, Reading):
    """Asks the model for quotes, verifies them, and answers from the verified quotes.

    Attributes:
        worker: role of the model that quotes.
        window: tokens of prompt and reply in any call that quotes, where that is less than the model's own window.
        quotes: at most so many from each piece.
        quote_tokens: at most so many tokens for the quotes from a piece, and never more than a quarter of the window.
        likeness: the least likeness of a quote to the text, from 0 to 1; 1 wants it word for word (case, blanks and
            forms of quotation marks aside).
        reading: what is read of a quote that stood: the whole `sentence` around it, or the `quote` alone.
        quote_prompt: asks for quotes; `{quotes}` is how many.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "notes", "quotes"})
    version: ClassVar[int] = 1

    quotes: Annotated[int, Field(ge=1)] = 8
    quote_tokens: Annotated[int, Field(ge=1)] = 256
    likeness: Annotated[float, Field(gt=0, le=1)] = 0.9
    reading: Literal["sentence", "quote"] = "sentence"
    quote_prompt: Annotated[str, Template({"document", "question"}, knows={"quotes"})] = QUOTE

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer from verified quotes in document order, or from the whole documents if there are none."""
        quotes = self._quoted(query, documents, run)
        with run.step("verify", quotes=len(quotes)) as facts:
            found = [find_quote(quote, documents, self.likeness) for quote in quotes]
            stood = [one for one in found if one is not None]
            facts |= {"survived": len(stood), "word_for_word": sum(one.likeness == 1.0 for one in stood)}
            facts["fallback"] = not stood
        return self.read(query, documents, run, spans=self._spans(stood, documents) or whole(documents))

    def _quoted(self, query: Query, documents: Sequence[Document], run: Run) -> list[str]:
        worker = run.generator(self.worker)
        limit = self.limit(self.quote_tokens, worker, 4)

        def make(text: str) -> Prompt:
            fields = {"document": text, "question": asked(query), "quotes": str(self.quotes)}
            return filled(self.quote_prompt, fields)

        pieces = self.pieces(documents, worker, make, limit)
        requests = [
            Request(make(piece.text), max_tokens=limit, seed=run.seed_for("quote", place))
            for place, piece in enumerate(pieces)
        ]
        facts = [{"piece": place, "tokens": piece.tokens} for place, piece in enumerate(pieces)]
        replies = ask_all(run, self.worker, requests, step="quote", notes=facts, keep="unit")
        return [quote for reply in replies for quote in quotes_in(reply.text)[: self.quotes]]

    def _spans(self, stood: Sequence[LocatedQuote], documents: Sequence[Document]) -> list[Span]:
        """Returns the spans to read, without repeats, in document order."""
        place = {document.id: i for i, document in enumerate(documents)}
        spans = [one.span for one in stood]
        if self.reading == "sentence":
            spans = [sentences_around(span, documents[place[span.document_id]]) for span in spans]
        return sorted(covered(spans), key=lambda span: (place[span.document_id], span.start))
