"""The engine without a model: whatever gives the replies, it counts, refuses and cuts as asked."""

from __future__ import annotations

from typing import Any

import pytest

from ragvlc.core.engines import Prompt, Request, TextEngine, TokenEngine, VectorEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.engines.scripted.cached_tokenizer import CachedTokenizer
from ragvlc.engines.scripted.engine import FunctionEngine, ScriptedCall, ScriptedEngine, ScriptedReply
from ragvlc.engines.scripted.filler import filler
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.engines.scripted.word_vectors import WordVectors, vectors_of_words


def request(text: str = "one two three", max_tokens: int = 4, **settings: Any) -> Request:
    return Request(Prompt("{q}", {"q": text}), max_tokens, **settings)


def says(text: str, **facts: Any):
    return lambda _: ScriptedReply(text, **facts)


def test_it_is_an_engine_for_texts_and_tokens() -> None:
    engine = ScriptedEngine(says("x"), 10)
    assert isinstance(engine, TextEngine)
    assert isinstance(engine, TokenEngine)
    assert isinstance(WordVectors(), VectorEngine)


def test_the_reply_is_a_function_of_the_call() -> None:
    calls: list[ScriptedCall] = []

    def answer(call: ScriptedCall) -> ScriptedReply:
        calls.append(call)
        return ScriptedReply(f"{len(call.prompt_ids)} tokens")

    engine = ScriptedEngine(answer, 100)
    assert [one.text for one in engine.generate([request("a"), request("a b")])] == ["1 tokens", "2 tokens"]
    sessions = engine.start(request()), engine.start(request(), width=64)
    assert [(call.opens_state, call.drafts) for call in calls] == [(False, False)] * 2 + [(True, False), (True, True)]
    assert [session.text(session.propose(9).tokens) for session in sessions] == ["3 tokens"] * 2
    assert sessions[1].width == 64


def test_tokens_are_counted_unless_the_reply_says_how_many() -> None:
    [counted] = ScriptedEngine(says("a b", logprob=-0.5), 100).generate([request(logprobs=True)])
    assert (counted.usage.prompt_tokens, counted.usage.cached_tokens, counted.usage.completion_tokens) == (3, 0, 2)
    assert counted.logprobs == (-0.5, -0.5)
    [said] = ScriptedEngine(says("a b", cached=2, tokens=7), 100).generate([request()])
    assert (said.usage.prompt_tokens, said.usage.cached_tokens, said.usage.completion_tokens) == (3, 2, 7)
    assert said.logprobs is None


def test_a_prompt_beyond_the_window_is_refused_before_any_reply_is_made() -> None:
    asked: list[ScriptedCall] = []
    engine = ScriptedEngine(lambda call: asked.append(call) or ScriptedReply("x"), 7)
    engine.generate([request()])
    with pytest.raises(WindowExceeded, match="4 prompt tokens and 4 new ones exceed the window of 7"):
        engine.generate([request(), request("one two three four")])
    with pytest.raises(WindowExceeded):
        engine.start(request("one two three four"))
    assert len(asked) == 1
    unchecked = ScriptedEngine(says("x"), 7, checks_window=False)
    assert unchecked.generate([request("one two three four")])[0].text == "x"


def test_a_window_may_be_refused() -> None:
    def unknown() -> int:
        raise EngineError("no window is known")

    with pytest.raises(EngineError, match="no window is known"):
        ScriptedEngine(says("x"), unknown).window  # noqa: B018 - reading it raises
    assert ScriptedEngine(says("x"), lambda: 12).window == 12


def test_replies_are_cut_only_where_asked() -> None:
    whole, cut = (ScriptedEngine(says("a b c d e STOP f"), 100, cuts_replies=cuts) for cuts in (False, True))
    [generation] = whole.generate([request(stop=("STOP",))])
    assert (generation.text, generation.finish, generation.token_ids) == ("a b c d e STOP f", "stop", ())
    [generation] = cut.generate([request(stop=("STOP",))])
    assert (generation.text, generation.finish, len(generation.token_ids)) == ("a b c d", "length", 4)
    [generation] = cut.generate([request(max_tokens=5, stop=(" STOP",))])
    assert (generation.text, generation.finish) == ("a b c d e", "stop")
    [generation] = cut.generate([request(stop=("c",))])
    assert (generation.text, generation.finish) == ("a b ", "stop")


def test_a_function_engine_logs_requests_and_sessions() -> None:
    engine = FunctionEngine(str.upper, window=3, sure=lambda reply: -float(len(reply)))
    [generation] = engine.generate([request("a b", logprobs=True)])
    assert (generation.text, generation.logprobs) == ("A B", (-3.0, -3.0))
    session = engine.start(request("c"))
    assert [one.prompt.text() for one in engine.requests] == ["a b", "c"]
    assert (engine.decode_states, engine.most_at_once) == ([session], 1)


def test_fillers_and_vectors_depend_on_nothing_but_what_is_given() -> None:
    words = WordTokenizer()
    assert words.count(filler(words, 50, "key")) == 50
    assert filler(words, 50, "key") == filler(words, 50, "key") != filler(words, 50, "other")
    one, other, empty = vectors_of_words(["red blue", "Blue, red!", ""], 64)
    assert one.tolist() == other.tolist()
    assert one @ one == pytest.approx(1.0)
    assert one @ empty < 0.1


def test_equal_prompts_are_rendered_once() -> None:
    class Counting(WordTokenizer):
        rendered = 0

        def render(self, prompt: Prompt) -> list[int]:
            self.rendered += 1
            return super().render(prompt)

    own = Counting()
    cached = CachedTokenizer(own)
    prompts = [Prompt("{a} b", {"a": "x"}), Prompt("x {b}", {"b": "b"}), Prompt("y")]
    assert [cached.render(prompt) for prompt in prompts] == [WordTokenizer().render(prompt) for prompt in prompts]
    assert own.rendered == 2
