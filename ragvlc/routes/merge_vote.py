"""Merge: every worker answers independently from its piece of the document; the most frequent answer wins.

Source: the multi-agent baseline `Merge` of Chain of Agents (Zhang et al. 2024, arXiv 2406.02818).
Differences: the paper does not say how answers are compared: here after SQuAD's normalisation, multiple choice by
option, ties to the earlier piece. Where `decline` is set, workers whose piece does not tell need not guess: the decline
word counts only if nobody answers. Pieces are those of `chain_of_agents`, without a reserve for notes. For summaries,
which hardly ever agree, the vote is the first worker's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query
from ragvlc.core.engines import Generation, Request
from ragvlc.core.run import Run
from ragvlc.reading.agents import InPieces, context_of
from ragvlc.reading.calls import ask_all
from ragvlc.reading.voting import majority


class MergeVote(InPieces):
    """Asks about all pieces in parallel and takes a majority vote.

    Attributes:
        generator: as `worker`; not asked.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context"})
    version: ClassVar[int] = 1

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the answer given by most workers."""
        worker, limit = run.generator(self.worker), self.max_tokens(query)
        pieces = self.pieces(documents, worker, lambda text: self.prompt(query, text), limit)
        texts = [piece.text for piece in pieces] or [""]
        requests = [
            Request(self.prompt(query, text), max_tokens=limit, seed=run.seed_for("worker", place))
            for place, text in enumerate(texts)
        ]
        facts = [{"piece": place} for place in range(len(texts))]
        replies = ask_all(run, self.worker, requests, step="workers", notes=facts, keep="path_answer")
        with run.step("vote") as found:
            voting = [reply for reply in replies if self.finish_of(reply) is None] or list(replies)
            place, votes = majority([reply.text for reply in voting], query.choices)
            found |= {"agents": len(pieces), "votes": votes, "of": len(voting)}
        chosen: Generation = voting[place]
        return run.answer(chosen, context=context_of(pieces), finish=self.finish_of(chosen))
