"""Failures grouped by cause, and text made fit for a terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis.failures import failed_cells, failure_lines, reasons, said
from ragvlc.core.answer import Failure, Prediction
from ragvlc.core.texts import one_line, printable

NAMES = "abcdef"


def grouped(*messages: str) -> list[tuple[int, str]]:
    found = reasons((f"q{n}", Failure("generate", "EngineError", message)) for n, message in enumerate(messages))
    return [(one.count, one.failure.message) for one in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("prompt of 812 tokens, window 512", "prompt of 1,024 tokens, window 512"),
        ("no document 'ferry' here", "no document 'light house' here"),
        ('model "a b" is gone', 'model "c" is gone'),
        ("request req_8fa3b1 failed", "request req_77ac0 failed"),
        ("at 0x7f3aa0", "at 0x7f3bb1"),
        ("id abcd-12ef", "id b7-cc"),
        ("http://10.0.0.1:80 is away", "http://10.0.0.12:8000 is away"),
        ("two\n  lines", "two lines"),
    ],
)
def test_messages_that_differ_in_numbers_ids_and_quotes_are_one_reason(one: str, other: str) -> None:
    assert grouped(one, other) == [(2, one)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("out of memory", "no such model"),
        ("it doesn't read, can't", "it doesn't write, can't"),  # apostrophes are no quotes
        ("'choices'", "'references'"),  # what a KeyError says is all of it
        ("", "x"),
    ],
)
def test_other_messages_are_several_reasons(one: str, other: str) -> None:
    assert grouped(one, other) == [(1, one), (1, other)]


def test_stage_type_and_whether_it_is_transient_tell_reasons_apart() -> None:
    first = Failure("generate", "EngineError", "x")
    others = (replace(first, stage="route"), replace(first, type="ValueError"), replace(first, transient=True))
    assert [one.count for one in reasons(("a", one) for one in (first, *others, first))] == [2, 1, 1, 1]


def test_the_most_frequent_reason_comes_first_and_then_the_first() -> None:
    assert grouped("b", "a", "c", "c 1", "c") == [(2, "c"), (1, "b"), (1, "a"), (1, "c 1")]
    assert reasons([]) == ()


def test_cells_are_together_whatever_their_counts_if_causes_and_ends_agree(tmp_path: Path) -> None:
    def rows(*messages: str) -> list[Prediction]:
        good = [row(name, {"m": 1.0}) for name in NAMES[len(messages) :]]
        return [failed(name, {"m": 0.0}, message) for name, message in zip(NAMES, messages, strict=False)] + good

    cells = [
        cell("one", rows("down 1", "down 2")),
        cell("two", rows("down 3")),
        cell("three", rows("down 1", "other")),
        cell("four", rows()),
        cell("five", rows("down 1")[:3], done=False),
    ]
    results = write(tmp_path / "my runs", [example(name) for name in NAMES], cells)
    found = failed_cells(results)
    assert [[one.name for one in group.cells] for group in found] == [["one", "two"], ["three"], ["five"]]
    assert [[one.count for one in group.reasons] for group in found] == [[3], [1, 1], [1]]
    assert [group.head for group in found] == [
        "complete, 3 of 12 questions asked failed.",
        "complete, 2 of 6 questions asked failed.",
        "not complete, 1 of 3 questions asked failed.",
    ]
    assert f"ragvlc show '{results.folder}' --question a" in failure_lines(results)[2]
    status = dict.fromkeys((one.facts["key"] for one in results.cells), "complete")
    ended = failed_cells(results, status | {results.cells[3].facts["key"]: "pending"})
    assert [len(group.cells) for group in ended] == [3, 1, 1]
    assert failure_lines(results, status | {results.cells[3].facts["key"]: "pending"})[-2:] == [
        "four: not complete, some questions could not be judged for now.",
        "  Transient: run the experiment again.",
    ]


def test_what_is_transient_among_other_failures_is_advised_apart(tmp_path: Path) -> None:
    passing = Prediction("a", "key of a", failure=Failure("generate", "EngineError", "down", transient=True))
    rows = [passing, failed("b", {"m": 0.0})]
    results = write(tmp_path, [example("a"), example("b")], [cell("full", rows, done=False)])
    assert [one.advice for one in failed_cells(results)] == [
        "Run the experiment again for transient failures; for the others, fix the cause and add --retry failed."
    ]


def test_a_row_says_its_answer_and_why_it_has_none_or_no_scores() -> None:
    answered = row("a", {}, text="red \x1b[31mtext")
    assert said(answered) == "red text"
    assert said(replace(answered, failure=Failure("score", "ValueError", "odd"))) == (
        "red text\nnot scored: ValueError (score): odd"
    )
    assert said(failed("a", {})) == "failed: EngineError (generate): on purpose"
    assert said(Prediction("a")) == "no answer"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended", "]0;never ended"),
        ("\x1b[2Jgone\x1b", "gone"),
        ("\x9b31mC1", "31mC1"),
        ("bell\x07 back\x08 null\x00", "bell back null"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("\u202eevil\u2066", "evil"),
        ("茶 é 👩‍🚀", "茶 é 👩‍🚀"),
    ],
)
def test_what_steers_a_terminal_is_taken_out_of_a_text(given: str, expected: str) -> None:
    assert printable(given) == expected


def test_one_line_is_short_and_has_no_breaks() -> None:
    assert one_line(" a\n\n b\tc ", 5) == "a b c"
    assert one_line("abcdef", 5) == "abcde ..."
