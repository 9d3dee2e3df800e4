"""Hierarchical: workers read the document's pieces in parallel and report useful facts; a manager answers.

Source: the multi-agent baseline `Hierarchical` of Chain of Agents (Zhang et al. 2024, arXiv 2406.02818): every worker
judges whether its piece is useful and writes a note if it is; all notes go to the manager.
Differences: the paper gives no prompts: judging and writing are one call here, and a reply that is the word NONE,
empty, or a refusal (by the rules of the metric `refusal_recall`) is no note. Notes that do not fit the manager's window
are shortened, the longest first; the paper does not say what happens then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, Agents, context_of
from ragvlc.reading.calls import shared
from ragvlc.text.normalising import normalise
from ragvlc.text.refusals import refuses

WORKER = """{document}

Question: {question}

This is one part of a longer text. If it holds nothing that helps to answer the question, reply with the single word \
NONE. Otherwise write down what helps, with names, numbers and words as they stand, for someone who does not see this \
part."""

WORKER_WHOLE = """{document}

This is one part of a longer text. Write down what matters in it, for someone who writes a summary of the whole text \
and does not see this part. If nothing matters, reply with the single word NONE."""


class HierarchicalAgents(Agents):
    """Reads all pieces in parallel, and answers from the useful notes."""

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "notes"})
    version: ClassVar[int] = 1

    worker_prompt: str = WORKER
    worker_whole_prompt: str = WORKER_WHOLE

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the manager's answer from the notes of workers that found useful facts."""
        manager = run.generator(self.generator)
        room = self.manager_room(query, run)
        notes, pieces = self.notes_on(query, documents, run)
        useful = [note for note in notes if normalise(note) != "none" and not refuses(note)]
        with run.step("sieve", agents=len(pieces), useful=len(useful)) as facts:
            shown = shared(useful, max(0, room - SEAMS * len(useful)), manager.tokenizer)
            facts["shortened"] = sum(before != after for before, after in zip(useful, shown, strict=True))
        return self.answer_from(query, "\n\n".join(shown), run, context_of(pieces))
