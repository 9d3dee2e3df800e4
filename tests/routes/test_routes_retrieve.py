"""Cut, rank, select, arrange, read once."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document, Query, Span

# Four sentences of six tokens each.
TEXT = "The cat eats fresh fish. The dog chews old bones. The cow eats green grass. The cat drinks warm milk."
DOCUMENT = Document("d", TEXT)
SENTENCES = [
    "The cat eats fresh fish.",
    " The dog chews old bones.",
    " The cow eats green grass.",
    " The cat drinks warm milk.",
]


def route(k=2, order="document", **more):
    return {
        "kind": "retrieve",
        "chunker": {"kind": "tokens", "size": 6},
        "selector": {"kind": "top_k", "k": k},
        "order": order,
        **more,
    }


def test_the_whole_ranking_is_kept_and_the_best_are_read(ask, read):
    answer = ask(route(k=2), "What does the cat drink, warm milk?", [DOCUMENT]).answer
    assert sorted(hit.chunk.text for hit in answer.ranking) == sorted(SENTENCES)
    assert [hit.chunk.text for hit in answer.ranking[:2]] == [SENTENCES[3], SENTENCES[0]]
    assert read(answer, [DOCUMENT]) == [SENTENCES[0], SENTENCES[3]]  # in document order
    scores = [hit.score for hit in answer.ranking]
    assert scores == sorted(scores, reverse=True)


def test_candidates_are_the_depth_of_the_ranking(ask):
    answer = ask(route(retriever={"kind": "bm25", "candidates": 1}), "Which cow?", [DOCUMENT]).answer
    assert [hit.chunk.text for hit in answer.ranking] == [SENTENCES[2]]
    assert len(answer.context) == 1


@pytest.mark.parametrize(
    ("order", "places"),
    [("relevance", [3, 0, 2]), ("reverse", [2, 0, 3]), ("document", [0, 2, 3]), ("edges_best_first", [3, 2, 0])],
)
def test_the_context_stands_in_the_order_of_the_prompt(ask, read, order, places):
    asked = ask(route(k=3, order=order), "Warm milk that a cat drinks, or fresh food that it eats?", [DOCUMENT])
    assert [hit.chunk.index for hit in asked.answer.ranking[:3]] == [3, 0, 2]
    texts = read(asked.answer, [DOCUMENT])
    assert texts == [SENTENCES[place] for place in places]
    found = [asked.prompt.index(text) for text in texts]
    assert found == sorted(found)


def test_a_random_order_is_that_of_the_seed(ask):
    contexts = {
        seed: [ask(route(k=4, order="random"), "cat", [DOCUMENT], seed=seed).answer.context for _ in range(2)]
        for seed in range(6)
    }
    assert all(first == again for first, again in contexts.values())
    assert len({first for first, _ in contexts.values()}) > 1


def test_neighbours_are_read_as_one_text(ask):
    assert TEXT in ask(route(k=4), "cat", [DOCUMENT]).prompt
    overlapping = route(k=100, chunker={"kind": "tokens", "size": 6, "overlap": 3})
    assert TEXT in ask(overlapping, "cat", [DOCUMENT]).prompt


def test_options_are_looked_for_too(ask):
    choices = ("one that eats grass", "one that sleeps")
    plain = ask(route(k=1), Query("q", "Which animal?"), [DOCUMENT]).answer
    asked = ask(route(k=1), Query("q", "Which animal?", choices), [DOCUMENT]).answer
    assert {hit.score for hit in plain.ranking} == {0.0}
    assert asked.ranking[0].chunk.text == SENTENCES[2]
    assert asked.ranking[0].score > 0


def test_dense_retrieval(ask, tmp_path):
    from ragvlc.core.data import Example
    from ragvlc.pipeline import Pipeline
    from ragvlc.testing import FunctionEngine, ScriptedPool

    pipeline = Pipeline(
        generators={"main": "scripted"},
        embedders={"main": "sentence_transformer"},
        routes={"rag": route(k=1, retriever="dense")},
    )
    pool = ScriptedPool(FunctionEngine(lambda prompt: "milk"), tmp_path)
    answer = pipeline.answer_example(Example(Query("q", "who drinks warm milk"), (DOCUMENT,)), pool=pool)
    assert answer.ranking[0].chunk.text == SENTENCES[3]
    assert pool.word_vectors.embedded[-1] == ("query", "who drinks warm milk")


def test_passages_of_several_documents_are_titled(ask):
    documents = [Document("x", "Warm milk is white.", "Milk"), Document("y", "Cats drink milk.", "Cats")]
    prompt = ask(route(k=4), "milk", documents).prompt
    assert prompt.startswith("Title: Milk\nWarm milk is white.\n\nTitle: Cats\nCats drink milk.\n\n")


@pytest.mark.parametrize("documents", [[], [Document("a", "")], [Document("a", ""), Document("b", " ")]])
@pytest.mark.parametrize("chunker", ["tokens", "sentences", "recursive", "whole"])
def test_nothing_to_read(ask, documents, chunker):
    answer = ask(route(chunker={"kind": chunker}), "Which cow?", documents).answer
    assert answer.text == "a reply"
    assert [span.document_id for span in answer.context] in ([], ["b"])


def test_what_does_not_fit_is_cut_and_counted(ask):
    long = Document("l", " ".join(f"w{number}" for number in range(400)))
    asked = ask({"kind": "retrieve", "chunker": {"kind": "tokens", "size": 100}}, "w5", [long], window=200)
    assert asked.answer.dropped_tokens > 0
    assert all(long.text[span.start : span.end] in asked.prompt for span in asked.answer.context)
    assert len(asked.answer.ranking) == 4


def test_the_trace_counts(ask):
    answer = ask(route(k=2), "cat", [DOCUMENT]).answer
    [facts] = [step.facts for step in answer.trace if step.name == "retrieve"]
    assert facts == {"chunks": 4, "ranked": 4, "selected": 2}
    assert [step.name for step in answer.trace] == ["route", "retrieve", "read"]
    assert answer.context == (Span("d", 0, 24), Span("d", 75, 101))


@pytest.mark.parametrize("order", ["relevance", "document", "edges_best_last"])
def test_what_does_not_fit_costs_the_worst_passages(ask, order):
    long = Document("l", " ".join(f"w{number}" for number in range(400)))
    asked = ask(
        {
            "kind": "retrieve",
            "chunker": {"kind": "tokens", "size": 50},
            "selector": {"kind": "top_k", "k": 8},
            "order": order,
        },
        "w210 w211 w212 w301",
        [long],
        window=200,
    )
    best, second = (hit.chunk.text for hit in asked.answer.ranking[:2])
    assert best in asked.prompt
    assert second in asked.prompt
    assert asked.answer.dropped_tokens > 100
