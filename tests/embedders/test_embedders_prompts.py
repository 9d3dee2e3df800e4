"""Prompts of embedding models: which are used, and what is said of the others."""

from __future__ import annotations

import json
import logging

import pytest

from ragvlc.embedders._prompts import declared, needed
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder


@pytest.mark.parametrize(
    ("prompts", "query", "passage"),
    [
        ({"query": "q: ", "passage": "p: "}, "q: ", "p: "),
        ({"query": "q: ", "document": "p: "}, "q: ", "p: "),
        ({"query": "q: ", "corpus": "p: "}, "q: ", "p: "),
        ({"search_query": "q: ", "search_document": "p: "}, "q: ", "p: "),
        ({"retrieval.query": "q: ", "retrieval.passage": "p: "}, "q: ", "p: "),
        ({"Retrieval-query": "q: ", "Retrieval-document": "p: "}, "q: ", "p: "),
        ({"RETRIEVAL_QUERY": "q: ", "RETRIEVAL_DOCUMENT": "p: "}, "q: ", "p: "),
        ({"web_search_query": "q: "}, "q: ", ""),
        ({"question": "q: ", "text": "p: "}, "q: ", "p: "),
        ({"s2p_query": "q: ", "s2s_query": "other"}, "q: ", ""),
        # what the library puts in itself, and explicit nothing
        ({"query": "", "document": "", "search_query": "q: "}, "q: ", ""),
        ({"query": "q: ", "document": "", "passage": None}, "q: ", ""),
        ({"query": "q: ", "retrieval.query": "older"}, "q: ", ""),
        ({}, "", ""),
    ],
)
def test_sides_under_every_name(prompts, query, passage):
    found = declared(prompts)
    assert (found.query, found.passage) == (query, passage)


@pytest.mark.parametrize(
    ("prompts", "default", "query", "passage"),
    [
        ({"clustering": "c: "}, "clustering", "c: ", "c: "),
        ({"query": "q: ", "sts": "s: "}, "sts", "q: ", "s: "),
        ({"query": "q: "}, "query", "q: ", ""),
        ({"passage": "p: "}, "passage", "", "p: "),
        ({"sts": "s: "}, None, "", ""),
        ({"sts": "s: "}, "gone", "", ""),
    ],
)
def test_the_default_prompt_is_for_sides_without_their_own(prompts, default, query, passage):
    found = declared(prompts, default)
    assert (found.query, found.passage) == (query, passage)


def test_unused_prompts_are_named_and_second_names_of_used_ones_are_not():
    prompts = {"query": "q: ", "Retrieval-query": "q: ", "s2s_query": "s: ", "Clustering": "c: ", "document": ""}
    assert declared(prompts).unused == ("s2s_query", "Clustering")


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("intfloat/e5-small-v2", "query: "),
        ("intfloat/multilingual-e5-base", "query: "),
        ("./models/multilingual-e5-large/", "query: "),
        ("intfloat/multilingual-e5-large-instruct", "Instruct: "),
        ("intfloat/e5-mistral-7b-instruct", "Instruct: "),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence"),
        ("BAAI/bge-large-zh-v1.5", "为这个句子"),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: "),
        ("hkunlp/instructor-xl", "Represent the question"),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", "Instruct: "),
        ("Qwen/Qwen3-Embedding-8B", "Instruct: "),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "Represent this sentence"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: "),
        ("mixedbread-ai/mxbai-embed-large-v1", "Represent this sentence"),
        ("jinaai/jina-embeddings-v3", "Represent the query"),
        ("google/embeddinggemma-300m", "task: search result"),
    ],
)
def test_models_known_to_need_one(model, query):
    found = needed(model)
    assert found is not None
    assert found.query.startswith(query)


@pytest.mark.parametrize(
    "model",
    ["packaged:all-minilm-l6-v2", "BAAI/bge-m3", "thenlper/gte-base", "sentence-transformers/all-mpnet-base-v2"],
)
def test_other_models_need_none(model):
    assert needed(model) is None


@pytest.fixture
def model(tmp_path, built):
    """Returns a function that copies a tiny model under a name, with prompts declared."""
    import shutil

    def copy(name, prompts=None, default=None):
        folder = tmp_path / name
        shutil.copytree(built("bert"), folder)
        file = folder / "config_sentence_transformers.json"
        facts = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({**facts, "prompts": prompts or {}, "default_prompt_name": default}), "utf-8")
        return str(folder)

    return copy


def test_a_plan_says_what_is_missing_and_what_is_unused(model):
    [said] = SentenceTransformerEmbedder(model=model("e5-tiny")).remarks()
    assert "query_prompt: 'query: ' and passage_prompt: 'passage: '" in said
    path = model("e5-half", {"query": "query: "})
    [said] = SentenceTransformerEmbedder(model=path).remarks()
    assert "passage_prompt: 'passage: '" in said
    assert "query_prompt" not in said
    assert SentenceTransformerEmbedder(model=path, passage_prompt="").remarks() == []
    [said] = SentenceTransformerEmbedder(model=model("plain", {"clustering": "c: ", "query": "q: "})).remarks()
    assert "'clustering'" in said
    assert SentenceTransformerEmbedder(model="intfloat/e5-not-fetched").remarks() == []  # it may declare one


def test_a_loaded_model_says_it_once(model, caplog):
    part = SentenceTransformerEmbedder(model=model("e5-said"), device="cpu")
    with caplog.at_level(logging.WARNING, "ragvlc"):
        part.open()
        part.open()
    assert sum("e5-said" in record.message for record in caplog.records) == 1


def test_prompts_under_other_names_are_put_before_texts(model, built):
    plain = SentenceTransformerEmbedder(model=built("bert"), device="cpu").open()
    own = SentenceTransformerEmbedder(
        model=model("other", {"search_query": "w1 ", "s2p_passage": "w2 "}), device="cpu"
    ).open()
    assert own.embed(["w3"], side="query") == pytest.approx(plain.embed(["w1 w3"]), abs=1e-6)
    assert own.embed(["w3"], side="passage") == pytest.approx(plain.embed(["w2 w3"]), abs=1e-6)


def test_a_prompt_that_the_text_has_already_is_not_used_twice(model, built):
    plain = SentenceTransformerEmbedder(model=built("bert"), device="cpu").open()
    own = SentenceTransformerEmbedder(
        model=built("bert"), query_prompt="w1 ", passage_prompt="w2 ", device="cpu"
    ).open()
    assert own.embed(["w1 w3"], side="query") == pytest.approx(plain.embed(["w1 w3"]), abs=1e-6)
    assert own.embed(["w2 w3", "w3"]) == pytest.approx(plain.embed(["w2 w3", "w2 w3"]), abs=1e-6)
    assert own.lengths(["w2 w3", "w3"]) == plain.lengths(["w2 w3", "w2 w3"])


def test_used_prompts_are_part_of_the_key(model):
    path = model("keyed", {"search_query": "w1 "})
    assert SentenceTransformerEmbedder(model=path).identity()["prompts"] == {"query": "w1 ", "passage": ""}
    assert "prompts" not in SentenceTransformerEmbedder(model=path, query_prompt="").identity()


@pytest.mark.parametrize(
    "settings", [{}, {"max_length": 9}, {"passage_prompt": "w1 w2 "}, {"extension": "parallel_windows"}]
)
def test_the_limit_of_the_files_is_that_of_the_loaded_model(built, words, settings):
    part = SentenceTransformerEmbedder(model=built("bert"), device="cpu", **settings)
    limit, engine = part.text_limit(), part.open()
    texts = [words(1), words(30), "", "w1 w2 w3"]
    assert limit is not None
    assert limit.window == engine.window
    assert limit.lengths(texts) == engine.lengths(texts)
