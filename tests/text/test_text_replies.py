"""What a reply says: answer, thought, why it ended, and whether there is an answer at all."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ragvlc.core.answer import Finish
from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.core.engines import Generation
from ragvlc.core.replies import Reply, bounded, read_reply_json, reply_json
from ragvlc.core.surrogates import joined, joined_within
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.scripted import Scripted
from ragvlc.text.generations import read_generation
from ragvlc.text.replies import finish_of, read_reply


@pytest.mark.parametrize(
    ("reply", "finish", "answer"),
    [
        (Reply("Rome", reason="stop"), "stop", "Rome"),
        (Reply("Rome", reason="MAX_TOKENS"), "length", "Rome"),
        (Reply("Rome", reason="FinishReason.STOP"), "stop", "Rome"),
        (Reply("Rome"), "none", "Rome"),
        (Reply("Rome", reason="who knows"), "none", "Rome"),
        (Reply("", reason="stop"), "stop", ""),
        (Reply(" \n\u200b", reason="stop"), "stop", ""),
        (Reply("...", reason="stop"), "stop", ""),
        (Reply("<think>\n</think>\n\n.", reason="stop"), "stop", ""),
        (Reply("<|im_end|>", reason="stop"), "stop", ""),
        (Reply("</s>\u2800\ufffd", reason="stop"), "stop", ""),
        (Reply("+", reason="stop"), "stop", "+"),
        (Reply("<b>", reason="stop"), "stop", "<b>"),
        (Reply("\u20ac", reason="stop"), "stop", "\u20ac"),
        (Reply("", thought="hm", reason="length"), "length", ""),
        (Reply("Ro", reason="content_filter"), "filtered", "Ro"),
        (Reply("", reason="SAFETY"), "filtered", ""),
        (Reply("I look it up.", tool_call=True, reason="tool_calls"), "tool_call", ""),
        (Reply("Rome", reason="tool_calls"), "stop", "Rome"),
        (Reply('<tool_call>{"name": "search"}</tool_call>', reason="stop"), "tool_call", ""),
        (Reply("", refusal="I cannot help.", reason="stop"), "refused", ""),
        (Reply("I can", reason="refusal"), "refused", ""),
    ],
)
def test_a_reply_is_read(reply: Reply, finish: Finish, answer: str) -> None:
    found = read_reply(reply)
    assert (found.finish, found.answer, found.answered) == (finish, answer, bool(answer))


def test_thoughts_sent_apart_and_within_the_text_are_both_read() -> None:
    found = read_reply(Reply("<think>b</think>Rome", thought="a", reason="stop"))
    assert (found.answer, found.thought) == ("Rome", "a\n\nb")


def test_words_for_reasons_of_many_servers() -> None:
    assert finish_of("FINISH_REASON_SAFETY") == "filtered"
    assert finish_of("end-turn") == "stop"
    assert finish_of("") == "none"


def test_a_stored_reply_is_the_same_again() -> None:
    reply = Reply("a", "b", "c", True, "stop", "<think>", 3, ("image",))
    assert read_reply_json(reply_json(reply)) == reply
    assert reply_json(Reply("a")) == {"text": "a"}
    assert read_reply_json({"text": "a", "of_a_later_version": 1}) == Reply("a")


def test_a_long_thought_says_that_it_was_cut() -> None:
    cut = bounded("a" * 50 + "b" * 50, 20)
    assert cut == "a" * 10 + "\n[... 80 characters are not stored ...]\n" + "b" * 10
    assert bounded("abc", 3) == "abc"


def test_the_thought_is_counted_and_has_no_log_probabilities() -> None:
    generation = Generation("<think> a b </think> Rome", logprobs=(-1.0,) * 8 + (-0.5,))
    found = read_generation(generation, "auto", WordTokenizer)
    assert (found.text, found.thought) == ("Rome", "a b")
    assert found.logprobs == (-0.5,)
    assert found.notes["thoughts_read"] == 1
    assert found.reply == Reply("<think> a b </think> Rome", reason="stop")


def test_reading_a_second_time_with_another_setting_starts_from_what_came() -> None:
    first = read_generation(Generation("<think>a</think>Rome"), "auto", WordTokenizer)
    again = read_generation(first, "none", WordTokenizer)
    assert (first.text, again.text) == ("Rome", "<think>a</think>Rome")


def test_the_limit_is_that_of_the_answer() -> None:
    found = read_generation(Generation("<think>a b c d</think>Rome is it"), "auto", WordTokenizer, limit=2)
    assert (found.text, found.finish) == ("Rome is", "length")


def test_halves_of_a_character_are_joined_or_replaced() -> None:
    assert joined("a \ud83d\ude00 b") == "a \U0001f600 b"
    assert joined("a \ud83d b \ude00") == "a \ufffd b \ufffd"
    assert joined("\ude00\ud83d") == "\ufffd\ufffd"
    assert joined("h\u00e9") == "h\u00e9"
    assert joined_within({"\ud83d\ude00": ["\ud83d", 1, None]}) == {"\U0001f600": ["\ufffd", 1, None]}


def test_text_of_files_and_ids_is_mended_where_it_enters() -> None:
    document = Document("d\ud83d", "x\ud83d\ude00", "t\ude00", {"a": ["\ud83d"]})
    assert (document.id, document.text, document.title) == ("d\ufffd", "x\U0001f600", "t\ufffd")
    assert document.metadata == {"a": ["\ufffd"]}
    query = Query("q\ud83d", "\ud83d\ude00?", ("\ud83d",))
    example = Example(query, (document,), ("\ud83d",), evidence=(Span("d\ud83d", 0, 1),), tags={"t": "\ude00"})
    assert (example.id, query.text, query.choices) == ("q\ufffd", "\U0001f600?", ("\ufffd",))
    assert (example.references, example.evidence) == (("\ufffd",), (Span("d\ufffd", 0, 1),))
    assert example.tags == {"t": "\ufffd"}


def test_a_format_that_is_not_known_names_the_nearest() -> None:
    with pytest.raises(ValidationError, match="'thnik' is no format of thoughts.*Nearest: think"):
        Scripted(thinking="thnik")
    assert Scripted(thinking="<plan> </plan>").key != Scripted().key
    assert Scripted(thinking="<plan> </plan>").reply_key == Scripted().reply_key == Scripted().key
    assert Scripted(thinking_tokens=9).reply_key != Scripted().reply_key
