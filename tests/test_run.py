"""What a route may ask for: seeds, models, gold behind a gate, shared work, and a trace with everything charged."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ragvlc.chunkers.tokens import Tokens
from ragvlc.core.answer import Usage
from ragvlc.core.data import Document, Example, Query
from ragvlc.core.engines import Prompt, Request, VectorEngine
from ragvlc.core.families import Embedder, Route
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.pipeline import Pipeline
from ragvlc.retrievers.bm25 import BM25
from ragvlc.retrievers.dense import Dense
from ragvlc.roles import Models
from ragvlc.run import LiveRun
from ragvlc.testing import FunctionEngine, ScriptedPool, WordVectors

DOCUMENT = Document("d", "The cat eats fresh fish. The dog chews old bones. The cow eats green grass.")
QUERY = Query("q", "What does the dog chew?")
EXAMPLE = Example(QUERY, (DOCUMENT,), references=("bones",))
CHUNKER = Tokens(size=6)


class Words(Embedder):
    """Counts words."""

    def open(self) -> VectorEngine:
        return WordVectors()


@pytest.fixture
def engine():
    return FunctionEngine(lambda prompt: f"reply to {prompt}")


@pytest.fixture
def pool(engine, tmp_path):
    return ScriptedPool(engine, tmp_path)


@pytest.fixture
def start(pool):
    """Returns a function that starts a run with the settings of its generator."""

    def start(example=EXAMPLE, seed=0, **settings):
        return LiveRun(Models({"main": Scripted(**settings)}, {"main": Words()}), pool, example, seed=seed)

    return start


def say(run, *texts, **more):
    requests = [Request(Prompt(text), max_tokens=9, **more) for text in texts]
    return run.generator().generate(requests)


def tokens(text):
    return WordTokenizer().count(text)


# ---------------------------------------------------------------- seeds


def test_seeds_do_not_depend_on_the_order_of_work(start):
    asked = [("plan", 0), ("answer", 0), ("answer", 3), ("worker", 1)]
    forth, back = start(), start()
    seeds = {key: forth.seed_for(*key) for key in asked}
    assert {key: back.seed_for(*key) for key in reversed(asked)} == seeds
    say(back, "something in between")
    assert {key: back.seed_for(*key) for key in asked} == seeds


def test_seeds_differ_by_step_place_example_and_cell(start):
    seeds = [start().seed_for("step", i) for i in range(5)]
    seeds += [start().seed_for("other"), start(seed=1).seed_for("step")]
    seeds += [start(Example(Query("q2", QUERY.text), (DOCUMENT,))).seed_for("step")]
    seeds += [start().seed_for("step\x001"), start().seed_for("ste")]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_seeds_stay_what_they_are(start):
    assert start().seed_for("answer") == 1_303_634_967  # results on disk were made with them


# ---------------------------------------------------------------- gold


class Peeks(Route):
    """Reads the gold without saying so."""

    def answer(self, query, documents, run):
        return run.answer(say(run, run.gold.references[0])[0])


class Control(Peeks):
    """Says so."""

    uses_gold = True


def test_gold_is_for_controls_only(pool):
    generators = {"main": "scripted"}
    peeking = Pipeline(generators=generators, routes={"it": Peeks()})
    with pytest.raises(PermissionError, match="uses_gold"):
        peeking.answer_example(EXAMPLE, pool=pool)
    control = Pipeline(generators=generators, routes={"it": Control()})
    assert control.answer_example(EXAMPLE, pool=pool).text == "reply to bones"
    assert (peeking.controls, control.controls) == (frozenset(), {"it"})


def test_a_pipeline_with_a_control_keeps_the_gate_shut_for_its_other_routes(pool):
    routes = {"control": Control(), "other": Peeks()}
    pipeline = Pipeline(generators={"main": "scripted"}, routes=routes, router={"kind": "always", "route": "other"})
    with pytest.raises(PermissionError):
        pipeline.answer_example(EXAMPLE, pool=pool)


# ---------------------------------------------------------------- sharing generations


def test_the_same_prompt_is_generated_once_and_charged_to_all(start, engine):
    first, second = start(), start(Example(Query("other", "?"), (DOCUMENT,)))
    [made], [found] = say(first, "one two"), say(second, "one two")
    assert len(engine.requests) == 1
    assert (made.reused, found.reused) == (False, True)
    assert made.text == found.text == "reply to one two"
    charged = [run.answer(generation) for run, generation in ((first, made), (second, found))]
    assert [answer.reused for answer in charged] == [False, True]
    assert charged[0].usage == charged[1].usage == Usage(2, 0, 4, 1)


def test_threads_share_it_too(start, engine):
    slow = engine._reply

    def reply(prompt):
        time.sleep(0.05)
        return slow(prompt)

    engine._reply = reply
    gate = threading.Barrier(6)

    def ask(number):
        run = start(Example(Query(str(number), "?"), (DOCUMENT,)))
        gate.wait()
        generations = say(run, "shared", f"own {number}")
        return run.answer(generations[0]).usage

    with ThreadPoolExecutor(6) as executor:
        usages = list(executor.map(ask, range(6)))
    assert len([request for request in engine.requests if request.prompt.text() == "shared"]) == 1
    assert len(engine.requests) == 7
    assert set(usages) == {Usage(1 + 2, 0, 3 + 4, 2)}


def test_a_prompt_twice_in_one_call_is_generated_once(start, engine):
    run = start()
    first, second = say(run, "same", "same")
    assert len(engine.requests) == 1
    assert run.answer(second).usage == Usage(2, 0, 6, 2)
    assert first.text == second.text


@pytest.mark.parametrize(
    "other",
    [
        {"max_tokens": 8},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"stop": ("\n",)},
        {"logprobs": True},
        {"prompt": Prompt("hallo")},
    ],
)
def test_whatever_can_change_the_text_is_told_apart(start, engine, other):
    base = {"prompt": Prompt("hello"), "max_tokens": 9, "seed": 5}
    start().generator().generate([Request(**base)])
    start().generator().generate([Request(**base | other)])
    assert len(engine.requests) == 2


def test_another_generator_is_told_apart_and_its_speed_is_not(start, engine):
    say(start(), "hello")
    say(start(default="another"), "hello")
    assert len(engine.requests) == 2
    say(start(seconds_per_call=1), "hello")
    assert len(engine.requests) == 2


def test_a_prompt_is_its_text_however_it_was_put_together(start, engine):
    start().generator().generate([Request(Prompt("{a} b", {"a": "x"}), max_tokens=9)])
    start().generator().generate([Request(Prompt("x {b}", {"b": "b"}), max_tokens=9)])
    assert len(engine.requests) == 1


def test_half_a_surrogate_pair_is_no_reason_to_fail(start):
    [generation] = say(start(), "torn \ud83d emoji")
    assert generation.usage.calls == 1


def test_an_engines_error_is_forgotten(start, engine):
    good = engine._reply
    engine._reply = lambda prompt: 1 / 0
    with pytest.raises(ZeroDivisionError):
        say(start(), "hello")
    engine._reply = good
    [generation] = say(start(), "hello")
    assert (generation.text, generation.reused) == ("reply to hello", False)


# ---------------------------------------------------------------- decoding settings


def test_the_generators_own_settings_are_the_default(start, engine):
    say(start(temperature=0.7, top_p=0.9), "a", seed=5)
    say(start(temperature=0.7, top_p=0.9), "b", seed=5, temperature=0.2, top_p=0.5)
    say(start(temperature=0.7, top_p=0.9), "c", seed=5, temperature=0.0)
    found = [(request.temperature, request.top_p, request.seed) for request in engine.requests]
    assert found == [(0.7, 0.9, 5), (0.2, 0.5, 5), (0.0, 0.9, 0)]


def test_sampled_answers_are_shared_for_the_same_seed_only(start, engine):
    for seed in (1, 2, 1):
        say(start(temperature=1.0), "a", seed=seed)
    assert [request.seed for request in engine.requests] == [1, 2]


def test_greedy_answers_are_shared_whatever_the_seed(start, engine):
    for seed in (1, 2, 1):
        say(start(), "a", seed=seed)
    assert len(engine.requests) == 1


def test_a_reader_tells_window_and_tokenizer(start, engine):
    reader = start().generator()
    assert reader.window == engine.window
    assert reader.tokenizer.count("two words") == 2


# ---------------------------------------------------------------- chunks and indexes


def test_chunks_know_their_document_and_are_cut_once(start, pool):
    documents = [DOCUMENT, Document("e", "Hens eat seeds.")]
    chunks = start().chunks(CHUNKER, documents)
    assert [(chunk.document_index, chunk.index) for chunk in chunks] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    assert start().chunks(CHUNKER, list(documents)) is chunks
    assert start().chunks(Tokens(size=7), documents).key != chunks.key
    assert start().chunks(CHUNKER, documents[::-1]).key != chunks.key
    changed = [DOCUMENT, Document("e", "Hens eat seeds!")]
    assert start().chunks(CHUNKER, changed).key != chunks.key
    assert pool.once.computed["chunk"] == 4


@pytest.mark.parametrize("retriever", [BM25(), Dense()], ids=["bm25", "dense"])
def test_an_index_is_built_once_and_a_ranking_too(start, pool, retriever):
    def search(query):
        run = start()
        return run.search(retriever, query, run.chunks(CHUNKER, [DOCUMENT]))

    ranking = search(QUERY)
    assert ranking[0].chunk.text == " The dog chews old bones."
    assert search(QUERY) is ranking
    search(Query("r", "grass"))
    assert pool.once.computed["index"] == 1
    assert pool.once.computed["rank"] == 2


@pytest.mark.parametrize("retriever", [BM25, Dense])
def test_a_deeper_ranking_takes_the_same_index(start, pool, tmp_path, retriever):
    def search(candidates):
        run = start()
        return run.search(retriever(candidates=candidates), QUERY, run.chunks(CHUNKER, [DOCUMENT]))

    short, deep = search(1), search(3)
    assert (len(short), len(deep)) == (1, 3)
    assert deep[:1] == short
    assert pool.once.computed["index"] == 1
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_an_index_on_disk_is_opened_again(start, engine, tmp_path):
    def search(pool):
        run = LiveRun(Models({"main": Scripted()}, {"main": Words()}), pool, EXAMPLE)
        return run.search(Dense(), QUERY, run.chunks(CHUNKER, [DOCUMENT])), pool.word_vectors.embedded

    first, embedded = search(ScriptedPool(engine, tmp_path))
    assert [side for side, _ in embedded] == ["passage"] * 3 + ["query"]
    again, embedded = search(ScriptedPool(engine, tmp_path))
    assert [side for side, _ in embedded] == ["query"]
    assert again == first


def test_a_damaged_index_is_built_again(engine, tmp_path, caplog):
    def search():
        pool = ScriptedPool(engine, tmp_path)
        run = LiveRun(Models({"main": Scripted()}, {"main": Words()}), pool, EXAMPLE)
        return run.search(Dense(), QUERY, run.chunks(CHUNKER, [DOCUMENT]))

    first = search()
    [path] = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-40])
    assert search() == first
    assert "is damaged" in caplog.text
    caplog.clear()
    assert search() == first
    assert caplog.text == ""


class Slow(WordVectors):
    """Takes a twentieth of a second for passages."""

    def embed(self, texts, *, side="passage"):
        time.sleep(0.05 if side == "passage" else 0)
        return super().embed(texts, side=side)


def test_an_index_is_charged_at_its_first_cost_wherever_it_comes_from(engine, tmp_path):
    seconds = []
    for _ in range(2):
        pool = ScriptedPool(engine, tmp_path)
        pool.word_vectors = Slow()
        for _ in range(2):  # built or read from disk, then found in memory
            run = LiveRun(Models({"main": Scripted()}, {"main": Words()}), pool, EXAMPLE)
            with run.step("retrieve"):
                run.search(Dense(), QUERY, run.chunks(CHUNKER, [DOCUMENT]))
            [step] = [step for root in run.trace for step in root.walk() if step.name == "index"]
            assert step.facts["chunks"] == 3
            assert set(step.facts) == {"index", "chunks", "index_seconds"}
            seconds.append(step.facts["index_seconds"])
    assert all(0.05 <= cost < 5 for cost in seconds)
    assert seconds[0] == seconds[1]
    assert seconds[2] == seconds[3]


def test_every_part_kept_on_disk_is_charged(engine, tmp_path):
    class Both(Dense):
        """Keeps two things, as a hybrid of two retrievers does."""

        def index(self, chunks, run):
            run.cached_arrays(BM25(), chunks, lambda: time.sleep(0.05) or {"x": __import__("numpy").zeros(1)})
            return super().index(chunks, run)

    for _ in range(2):
        pool = ScriptedPool(engine, tmp_path)
        pool.word_vectors = Slow()
        run = LiveRun(Models({"main": Scripted()}, {"main": Words()}), pool, EXAMPLE)
        with run.step("retrieve"):
            run.search(Both(), QUERY, run.chunks(CHUNKER, [DOCUMENT]))
        [cost] = [step.facts["index_seconds"] for step in run.trace[0].walk() if step.name == "index"]
        assert cost >= 0.1


def test_searching_is_charged_as_its_own_phase(start):
    run = start()
    run.search(BM25(), QUERY, run.chunks(CHUNKER, [DOCUMENT]))
    timing = run.answer(say(run, "x")[0]).timing
    assert timing.phases["search"] > 0


# ---------------------------------------------------------------- trace


class Nested(Route):
    """Takes steps inside steps, and makes its answer before the outermost has ended."""

    def answer(self, query, documents, run):
        with run.step("outer", depth=0) as facts:
            with run.step("first"):
                say(run, "one")
            with run.step("second"):
                say(run, "one two", "one two three")
            facts["said"] = 3
            [last] = say(run, "end")
            return run.answer(last, finish="declined")


def test_the_trace_is_a_tree_with_usage_and_facts(pool):
    pipeline = Pipeline(generators={"main": "scripted"}, routes={"it": Nested()})
    answer = pipeline.answer_example(EXAMPLE, pool=pool)
    route, outer = answer.trace
    assert (route.name, dict(route.facts)) == ("route", {"route": "it", "reason": "always"})
    assert (outer.name, dict(outer.facts)) == ("outer", {"depth": 0, "said": 3})
    assert [step.name for step in outer.walk()] == ["outer", "first", "second"]
    first, second = outer.steps
    assert first.usage == Usage(1, 0, tokens("reply to one"), 1)
    assert second.usage == Usage(5, 0, tokens("reply to one two reply to one two three"), 2)
    assert outer.usage == answer.usage == first.usage + second.usage + Usage(1, 0, 3, 1)
    assert outer.seconds >= first.seconds + second.seconds > 0
    assert answer.finish == "declined"


def test_usage_is_what_the_engine_counted(pool, engine):
    answer = Pipeline(generators={"main": "scripted"}, routes={"it": Nested()}).answer_example(EXAMPLE, pool=pool)
    sent = [request.prompt.text() for request in engine.requests]
    prompt, completion = sum(map(tokens, sent)), sum(tokens(f"reply to {text}") for text in sent)
    assert answer.usage == Usage(prompt, 0, completion, len(sent))


def test_a_step_that_fails_is_left_behind(start):
    run = start()

    def broken():
        with run.step("broken"):
            say(run, "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with run.step("after"):
        pass
    assert [step.name for step in run.trace] == ["broken", "after"]
    assert run.trace[0].usage.calls == 1


def test_notes_of_generations_are_facts_of_the_step_and_counts_add_up(start, engine, monkeypatch):
    plain = engine.generate

    def noting(requests):
        notes = {"control_strings_broken": 2, "served_model": "m", "estimated": True}
        return [replace(generation, notes=notes) for generation in plain(requests)]

    monkeypatch.setattr(engine, "generate", noting)
    run = start()
    with run.step("answer"):
        say(run, "a", "b")
    [step] = run.trace
    assert step.facts == {"control_strings_broken": 4, "served_model": "m", "estimated": True}


def test_waiting_while_another_index_is_built_is_no_cost_of_an_index(start, pool):
    released, run = threading.Event(), start()

    def other():
        with pool.building:
            begun.set()
            released.wait(30)

    begun = threading.Event()
    with ThreadPoolExecutor(2) as executor:
        executor.submit(other)
        assert begun.wait(30)
        searching = executor.submit(lambda: run.search(Dense(), QUERY, run.chunks(CHUNKER, [DOCUMENT])))
        time.sleep(3)
        released.set()
        assert searching.result(30)
    [cost] = [step.facts["index_seconds"] for step in run.trace if step.name == "index"]
    assert cost < 3
