"""The contracts of retrievers and rerankers, which rank passages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.data import ChunkSet, Document, Hit, Query, covered
from ragvlc.core.families import Reranker, Retriever
from ragvlc.testing.engines import FunctionEngine
from ragvlc.testing.trial import Trial, reply, require, toy

__all__ = ["RERANKER_CLAUSES", "RETRIEVER_CLAUSES"]

_ALL = 10_000
_NOTHING = ((), (Document("d", ""),), (Document("d", " \n"),), (Document("d", "!?"),))


def a_ranking_is_of_the_chunks_best_first_ties_in_chunk_order(trial: Trial) -> None:
    """A ranking consists of the chunks, best first; equal scores are in chunk order."""
    for example in toy():
        hits, chunks = _search(trial, example.query, example.documents)
        _are_pieces(hits, chunks, example.documents)
        require(hits, f"search() finds nothing for '{example.id}'. Return every chunk, the best first.")
        keys = [(-hit.score, hit.chunk.document_index, hit.chunk.start) for hit in hits]
        require(
            keys == sorted(keys),
            f"the hits for '{example.id}' are not best first with ties in the order of the chunks. Sort by "
            "(-score, chunk.document_index, chunk.start).",
        )


def _are_pieces(hits: Sequence[Hit], chunks: ChunkSet, documents: Sequence[Document]) -> None:
    """Checks that each hit is a chunk, or neighbouring chunks joined: the text between two chunk boundaries."""
    texts = {document.id: document.text for document in documents}
    starts = {(chunk.document_index, chunk.start) for chunk in chunks}
    ends = {(chunk.document_index, chunk.end) for chunk in chunks}
    for hit in hits:
        chunk = hit.chunk
        require(
            chunk.text == texts.get(chunk.document_id, "")[chunk.start : chunk.end]
            and (chunk.document_index, chunk.start) in starts
            and (chunk.document_index, chunk.end) in ends,
            f"the hit at {chunk.document_id}:{chunk.start}-{chunk.end} is no chunk of the documents. Return hits over "
            "the chunks given to index(), or neighbouring ones joined.",
        )
        require(
            isinstance(hit.score, float) and math.isfinite(hit.score),
            f"a hit has the score {hit.score!r} ({type(hit.score).__name__}). Return finite floats: float(score).",
        )
    require(len({hit.chunk.span for hit in hits}) == len(hits), "a chunk is in the ranking twice. Return each once.")


def a_smaller_number_of_candidates_is_the_head_of_a_larger(trial: Trial) -> None:
    """A ranking with fewer candidates is the start of one with more; the longest ranking contains all chunks."""
    for example in toy():
        all_hits, chunks = _search(trial, example.query, example.documents, candidates=_ALL)
        require(
            covered(hit.chunk.span for hit in all_hits) == covered(chunk.span for chunk in chunks),
            f"with {_ALL:,} candidates, search() leaves out chunks of '{example.id}'. Rank every chunk, those without "
            "a match last.",
        )
        for candidates in (1, 3):
            hits, _ = _search(trial, example.query, example.documents, candidates=candidates)
            require(
                hits == all_hits[:candidates],
                f"the best {candidates} of '{example.id}' are not the head of the whole ranking. Rank all chunks, then "
                "cut at n.",
            )


def it_finds_what_shares_the_questions_words(trial: Trial) -> None:
    """The best passage for the words of a document comes from that document."""
    [example] = [example for example in toy() if example.id == "toy-which"]
    hits, _ = _search(trial, example.query, example.documents)
    best = hits[0].chunk.document_id if hits else "nothing"
    require(
        best == "bakery",
        f"it finds {best} first for the words '{example.query.text}', "
        "which are the bakery's. Give larger scores to better ones.",
    )


def there_may_be_nothing_to_find(trial: Trial) -> None:
    """Empty questions, empty collections and documents without words are ranked without an error."""
    for documents in _NOTHING:
        for text in ("", "?", "What is it?"):
            hits, chunks = _search(trial, Query("q", text), documents)
            require(
                len(hits) == len(chunks),
                f"it returns {len(hits)} hits for the question {text!r} over {len(chunks)} chunks "
                f"({[document.text for document in documents]}). Return every chunk, also where nothing matches.",
            )


def _search(
    trial: Trial, query: Query, documents: Sequence[Document], **settings: int
) -> tuple[tuple[Hit, ...], ChunkSet]:
    """Returns the ranking of documents cut into small chunks, from a pool with empty caches."""
    retriever: Retriever = trial.build(**settings)
    run = trial.run_over(retriever, FunctionEngine(reply))
    chunks = run.chunks(Tokens(size=16), documents)
    return run.search(retriever, query, chunks), chunks


def a_reranking_is_of_the_hits_best_first(trial: Trial) -> None:
    """A reranker returns hits that it was given, each at most once, best first by its own scores."""
    for example in toy():
        hits = _hits(trial, example.documents)
        before = list(hits)
        found = _rerank(trial, example.query, hits)
        require(hits == before, "rerank() changes the list that it is given. Return a new one.")
        places = [hit.chunk for hit in hits]
        require(
            all(hit.chunk in places for hit in found) and len({hit.chunk.span for hit in found}) == len(found),
            f"rerank() returns passages of '{example.id}' that it was not given, or one twice. Return Hit(hit.chunk, "
            "score) for hits given.",
        )
        scores = [hit.score for hit in found]
        require(
            all(isinstance(score, float) and math.isfinite(score) for score in scores)
            and scores == sorted(scores, reverse=True),
            f"rerank() returns the scores {scores[:5]} for '{example.id}'. Return finite floats, the largest first.",
        )


def a_reranking_is_the_same_twice(trial: Trial) -> None:
    """Equal hits are reranked the same way each time; an empty ranking stays empty."""
    for example in toy():
        hits = _hits(trial, example.documents)
        first, again = (_rerank(trial, example.query, hits) for _ in range(2))
        require(
            first == again,
            f"rerank() ranks the hits of '{example.id}' in another way the second time. Take seeds from run.seed_for.",
        )
        require(_rerank(trial, example.query, []) == [], "rerank() makes hits of none. Return an empty list.")


def _hits(trial: Trial, documents: Sequence[Document]) -> list[Hit]:
    part: Reranker = trial.build()
    run = trial.run_over(part, FunctionEngine(reply))
    chunks = run.chunks(Tokens(size=16), documents)
    return [Hit(chunk, 1.0 - place / 100) for place, chunk in enumerate(chunks)]


def _rerank(trial: Trial, query: Query, hits: list[Hit]) -> list[Hit]:
    part: Reranker = trial.build()
    return list(part.rerank(query, hits, trial.run_over(part, FunctionEngine(reply))))


RETRIEVER_CLAUSES = (
    a_ranking_is_of_the_chunks_best_first_ties_in_chunk_order,
    a_smaller_number_of_candidates_is_the_head_of_a_larger,
    it_finds_what_shares_the_questions_words,
    there_may_be_nothing_to_find,
)
RERANKER_CLAUSES = (a_reranking_is_of_the_hits_best_first, a_reranking_is_the_same_twice)
