"""Pre-Route: one short call of a language model decides, before the documents are read, which route answers.

Paper: "Pre-Route" (2026, arXiv 2605.10235), by some of LaRA's authors: a model sees the question, what kind of document
it is asked over, how long that is and how it begins, and guidelines; it notes what kind of task it is, how much of the
document must be read and what has to be found, and then names retrieval or the full context. The cost does not grow
with the document.

Differences: neither the paper's prompts nor its guidelines were at hand; these are ours, from LaRA's findings (Li et
al. 2025, arXiv 2502.09977). The model's notes come as JSON; a reply without a route that is on offer goes to `fallback`
and is marked `unparsed`. Small models seldom do better than chance at this: look at the share of each route first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core.component import Role
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Prompt, Request, Tokenizer
from ragvlc.core.families import Choice, Route, Router
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.routing.declared_metadata import Declared, declared
from ragvlc.routing.lengths import length_of

PROMPT = """A question is to be answered from a text that is not shown here. Decide how the text should be read.

Ways to read it:
{routes}

Guidelines:
{guidelines}

The text:
{documents}

The question:
{question}

Reply with one JSON object and nothing else:
{"task": "look-up, reasoning, comparison or summary", "scope": "one place, several places or everything", \
"needed": "what has to be found, in a few words", "route": "{names}"}"""

GUIDELINES = """- One fact that stands in one place: passages are enough.
- Two things or two times compared, several places that must be combined, or the text as a whole: read everything.
- Why and how: read everything if the text is not very long.
- A text of more than about 60,000 words: prefer passages, unless everything is needed.
- If the text may well not answer the question: prefer passages."""

ROUTES = {
    "rag": "search the text and read only the passages that match the question; cheap",
    "full": "read the whole text; the longer it is, the dearer",
}

_NOTES = ("task", "scope", "needed")
_NOTE_CHARACTERS = 80


class PreRoute(Router):
    """Asks a language model which route to take.

    Attributes:
        routes: what the model is told of each route that it may choose, by name.
        fallback: route taken where the reply names none of them; empty takes the first.
        guidelines: what to go by.
        prompt: with the fields `{routes}`, `{names}`, `{guidelines}`, `{documents}` and `{question}`.
        opening_tokens: how much of each document's beginning is shown; 0 shows none.
        documents_shown: at most so many are described; of the rest only number and length are told.
        metadata: fields of the documents' metadata that are shown.
        answer_tokens: at most so many tokens for the reply.
        generator: role of the model that is asked; a small one of its own may do.
    """

    version: ClassVar[int] = 1
    routes: Annotated[Mapping[str, str], Field(min_length=1)] = ROUTES
    fallback: str = ""
    guidelines: str = GUIDELINES
    prompt: Annotated[str, Template({"question"}, knows={"routes", "names", "guidelines", "documents"})] = PROMPT
    opening_tokens: Annotated[int, Field(ge=0)] = 100
    documents_shown: Annotated[int, Field(ge=1)] = 5
    metadata: Declared = ()
    answer_tokens: Annotated[int, Field(ge=1)] = 128
    generator: Annotated[str, Role("generators")] = "main"

    def identity(self) -> Mapping[str, Any]:
        """Returns the route names in order, because the prompt depends on the order but a mapping's hash does not."""
        return {"order": list(self.routes)}

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:  # noqa: ARG002 - named here
        """Returns the routes offered to the model, and the fallback route."""
        return frozenset({*self.routes, self.fallback or next(iter(self.routes))})

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns the route that the model names."""
        reader = run.generator(self.generator)
        prompt = self._prompt(query, documents, reader.tokenizer)
        request = Request(prompt, max_tokens=self.answer_tokens, seed=run.seed_for("router"))
        with run.step("choose", generator=self.generator) as facts:
            [generation] = reader.generate([request])
            facts["finish"] = generation.finish
        reply = _object_in(generation.text)
        notes = {name: " ".join(str(reply[name]).split())[:_NOTE_CHARACTERS] for name in _NOTES if name in reply}
        named = self._named(str(reply.get("route", "")), generation.text)
        if named is None:
            fallback = self.fallback or next(iter(self.routes))
            return Choice(fallback, "the model named no route", {**notes, "unparsed": True})
        return Choice(named, "the model's choice", {**notes, "unparsed": False})

    def _prompt(self, query: Query, documents: Sequence[Document], tokenizer: Tokenizer) -> Prompt:
        shown = [self._told(document, tokenizer) for document in documents[: self.documents_shown]]
        left = documents[self.documents_shown :]
        if left:
            shown.append(f"... and {len(left)} more, {length_of(left, 'words')} words")
        fields = {
            "routes": "\n".join(f"- {name}: {told}" for name, told in self.routes.items()),
            "names": " or ".join(self.routes),
            "guidelines": self.guidelines,
            "documents": "\n".join(shown) or "none",
            "question": "\n".join((query.text, *query.choices)),
        }
        return filled(self.prompt, fields)

    def _told(self, document: Document, tokenizer: Tokenizer) -> str:
        [facts] = declared([document], self.metadata)
        words = [f"{length_of([document], 'words')} words", *(f"{name}: {value}" for name, value in facts.items())]
        told = f"- {document.title or 'untitled'} ({', '.join(words)})"
        opening = _opening(document.text, self.opening_tokens, tokenizer)
        return f"{told}, begins: {opening} ..." if opening else told

    def _named(self, route: str, text: str) -> str | None:
        """Returns the route named in the `route` field or, without this field, the only route named in the text."""
        plain = {name.casefold(): name for name in self.routes}
        if route.strip().casefold() in plain:
            return plain[route.strip().casefold()]
        said = route or text
        found = {
            name for name in self.routes if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said, flags=re.IGNORECASE)
        }
        return found.pop() if len(found) == 1 else None


def _object_in(text: str) -> Mapping[str, Any]:
    """Returns the first JSON object in a reply; empty if there is none."""
    return next(_objects(text), {})


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _opening(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    if not tokens:
        return ""
    start = text[: tokens * 16]  # no need to look at a whole book; few tokens have so many characters
    spans = tokenizer.spans(start)
    return " ".join(start[: spans[min(tokens, len(spans)) - 1][1]].split()) if spans else ""
