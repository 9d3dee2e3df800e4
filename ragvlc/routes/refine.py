"""Refine: one answer is carried through the pieces of the document and improved at each piece.

Source: incremental updating in BooookScore (Chang et al. 2023, "BooookScore: A systematic exploration of book-length
summarization in the era of LLMs", arXiv 2310.00785). A running answer that exceeds its limit is compressed by a call of
its own. The last running answer is the answer: unlike in Chain of Agents what is passed on is the answer itself, not
notes for one, and no manager follows.
Differences: it serves questions as well as summaries; a draft may be twice as long as the limit before it is
compressed; pieces are those of `chain_of_agents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Generation, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, InPieces, context_of
from ragvlc.reading.calls import ask_all, asked, fitted

QUESTION = """{document}

Question: {question}

Answer so far, from the text before this part:
{draft}

Answer the question in a few words from the answer so far and this part of the text. If this part does not change the \
answer, repeat it as it stands.{decline}"""

CHOICE = """{document}

Question: {question}
{choices}

Answer so far, from the text before this part:
{draft}

Answer this multiple-choice question with the letter of the right option, from the answer so far and this part of the \
text. If this part does not change the answer, repeat it.{decline}"""

SUMMARY = """{document}

Request: {question}

Summary so far, of the text before this part:
{draft}

Bring the summary up to date with this part of the text, so that it answers the request for the whole text up to here. \
Keep it short.{decline}"""

COMPRESS = """{draft}

This is too long. Write it again in fewer than {words} words, keeping what answers this request:

{question}"""

SHARE = 6
"""A running answer may have at most one part in so many of the window: it comes in once and goes out twice as long."""


class Refine(InPieces):
    """Reads the pieces one after the other and revises a running answer.

    Attributes:
        generator: as `worker`; not asked.
        answer_tokens: at most so many tokens for an answer, the running one too, and a sixth of the window.
        summary_tokens: at most so many for a summary, the running one too, and a sixth of the window.
        question_prompt: for open questions; `{draft}` is the running answer.
        compress_prompt: for a running answer that is too long; `{words}` is the limit.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "notes"})
    version: ClassVar[int] = 1
    answer_fields: ClassVar[frozenset[str]] = frozenset({"question", "document", "draft"})

    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY
    compress_prompt: Annotated[str, Template({"draft"}, knows={"words", "question"})] = COMPRESS

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the running answer after the last piece."""
        worker = run.generator(self.worker)
        limit = self.answer_limit(query, worker, SHARE)
        pieces = self.pieces(
            documents, worker, lambda text: self.message(query, document=text, draft=""), 3 * limit + SEAMS
        )
        running, compressed = Generation(""), 0
        for place, text in enumerate([piece.text for piece in pieces] or [""]):
            draft = self._draft(query, text, running.text.strip(), run, place)
            over = worker.tokenizer.count(draft.text.strip()) > limit
            running = self._compressed(query, draft, run, place) if over else draft
            compressed += over
        with run.step("refine", agents=len(pieces), compressed=compressed):
            return run.answer(running, context=context_of(pieces), finish=self.finish_of(running))

    def _draft(self, query: Query, text: str, before: str, run: Run, place: int) -> Generation:
        worker = run.generator(self.worker)
        limit = 2 * self.answer_limit(query, worker, SHARE)
        prompt = fitted(
            lambda draft: self.message(query, document=text, draft=draft),
            before,
            worker,
            window=self.window_of(worker),
            max_tokens=limit,
        )
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("worker", place))
        [reply] = ask_all(run, self.worker, [request], step="worker", notes=[{"piece": place}], keep="unit")
        return reply

    def _compressed(self, query: Query, draft: Generation, run: Run, place: int) -> Generation:
        """Returns a shorter version of the draft; generation stops at the token limit."""
        worker = run.generator(self.worker)
        limit = self.answer_limit(query, worker, SHARE)
        around = {"words": str(max(1, limit * 2 // 3)), "question": asked(query)}
        prompt = fitted(
            lambda text: filled(self.compress_prompt, {"draft": text, **around}),
            draft.text.strip(),
            worker,
            window=self.window_of(worker),
            max_tokens=limit,
        )
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("compress", place))
        [reply] = ask_all(run, self.worker, [request], step="compress", notes=[{"piece": place}], keep="unit")
        return reply
