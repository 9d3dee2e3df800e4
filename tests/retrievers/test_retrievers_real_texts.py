"""Both retrievers on whole Wikipedia articles: the chunk that holds the answer comes early."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from ragvlc.core.data import Chunk, ChunkSet, Query
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.retrievers.bm25 import BM25
from ragvlc.retrievers.dense import Dense

DEPTHS = (1, 2, 5, 10, 20)


@pytest.fixture
def minilm(embedding_model):
    """MiniLM on one thread: where others compete for the cores, two threads wait for each other at every layer."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SentenceTransformerEmbedder(model=str(embedding_model), device="cpu").open()
    torch.set_num_threads(threads)


def cut(document_id: str, text: str, size: int, unit: str) -> ChunkSet:
    """Chunks of `size` units without gaps between them."""
    starts = [match.start() for match in re.finditer(unit, text, re.DOTALL)][::size]
    ends = [*starts[1:], len(text)]
    pieces = zip(starts, ends, strict=True)
    return ChunkSet(
        document_id,
        tuple(
            Chunk(document_id=document_id, index=index, start=start, end=end, text=text[start:end])
            for index, (start, end) in enumerate(pieces)
        ),
    )


def recall(folder, retriever, run, *, size: int, unit: str = r"\S+", articles: int = 99) -> dict[int, float]:
    """Share of located answers that lie within the first k chunks, by k."""
    with gzip.open(folder / "documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        documents = [json.loads(line) for line in lines][:articles]
    texts = {document["doc_id"]: document["text"] for document in documents}
    indexes = {}
    found = dict.fromkeys(DEPTHS, 0)
    asked = 0
    for line in (folder / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("doc_id") not in texts or not row["evidence"] or row["evidence"][0]["start"] is None:
            continue
        name, evidence = row["doc_id"], row["evidence"][0]
        if name not in indexes:
            indexes[name] = retriever.index(cut(name, texts[name], size, unit), run)
        ask = Query(row["question_id"], row["question"])
        hits = indexes[name].search(ask, DEPTHS[-1])
        if asked % 20 == 0:
            assert indexes[name].search(ask, 5) == hits[:5]
        asked += 1
        for k in DEPTHS:
            found[k] += any(hit.chunk.start <= evidence["start"] < hit.chunk.end for hit in hits[:k])
    assert asked >= 30
    return {k: count / asked for k, count in found.items()}


def test_bm25_finds_answers_in_articles(shared_data, run):
    shares = recall(shared_data / "squad_articles", BM25(), run, size=100)
    assert shares[5] > 0.88
    assert shares[1] > 0.6
    assert list(shares.values()) == sorted(shares.values())


def test_bm25_finds_answers_in_chinese(shared_data, run):
    shares = recall(shared_data / "cmrc_long_zh", BM25(), run, size=150, unit=".", articles=5)
    assert shares[5] > 0.88
    assert list(shares.values()) == sorted(shares.values())


def test_dense_finds_answers_in_articles(shared_data, minilm, make_run):
    run = make_run(minilm)
    shares = recall(shared_data / "squad_articles", Dense(), run, size=100, articles=1)
    assert shares[5] > 0.7
    assert shares[20] > 0.9
    assert list(shares.values()) == sorted(shares.values())
    assert all(facts["embedder_cut_chunks"] <= 5 for _, facts in run.steps)


def test_long_chunks_are_reported_as_cut(shared_data, minilm, make_run):
    run = make_run(minilm)
    with gzip.open(shared_data / "squad_articles" / "documents.jsonl.gz", "rt", encoding="utf-8") as lines:
        document = json.loads(next(lines))
    chunks = cut("d", document["text"], 1000, r"\S+")
    Dense().index(chunks, run)
    facts = run.steps[-1][1]
    assert facts["embedder_cut_chunks"] >= len(chunks) - 1
    assert facts["embedder_dropped_tokens"] > 700 * (len(chunks) - 1)
