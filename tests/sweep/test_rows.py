"""Rows of results: what they store of a reply, fields of other versions, and rows of the first version read again."""

from __future__ import annotations

import enum
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.core.replies import Reply
from ragvlc.pipeline import Pipeline
from ragvlc.results._decoding import decoded
from ragvlc.results.lines import sealed
from ragvlc.results.rows import from_row, to_row
from ragvlc.results.store import CellStore
from ragvlc.sweep.rereading import read_again
from tests.row_lines import of_version_2, write_rows

TRACE = (Step("read", {"n": 1}, steps=(Step("answer"),)),)


def stored(answer: Answer, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(json.dumps(to_row(Prediction("q", "key", answer, **fields))))
    return row


@pytest.mark.parametrize(
    "answer",
    [
        Answer("Rome"),
        Answer("Rome", thought="Paris", reply=Reply("<think>Paris</think>Rome", reason="stop")),
        Answer("Rome", thought="Paris", reply=Reply("Rome", thought="Paris", reason="stop")),
        Answer("Rome", thought="a\n\nb", reply=Reply("<think>b</think>Rome", thought="a", reason="end_turn")),
        Answer("", finish="refused", reply=Reply(refusal="I cannot.", reason="refusal", unread=("image",))),
        Answer("", finish="tool_call", reply=Reply("I look.", tool_call=True, reason="tool_calls")),
    ],
)
def test_a_row_gives_the_answer_and_the_reply_back(answer: Answer) -> None:
    found = from_row(stored(answer)).answer
    assert found == answer


def test_a_plain_reply_takes_no_place() -> None:
    row = stored(Answer("Rome", reply=Reply(" Rome\n", reason="stop")))
    assert (row["version"], "reply" in row["answer"], "thought" in row["answer"]) == (3, False, False)


def test_a_long_thought_is_cut_and_says_so() -> None:
    row = stored(Answer("Rome", thought="x" * 30_000, reply=Reply("Rome", thought="x" * 30_000)))
    assert len(row["answer"]["thought"]) < 20_100
    assert "10000 characters are not stored" in row["answer"]["thought"]
    assert len(json.dumps(row)) < 21_000


def test_fields_of_other_versions_are_written_again_at_every_level() -> None:
    row = stored(
        Answer(
            "Rome",
            thought="a",
            reply=Reply("Rome", thought="a", reason="end_turn"),
            trace=TRACE,
            bills={"main": Usage(1)},
        )
    )
    places = [
        row,
        row["answer"],
        row["answer"].setdefault("usage", {}),
        row["answer"].setdefault("timing", {}),
        row["answer"]["bills"]["main"],
        row["answer"]["trace"][0],
        row["answer"]["trace"][0]["steps"][0],
        row["answer"]["reply"],
    ]
    for number, place in enumerate(places):
        place["later"] = {"number": number, "list": [1, {"a": None}]}
    row["scoring"] = {"prompt_tokens": 3, "later": 1}
    again = to_row(replace(from_row(row), scores={"new": 1.0}))
    assert again.pop("scoring")["later"] == row.pop("scoring")["later"]
    assert again == {**row, "scores": {"new": 1.0}}


def test_a_failures_fields_go_with_the_failure() -> None:
    failure = {"stage": "generate", "type": "E", "message": "m", "transient": True, "later": 1}
    row = {"id": "q", "example_key": "key", "failure": failure, "scores": {}}
    prediction = from_row(row)
    assert to_row(prediction)["failure"] == failure
    assert "failure" not in to_row(replace(prediction, failure=None, answer=Answer("Rome")))


def test_a_row_with_half_a_character_is_written_as_utf8_and_an_old_one_is_read(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.append(Prediction("q\ud83d", "key", Answer("Paris \ud83d\ude00", trace=(Step("s", {"f": "\ude00"}),))))
    file = tmp_path / "predictions.jsonl"
    assert "Paris \U0001f600" in file.read_text("utf-8")
    old = '{"id":"q\ud83d","example_key":"key","failure":null,"scores":{}}\n'
    file.write_bytes(old.encode("utf-8", "surrogatepass"))
    assert list(store.load()) == ["q\ufffd"]


PIPELINE = Pipeline.model_validate({"generators": {"main": "scripted"}, "routes": {"it": "full_context"}})


def old(text: str, finish: str = "stop") -> Prediction:
    row = stored(Answer(text, "it", finish=finish), scores={"m": 1.0}, scored_by={"m": "now"})  # type: ignore[arg-type]
    row = of_version_2(row)
    del row["version"]
    return from_row(row)


def test_a_row_of_the_first_version_is_read_again_and_its_scores_are_stale() -> None:
    found = read_again(old("<think>Paris</think> Rome"), PIPELINE)
    assert found.answer is not None
    assert (found.answer.text, found.answer.thought, found.scored_by) == ("Rome", "Paris", {})
    assert to_row(found)["answer"]["reply"]["text"] == "<think>Paris</think> Rome"
    cut = read_again(old("<think>Paris", "length"), PIPELINE)
    assert (cut.answer.answered, cut.answer.finish, cut.scored_by) == (False, "length", {})


def test_the_generators_setting_reads_it() -> None:
    main = {"kind": "scripted", "thinking": "none"}
    pipeline = Pipeline.model_validate({"generators": {"main": main}, "routes": {"it": "full_context"}})
    row = old("<think>Paris</think> Rome")
    assert read_again(row, pipeline) == row


def test_an_answer_as_it_was_stays_and_no_answer_is_scored_again() -> None:
    assert read_again(old("Rome"), PIPELINE) == old("Rome")
    assert read_again(old("NONE", "declined"), PIPELINE) == old("NONE", "declined")
    assert read_again(old(""), PIPELINE).scored_by == {}


FULL = Answer(
    "Rome",
    "rag",
    (Hit(Chunk("d", 1, 2, 3, "", 4), 0.5),),
    (Span("d", 2, 3),),
    Usage(1, 2, 3, 4, 5, 6, 7, 8, 9),
    Timing(0.1, 0.0, 0.2, {"search": 0.3}),
    (Step("a", {"n": None, "deep": {"list": [1, 2.5, "x"]}}, Usage(1), 0.5, (Step("b", seconds=0.25), Step("c"))),),
    "length",
    reused=True,
    bills={"main": Usage(1), "judge": Usage()},
    memory={"process": 1},
    thought="hm",
    reply=Reply("<think>hm</think>Rome", reason="max_tokens", unread=("image",)),
    long_prompts={"main>5": Usage(3)},
)


@pytest.mark.parametrize(
    "row",
    [
        Prediction("q", "key", FULL, None, {"m": 0.5, "none": None}, ("flag",), {"m": "abc"}, Usage(7)),
        Prediction("q", "key", Answer("Rome")),
        Prediction("q", "key", Answer("", timing=Timing(first_token_seconds=0.0))),
        Prediction("q", "key", None, Failure("generate", "E", "m", True), {"m": 0.0}),
        Prediction("q", "key"),
    ],
    ids=["full", "plain", "empty", "failed", "nothing"],
)
def test_both_ways_of_reading_give_the_row_back(row: Prediction) -> None:
    line = sealed(row, "cell", 3)
    assert decoded(line) == row
    assert from_row(json.loads(line)) == row
    assert repr(decoded(line)) == repr(row)


def test_numbers_that_are_0_take_no_place() -> None:
    line = sealed(Prediction("q", "key", Answer("Rome", usage=Usage(calls=1), trace=(Step("a"),))), "cell")
    answer = json.loads(line)["answer"]
    assert (answer["usage"], answer["timing"]) == ({"calls": 1}, {})
    assert answer["trace"] == [{"name": "a", "facts": {}, "seconds": 0.0}]
    assert set(json.loads(line)) == {"hash", "version", "cell", "id", "example_key", "answer"}


@pytest.mark.parametrize("place", ["row", "answer", "usage", "step", "failure"])
def test_unknown_fields_are_left_to_the_reader_that_keeps_them(place: str, tmp_path: Path) -> None:
    row = json.loads(sealed(Prediction("q", "key", FULL, Failure("a", "b", "c")), tmp_path.name))
    places = {"row": row, "answer": row["answer"], "usage": row["answer"]["usage"], "failure": row["failure"]}
    (places | {"step": row["answer"]["trace"][0]["steps"][1]})[place]["later"] = [1]
    write_rows(tmp_path / "predictions.jsonl", [row])
    with pytest.raises(ValueError, match="later"):
        decoded((tmp_path / "predictions.jsonl").read_bytes())
    [found] = CellStore(tmp_path).load().values()
    assert found.answer == FULL
    assert json.loads(sealed(found, tmp_path.name)) == {**row, "hash": json.loads(sealed(found, tmp_path.name))["hash"]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")], object()])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        sealed(Prediction("q", "key", Answer("null", trace=(Step("s", {"f": value}),)), scores={"m": None}), "cell")


class Kind(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize("value", [None, "null", np.float64(0.1), 2**70, Kind.ONE, -0.0, 1e308, "\x00\u2028"])
def test_what_the_standard_library_writes_comes_back(value: object, tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    row = Prediction(
        "q", "key", Answer("null", usage=Usage(2**53 - 1), memory={"process": 0.5}, trace=(Step("s", {"f": value}),))
    )
    store.append(row)
    assert store.load() == {"q": row}


@pytest.mark.parametrize(
    "answer",
    [
        Answer("a", usage=Usage(1.5)),  # type: ignore[arg-type]
        Answer("a", usage=Usage(-1)),
        Answer("a", usage=Usage(2**53)),
        Answer("a", trace=(Step("s", {"dropped_tokens": "3"}),)),
        Answer("a", trace=(Step("s", steps=(Step("t", {"tried_at": "1  2"}),)),)),
        Answer("a", ranking=(Hit(Chunk("d", "1", 2, 3, ""), 0.5),)),  # type: ignore[arg-type]
        Answer(5),  # type: ignore[arg-type]
    ],
)
def test_a_row_that_could_not_be_read_again_is_not_written(answer: Answer, tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    with pytest.raises(ValueError, match="int|str"):
        store.append(Prediction("q", "key", answer))
    assert not store.has_rows
