"""Ranking again by a closer look, and rankings without an answer."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ragvlc.core.answer import Usage
from ragvlc.core.data import Document, Hit, Query
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.families import Reranker
from ragvlc.core.run import Run
from ragvlc.generators.scripted import Scripted

TEXT = "The cat eats fresh fish. The dog chews old bones. The cow eats green grass. The cat drinks warm milk."
LOOKED: list[str] = []


class Backwards(Reranker):
    """Turns a ranking round and keeps its head."""

    keep: int = Field(default=10, ge=1)

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        LOOKED.append(query.text)
        return [Hit(hit.chunk, float(place)) for place, hit in enumerate(hits)][::-1][: self.keep]


class Asking(Backwards):
    """Asks the generator about every hit first."""

    generator: str = "main"

    def roles(self) -> frozenset[tuple[str, str, str]]:
        return frozenset({("generators", self.generator, "TextEngine")})

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        run.generator(self.generator).generate([Request(Prompt(hit.chunk.text), 4) for hit in hits])
        return super().rerank(query, hits, run)


def route(kind="retrieve", **more):
    return {"kind": kind, "chunker": {"kind": "tokens", "size": 6}, **more}


def test_a_reranker_decides_what_is_read(ask, read):
    plain = ask(route(selector={"kind": "top_k", "k": 1}), "Which cow?", TEXT).answer
    again = ask(route(selector={"kind": "top_k", "k": 1}, reranker=Backwards()), "Which cow?", TEXT).answer
    assert [hit.chunk for hit in again.ranking] == [hit.chunk for hit in plain.ranking][::-1]
    assert read(again, [Document("d", TEXT)]) == [again.ranking[0].chunk.text]
    assert again.timing.phases["rerank"] >= 0
    assert "rerank" not in plain.timing.phases
    [step] = [step for root in again.trace for step in root.walk() if step.name == "rerank"]
    assert step.facts["hits"] == 4


def test_equal_hits_are_reranked_once(tmp_path, ask):
    from ragvlc.pipeline import Pipeline
    from ragvlc.testing import FunctionEngine, ScriptedPool

    LOOKED.clear()
    pool = ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path)
    for keep, k in ((4, 1), (4, 3), (2, 3)):
        given = route(reranker=Backwards(keep=keep), selector={"kind": "top_k", "k": k})
        pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": given})
        assert len(pipeline.answer("Which cow?", [Document("d", TEXT)], pool=pool).ranking) == keep
    assert LOOKED == ["Which cow?"] * 2


def test_what_a_reranker_asks_is_charged_to_every_answer(tmp_path):
    from ragvlc.pipeline import Pipeline
    from ragvlc.testing import FunctionEngine, ScriptedPool

    engine = FunctionEngine(lambda prompt: "x")
    pool = ScriptedPool(engine, tmp_path)
    usages = []
    for k in (1, 2):
        given = route("retrieve_only", reranker=Asking(keep=k))
        pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": given})
        usages.append(pipeline.answer("Which cow?", [Document("d", TEXT)], pool=pool).usage)
    assert usages[0] == usages[1] != Usage()
    assert usages[0].calls == 4
    assert len(engine.requests) == 4


def test_ranking_only_opens_no_generator(tmp_path):
    from ragvlc.pipeline import Pipeline
    from ragvlc.pool import EnginePool

    class Closed(Scripted):
        def open(self):
            raise AssertionError("opened")

    pipeline = Pipeline(generators={"main": Closed()}, routes={"it": route("retrieve_only")})
    with EnginePool() as pool:
        answer = pipeline.answer("Which cow?", [Document("d", TEXT)], pool=pool)
    assert answer.ranking[0].chunk.text.strip() == "The cow eats green grass."
    assert (answer.text, answer.context, answer.usage) == ("", (), Usage())
