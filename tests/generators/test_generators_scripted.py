"""The engine of rules counts and cuts like a real one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ragvlc.core.engines import Prompt, Request, TextEngine
from ragvlc.core.errors import WindowExceeded
from ragvlc.core.families import Generator
from ragvlc.generators.scripted import Scripted


def ask(spec: Scripted, text: str, **settings: object):
    (generation,) = spec.open().generate([Request(Prompt("{q}", {"q": text}), **{"max_tokens": 20, **settings})])
    return generation


def test_first_pattern_found_wins_and_groups_go_in() -> None:
    spec = Scripted(replies={r"capital of (\w+)": r"The capital of \1.", "capital": "Which?"}, default="None.")
    assert ask(spec, "What is the capital of France?").text == "The capital of France."
    assert ask(spec, "a capital idea").text == "Which?"
    assert ask(spec, "Hello").text == "None."
    assert isinstance(spec.open(), TextEngine)


def test_the_order_of_patterns_is_part_of_the_key() -> None:
    assert Scripted(replies={"a": "1", "b": "2"}).key != Scripted(replies={"b": "2", "a": "1"}).key
    assert Scripted(seconds_per_call=1).key == Scripted().key


def test_yaml_form_round_trips() -> None:
    spec = Generator.build({"kind": "scripted", "replies": {"x": "y"}, "window": 64})
    assert Generator.build(spec.spec()) == spec


def test_usage_is_counted_in_words_and_marks() -> None:
    generation = ask(Scripted(default="Yes, it is."), "one two three")
    assert (generation.usage.prompt_tokens, generation.usage.completion_tokens, generation.usage.calls) == (3, 5, 1)
    assert len(generation.token_ids) == 5
    assert generation.finish == "stop"
    assert generation.logprobs is None


def test_cut_at_max_tokens() -> None:
    generation = ask(Scripted(default="one two three four"), "q", max_tokens=2, logprobs=True)
    assert (generation.text, generation.finish) == ("one two", "length")
    assert generation.usage.completion_tokens == 2
    assert generation.logprobs == (0.0, 0.0)


def test_stop_texts_are_cut_off_at_the_first() -> None:
    generation = ask(Scripted(default="a b STOP c END d"), "q", stop=("END", "STOP"))
    assert (generation.text, generation.finish) == ("a b ", "stop")


def test_exactly_the_window_fits_and_one_more_does_not() -> None:
    assert ask(Scripted(window=5, default="x"), "a b c", max_tokens=2).text == "x"
    with pytest.raises(WindowExceeded, match="4 prompt tokens and 2 new ones exceed the window of 5"):
        ask(Scripted(window=5, default="x"), "a b c d", max_tokens=2)


def test_seeds_show_in_sampled_answers_only() -> None:
    spec = Scripted(default="seed {seed}", temperature=0.5)
    assert ask(spec, "q", seed=7).text == "seed 7"
    assert ask(spec, "q", seed=7, temperature=0.0).text == "seed {seed}"


def test_time_asked_for_is_taken_and_reported() -> None:
    timing = ask(Scripted(default="x", seconds_per_call=0.02), "q").timing
    assert timing.engine_seconds == 0.02
    assert timing.phases == {"decode": 0.02}


@pytest.mark.parametrize("replies", [{"(": "x"}, {"a": r"\1"}, {"a": r"\g<who>"}])
def test_patterns_and_groups_are_checked_when_read(replies: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="for pattern"):
        Scripted(replies=replies)
