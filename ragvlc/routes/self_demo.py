"""Self-made demonstrations: the model writes questions about random paragraphs, then answers the real question.

Source: DoubleDipper (Cattan et al. 2024, "Can Few-shot Work in Long-Context? Recycling the Context to Generate
Demonstrations", arXiv 2406.13632): three random paragraphs, a question and its answer written about each, the pairs
between the document and the real question, each with the numbers of its paragraphs; the reply names paragraphs first,
then answers.
Differences: our prompts; paragraphs are whole sentences of about `paragraph_tokens`; a pair that cannot be read as one
is left out; documents too long for the window lose paragraphs in the middle. What stands after the last `Answer:` of
the reply is the answer, the whole reply where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.prompts import Template
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, InPieces
from ragvlc.reading.calls import ask_all, beginning, fitted
from ragvlc.reading.paragraphs import Numbered, numbered, numbers_in

WRITE = """{document}

Write one question about a fact in this paragraph, and its answer in a few words copied from it. Reply in two lines:
Question: ...
Answer: ..."""

QUESTION = """{document}

{demonstrations}

In the same way, name the paragraphs that answer the next question by their numbers, then answer it in a few \
words.{decline}

Question: {question}
Paragraphs:"""

CHOICE = """{document}

{demonstrations}

In the same way, name the paragraphs that answer the next question by their numbers, then answer with the letter of \
the right option.{decline}

Question: {question}
{choices}
Paragraphs:"""

SUMMARY = """{document}

{demonstrations}

Name the paragraphs that matter for the next request by their numbers, then write a short summary after \
"Answer:".{decline}

Request: {question}
Paragraphs:"""

_PAIR = re.compile(
    r"Question\s*[:：]\s*(?P<question>\S[^\n]*)\n+\s*Answer\s*[:：]\s*(?P<answer>\S[^\n]*)", re.IGNORECASE
)
_ANSWER = re.compile(r"\bAnswer\s*[:：]\s*", re.IGNORECASE)
_POINTING = 24
"""Tokens for the numbers that the reply names before it answers."""


class SelfDemo(InPieces):
    """Puts example questions about the same document into the prompt.

    Attributes:
        generator: role of the model that answers.
        worker: role of the model that writes the examples.
        answer_tokens: at most so many tokens for an answer, and a quarter of the window.
        summary_tokens: at most so many tokens for a summary, and a quarter of the window.
        demonstrations: examples, each about another paragraph; paragraphs are drawn with the seed.
        paragraph_tokens: size of the numbered paragraphs, of whole sentences.
        demonstration_tokens: at most so many tokens an example; all together have at most a quarter of the window.
        write_prompt: asks for an example about a paragraph.
        question_prompt: for open questions; `{demonstrations}` are the examples.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    version: ClassVar[int] = 1
    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "document", "demonstrations"})

    demonstrations: Annotated[int, Field(ge=1)] = 3
    paragraph_tokens: Annotated[int, Field(ge=1)] = 128
    demonstration_tokens: Annotated[int, Field(ge=4)] = 96
    write_prompt: Annotated[str, Template({"document"})] = WRITE
    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY

    @property
    def random(self) -> bool:
        """Whether the answer depends on the seed: always, because the seed draws the paragraphs."""
        return True

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the model's answer to a prompt with its own examples."""
        reader = run.generator(self.generator)
        window = self.window_of(reader)
        limit = self.answer_limit(query, reader, 4) + min(_POINTING, window // 12)
        around = len(reader.tokenizer.render(self.message(query, document="", demonstrations="")))
        with run.step("number") as facts:
            room = window - around - limit - self.demonstrations * (self._size(run) + SEAMS)
            read = numbered(documents, run, self.generator, size=self.paragraph_tokens, room=room)
            facts |= {"paragraphs": len(read.paragraphs), "dropped_tokens": read.dropped_tokens}
        shown = "\n\n".join(self._written(read, run))
        prompt = fitted(
            lambda text: self.message(query, document=read.text, demonstrations=text),
            shown,
            reader,
            window=window,
            max_tokens=limit,
        )
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("answer"))
        [reply] = ask_all(run, self.generator, [request], step="answer", notes=[{}])
        pointing, cue, said = _split(reply.text)
        with run.step("point", answered=bool(cue)) as facts:
            facts["paragraphs"] = " ".join(map(str, numbers_in(pointing, read.paragraphs)[:20]))
        reply = replace(reply, text=said)
        return run.answer(reply, context=read.spans, finish=self.finish_of(reply))

    def _size(self, run: Run) -> int:
        """Returns the maximum number of tokens of one example."""
        window = min(self.window_of(run.generator(role)) for role in (self.worker, self.generator))
        return max(1, min(self.demonstration_tokens, window // (4 * self.demonstrations)))

    def _written(self, read: Numbered, run: Run) -> list[str]:
        """Returns the examples that could be parsed; the model writes about all paragraphs in one batch."""
        numbers = list(read.paragraphs)
        Random(run.seed_for("paragraphs")).shuffle(numbers)  # noqa: S311 - a repeatable draw, not a secret
        drawn = sorted(numbers[: self.demonstrations])
        worker, size = run.generator(self.worker), self._size(run)
        window = self.window_of(worker)
        requests = []
        for place, number in enumerate(drawn):
            prompt = fitted(
                lambda text: Prompt(self.write_prompt, {"document": text}),
                read.paragraphs[number].text.strip(),
                worker,
                window=window,
                max_tokens=size,
            )
            requests.append(Request(prompt, max_tokens=size, seed=run.seed_for("write", place)))
        facts = [{"paragraph": number} for number in drawn]
        replies = ask_all(run, self.worker, requests, step="write", notes=facts, keep="said")
        pairs = [_PAIR.search(reply.text) for reply in replies]
        found = [
            f"Question: {' '.join(pair['question'].split())}\nParagraphs: [{number}]\nAnswer: "
            f"{' '.join(pair['answer'].split())}"
            for number, pair in zip(drawn, pairs, strict=True)
            if pair
        ]
        with run.step("demonstrate", wanted=len(drawn), written=len(found)):
            return [beginning(text, size, worker.tokenizer) for text in found]


def _split(reply: str) -> tuple[str, str, str]:
    """Splits a reply at its last `Answer:` into the text before it, that word, and the text after it.

    Without that word, or without text after it, the first and the last part are the whole reply.
    """
    cues = list(_ANSWER.finditer(reply))
    if not cues or not reply[cues[-1].end() :].strip():
        return reply, "", reply
    return reply[: cues[-1].start()], cues[-1][0], reply[cues[-1].end() :]
