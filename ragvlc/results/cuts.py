"""Counts of the texts that embedders and rerankers did not read whole, from the traces of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragvlc.core.answer import Answer, Step

__all__ = ["cut_texts"]


def cut_texts(answers: Sequence[Answer]) -> dict[str, int | float]:
    """Returns the number and share of chunks cut by embedders, and of passages cut by rerankers.

    An index that several answers used counts once; a passage counts each time that it was ranked.
    """
    embedded: dict[tuple[str, int], tuple[int, int]] = {}
    ranked = cut = 0
    for answer in answers:
        for root in answer.trace:
            for place, (index, step) in enumerate(_embeddings(root, "")):
                embedded[index, place] = int(step.facts["chunks"]), int(step.facts["embedder_cut_chunks"])
            for step in root.walk():
                if "reranker_cut_passages" in step.facts:
                    ranked += int(step.facts.get("passages", 0))
                    cut += int(step.facts["reranker_cut_passages"])
    chunks, cut_chunks = (sum(column) for column in zip(*embedded.values(), strict=True)) if embedded else (0, 0)
    return {
        "embedder_cut_chunks": cut_chunks,
        "embedder_cut_share": cut_chunks / chunks if chunks else 0.0,
        "reranker_cut_passages": cut,
        "reranker_cut_share": cut / ranked if ranked else 0.0,
    }


def _embeddings(step: Step, index: str) -> Iterator[tuple[str, Step]]:
    """Yields the steps that embedded chunks, with the id of the index that each is part of."""
    index = str(step.facts.get("index", index))
    if "embedder_cut_chunks" in step.facts:
        yield index, step
    for inner in step.steps:
        yield from _embeddings(inner, index)
