"""Closed book: the question without documents. A control that shows what the model answers from memory.

Source: the `no_context` run of LongBench v2 (Bai et al. 2024, arXiv 2412.15204). Scores above chance here mean that the
questions, or their answers, were in the training data. Differences: none; our prompt wording.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.official import OfficialPrompt
from ragvlc.core.run import Run
from ragvlc.reading.confidence import Confiding

QUESTION = """Answer this question in a few words.{decline}

{question}"""

CHOICE = """Answer this multiple-choice question with the letter of the right option.{decline}

{question}
{choices}"""

SUMMARY = """Write a short summary that answers this request.{decline}

{question}"""


class ClosedBook(Confiding):
    """Asks the question without any document."""

    reads_at_once: ClassVar[bool] = True
    gives: ClassVar[frozenset[str]] = frozenset({"answer"})
    answer_fields: ClassVar[frozenset[str]] = frozenset({"question"})

    question_prompt: str = QUESTION
    choice_prompt: str = CHOICE
    summary_prompt: str = SUMMARY

    def official_template(self, official: OfficialPrompt) -> str:
        """Returns the benchmark's template for the question without documents; empty where it has none."""
        return official.closed

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:  # noqa: ARG002 - reads none
        """Returns the model's answer from memory."""
        return self.ask(self.prompt(query, ""), query, run)
