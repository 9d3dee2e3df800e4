"""The contract of routes and routers, on the toy set with scripted engines."""

from __future__ import annotations

import copy
import importlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import pytest

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.data import Example
from ragvlc.core.errors import WindowExceeded
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool, without_gold

WORDS = WordTokenizer()


def pipeline_of(routes, router="always") -> Pipeline:
    """Returns a pipeline in which every role that is asked for is there."""
    parts = [*routes.values()]
    roles = {(table, role) for part in parts for table, role, _ in part.roles()} | {("generators", "main")}
    return Pipeline(
        generators={role: "scripted" for table, role in roles if table == "generators"},
        embedders={role: "sentence_transformer" for table, role in roles if table == "embedders"},
        routes=routes,
        router=router,
    )


@dataclass(frozen=True)
class Asked:
    answer: Answer
    engine: FunctionEngine

    @property
    def prompts(self) -> list[str]:
        return [request.prompt.text() for request in self.engine.requests]


def reply(prompt: str) -> str:
    """Returns a text that shows any difference between two prompts."""
    return f"reply {crc32(prompt.encode())}"


@pytest.fixture
def ask(tmp_path):
    """Returns a function that asks a pipeline one question with engines of its own."""
    count = iter(range(10_000))

    def ask(pipeline: Pipeline, example: Example, *, window=8192, folder: Path | None = None) -> Asked:
        engine = FunctionEngine(reply, window)
        pool = ScriptedPool(engine, folder or tmp_path / str(next(count)))
        return Asked(pipeline.answer_example(example, pool=pool), engine)

    return ask


def told(answer: Answer):
    """Returns what must not change from one time to the next: everything but seconds."""
    steps = [(step.name, len(step.steps), step.usage) for root in answer.trace for step in root.walk()]
    return replace(answer, timing=answer.timing.__class__(), trace=()), steps


@pytest.fixture
def route(route_kind, build):
    return build("routes", route_kind)


@pytest.fixture
def pipeline(route):
    return pipeline_of({"it": route})


# ---------------------------------------------------------------- routes


def test_it_answers_the_toy_set(pipeline, examples, ask):
    for example in examples:
        answer = ask(pipeline, example).answer
        assert answer.ranking if pipeline.routes[answer.route].ranks_only else answer.text
        assert answer.route == "it"
        assert answer.finish in {"stop", "length", "declined"}


def test_it_answers_the_same_twice(pipeline, examples, ask, tmp_path):
    for example in examples:
        first, again = ask(pipeline, example, folder=tmp_path), ask(pipeline, example, folder=tmp_path)
        assert told(first.answer) == told(again.answer)
        assert first.prompts == again.prompts


def test_it_does_not_change_what_it_is_given(pipeline, examples, ask):
    before, spec = copy.deepcopy(examples), pipeline.spec()
    for example in examples:
        ask(pipeline, example)
    assert examples == before
    assert pipeline.spec() == spec


def test_the_trace_tells_what_was_done(pipeline, examples, ask):
    for example in examples:
        chosen, *steps = ask(pipeline, example).answer.trace
        assert (chosen.name, chosen.facts["route"]) == ("route", "it")
        assert steps
        assert all(step.seconds >= 0 for root in steps for step in root.walk())
        # Facts are scalars, ids or a few numbers, never documents.
        facts = [fact for root in steps for step in root.walk() for fact in step.facts.values()]
        scalars = [one for fact in facts for one in (fact if isinstance(fact, list) else [fact])]
        assert all(isinstance(one, (str, int, float, bool, type(None))) for one in scalars)
        assert all(len(str(fact)) < 200 for fact in facts)


def test_usage_is_what_the_engine_counted(pipeline, examples, ask):
    for example in examples:
        asked = ask(pipeline, example)
        if asked.answer.reused:  # a prompt said twice is computed once and charged twice
            continue
        prompts = sum(len(WORDS.render(request.prompt)) for request in asked.engine.requests)
        replies = sum(WORDS.count(reply(prompt)) for prompt in asked.prompts)
        counted = Usage(prompts, 0, replies, len(asked.prompts))
        if asked.engine.decode_states:  # each counts for itself: a drafter's tokens are not the reply's
            counted = sum((state.usage for state in asked.engine.decode_states), Usage())
            assert (counted.prompt_tokens, counted.calls) == (prompts, len(asked.prompts))
        assert asked.answer.usage == counted
        steps = [root.usage for root in asked.answer.trace]
        assert sum(steps, Usage()) == asked.answer.usage
        assert sum(asked.answer.bills.values(), Usage()) == asked.answer.usage


@pytest.mark.parametrize("window", [8192, 300, 110, 40])
def test_no_prompt_exceeds_the_window(pipeline, examples, ask, window):
    answered = 0
    for example in examples:
        try:
            asked = ask(pipeline, example, window=window)
        except WindowExceeded:
            continue
        answered += 1
        for request in asked.engine.requests:
            # Without document text there is nothing to cut: the engine refuses such a prompt.
            assert len(WORDS.render(request.prompt)) + request.max_tokens <= window or not asked.answer.context
    assert answered == len(examples) or window < 300


def test_the_context_is_what_was_sent(pipeline, examples, ask):
    for window in (8192, 300):
        for example in examples:
            asked = ask(pipeline, example, window=window)
            texts = {document.id: document.text for document in example.documents}
            sent = "\n".join(asked.prompts)
            for span in asked.answer.context:
                piece = texts[span.document_id][span.start : span.end]
                assert piece
                assert piece in sent


def test_the_ranking_is_of_the_documents(pipeline, examples, ask):
    for example in examples:
        texts = {document.id: document.text for document in example.documents}
        hits = ask(pipeline, example).answer.ranking
        assert all(hit.chunk.text == texts[hit.chunk.document_id][hit.chunk.start : hit.chunk.end] for hit in hits)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len({hit.chunk.span for hit in hits}) == len(hits)


def test_only_controls_know_the_gold(route, pipeline, examples, ask, monkeypatch):
    if type(route).uses_gold:
        differ = [told(ask(pipeline, e).answer) != told(ask(pipeline, without_gold(e)).answer) for e in examples]
        assert any(differ)  # a control that does not use gold is none
        return
    touched: list[str] = []

    def gold(run):
        touched.append("gold")
        return run._example

    monkeypatch.setattr(LiveRun, "gold", property(gold))
    for example in examples:
        knowing, blind = ask(pipeline, example), ask(pipeline, without_gold(example))
        assert told(knowing.answer) == told(blind.answer)
        assert knowing.prompts == blind.prompts
    assert touched == []


def test_its_pipeline_is_its_spec(pipeline):
    again = Pipeline.model_validate(pipeline.spec())
    assert again == pipeline
    assert again.key == pipeline.key


def test_it_names_its_source_and_how_it_differs(route_kind):
    text = importlib.import_module(f"ragvlc.routes.{route_kind}").__doc__
    assert re.search(r"arXiv:? ?\d{4}\.\d{4,5}|arxiv\.org/abs|doi\.org", text)
    assert re.search(r"\bDifferences?\b", text)


# ---------------------------------------------------------------- routers


def test_a_router_takes_one_of_its_targets(router_kind, build, examples, ask, tmp_path):
    routes = {"closed": build("routes", "closed_book"), "full": build("routes", "full_context")}
    router = build("routers", router_kind)
    pipeline = pipeline_of(routes, router)
    targets = router.targets(routes)
    assert targets
    assert targets <= set(routes)
    for example in examples:
        first, again = ask(pipeline, example, folder=tmp_path), ask(pipeline, without_gold(example), folder=tmp_path)
        assert first.answer.route in targets
        assert first.answer.trace[0].facts["route"] == first.answer.route
        assert first.answer.trace[0].facts["reason"]
        assert told(first.answer) == told(again.answer)
    assert Pipeline.model_validate(pipeline.spec()) == pipeline
