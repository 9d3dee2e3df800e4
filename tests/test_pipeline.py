"""A complete system: loaded by name, asked for answers, equal to what its spec says, and named by its content."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from ragvlc import config
from ragvlc.core.data import Document, Query
from ragvlc.core.yaml_text import parse_mapping
from ragvlc.pipeline import Pipeline
from ragvlc.selectors.top_k import TopK
from ragvlc.testing import FunctionEngine, ScriptedPool

SPEC = {
    "description": "",
    "generators": {"main": {"kind": "scripted", "replies": {"high": "31 metres"}, "default": "no idea"}},
    "embedders": {"main": {"kind": "sentence_transformer"}},
    "routes": {
        "rag": {
            "kind": "retrieve",
            "chunker": {"kind": "tokens", "size": 64},
            "retriever": "dense",
            "selector": {"kind": "top_k", "k": 4},
            "order": "document",
        },
        "full": "full_context",
    },
    "router": {"kind": "always", "route": "full"},
}
DOCUMENT = Document("d", "The tower is 31 metres high.")


def changed(path, value):
    """Returns the pipeline with the setting at a dotted path changed."""
    spec = parse_mapping(config.to_yaml(SPEC), "spec")
    *parents, last = path.split(".")
    place = spec
    for step in parents:
        if isinstance(place[step], str):
            place[step] = {"kind": place[step]}
        place = place[step]
    place[last] = value
    return config.build(Pipeline, spec, path)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGVLC_CACHE", str(tmp_path))


# ---------------------------------------------------------------- answers


def test_it_answers_a_question_over_documents(cache):
    with config.build(Pipeline, SPEC, "spec") as pipeline:
        answer = pipeline.answer("How high is it?", [DOCUMENT])
        assert (answer.text, answer.route, answer.finish) == ("31 metres", "full", "stop")
        assert pipeline.answer("Why?", [DOCUMENT]).text == "31 metres"  # the document has the word
        assert pipeline.answer(Query("q", "Why?"), []).text == "no idea"


def test_asked_twice_it_answers_the_same(tmp_path):
    pipeline = changed("router.route", "rag")
    answers = []
    for folder in ("a", "b"):
        pool = ScriptedPool(FunctionEngine(lambda prompt: prompt[-40:]), tmp_path / folder)
        answers.append(pipeline.answer("How high is it?", [DOCUMENT], pool=pool))
    first, second = answers
    assert (first.text, first.ranking, first.context, first.usage) == (
        second.text,
        second.ranking,
        second.context,
        second.usage,
    )


def test_the_route_taken_and_why_stand_in_the_trace(tmp_path):
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    answer = config.build(Pipeline, SPEC, "spec").answer("?", [DOCUMENT], pool=pool)
    assert answer.trace[0].name == "route"
    assert dict(answer.trace[0].facts) == {"route": "full", "reason": "always"}
    assert answer.dropped_tokens == 0
    assert [step.name for step in answer.trace[1].walk()] == ["read", "answer"]


def test_a_route_alone_needs_no_router(tmp_path):
    pipeline = Pipeline(generators={"main": "scripted"}, routes={"only": "closed_book"})
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    assert pipeline.answer("?", [], pool=pool).route == "only"


def test_models_stay_open_until_it_is_closed(cache):
    pipeline = config.build(Pipeline, SPEC, "spec")
    pipeline.answer("?", [DOCUMENT])
    first = pipeline.own_pool()
    pipeline.answer("?", [DOCUMENT])
    assert pipeline.own_pool() is first
    assert len(first._engines) == 1
    pipeline.close()
    assert not first._engines
    assert pipeline.answer("?", [DOCUMENT]).text == "31 metres"
    pipeline.close()


def test_a_pool_that_is_lent_stays_open(tmp_path):
    class Watched(ScriptedPool):
        closed = False

        def close(self):
            self.closed = True

    pool = Watched(FunctionEngine(lambda prompt: "x"), tmp_path)
    with config.build(Pipeline, SPEC, "spec") as pipeline:
        pipeline.answer("?", [DOCUMENT], pool=pool)
    assert not pool.closed
    config.build(Pipeline, SPEC, "spec").close()  # nothing was opened


def test_closing_again_or_before_anything_opened_is_fine(cache):
    pipeline = config.build(Pipeline, SPEC, "spec")
    pipeline.close()
    pipeline.answer("?", [DOCUMENT])
    pipeline.close()
    pipeline.close()


# ---------------------------------------------------------------- specs


@pytest.mark.parametrize("name", sorted(config.shipped("pipelines")))
def test_the_spec_of_a_shipped_pipeline_builds_it_again(name):
    pipeline = Pipeline.load(name)
    spec = pipeline.spec()
    again = config.build(Pipeline, parse_mapping(config.to_yaml(spec), name), name)
    assert again == pipeline
    assert again.key == pipeline.key
    assert again.spec() == spec


def test_a_spec_has_every_default_filled_in():
    spec = config.build(Pipeline, SPEC, "spec").spec()
    assert spec["routes"]["rag"]["chunker"] == {"kind": "tokens", "size": 64, "overlap": 0}
    assert spec["routes"]["full"]["truncation"] == "middle"
    assert spec["router"] == {"kind": "always", "route": "full"}


def test_it_cannot_be_changed_in_place():
    pipeline = config.build(Pipeline, SPEC, "spec")
    with pytest.raises(ValidationError, match="frozen"):
        pipeline.description = "x"
    with pytest.raises(ValidationError, match="frozen"):
        pipeline.routes["rag"].selector.k = 3


# ---------------------------------------------------------------- keys

KEY = config.build(Pipeline, SPEC, "spec").key


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "what it is for"),
        ("generators.main.seconds_per_call", 0.5),
        ("embedders.main.device", "cpu"),
        ("embedders.main.batch_size", 1),
        ("routes.rag.chunker", {"kind": "tokens", "size": 64, "overlap": 0}),  # a default, spelled out
        ("routes.full", {"kind": "full_context", "truncation": "middle"}),
    ],
)
def test_what_cannot_change_an_answer_does_not_change_the_key(path, value):
    assert changed(path, value).key == KEY


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("generators.main.window", 4096),
        ("generators.main.temperature", 0.1),
        ("generators.main.replies", {"high": "30 metres"}),
        ("generators.other", "scripted"),
        ("embedders.main.query_prompt", "query: "),
        ("routes.rag.chunker.size", 65),
        ("routes.rag.chunker", "sentences"),
        ("routes.rag.retriever", "bm25"),
        ("routes.rag.retriever.candidates", 49),
        ("routes.rag.selector.k", 5),
        ("routes.rag.order", "reverse"),
        ("routes.rag.question_prompt", "{document} {question}"),
        ("routes.rag.decline", "UNKNOWN"),
        ("routes.full.truncation", "tail"),
        ("routes.third", "closed_book"),
        ("router.route", "rag"),
    ],
)
def test_everything_else_does(path, value):
    assert changed(path, value).key != KEY


def test_an_order_of_patterns_is_part_of_the_key():
    forth = changed("generators.main.replies", {"a": "1", "b": "2"})
    back = changed("generators.main.replies", {"b": "2", "a": "1"})
    assert forth.key != back.key


def test_an_order_of_routes_is_not():
    spec = dict(SPEC, routes={"full": SPEC["routes"]["full"], "rag": SPEC["routes"]["rag"]})
    assert config.build(Pipeline, spec, "spec").key == KEY


def test_a_new_version_of_a_kind_is_another_key(monkeypatch):
    monkeypatch.setattr(TopK, "version", 2)
    assert config.build(Pipeline, SPEC, "spec").key != KEY


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_key_is_the_same_in_another_process(hash_seed):
    code = (
        "import sys, yaml; from ragvlc import config; from ragvlc.pipeline import Pipeline;"
        "print(config.build(Pipeline, yaml.safe_load(sys.stdin), 'spec').key)"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=config.to_yaml(SPEC),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == KEY


# ---------------------------------------------------------------- randomness, controls


@pytest.mark.parametrize(
    ("path", "value", "random"),
    [
        ("description", "", False),
        ("generators.main.temperature", 0.7, True),
        ("generators.main.top_p", 0.5, False),  # greedy decoding takes no notice
        ("routes.rag.order", "random", True),
        ("routes.rag.order", "reverse", False),
    ],
)
def test_it_is_random_if_any_part_is(path, value, random):
    assert changed(path, value).random is random


def test_controls_are_routes_that_read_gold():
    assert config.build(Pipeline, SPEC, "spec").controls == frozenset()
    assert changed("routes.oracle", "oracle_evidence").controls == {"oracle"}
