"""ragvlc inside LangChain: pipelines in chains, retrieval, splitters, and documents both ways."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document as Passage
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.answer import Answer
from ragvlc.core.data import Document
from ragvlc.core.errors import ConfigError, DatasetError
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.langchain import as_retriever, as_runnable, as_text_splitter, from_langchain, to_langchain
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.testing import FunctionEngine, ScriptedPool

TOWER = Passage(page_content="The tower is 31 metres high. Nobody lives there.", id="tower", metadata={"year": 1868})
BUNS = "Saffron buns are made with butter."


def pipeline_of(**routes) -> Pipeline:
    replies = {"31 metres[^?]*How high": "31 metres", "short summary": "a summary", r"B\. blue": "B"}
    generator = {"kind": "scripted", "replies": replies, "default": "no idea"}
    default = next(iter(routes))
    return Pipeline.model_validate(
        {"generators": {"main": generator}, "routes": routes, "router": {"kind": "always", "route": default}}
    )


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path))
    rag = {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 8}, "selector": {"kind": "top_k", "k": 1}}
    with pipeline_of(rag=rag, full="full_context") as pipeline:
        yield pipeline


# ---------------------------------------------------------------- documents


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
metadata = st.dictionaries(st.text().filter(lambda name: name != "title"), json_values, max_size=3)


@given(st.lists(st.tuples(st.text(), st.text(), metadata), max_size=4))
def test_documents_come_back_as_they_went(parts):
    documents = [Document(f"d{place}", *part) for place, part in enumerate(parts)]
    assert from_langchain(to_langchain(documents)) == documents
    passages = to_langchain(documents)
    assert to_langchain(from_langchain(passages)) == passages


def test_documents_have_names_of_their_own():
    page = {"page_content": "x", "metadata": {"source": "a.pdf"}}
    given = [Passage(**page), Passage(**page), BUNS, Passage(page_content="", metadata={"document_id": 7}), TOWER]
    assert [one.id for one in from_langchain(given)] == ["a.pdf", "a.pdf-2", "document-3", "7", "tower"]
    with pytest.raises(DatasetError, match=r"documents\[1\]: two documents are called 'd'"):
        from_langchain([Document("d", "x"), Document("d", "y")])


def test_metadata_become_json():
    odd = {"when": dt.date(2024, 5, 1), "where": (1, {"b", "a"}), "how": np.float32(0.5), "nan": float("nan")}
    [document] = from_langchain([Passage(page_content="x", metadata={**odd, "many": np.arange(2), "title": "T"})])
    assert document.title == "T"
    assert document.metadata == {
        "when": "2024-05-01",
        "where": [1, ["a", "b"]],
        "how": 0.5,
        "nan": "nan",
        "many": [0, 1],
    }
    assert json.loads(json.dumps(document.metadata)) == document.metadata


@pytest.mark.parametrize("given", ["text", 3, {"a": 1}, [3], [b"x"], None])
def test_what_is_no_document_is_refused(given):
    with pytest.raises(DatasetError, match="documents"):
        from_langchain(given)


# ---------------------------------------------------------------- a pipeline as a runnable


def test_it_answers_over_documents_of_any_sort(pipeline):
    asked = {"question": "How high is the tower?", "documents": [BUNS, TOWER, Document("d", "More.")]}
    answer = as_runnable(pipeline).invoke(asked)
    assert isinstance(answer, Answer)
    assert (answer.text, answer.route) == ("31 metres", "rag")
    again = pipeline.answer("How high is the tower?", from_langchain(asked["documents"]))
    assert (answer.ranking, answer.context, answer.usage) == (again.ranking, again.context, again.usage)
    told = as_runnable(pipeline, output="dict").invoke(asked)
    assert (told["text"], told["finish"], told["usage"]["calls"]) == ("31 metres", "stop", 1)
    [passage] = told["context"]
    assert passage.metadata == {"year": 1868, "document_id": "tower", "start": 0, "end": len(passage.page_content)}
    assert TOWER.page_content.startswith(passage.page_content)


def test_choices_and_summaries(pipeline):
    runnable = as_runnable(pipeline, documents=[TOWER]) | (lambda answer: answer.text)
    assert runnable.invoke({"question": "Which?", "choices": ["red", "blue"]}) == "B"
    assert runnable.invoke({"question": "What of it?", "form": "summary"}) == "a summary"


def test_it_is_a_link_of_a_chain(pipeline):
    ask = as_runnable(pipeline, output="dict")
    find = as_retriever(pipeline, [TOWER, BUNS], route="rag")
    chain = {"question": RunnablePassthrough(), "documents": find} | ask | RunnableLambda(lambda told: told["text"])
    assert chain.invoke("How high is the tower?") == "31 metres"
    assert asyncio.run(chain.ainvoke("How high is the tower?")) == "31 metres"
    assert chain.batch(["How high is the tower?", "Why buns?"]) == ["31 metres", "no idea"]
    assert asyncio.run(chain.abatch(["Why buns?"])) == ["no idea"]


def test_a_batch_is_answered_at_the_same_time(pipeline, tmp_path):
    meeting = threading.Barrier(3, timeout=30)

    def reply(prompt: str) -> str:
        meeting.wait()  # only three at once get past
        return prompt[-1]

    engine = FunctionEngine(reply)
    runnable = as_runnable(pipeline, documents=[TOWER], pool=ScriptedPool(engine, tmp_path))
    answers = runnable.batch(["a", "b", "c"], config={"max_concurrency": 3})
    assert [answer.text for answer in answers] == ["a", "b", "c"]
    assert engine.most_at_once == 3


def test_threads_share_one_set_of_models(pipeline, monkeypatch):
    pools = []

    class Counted(EnginePool):
        def __init__(self, *given):
            pools.append(self)
            time.sleep(0.05)  # whoever else wants one comes by meanwhile
            super().__init__(*given)

    monkeypatch.setattr("ragvlc.pipeline.EnginePool", Counted)
    runnable = as_runnable(pipeline, documents=[TOWER])
    runnable.batch([f"question {i}" for i in range(20)], config={"max_concurrency": 10})
    assert len(pools) == 1


def test_callbacks_hear_its_name_and_its_schemas_say_what_it_takes(pipeline):
    heard = []

    class Listener(BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, **facts):
            heard.append(facts.get("name"))

    ask = as_runnable(pipeline)
    ask.invoke({"question": "x", "documents": []}, config={"callbacks": [Listener()]})
    ask.with_config(run_name="mine").invoke({"question": "x", "documents": []}, config={"callbacks": [Listener()]})
    assert heard == ["ragvlc", "mine"]
    [asked] = ask.get_input_jsonschema()["$defs"].values()
    assert (set(asked["properties"]), asked["required"]) == (
        {"question", "documents", "choices", "form"},
        ["question", "documents"],
    )
    assert "Answer" in ask.get_output_jsonschema()["$defs"]
    told = as_runnable(pipeline, documents=[], output="dict")
    assert {"type": "string"} in told.get_input_jsonschema()["anyOf"]
    assert set(next(iter(told.get_output_jsonschema()["$defs"].values()))["properties"]) >= {"text", "route", "context"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"documents": []}, "'question' needs a text"),
        ({"question": "x"}, "'documents' is missing"),
        ("x", "'documents' is missing"),
        ({"question": "x", "document": []}, "'document' is not known.*Nearest: documents"),
        ({"question": "x", "documents": "text"}, "needs a list"),
        ({"question": "x", "documents": [], "choices": "ab"}, "'choices' needs a list"),
        ({"question": "x", "documents": [], "form": "poem"}, "Known: question, summary"),
        (3, "needs a mapping"),
    ],
)
def test_what_cannot_be_asked_is_said(pipeline, given, told):
    with pytest.raises(DatasetError, match=told):
        as_runnable(pipeline).invoke(given)


def test_an_unknown_output_is_refused(pipeline):
    with pytest.raises(ConfigError, match="Known: answer, dict"):
        as_runnable(pipeline, output="text")


# ---------------------------------------------------------------- retrieval


def test_passages_say_where_they_stand(pipeline):
    passages = as_retriever(pipeline, [BUNS, TOWER], route="rag", k=50).invoke("the tower")
    texts = {"tower": TOWER.page_content, "document-1": BUNS}
    for passage in passages:
        facts = passage.metadata
        assert passage.page_content == texts[facts["document_id"]][facts["start"] : facts["end"]]
    assert passages[0].metadata["year"] == 1868
    scores = [passage.metadata["score"] for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert len({passage.id for passage in passages}) == len(passages) == 3


def test_it_finds_what_the_pipeline_finds_and_as_many(pipeline):
    ranking = pipeline.answer("the tower", from_langchain([BUNS, TOWER])).ranking
    find = as_retriever(pipeline, [BUNS, TOWER])
    everything = as_retriever(pipeline, [BUNS, TOWER], k=50).invoke("the tower")
    assert [passage.page_content for passage in everything] == [hit.chunk.text for hit in ranking]
    assert find.invoke("the tower") == everything[:1]  # the route's selector takes one
    assert find.model_copy(update={"k": 2}).invoke("the tower") == everything[:2]


def test_from_parts_with_one_index_for_all_questions(tmp_path):
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    parts = {
        "chunker": {"kind": "tokens", "size": 4},
        "retriever": "dense",
        "embedders": {"main": "sentence_transformer"},
    }
    find = as_retriever(parts, [BUNS, TOWER], pool=pool)
    found = find.batch(["the tower", "butter", "Saffron"])
    assert [passages[0].metadata["document_id"] for passages in found] == ["tower", "document-1", "document-1"]
    assert pool.once.computed["index"] == 1
    assert [side for side, _ in pool.word_vectors.embedded].count("query") == 3
    assert len(asyncio.run(find.ainvoke("the tower"))) == len(found[0]) > 4
    as_retriever({}, [BUNS]).close()


@pytest.mark.parametrize(
    ("source", "more", "told"),
    [
        ({"retriever": "bm52"}, {}, "Nearest: bm25"),
        ({"retreiver": "bm25"}, {}, "Nearest: retriever"),
        ({"retriever": "dense"}, {}, r"dense needs embedders\.main"),
        ({}, {"k": 0}, "at least 1"),
        (pipeline_of(full="full_context"), {}, "Known: none"),
        (pipeline_of(a="retrieve", b="retrieve"), {}, "name one of .*a, b"),
        (pipeline_of(rag="retrieve", full="full_context"), {"route": "rga"}, "Known: rag. Nearest: rag"),
    ],
)
def test_parts_that_cannot_be_used_are_told(source, more, told):
    with pytest.raises(ConfigError, match=told):
        as_retriever(source, [BUNS], **more)


# ---------------------------------------------------------------- splitting


@given(st.lists(st.sampled_from(["The cat. ", "The cat. ", "Dr. Who? ", "\n\n", "茶馆。", "x" * 9, "a "]), max_size=30))
def test_pieces_are_exact_and_stand_where_they_say(parts):
    text = "".join(parts)
    splitter = as_text_splitter(Tokens(size=5, overlap=2), WordTokenizer())
    given = Passage(page_content=text, metadata={"source": "s", "deep": [1]})
    pieces = splitter.split_documents([given])
    chunks = Tokens(size=5, overlap=2).split(Document("d", text), WordTokenizer())
    assert [(piece.page_content, piece.metadata["start_index"]) for piece in pieces] == [
        (chunk.text, chunk.start) for chunk in chunks
    ]
    assert splitter.split_text(text) == [chunk.text for chunk in chunks]
    assert all(
        piece.metadata["source"] == "s" and piece.metadata["deep"] is not given.metadata["deep"] for piece in pieces
    )
    assert given.metadata == {"source": "s", "deep": [1]}


@pytest.mark.parametrize("tokenizer", ["scripted", Scripted(), WordTokenizer(), {"kind": "scripted"}])
def test_sizes_are_in_the_tokenizers_tokens(tokenizer):
    splitter = as_text_splitter({"kind": "sentences", "size": 3}, tokenizer)
    assert splitter.split_text("One two. Three, four. Five") == ["One two.", " Three, four", ". Five"]
    assert as_text_splitter("whole", tokenizer).create_documents(["a b"])[0].metadata == {"start_index": 0}


@pytest.mark.parametrize(
    ("chunker", "tokenizer", "told"),
    [("token", "scripted", "Nearest: tokens"), ("tokens", "script", "Nearest: scripted")],
)
def test_a_splitter_that_cannot_be_made_is_told(chunker, tokenizer, told):
    with pytest.raises(ConfigError, match=told):
        as_text_splitter(chunker, tokenizer)
