"""Routes that ask their model once: prompts for each form of question, token limits, and the call itself.

`Asking` for a route that builds its message itself, `Reading` for one that reads pieces of the documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer, Finish, Step
from ragvlc.core.component import Role
from ragvlc.core.data import Document, Hit, Query, Span
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.families import Route
from ragvlc.core.official import OfficialPrompt
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.calls import letters
from ragvlc.reading.context import TITLES, ContextBudget, Layout, Truncation, fit
from ragvlc.reading.official_cut import fit_officially

__all__ = ["Asking", "Reading", "whole"]

QUESTION = """{document}

Based on the text above, answer this question in a few words.{decline}

{question}"""

CHOICE = """{document}

Based on the text above, answer this multiple-choice question with the letter of the right option.{decline}

{question}
{choices}"""

SUMMARY = """{document}

Based on the text above, write a short summary that answers this request.{decline}

{question}"""

DECLINE = " If the text does not answer it, reply with the single word {word}."


class Asking(Route):
    """A route that asks its generator once. A subclass defines `answer`, using `message` and `ask`.

        class FromTitles(Asking):
            def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
                titles = " / ".join(document.title for document in documents)
                return self.ask(self.prompt(query, titles), query, run)

    `Reading` also cuts documents to the window; with `Asking`, a message too long for it fails the question.

    Attributes:
        generator: role of the model that answers.
        answer_tokens: tokens that an answer may have.
        summary_tokens: tokens that a summary may have.
        decline: a word with which the model may say that the text does not answer; None offers no way out.
        question_prompt: for open questions, with `{document}`, `{question}` and, if wanted, `{decline}`.
        choice_prompt: for multiple choice; `{choices}` are lines with letters.
        summary_prompt: for requests of a summary.
    """

    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "document"})
    """What every prompt for the answer must contain."""
    reads_at_once: ClassVar[bool] = False
    """Whether the route asks what its documents, or a selection, say in one call, as benchmarks' own prompts do."""

    generator: Annotated[str, Role("generators")] = "main"
    answer_tokens: Annotated[int, Field(ge=1)] = 32
    summary_tokens: Annotated[int, Field(ge=1)] = 192
    decline: str | None = None
    question_prompt: Annotated[str, Template(needs_of="answer_fields", knows={"choices"}, declines=True)] = QUESTION
    choice_prompt: Annotated[str, Template({"choices"}, needs_of="answer_fields", declines=True)] = CHOICE
    summary_prompt: Annotated[str, Template(needs_of="answer_fields", knows={"choices"}, declines=True)] = SUMMARY

    @property
    def asks_officially(self) -> bool:
        """Whether a benchmark's own prompt is used where a query has one: not where the model may decline."""
        return self.reads_at_once and self.decline is None

    def official(self, query: Query) -> OfficialPrompt | None:
        """Returns the benchmark's own prompt for the query, if it has one for what this route sends."""
        found = query.official if self.asks_officially else None
        return found if found and (self.official_template(found) or found.cut) else None

    def official_template(self, official: OfficialPrompt) -> str:
        """Returns the benchmark's template for what this route sends; empty for the route's own."""
        return official.template

    def max_tokens(self, query: Query) -> int:
        """Returns the maximum number of tokens of the answer, which depends on the query's form."""
        official = self.official(query)
        if official and official.max_tokens and self.official_template(official):
            return official.max_tokens
        return self.summary_tokens if query.form == "summary" else self.answer_tokens

    def template(self, query: Query) -> str:
        """Returns the prompt template for the query's form."""
        if query.choices:
            return self.choice_prompt
        return self.summary_prompt if query.form == "summary" else self.question_prompt

    def message(self, query: Query, **fields: str) -> Prompt:
        """Returns the prompt for the query; `fields` fill further placeholders of the template."""
        known = {"question": query.text, "choices": letters(query.choices), "decline": self.decline_text()}
        official = self.official(query)
        if official and (template := self.official_template(official)):
            made = filled(template, {**known, **official.fields, **fields})
            return replace(made, system=official.system, lead=official.lead, raw=not official.chat)
        return filled(self.template(query), {**known, **fields})

    def prompt(self, query: Query, text: str) -> Prompt:
        """Returns the prompt for `query` over the document text `text`."""
        return self.message(query, document=text)

    def ask(
        self, prompt: Prompt, query: Query, run: Run, *, ranking: Sequence[Hit] = (), context: Sequence[Span] = ()
    ) -> Answer:
        """Returns the generator's answer to `prompt`; a reply that equals the decline word is marked as declined."""
        request = self.request(prompt, query, run)
        official = self.official(query)
        ran = {"prompts": "official"} if official and self.official_template(official) else {}
        with run.step("answer", generator=self.generator, **ran) as facts:
            [generation] = run.generator(self.generator).generate([request])
            facts.update(self.noted(generation))
        answer = run.answer(generation, ranking=ranking, context=context, finish=self.finish_of(generation))
        # A step is in the trace when the outermost one has ended; who wraps this route looks at the answer before.
        return replace(answer, trace=(*answer.trace, Step("answer", dict(facts))))

    def request(self, prompt: Prompt, query: Query, run: Run) -> Request:
        """Returns the request for the answer."""
        official = self.official(query)
        stop = official.stop if official and self.official_template(official) else ()
        return Request(prompt, max_tokens=self.max_tokens(query), stop=stop, seed=run.seed_for("answer"))

    def decline_text(self) -> str:
        """Returns the sentence that offers the decline word; empty if there is no decline word."""
        return DECLINE.replace("{word}", self.decline) if self.decline else ""

    def declines(self, text: str) -> bool:
        """Returns whether a reply is the decline word, ignoring case and punctuation."""
        return self.decline is not None and _plain(text) == _plain(self.decline)

    def finish_of(self, generation: Generation) -> Finish | None:
        """Returns `declined` if the reply is the decline word; None leaves the generation's own finish reason."""
        return "declined" if self.declines(generation.text) else None

    def noted(self, generation: Generation) -> dict[str, Any]:
        """Returns the facts about the reply that the trace records."""
        return {"finish": generation.finish}


class Reading(Asking):
    """A route that reads pieces of the documents in one call. A subclass defines `answer`, using `read`.

        class Endings(Reading):
            def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
                spans = [Span(one.id, max(0, len(one.text) - 500), len(one.text)) for one in documents]
                return self.read(query, documents, run, spans=spans)

    `read` lays the pieces out in the order given, cuts them so that prompt and answer fit the window, and names in the
    answer's context the characters that were sent. Settings of `Asking` are settings of the kind, too.

    Attributes:
        truncation: where text too long for the window is cut: `middle`, `head`, `tail`, or `refuse` to fail instead.
    """

    truncation: Truncation = "middle"

    def read(
        self,
        query: Query,
        documents: Sequence[Document],
        run: Run,
        *,
        spans: Sequence[Span],
        ranking: Sequence[Hit] = (),
        limit: int | None = None,
        least: Sequence[int] = (),
    ) -> Answer:
        """Returns the answer from `spans` in their order, cut to the window and to `limit` document tokens.

        `least` are the places in `spans` to give up first; by default the longest span is cut first.
        """
        reader = run.generator(self.generator)
        official = self.official(query)
        layout = self.official_layout(official) if official and self.official_template(official) else TITLES
        budget = ContextBudget(self.max_tokens(query), self.truncation, limit, least, layout)
        make = partial(self.prompt, query)
        if official and official.cut:
            fitted = fit_officially(spans, documents, reader, make, replace(budget, cut=official.cut))
        else:
            fitted = fit(spans, documents, reader, make, budget)
        ran = {"cut": official.cut} if official and official.cut else {}
        with run.step("read", pieces=len(fitted.context), dropped_tokens=fitted.dropped_tokens, **ran):
            return self.ask(fitted.prompt, query, run, ranking=ranking, context=fitted.context)

    def official_layout(self, official: OfficialPrompt) -> Layout:
        """Returns how a benchmark's own prompt has documents; they are whole, unless a subclass says otherwise."""
        return Layout(titles=False, between="\n\n", adjoining=official.separator)


def whole(documents: Sequence[Document]) -> list[Span]:
    """Returns one span for each document that has text, in the order of the documents."""
    return [Span(document.id, 0, len(document.text)) for document in documents if document.text]


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
