"""Counts of the texts that embedders and rerankers did not read whole, from the traces of answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TextCuts", "cut_figures", "text_cuts"]


@dataclass(frozen=True, slots=True)
class TextCuts:
    """The texts that one answer's embedders and rerankers did not read whole.

    Attributes:
        embedded: id of an index and number of its embedder, chunks, and chunks cut.
        ranked: passages that rerankers ranked.
        cut: of them.
    """

    embedded: tuple[tuple[tuple[str, int], int, int], ...]
    ranked: int
    cut: int


def text_cuts(trace: Sequence[Mapping[str, Any]]) -> TextCuts:
    """Returns what one answer's embedders and rerankers did not read whole, from its stored trace."""
    embedded, ranked, cut = [], 0, 0
    for root in trace:
        for place, (index, facts) in enumerate(_embeddings(root, "")):
            embedded.append(((index, place), int(facts.get("chunks", 0)), int(facts["embedder_cut_chunks"])))
        for facts in _walk(root):
            if "reranker_cut_passages" in facts:
                ranked += int(facts.get("passages", 0))
                cut += int(facts["reranker_cut_passages"])
    return TextCuts(tuple(embedded), ranked, cut)


def cut_figures(found: Iterable[TextCuts]) -> dict[str, int | float]:
    """Returns the number and share of chunks cut by embedders, and of passages cut by rerankers.

    An index that several answers used counts once; a passage counts each time that it was ranked.
    """
    embedded: dict[tuple[str, int], tuple[int, int]] = {}
    ranked = cut = 0
    for one in found:
        embedded |= {index: (chunks, cut_chunks) for index, chunks, cut_chunks in one.embedded}
        ranked += one.ranked
        cut += one.cut
    chunks, cut_chunks = (sum(column) for column in zip(*embedded.values(), strict=True)) if embedded else (0, 0)
    return {
        "embedder_cut_chunks": cut_chunks,
        "embedder_cut_share": cut_chunks / chunks if chunks else 0.0,
        "reranker_cut_passages": cut,
        "reranker_cut_share": cut / ranked if ranked else 0.0,
    }


def _walk(step: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield step["facts"]
    for inner in step.get("steps", ()):
        yield from _walk(inner)


def _embeddings(step: Mapping[str, Any], index: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the facts of steps that embedded chunks, with the id of the index that each is part of."""
    facts = step["facts"]
    index = str(facts.get("index", index))
    if "embedder_cut_chunks" in facts:
        yield index, facts
    for inner in step.get("steps", ()):
        yield from _embeddings(inner, index)
