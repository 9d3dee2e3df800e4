"""The contracts of the other families, one section each, for every kind in its folder."""

from __future__ import annotations

import copy
import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragvlc.core.answer import Answer, Step
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span, covered
from ragvlc.core.engines import Prompt, TextEngine, Tokenizer, VectorEngine
from ragvlc.core.families import Score
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool

WORDS = WordTokenizer()
ROLE = "sentence_transformer"

# A kind is frozen, so that a fixture made once serves every example that hypothesis draws. No deadline: first imports.
drawn = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


# ---------------------------------------------------------------- chunkers

texts = st.text(
    alphabet=st.sampled_from("ab .\n,;茶馆。🫖é\u0301\t7") | st.characters(codec="utf-8"), max_size=200
) | st.lists(st.sampled_from(["The cat. ", "Dr. Who? ", "\n\n", "茶馆。", "x" * 30, "a "]), max_size=80).map("".join)


@drawn
@given(text=texts)
def test_chunks_are_pieces_of_the_text_that_lose_nothing(chunker_kind, build, text):
    small = {"size": 7} if "size" in type(build("chunkers", chunker_kind)).model_fields else {}
    chunker, document = build("chunkers", chunker_kind, **small), Document("d", text)
    chunks = chunker.split(document, WORDS)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.document_id == "d" for chunk in chunks)
    assert all(chunk.text == text[chunk.start : chunk.end] for chunk in chunks)
    assert all(chunk.start < chunk.end for chunk in chunks)
    places = [(chunk.start, chunk.end) for chunk in chunks]
    assert places == sorted(places)
    reached = 0
    for start, end in places:
        assert text[reached:start].strip() == ""
        reached = max(reached, end)
    assert text[reached:].strip() == ""
    assert chunker.split(document, WORDS) == chunks


def test_an_empty_document_has_no_chunks(chunker_kind, build):
    assert build("chunkers", chunker_kind).split(Document("d", ""), WORDS) == []


# ---------------------------------------------------------------- orders, selectors


@st.composite
def rankings(draw):
    """Hits best first, ties among them, over several documents."""
    count = draw(st.integers(0, 30))
    scores = draw(
        st.lists(st.sampled_from([3.0, 2.5, 1.0, 0.0, -1.5]) | st.floats(-9, 9), min_size=count, max_size=count)
    )
    hits = []
    for place, score in enumerate(sorted(scores, reverse=True)):
        start = place * 13 % 31 * 10
        text = " word" * (place % 4 + 1)
        chunk = Chunk(f"d{place % 3}", place, start, start + len(text), text, document_index=place % 3)
        hits.append(Hit(chunk, score))
    return hits


@drawn
@given(hits=rankings(), seed=st.integers(0, 2**31 - 1))
def test_an_order_is_a_permutation(order_kind, build, hits, seed):
    order = build("orders", order_kind)
    before = list(hits)
    arranged = order.arrange(hits, seed)
    assert hits == before
    assert len(arranged) == len(hits)
    assert {id(hit) for hit in arranged} == {id(hit) for hit in hits}
    assert order.arrange(tuple(hits), seed) == arranged
    if not order.random:
        assert order.arrange(hits, seed + 1) == arranged


def test_an_order_that_says_it_is_random_is(order_kind, build):
    order = build("orders", order_kind)
    hits = [Hit(Chunk("d", i, i, i + 1, "x"), -float(i)) for i in range(6)]
    seen = {tuple(hit.chunk.index for hit in order.arrange(hits, seed)) for seed in range(20)}
    assert (len(seen) > 1) == order.random


@drawn
@given(hits=rankings())
def test_a_selection_is_a_subset_best_first(selector_kind, build, hits):
    selector = build("selectors", selector_kind)
    before = list(hits)
    selected = selector.select(hits, WORDS)
    assert hits == before
    places = {id(hit): place for place, hit in enumerate(hits)}
    chosen = [places[id(hit)] for hit in selected]
    assert chosen == sorted(set(chosen))
    assert bool(selected) == bool(hits)
    assert selector.select(tuple(hits), WORDS) == selected


# ---------------------------------------------------------------- retrievers


@pytest.fixture
def search(build, tmp_path):
    """Returns a function that searches documents in a run with word vectors; each call with a pool of its own."""

    def search(kind, query, documents, **settings):
        pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
        retriever = build("retrievers", kind, **settings)
        roles = {role for table, role, _ in retriever.roles() if table == "embedders"}
        models = Models({"main": Scripted()}, {role: build("embedders", ROLE) for role in roles})
        run = LiveRun(models, pool, None)
        chunks = run.chunks(build("chunkers", "tokens", size=16), documents)
        return run.search(retriever, query, chunks), chunks

    return search


def test_a_ranking_is_of_the_chunks_best_first_ties_in_chunk_order(retriever_kind, search, examples):
    for example in examples:
        hits, chunks = search(retriever_kind, example.query, example.documents)
        keys = [(-hit.score, hit.chunk.document_index, hit.chunk.start) for hit in hits]
        assert keys == sorted(keys)
        # A hit is a chunk, or neighbouring chunks joined: the document's characters, between two borders of chunks.
        texts = {document.id: document.text for document in example.documents}
        assert all(hit.chunk.text == texts[hit.chunk.document_id][hit.chunk.start : hit.chunk.end] for hit in hits)
        assert {(hit.chunk.document_index, hit.chunk.start) for hit in hits} <= {
            (chunk.document_index, chunk.start) for chunk in chunks
        }
        assert {(hit.chunk.document_index, hit.chunk.end) for hit in hits} <= {
            (chunk.document_index, chunk.end) for chunk in chunks
        }
        assert len({hit.chunk.span for hit in hits}) == len(hits) > 0
        assert all(isinstance(hit.score, float) and math.isfinite(hit.score) for hit in hits)


def test_a_smaller_number_of_candidates_is_the_head_of_a_larger(retriever_kind, search, examples):
    for example in examples:
        all_hits, chunks = search(retriever_kind, example.query, example.documents, candidates=10_000)
        assert covered(hit.chunk.span for hit in all_hits) == covered(chunk.span for chunk in chunks)
        for candidates in (1, 3):
            hits, _ = search(retriever_kind, example.query, example.documents, candidates=candidates)
            assert hits == all_hits[:candidates]


def test_it_finds_what_shares_the_questions_words(retriever_kind, search, examples):
    [example] = [example for example in examples if example.id == "toy-which"]
    hits, _ = search(retriever_kind, example.query, example.documents)
    assert hits[0].chunk.document_id == "bakery"


@pytest.mark.parametrize("documents", [(), (Document("d", ""),), (Document("d", " \n"),), (Document("d", "!?"),)])
@pytest.mark.parametrize("text", ["", "?", "What is it?"])
def test_nothing_to_find(retriever_kind, search, documents, text):
    hits, chunks = search(retriever_kind, Query("q", text), documents)
    assert len(hits) == len(chunks)


# ---------------------------------------------------------------- metrics

# A search with enough right documents that even a precision at 10 can be perfect.
SEARCH = Example(
    Query("search", "What is said about boats?"),
    tuple(Document(f"d{n:02}", f"Boat {n} is at sea." if n < 10 else f"House {n} is on land.") for n in range(20)),
    evidence=tuple(Span(f"d{n:02}", 0, 6) for n in range(10)),
    relevant={f"d{n:02}": 1.0 + n % 2 for n in range(10)},
    cluster="search",
    task="retrieval",
)


def verdict(prompt: str) -> str:
    """Judges as a language model might: a reply is right if it stands in the prompt before, as a reference does."""
    before, _, after = prompt.rpartition("Answer to check:\n")
    return f"{after.partition(chr(10))[0] in before}."


@pytest.fixture
def engines(tmp_path):
    """Opened models without models: a judge by rule, and word vectors."""
    with ScriptedPool(FunctionEngine(verdict), tmp_path) as pool:
        yield pool


@pytest.fixture(scope="session")
def scored_examples(examples):
    return (*examples, SEARCH)


def answers(example):
    """Returns answers of every sort: right, wrong, empty, declined, in other scripts; other contexts and rankings."""
    whole = tuple(Span(document.id, 0, len(document.text)) for document in example.documents)
    first = (Span(example.documents[0].id, 0, 5),)
    replies = [
        "",
        " ",
        "A",
        "B.",
        "(C)",
        "yes",
        "31 metres",
        "It is 31 metres high, I think",
        "The text does not say.",
        "茉莉花茶",
        "🫖",
        "!?",
        "x " * 50,
    ]
    replies += [*example.references, *example.query.choices, " ".join(example.references)]
    for text in replies:
        for context in ((), first, whole, (*first, *whole), example.evidence):
            yield Answer(text, context=context)
    yield Answer("none", finish="declined", context=whole)
    for text in example.references:  # noted on the way, and not answered
        yield Answer("", trace=(Step("call", {"unit": text, "path_answer": text, "quotes": 1, "survived": 1}),))
    hits = [
        Hit(Chunk(document.id, 0, 0, len(document.text), document.text, place), 1.0)
        for place, document in enumerate(example.documents)
    ]
    right = [hit for hit in hits if hit.chunk.document_id in example.relevant]
    wrong = [hit for hit in hits if hit not in right]
    for ranking in ([*right, *wrong], [*wrong, *right], right, wrong, right[:1], hits * 2):
        yield Answer("", ranking=tuple(ranking))


def test_a_score_is_a_share_or_does_not_apply(metric_kind, build, scored_examples, engines):
    metric, applied = build("metrics", metric_kind), 0
    for example in scored_examples:
        before, applies = copy.deepcopy(example), metric.applies(example)
        for answer in answers(example):
            score = metric.assess(answer, example, engines)
            assert isinstance(score, Score)
            wanted = score.value is not None or score.missing
            assert wanted == applies, f"{example.id}: whether it applies depends on the answer"
            assert score.value is None or (isinstance(score.value, float) and 0 <= score.value <= 1), (
                example.id,
                answer.text,
            )
            assert score == metric.assess(answer, example, engines)
            assert all(isinstance(flag, str) and flag for flag in score.flags)
        applied += applies
        assert example == before
    assert applied > 0


def test_scores_tell_right_from_wrong(metric_kind, build, scored_examples, engines):
    metric = build("metrics", metric_kind)
    scores = {
        metric.assess(answer, example, engines).value for example in scored_examples for answer in answers(example)
    }
    assert {0, 1} <= scores


def test_metrics_have_labels_of_their_own(build):
    from ragvlc.core.component import known_kinds

    labels = [build("metrics", kind).label for kind in known_kinds("metrics")]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"[\w. /-]+", label) for label in labels)  # what a tracker takes for a name


# ---------------------------------------------------------------- data sets


def test_examples_are_whole(dataset_kind, build):
    dataset = build("datasets", dataset_kind)
    examples = dataset.load()
    assert examples
    assert dataset.name
    assert len({example.id for example in examples}) == len(examples)
    for example in examples:
        documents = {document.id: document.text for document in example.documents}
        assert example.query.text.strip()
        assert len(documents) == len(example.documents) > 0
        assert all(documents.values())
        assert example.cluster
        assert bool(example.references) or example.unanswerable or example.relevant
        if example.query.choices and not example.unanswerable:
            assert set(example.references) <= set(example.query.choices)
        for span in example.evidence:
            assert 0 <= span.start < span.end <= len(documents[span.document_id])
        assert set(example.relevant) <= set(documents)


def test_a_limit_nests_and_keeps_the_order(dataset_kind, build):
    everything = build("datasets", dataset_kind).load()
    before: set[str] = set()
    for limit in range(1, min(len(everything), 12) + 1):
        dataset = build("datasets", dataset_kind, limit=limit)
        chosen = [example.id for example in dataset.load()]
        assert len(chosen) == limit
        assert before <= set(chosen)
        assert chosen == [example.id for example in everything if example.id in set(chosen)]
        assert dataset.key == build("datasets", dataset_kind).key
        before = set(chosen)


def test_reading_twice_gives_the_same(dataset_kind, build):
    first, again = build("datasets", dataset_kind).load(), build("datasets", dataset_kind).load()
    assert first == again
    assert [example.key for example in first] == [example.key for example in again]


# ---------------------------------------------------------------- models: what can be said without opening one


def test_a_generator_says_what_it_offers(generator_kind, build):
    part = build("generators", generator_kind)
    assert "TextEngine" in part.offers
    assert part.random is False
    assert build("generators", generator_kind, temperature=0.5).random is True


def test_an_embedder_says_what_it_offers(embedder_kind, build):
    assert "VectorEngine" in build("embedders", embedder_kind).offers


def test_scripted_engines_keep_the_protocols(tmp_path):
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    assert isinstance(pool.text(Scripted()), TextEngine)
    assert isinstance(pool.vectors(None), VectorEngine)
    assert isinstance(pool.tokenizer(Scripted()), Tokenizer)
    assert WORDS.count("a b") == len(WORDS.render(Prompt("a b"))) == 2
