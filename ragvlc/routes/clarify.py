"""Clarify, then answer: the model asks itself a question, names relevant paragraphs, and answers both questions.

Source: AgenticLU (Zhuang et al. 2025, "Self-Taught Agentic Long Context Understanding", ACL 2025, arXiv 2502.15920):
paragraphs of 512 tokens carry numbers; five turns: one clarifying question, the context that bears on it, its answer,
the answer to the original question, and a check of it, which is recorded and not acted on.
Differences: the paper trains a model on such turns; here they are prompted. The turns so far stand in one message
behind the document and the question, so that the engine's prefix cache holds the document for all five. `rounds`
repeats the first three turns (the paper's tree search goes to depth 3 and branches; here it never branches). Documents
too long for the window lose paragraphs in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, InPieces
from ragvlc.reading.calls import ask_all, asked, beginning, fitted
from ragvlc.reading.paragraphs import Numbered, numbered, numbers_in

_TOP = """{document}

Question: {question}

{turns}

"""

CLARIFY = f"""{_TOP}To answer the question well, what else has to be known from the text? Write one short clarifying \
question."""

GROUND = f"""{_TOP}Which numbered paragraphs answer the last clarifying question? Name them by their numbers, such as \
[3], and say in a few words what each tells."""

RESOLVE = f"""{_TOP}Answer the last clarifying question in a few words, from these paragraphs."""

QUESTION = f"""{_TOP}Now answer the question itself in a few words, from the text and from what was \
cleared up.{{decline}}

Question: {{question}}"""

CHOICE = """{document}

Question: {question}
{choices}

{turns}

Now answer the multiple-choice question itself with the letter of the right option, from the text and from what was \
cleared up.{decline}"""

SUMMARY = f"""{_TOP}Now write a short summary that answers the request itself, from the text and from what was cleared \
up.{{decline}}"""

CHECK = f"""{_TOP}Is the final answer right, by the text? Reply with one word: Yes or No."""

_WORD = re.compile(r"\b(?:(yes|correct|true)|no|incorrect|false)\b", re.IGNORECASE)


class Clarify(InPieces):
    """Clarifies one point of the question before answering it.

    Attributes:
        generator: role of the model that answers the question and checks the answer.
        worker: role of the model that takes the clarifying turns.
        answer_tokens: at most so many tokens for an answer, and a quarter of the window.
        summary_tokens: at most so many tokens for a summary, and a quarter of the window.
        rounds: clarifying questions, one after the other.
        paragraph_tokens: size of the numbered paragraphs, of whole sentences.
        turn_tokens: at most so many tokens a turn, and never more than the window divided by 12 times `rounds`.
        clarify_prompt: asks for a clarifying question; `{turns}` are the turns so far.
        ground_prompt: asks for the paragraphs that answer it.
        resolve_prompt: asks for its answer.
        check_prompt: asks whether the answer is right.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    version: ClassVar[int] = 1
    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "document", "turns"})

    rounds: Annotated[int, Field(ge=1)] = 1
    paragraph_tokens: Annotated[int, Field(ge=1)] = 512
    turn_tokens: Annotated[int, Field(ge=1)] = 128
    clarify_prompt: Annotated[str, Template(needs_of="answer_fields")] = CLARIFY
    ground_prompt: Annotated[str, Template(needs_of="answer_fields")] = GROUND
    resolve_prompt: Annotated[str, Template(needs_of="answer_fields")] = RESOLVE
    check_prompt: Annotated[str, Template(needs_of="answer_fields")] = CHECK
    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer of the fourth turn; the fifth turn's check is in the trace as `self_check`."""
        with run.step("number") as facts:
            read = self._paragraphs(query, documents, run)
            facts |= {"paragraphs": len(read.paragraphs), "dropped_tokens": read.dropped_tokens}
        turns: list[str] = []
        for place in range(self.rounds):
            asking = self._turn(self.clarify_prompt, query, read, turns, run, f"clarify {place}")
            turns.append(f"Clarifying question: {asking}")
            pointing = self._turn(self.ground_prompt, query, read, turns, run, f"ground {place}")
            with run.step("point") as facts:
                facts["paragraphs"] = " ".join(map(str, numbers_in(pointing, read.paragraphs)[:20]))
            turns.append(f"Paragraphs: {pointing}")
            resolved = self._turn(self.resolve_prompt, query, read, turns, run, f"resolve {place}")
            turns.append(f"Answer to the clarifying question: {resolved}")
        reply = self._final(query, read, turns, run)
        turns.append(f"Final answer: {reply.text.strip()}")
        checked = self._turn(self.check_prompt, query, read, turns, run, "check", role=self.generator)
        with run.step("self_check") as facts:
            said = _WORD.search(checked)
            facts["self_check"] = "unclear" if said is None else "right" if said[1] else "wrong"
        return run.answer(reply, context=read.spans, finish=self.finish_of(reply))

    def _limits(self, query: Query, run: Run) -> tuple[int, int, int]:
        """Returns the window, the tokens of a turn, and the tokens of the answer."""
        readers = [run.generator(role) for role in (self.worker, self.generator)]
        window = min(self.window_of(reader) for reader in readers)
        turn = max(1, min(self.turn_tokens, window // (12 * self.rounds)))
        return window, turn, min(self.answer_limit(query, reader, 4) for reader in readers)

    def _paragraphs(self, query: Query, documents: Sequence[Document], run: Run) -> Numbered:
        """Returns as many numbered paragraphs as fit into the prompt of every turn."""
        window, turn, limit = self._limits(query, run)
        reader = run.generator(self.worker)
        templates = (self.clarify_prompt, self.ground_prompt, self.resolve_prompt, self.check_prompt)
        empty = [self._message(template, query, "", "") for template in (*templates, self.template(query))]
        around = max(len(reader.tokenizer.render(prompt)) for prompt in empty)
        labels = reader.tokenizer.count("Answer to the clarifying question: ")
        said = 3 * self.rounds * (turn + labels + SEAMS) + limit + turn + labels
        return numbered(documents, run, self.worker, size=self.paragraph_tokens, room=window - around - said)

    def _message(self, template: str, query: Query, text: str, turns: str) -> Prompt:
        fields = {"document": text, "turns": turns}
        if template == self.template(query):
            return self.message(query, **fields)
        return filled(template, {"question": asked(query), **fields})

    def _request(self, template: str, query: Query, read: Numbered, turns: Sequence[str], run: Run) -> Request:
        window, turn, limit = self._limits(query, run)
        tokens = limit if template == self.template(query) else turn
        prompt = fitted(
            lambda said: self._message(template, query, read.text, said),
            "\n\n".join(turns),
            run.generator(self.worker),
            window=window,
            max_tokens=tokens,
        )
        return Request(prompt, max_tokens=tokens)

    def _turn(
        self, template: str, query: Query, read: Numbered, turns: Sequence[str], run: Run, name: str, role: str = ""
    ) -> str:
        """Returns the model's reply in one turn, joined to one line."""
        request = replace(self._request(template, query, read, turns, run), seed=run.seed_for(name))
        step = name.partition(" ")[0]
        [reply] = ask_all(run, role or self.worker, [request], step=step, notes=[{}], keep="said")
        tokenizer = run.generator(role or self.worker).tokenizer
        return beginning(" ".join(reply.text.split()), request.max_tokens, tokenizer)

    def _final(self, query: Query, read: Numbered, turns: Sequence[str], run: Run) -> Generation:
        request = self._request(self.template(query), query, read, turns, run)
        request = replace(request, seed=run.seed_for("answer"))
        [reply] = ask_all(run, self.generator, [request], step="answer", notes=[{}])
        return reply
