"""LangChain stores as retrievers: filled with chunks, or holding a corpus, with secrets kept out of everything."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document as Passage
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from pydantic import Field

from ragvlc import config
from ragvlc.core.data import Chunk, ChunkSet, Document, Query
from ragvlc.core.errors import ConfigError, EngineError
from ragvlc.core.families import Chunker, Embedder, Retriever
from ragvlc.generators.scripted import Scripted
from ragvlc.pipeline import Pipeline
from ragvlc.retrievers._langchain_passages import CorpusPassages
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool, WordVectors

MEMORY = "langchain_core.vectorstores:InMemoryVectorStore"
DOCUMENTS = (
    Document("tower", "The tower is 31 metres high. The tower is built of grey granite. Nobody lives there now."),
    Document("bakery", "The bakery opens at five. Saffron buns are made with butter and currants."),
)
HIGH = Query("q", "How high is the tower?")


# ---------------------------------------------------------------- classes of somebody else's


class Distances(InMemoryVectorStore):
    """Gives distances, best first, as pgvector and Chroma do."""

    def similarity_search_with_score(self, query, k=4, **kwargs):
        return [(found, 1 - score) for found, score in super().similarity_search_with_score(query, k, **kwargs)]


class WithoutScores(InMemoryVectorStore):
    """Has no search with scores."""

    similarity_search_with_score = VectorStore.similarity_search_with_score

    def similarity_search(self, query, k=4, **kwargs):
        return self.similarity_search_by_vector(self.embedding.embed_query(query), k, **kwargs)


class Server(InMemoryVectorStore):
    """Keeps its collections, as a server does, and needs a password."""

    collections: dict[str, dict] = defaultdict(dict)
    opened: list[dict] = []
    closed = 0

    def __init__(self, embeddings, collection="default", password="", timeout=0):
        if password == "wrong":
            raise PermissionError(f"no entry with {password}")
        if timeout < 0:
            raise ServerTimeout("it is away")
        super().__init__(embeddings)
        self.store = self.collections[collection]
        self.opened.append({"collection": collection, "password": password})

    def close(self):
        type(self).closed += 1

    @classmethod
    def from_texts(cls, texts, embedding, metadatas=None, ids=None, **kwargs):
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def broken(cls, embedding):
        return object()


class Embedded(Embedder):
    """Names one of a test's engines."""

    model: str

    def open(self):
        raise NotImplementedError


class ServerTimeout(Exception):
    """Shares nothing with the errors of Python but its name."""


class Words(BaseRetriever):
    """Ranks by shared words; knows no embeddings."""

    passages: list[Passage] = Field(default_factory=list)
    k: int = 1

    @classmethod
    def from_texts(cls, texts, metadatas):
        return cls(
            passages=[Passage(page_content=text, metadata=one) for text, one in zip(texts, metadatas, strict=True)]
        )

    def _get_relevant_documents(self, query, *, run_manager):
        asked = set(query.lower().split())
        ranked = sorted(self.passages, key=lambda one: -len(asked & set(one.page_content.lower().split())))
        return ranked[: self.k]


class Corpus(BaseRetriever):
    """Returns what a test says."""

    passages: list[dict]

    def _get_relevant_documents(self, query, *, run_manager):
        return [Passage(**passage) for passage in self.passages]


@pytest.fixture(autouse=True)
def _empty_server():
    Server.collections.clear()
    Server.opened.clear()
    Server.closed = 0


def here(cls) -> str:
    return f"{cls.__module__}:{cls.__name__}"


@pytest.fixture
def make_pool(tmp_path):
    """Returns a function that makes pools with one disk."""
    return lambda: ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)


@pytest.fixture
def find(make_pool):
    """Returns a function that searches documents with a retriever of these settings."""

    def find(retriever, *, query=HIGH, documents=DOCUMENTS, chunker=None, pool=None, candidates=50, **settings):
        part = Retriever.build({"kind": "langchain", "retriever": retriever, "candidates": candidates, **settings})
        models = Models({"main": Scripted()}, {"main": Embedder.build("sentence_transformer")})
        run = LiveRun(models, pool or make_pool(), None)
        chunks = run.chunks(Chunker.build(chunker or {"kind": "tokens", "size": 6}), documents)
        return run.search(part, query, chunks)

    return find


def places(hits):
    return [(hit.chunk.document_id, hit.chunk.start, hit.chunk.end) for hit in hits]


# ---------------------------------------------------------------- filled with chunks


def test_a_filled_store_ranks_as_exact_search_does(find, make_pool):
    models = Models({"main": Scripted()}, {"main": Embedder.build("sentence_transformer")})
    run = LiveRun(models, make_pool(), None)
    chunks = run.chunks(Chunker.build({"kind": "tokens", "size": 6}), DOCUMENTS)
    dense = run.search(Retriever.build("dense"), HIGH, chunks)
    hits = find(MEMORY)
    assert [hit.chunk for hit in hits] == [hit.chunk for hit in dense]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in dense], abs=1e-6)
    assert set(hits[0].chunk.text.split()) & {"tower", "high"}


def test_chunks_are_embedded_once_whatever_the_store_and_the_pool(find, make_pool):
    first, second = make_pool(), make_pool()
    find(MEMORY, pool=first)
    find(MEMORY, pool=second)
    assert [side for side, _ in first.word_vectors.embedded].count("passage") > 1
    assert [side for side, _ in second.word_vectors.embedded] == ["query"]


def test_any_depth_is_the_head_of_a_larger_one_through_ties(find):
    documents = (Document("d", "same words here. " * 9 + ("other words there. " * 9).strip()),)
    everything = find(MEMORY, documents=documents, chunker={"kind": "tokens", "size": 4}, query=Query("q", "words"))
    assert len(everything) == 18
    assert len({hit.score for hit in everything}) < 6
    for n in range(1, 18):
        hits = find(
            MEMORY, documents=documents, chunker={"kind": "tokens", "size": 4}, query=Query("q", "words"), candidates=n
        )
        assert hits == everything[:n]


def test_distances_are_turned_round_and_never_taken_for_similarity(find):
    right = find(MEMORY)
    assert places(find(here(Distances), scores="distance")) == places(right)
    with pytest.raises(EngineError, match=r"scores rise .* scores: distance, or rank"):
        find(here(Distances))
    with pytest.raises(EngineError, match=r"scores fall .* scores: similarity, or rank"):
        find(MEMORY, scores="distance")
    ranked = find(here(Distances), scores="rank")
    assert places(ranked)[0] == places(right)[0]
    assert [hit.score for hit in ranked] == [1 / place for place in range(1, len(right) + 1)]


def test_a_store_without_scores_is_ranked_by_place(find):
    assert [hit.score for hit in find(here(WithoutScores))][:3] == [1, 1 / 2, 1 / 3]


def test_a_retriever_needs_no_embedder_and_is_asked_for_as_many_as_wanted(find):
    hits = find(here(Words), candidates=3)
    assert len(hits) == 3
    assert [hit.score for hit in hits] == [1, 1 / 2, 1 / 3]
    assert hits[0].chunk.document_id == "tower"
    assert Retriever.build({"kind": "langchain", "retriever": here(Words)}).roles() == frozenset()
    assert Retriever.build({"kind": "langchain", "retriever": MEMORY}).roles() == {
        ("embedders", "main", "VectorEngine")
    }


def test_each_set_of_chunks_has_a_place_of_its_own(find):
    settings = {"arguments": {"collection": "ours-{index}"}}
    for size in (4, 8):
        find(here(Server), chunker={"kind": "tokens", "size": size}, **settings)
    names = list(Server.collections)
    assert len(names) == 2
    before = {name: dict(store) for name, store in Server.collections.items()}
    again = find(here(Server), chunker={"kind": "tokens", "size": 4}, **settings)  # filled again: replaced, not doubled
    assert {name: set(store) for name, store in before.items()} == {
        name: set(store) for name, store in Server.collections.items()
    }
    assert len(set(places(again))) == len(again) == len(before[names[0]])
    # A store that is opened first and then filled holds the same.
    opened = find(here(Server), method="constructor", chunker={"kind": "tokens", "size": 4}, **settings)
    assert places(opened) == places(again)


def test_a_store_that_others_filled_too_is_refused(find):
    find(here(Server), chunker={"kind": "tokens", "size": 4})
    with pytest.raises(EngineError, match=r"Put \{index\} into the name"):
        find(here(Server), chunker={"kind": "tokens", "size": 8})


def test_many_threads(find, make_pool):
    pool = make_pool()
    alone = [places(find(MEMORY, query=Query("q", word), pool=pool)) for word in ("tower", "butter", "five") * 5]
    pool = make_pool()
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(
            lambda word: places(find(MEMORY, query=Query("q", word), pool=pool)), ("tower", "butter", "five") * 5
        )
        assert list(found) == alone


# ---------------------------------------------------------------- a corpus that is there


def corpus(find, *passages, **settings):
    return find(here(Corpus), existing=True, arguments={"passages": list(passages)}, chunker="whole", **settings)


def test_passages_of_a_corpus_are_found_in_the_questions_documents(find):
    passages = (
        {"page_content": "The tower is", "metadata": {"document_id": "tower", "start": 29}},  # the second of two
        {"page_content": "The tower is", "metadata": {"source": "tower", "start_index": 0.0}},  # as LangChain cuts
        {"page_content": "  Saffron buns \n"},  # by its words
        {"page_content": "31 metres", "metadata": {"document_id": "tower", "start": 99}},  # its place is wrong
    )
    hits = corpus(find, *passages)
    assert places(hits) == [("tower", 29, 41), ("tower", 0, 12), ("bakery", 26, 38), ("tower", 13, 22)]
    assert [hit.score for hit in hits] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert [hit.chunk.document_index for hit in hits] == [0, 0, 1, 0]
    assert [hit.chunk.text for hit in hits] == ["The tower is", "The tower is", "Saffron buns", "31 metres"]


def test_passages_of_other_documents_are_left_out(find, caplog):
    elsewhere = {"page_content": "The tower is", "metadata": {"document_id": "another", "start": 0}}
    unknown = {"page_content": "Unheard of."}
    twice = {"page_content": "Saffron buns"}
    with caplog.at_level("INFO", logger="ragvlc"):
        hits = corpus(find, elsewhere, twice, unknown, twice, {"page_content": " "})
    assert places(hits) == [("bakery", 26, 38)]
    assert hits[0].score == 1 / 2
    assert "3 of 5 passages are of other documents" in caplog.text
    with pytest.raises(EngineError, match="none of 2 passages is in the question's documents"):
        corpus(find, elsewhere, unknown)
    assert corpus(find) == ()


def test_it_looks_deeper_until_enough_passages_are_of_the_questions_documents(find, make_pool):
    pool = make_pool()
    others = tuple(Document(f"other-{i}", f"How high is the tower, asks number {i}?") for i in range(40))
    find(here(Server), documents=(*others, *DOCUMENTS), chunker="whole")  # a corpus in the default collection
    settings = {"existing": True, "chunker": "whole", "pool": pool}
    assert [one for one, _, _ in places(find(here(Server), candidates=2, **settings))] == ["tower", "bakery"]
    assert [one for one, _, _ in places(find(here(Server), candidates=1, **settings))] == ["tower"]
    with pytest.raises(EngineError, match="`depth` sets the number"):
        find(here(Server), candidates=2, depth=10, **settings)


def test_an_existing_store_is_opened_once_and_closed_with_the_pool(find, make_pool):
    find(here(Server), chunker="whole")
    Server.opened.clear()
    with make_pool() as pool:
        for document in DOCUMENTS:
            find(here(Server), existing=True, chunker="whole", documents=(document,), pool=pool)
        assert (len(Server.opened), Server.closed) == (1, 0)
    assert Server.closed == 1


def test_a_role_with_another_model_opens_the_store_again(make_pool):
    pool = make_pool()
    engines = {"small": WordVectors(), "large": WordVectors()}
    pool.vectors = lambda embedder: engines[embedder.model]
    part = Retriever.build({"kind": "langchain", "retriever": here(Server), "existing": True})
    for model in ("small", "large", "small"):
        models = Models({"main": Scripted()}, {"main": Embedder.build(Embedded(model=model))})
        run = LiveRun(models, pool, None)
        run.search(part, Query("q", f"asked of {model}"), run.chunks(Chunker.build("whole"), DOCUMENTS))
    assert len(Server.opened) == 2
    assert {name: [text for _, text in engine.embedded] for name, engine in engines.items()} == {
        "small": ["asked of small"],
        "large": ["asked of large"],
    }


@given(st.data())
def test_a_passage_is_where_its_text_is_or_not_at_all(data):
    text = data.draw(st.text("ab \n", min_size=1, max_size=30))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5)) | {0, len(text)})
    overlap = data.draw(st.integers(0, 2))
    strips = data.draw(st.booleans())  # a chunker may leave white space out
    chunks = []
    for index, (first, last) in enumerate(pairwise(cuts)):
        start, piece = max(0, first - overlap), text[max(0, first - overlap) : last]
        if strips:
            start, piece = start + len(piece) - len(piece.lstrip()), piece.strip()
        if piece:
            chunks.append(Chunk("d", index, start, start + len(piece), piece, 3))
    first = data.draw(st.integers(0, len(text) - 1))
    passage = text[first : data.draw(st.integers(first + 1, len(text)))]
    known = {"document_id": "d", "start": first} if data.draw(st.booleans()) else {}
    found = CorpusPassages(ChunkSet("k", tuple(chunks)))(Passage(page_content=passage, metadata=known))
    if found is None:
        assert strips or not passage.strip()
    else:
        assert found.text == text[found.start : found.end]
        assert found.text in (passage, passage.strip())
        assert (found.document_id, found.document_index) == ("d", 3)
        if known and not strips:
            assert found.start == first


# ---------------------------------------------------------------- secrets, errors


def test_a_secret_is_read_when_the_store_is_opened_and_shown_nowhere(find, monkeypatch):
    monkeypatch.setenv("STORE_PASSWORD", "hunter2")
    settings = {"arguments": {"password": {"env": "STORE_PASSWORD"}, "collection": "c"}}
    find(here(Server), **settings)
    assert Server.opened[-1]["password"] == "hunter2"
    part = Retriever.build({"kind": "langchain", "retriever": here(Server), **settings})
    assert "hunter2" not in f"{part!r} {part.spec()} {part.key_facts()}"
    monkeypatch.setenv("STORE_PASSWORD", "wrong")
    with pytest.raises(EngineError, match=r"PermissionError: no entry with \{env\}") as raised:
        find(here(Server), **settings)
    assert raised.value.__cause__ is None
    monkeypatch.delenv("STORE_PASSWORD")
    with pytest.raises(ConfigError, match="STORE_PASSWORD is not set"):
        find(here(Server), **settings)


@pytest.mark.parametrize(
    "arguments",
    [{"password": "hunter2"}, {"collection": "postgresql://me:hunter2@host/db"}, {"timeout": [{"api_key": "hunter2"}]}],
)
def test_a_secret_in_the_settings_is_refused_unseen(find, arguments):
    with pytest.raises(ValueError, match="holds a secret") as raised:
        find(here(Server), arguments=arguments)
    assert "hunter2" not in str(raised.value)


def test_a_server_that_is_away_may_come_back(find):
    with pytest.raises(EngineError, match="ServerTimeout: it is away") as raised:
        find(here(Server), arguments={"timeout": -1})
    assert raised.value.transient
    with pytest.raises(EngineError, match="method 'broken' returned a object"):
        find(here(Server), method="broken")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"retriever": "InMemoryVectorStore"}, "Write module:Class"),
        ({"retriever": "langchain_nowhere:Store"}, "package langchain-nowhere installed"),
        ({"retriever": "langchain_core.vectorstores:InMemoryVectorStor"}, "Nearest: InMemoryVectorStore"),
        ({"retriever": "langchain_core.vectorstores:VectorStore"}, "is abstract"),
        ({"retriever": "os:system"}, "neither a BaseRetriever nor a VectorStore"),
        ({"retriever": "pathlib:Path"}, "neither a BaseRetriever nor a VectorStore"),
        ({"method": "from_text"}, "Nearest: from_texts"),
        ({"method": "add_texts"}, "no classmethod of Server"),
        ({"method": "afrom_texts"}, "no classmethod of Server"),
        ({"method": "constructor", "arguments": {"colection": "c"}}, "Nearest: collection"),
        ({"arguments": {"embedding": "x", "texts": []}}, "'texts' is filled in"),
        ({"arguments": {"password": {"env": 3}}}, "env needs the name"),
        ({"existing": True, "method": "from_texts"}, "fills a store"),
        ({"existing": True, "arguments": {"collection": "{index}"}}, "has a name of its own"),
        ({"embedder": None}, "from_texts needs an embedder"),
        ({"retriever": here(Corpus), "arguments": {"passages": []}}, "has no from_texts or from_documents"),
        ({"retriever": here(Words), "search": {"filter": {}}}, "takes the question only"),
    ],
)
def test_what_cannot_be_opened_is_told_when_the_file_is_read(settings, told):
    spec = {
        "generators": {"main": "scripted"},
        "embedders": {"main": "sentence_transformer"},
        "routes": {
            "rag": {"kind": "retrieve", "retriever": {"kind": "langchain", "retriever": here(Server), **settings}}
        },
    }
    with pytest.raises(ConfigError) as raised:
        config.build(Pipeline, spec, "p.yaml")
    [problem] = raised.value.problems if "texts" not in settings.get("arguments", {}) else raised.value.problems[1:]
    assert problem.startswith("p.yaml: routes.rag.retriever: ")
    assert told in problem


def test_a_pipeline_answers_with_it_and_knows_its_embedder(make_pool):
    route = {
        "kind": "retrieve",
        "retriever": {"kind": "langchain", "retriever": MEMORY},
        "selector": {"kind": "top_k", "k": 1},
    }
    spec = {"generators": {"main": "scripted"}, "routes": {"rag": {**route, "chunker": {"kind": "tokens", "size": 6}}}}
    with pytest.raises(ConfigError, match=r"needs embedders\.main"):
        config.build(Pipeline, spec, "p.yaml")
    pipeline = config.build(Pipeline, spec | {"embedders": {"main": "sentence_transformer"}}, "p.yaml")
    answer = pipeline.answer(HIGH, DOCUMENTS, pool=make_pool())
    assert answer.context == (answer.ranking[0].chunk.span,)
    assert answer.ranking[0].chunk.document_id == "tower"
    [step] = [step for root in answer.trace for step in root.walk() if step.name == "store"]
    assert step.facts == {
        "store": MEMORY,
        "chunks": 7,
        "existing": False,
        "embedder_cut_chunks": 0,
        "embedder_dropped_tokens": 0,
    }


def test_qdrant_filled_and_existing(find, make_pool, tmp_path):
    pytest.importorskip("langchain_qdrant", reason="langchain-qdrant is not installed")
    store = {"retriever": "langchain_qdrant:QdrantVectorStore"}
    right = find(MEMORY)
    hits = find(**store, arguments={"location": ":memory:", "collection_name": "c-{index}"})
    assert places(hits) == places(right)
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in right], abs=1e-5)
    folder = {"path": str(tmp_path / "qdrant"), "collection_name": "corpus"}
    find(**store, arguments=folder)
    with make_pool() as pool:
        found = find(
            **store, arguments=folder, method="from_existing_collection", existing=True, chunker="whole", pool=pool
        )
    assert places(found) == places(right)
