"""Map-reduce: notes on every piece of the document are merged level by level; the answer is made from the last notes.

Source: hierarchical merging in BooookScore (Chang et al. 2023, "BooookScore: A systematic exploration of book-length
summarization in the era of LLMs", arXiv 2310.00785), after Wu et al. 2021 (arXiv 2109.10862).
Differences: workers know the question, so that it serves questions as well as summaries; what was merged before is not
shown as context to the next merge; the last step answers the question from the notes that are left, at most `fan_in`,
in place of one more merge. Pieces are those of `chain_of_agents`. All calls of a level are made together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.reading.agents import SEAMS, Agents, context_of
from ragvlc.reading.calls import ask_all, asked, beginning, fitted, shared

WORKER = """{document}

Question: {question}

This is one part of a longer text. Write down everything in it that helps to answer the question, with names, numbers \
and words as they stand. Write nothing else."""

WORKER_WHOLE = """{document}

This is one part of a longer text. Write a summary of this part that keeps what matters."""

MERGE = """{notes}

Question: {question}

These are notes on neighbouring parts of one text, in their order. Write one note that keeps everything in them that \
helps to answer the question, and says nothing twice."""

MERGE_WHOLE = """{notes}

These are summaries of neighbouring parts of one text, in their order. Write one summary of all of them that keeps \
what matters and says nothing twice."""


class MapReduce(Agents):
    """Reads all pieces in parallel and merges the notes.

    Attributes:
        fan_in: at most so many notes are merged into one, and go to the manager.
        merge_prompt: for merging notes, the question known.
        merge_whole_prompt: for merging summaries of the whole text.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "notes"})
    version: ClassVar[int] = 1

    fan_in: Annotated[int, Field(ge=2)] = 8
    worker_prompt: str = WORKER
    worker_whole_prompt: str = WORKER_WHOLE
    merge_prompt: Annotated[str, Template({"notes", "question"})] = MERGE
    merge_whole_prompt: Annotated[str, Template({"notes"}, knows={"question"})] = MERGE_WHOLE

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the manager's answer from at most `fan_in` notes."""
        room = self.manager_room(query, run)
        tokenizer = run.generator(self.generator).tokenizer
        notes, pieces = self.notes_on(query, documents, run)
        level = 0
        while len(notes) > 1 and (len(notes) > self.fan_in or _tokens(notes, tokenizer.count) > room):
            level += 1
            notes = self._merged(query, notes, run, level)
        with run.step("reduce", agents=len(pieces), levels=level, notes=len(notes)):
            shown = shared(notes, max(0, room - SEAMS * len(notes)), tokenizer)
        return self.answer_from(query, "\n\n".join(shown), run, context_of(pieces))

    def _message(self, query: Query, notes: str) -> Prompt:
        template = self.merge_whole_prompt if self.of_the_whole(query) else self.merge_prompt
        return filled(template, {"notes": notes, "question": asked(query)})

    def _merged(self, query: Query, notes: Sequence[str], run: Run, level: int) -> list[str]:
        """Returns fewer notes: merges groups of at least two neighbours, as large as `fan_in` and the window allow."""
        worker = run.generator(self.worker)
        limit, window = self.note_limit(worker), self.window_of(worker)
        tokenizer = worker.tokenizer
        room = window - len(tokenizer.render(self._message(query, ""))) - limit
        groups: list[list[str]] = [[]]
        for note in notes:
            group = groups[-1]
            full = len(group) >= 2 and (len(group) >= self.fan_in or _tokens([*group, note], tokenizer.count) > room)
            if full:
                groups.append([note])
            else:
                group.append(note)
        requests, facts = [], []
        for place, group in enumerate(group for group in groups if len(group) > 1):
            texts = shared(group, max(0, room - SEAMS * len(group)), tokenizer)
            prompt = fitted(
                lambda text: self._message(query, text),
                "\n\n".join(texts),
                worker,
                window=window,
                max_tokens=limit,
            )
            seed = run.seed_for(f"merge {level}", place)
            requests.append(Request(prompt, max_tokens=limit, seed=seed))
            facts.append({"level": level, "notes": len(group)})
        replies = iter(ask_all(run, self.worker, requests, step="merge", notes=facts, keep="unit"))
        return [
            group[0] if len(group) == 1 else beginning(next(replies).text.strip(), limit, tokenizer) for group in groups
        ]


def _tokens(notes: Sequence[str], count: Callable[[str], int]) -> int:
    return sum(count(note) + SEAMS for note in notes)
