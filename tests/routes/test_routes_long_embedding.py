"""Units from whole documents down to chunks: ranked, read, and the same as what they are made of elsewhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ragvlc.core.data import Document, Example, Query
from ragvlc.core.errors import ConfigError
from ragvlc.pipeline import Pipeline
from ragvlc.testing import FunctionEngine, ScriptedPool

# Sentences of six tokens each.
CATS = "The cat eats fresh fish. The cat drinks warm milk. Rain falls on the roof. Snow falls on the hill."
DOGS = "The dog chews old bones. Rain falls on the roof. Snow falls on the hill. Wind blows from the west."
COWS = "The cow eats green grass. Milk comes from the cow. Sun shines on the field. Bees hum in the air."
COLLECTION = [Document("cats", CATS), Document("dogs", DOGS), Document("cows", COWS)]
QUERY = "Which cat drinks warm milk?"


def route(unit, **more):
    return {
        "kind": "long_embedding",
        "chunker": {"kind": "tokens", "size": 6},
        "retriever": "dense",
        "unit": unit,
        "unit_tokens": 12,
        "selector": {"kind": "top_k", "k": 1},
        **more,
    }


@pytest.fixture
def ask(tmp_path):
    """Returns a function that asks a route, embeddings being counted words."""

    def ask(given, documents=COLLECTION, query=QUERY):
        pool = ScriptedPool(FunctionEngine(lambda prompt: "a reply"), tmp_path)
        pipeline = Pipeline(
            generators={"main": "scripted"}, embedders={"main": "sentence_transformer"}, routes={"it": given}
        )
        answer = pipeline.answer_example(Example(Query("q", query), tuple(documents)), pool=pool)
        return answer, pool

    return ask


def ranked(answer):
    return [hit.chunk.text.strip() for hit in answer.ranking]


def test_units_go_from_whole_documents_down_to_chunks(ask):
    texts = {unit: ranked(ask(route(unit))[0]) for unit in ("document", "long_unit", "parent", "chunk")}
    assert sorted(texts["document"]) == sorted([CATS, DOGS, COWS])
    assert texts["document"][0] == CATS
    halves = sorted(" ".join(text.split()[start : start + 10]) for text in (CATS, DOGS, COWS) for start in (0, 10))
    assert sorted(texts["long_unit"]) == sorted(texts["parent"]) == halves
    assert texts["long_unit"][0] == texts["parent"][0] == "The cat eats fresh fish. The cat drinks warm milk."
    assert len(texts["chunk"]) == 12
    assert texts["chunk"][0] == "The cat drinks warm milk."


def test_the_best_unit_is_read(ask):
    for unit, wanted in (("document", CATS), ("parent", CATS[:50]), ("chunk", CATS[24:50])):
        answer, pool = ask(route(unit))
        [span] = answer.context
        assert CATS[span.start : span.end].strip() == wanted.strip()
        [request] = pool.engine.requests
        assert wanted.strip() in request.prompt.text()
        assert answer.text == "a reply"


def test_one_vector_a_unit_or_its_chunks(ask):
    """`whole` embeds units, `max` and `parent` chunks; a unit's best chunk then gives its score."""
    _, pool = ask(route("document"))
    assert {text for side, text in pool.vectors(None).embedded if side == "passage"} == {CATS, DOGS, COWS}
    by_best, pool = ask(route("document", pooling="max"))
    embedded = {text for side, text in pool.vectors(None).embedded if side == "passage"}
    assert "The dog chews old bones." in embedded
    assert not embedded & {CATS, DOGS, COWS}
    chunks = ask(route("chunk"))[0].ranking
    assert by_best.ranking[0].score == pytest.approx(chunks[0].score)
    means = ask(route("document", pooling="mean"))[0].ranking
    own = [hit.score for hit in chunks if hit.chunk.document_id == "cats"]
    assert next(hit.score for hit in means if hit.chunk.document_id == "cats") == pytest.approx(sum(own) / len(own))


def test_a_parent_is_found_by_its_best_chunk_whatever_the_pooling(ask):
    found = [
        [(hit.chunk.span, hit.score) for hit in ask(given)[0].ranking]
        for given in (route("parent"), route("parent", pooling="mean"), route("long_unit", pooling="max"))
    ]
    assert found[0] == found[1] == found[2]


def test_inside_one_document(ask):
    long = " ".join((DOGS, CATS, COWS))
    answer, _ = ask(route("long_unit"), [Document("all", long)])
    assert len(answer.ranking) == 6
    assert ranked(answer)[0] == "The cat eats fresh fish. The cat drinks warm milk."
    assert ranked(ask(route("document"), [Document("all", long)])[0]) == [long]


def test_words_rank_long_units_too(ask):
    answer, pool = ask(route("document", retriever="bm25"))
    assert ranked(answer)[0] == CATS
    assert pool.vectors(None).embedded == []


def test_candidates_count_units(ask):
    answer, _ = ask(route("document", retriever={"kind": "dense", "candidates": 2}))
    assert len(answer.ranking) == 2
    reranked, _ = ask(route("document", retriever={"kind": "dense", "candidates": 2}, reranker="cross_encoder"))
    assert len(reranked.ranking) == 2


def test_units_of_units_are_refused():
    with pytest.raises((ValidationError, ConfigError), match="names a retriever of units itself"):
        Pipeline(
            generators={"main": "scripted"},
            embedders={"main": "sentence_transformer"},
            routes={"it": route("parent", retriever="long_units")},
        )
