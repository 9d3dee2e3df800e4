"""Scores of parts of the questions, and passages, checked against places worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import analysis_things as things
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_folders import as_control, cell, example, row, write

from ragvlc.analysis.bins import binned
from ragvlc.analysis.breakdowns import (
    by_position,
    by_tag,
    by_task,
    disagreements,
    document_lengths,
    document_position,
    tags,
)
from ragvlc.analysis.passages import passages
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer
from ragvlc.core.data import Span, covered
from ragvlc.results.positions import context_position


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return things.hostile(tmp_path_factory.mktemp("results") / "hostile")


def means(one: Any, cell_name: str) -> dict[str, tuple[float | None, int]]:
    [row] = [row for owner, row in one.rows if owner.name == cell_name]
    return {part: (found.mean, found.n) for part, found in zip(one.parts, row, strict=True)}


def test_a_metric_by_task_and_by_tag(results: Results) -> None:
    [first, second] = by_task(results.cells, results.metrics)
    assert (first.metric, second.metric) == ("m", "other")
    assert means(first, "rag k=2 size=64") == {"lookup": (2 / 6, 6), "reasoning": (2 / 6, 6)}
    assert tags(results.cells) == ["level"]
    [level] = by_tag(results.cells, "m", "level")
    assert means(level, "rag k=6 size=64") == {"easy": (2 / 6, 6), "hard": (1.0, 6)}


def test_parts_without_a_score_are_left_out(tmp_path: Path) -> None:
    asked = [example("a", task="open"), example("b", task="choice")]
    scored = [row("a", {"m": 1.0, "n": None}), row("b", {"m": None, "n": None})]
    found = by_task(write(tmp_path, asked, [cell("full", scored)], metrics=("m", "n")).cells, ("m", "n"))
    assert [(one.metric, one.parts) for one in found] == [("m", ("open",))]


SENT = (Span("d", 500, 600), Span("e", 0, 100), Span("d", 0, 100))


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([["d", 500, 520]], 10 / 300),
        ([["d", 40, 60]], 250 / 300),
        ([["e", 0, 100]], 0.5),
        ([["d", 590, 700]], 95 / 300),  # only what was sent counts
        ([["d", 0, 100], ["d", 500, 600]], (250 + 50) / 2 / 300),
        ([["d", 200, 300]], None),
        ([["d", 0, 10], ["d", 5, 10]], 205 / 300),  # overlapping spans count once
    ],
)
def test_the_place_in_what_was_sent_follows_the_order_of_the_prompt(evidence: Any, expected: float | None) -> None:
    sent = [(one.document_id, one.start, one.end) for one in SENT]
    found = context_position(covered(Span(*one) for one in evidence), sent)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_place_in_the_documents_runs_through_all_of_them() -> None:
    facts = {"evidence": [["e", 40, 60]], "documents": ["d", "e"]}
    assert document_position(facts, {"d": 300, "e": 100}) == pytest.approx(350 / 400)
    assert document_position(facts, {"e": 100}) is None, "a length that is not known"


def test_thirds_and_what_was_not_read(results: Results) -> None:
    shown = [results.cell("rag k=2 size=64"), results.cell("oracle")]
    [document] = by_position(shown, "m", "document", things.TEXTS)
    assert means(document, "rag k=2 size=64") == {
        "first third": (1.0, 4), "middle third": (0.0, 5), "last third": (0.0, 3),
    }  # fmt: skip
    [context] = by_position(shown, "m", "context")
    assert means(context, "rag k=2 size=64") == {
        "first third": (1.0, 1), "middle third": (1.0, 1), "last third": (1.0, 1), "not read": (1 / 9, 9),
    }  # fmt: skip


def test_a_hundred_questions_make_tenths(tmp_path: Path) -> None:
    asked = [example(f"q{n}", evidence=[["d", 10 * n, 10 * n + 10]]) for n in range(100)]
    scored = [row(f"q{n}", {"m": float(n < 10)}, context=(Span("d", 0, 1000),)) for n in range(100)]
    [found] = by_position(write(tmp_path, asked, [cell("full", scored)]).cells, "m", "document")
    assert len(found.parts) == 10
    assert [interval.mean for interval in found.rows[0][1]] == [1.0] + [0.0] * 9
    assert {interval.n for interval in found.rows[0][1]} == {10}


def test_a_cell_that_read_no_evidence_has_no_places(tmp_path: Path) -> None:
    asked = [example("a", evidence=[["d", 0, 5]])]
    cells = [cell("closed", [row("a", {"m": 1.0})]), cell("full", [row("a", {"m": 1.0}, context=(Span("d", 0, 9),))])]
    [found] = by_position(write(tmp_path, asked, cells).cells, "m", "context")
    assert [owner.name for owner, _ in found.rows] == ["full"]


def test_lengths_are_those_stored_or_given_or_read(tmp_path: Path) -> None:
    asked = [example("a", documents=["d", "e"]), example("b", documents=["f"], characters=[70])]
    rows = [row("a", {"m": 1.0}, context=(Span("d", 0, 40), Span("e", 5, 90))), row("b", {"m": 1.0})]
    cells = write(tmp_path, asked, [cell("full", rows)]).cells
    assert document_lengths(cells) == {"d": 40, "e": 90, "f": 70}
    assert document_lengths(cells, {"d": "x" * 50, "e": "too short", "f": "x"}) == {"d": 50, "e": 90, "f": 70}


def test_lengths_stored_for_every_document_are_taken_as_they_stand(tmp_path: Path) -> None:
    asked = [example("a", documents=["d", "e"], characters=[70, 80]), example("b", documents=["e"], characters=[80])]
    rows = [row("a", {"m": 1.0}, context=(Span("d", 0, 90), Span("not asked about", 0, 5))), row("b", {"m": 1.0})]
    cells = write(tmp_path, asked, [cell("full", rows)]).cells
    assert document_lengths(cells, {"d": "x" * 100}) == {"d": 70, "e": 80}


def test_disagreements_leave_controls_out_and_take_the_metric_that_applies(tmp_path: Path) -> None:
    asked = [example(name) for name in "abc"]

    def scored(*values: tuple[float | None, float]) -> list[Any]:
        return [row(n, {"m": m, "n": other}) for n, (m, other) in zip("abc", values, strict=True)]

    cells = [
        cell("one", scored((1.0, 0.0), (None, 0.4), (0.5, 0.0))),
        cell("two", scored((0.2, 0.0), (None, 0.1), (0.5, 1.0))),
        cell("oracle", as_control(scored((0.0, 1.0), (None, 1.0), (1.0, 1.0))), control=True),
    ]
    results = write(tmp_path, asked, cells, metrics=("m", "n"))
    found = disagreements(results.cells, results.metrics, 5)
    assert [(one.question, one.metric, pytest.approx(one.spread)) for one in found] == [
        ("a", "m", 0.8),
        ("b", "n", 0.3),
    ]
    assert len(disagreements(results.cells, results.metrics, 1)) == 1


def test_passages_are_joined_marked_and_shortened() -> None:
    text = "".join(chr(97 + n % 26) for n in range(3000))
    facts = {"evidence": [["d", 1500, 1510]]}
    sent = (Span("d", 0, 1000), Span("d", 1000, 2000), Span("d", 2500, 2600), Span("e", 0, 5))
    found = passages(facts, Answer("x", context=sent), {"d": text, "e": "four"})
    assert [(one.span, one.evidence) for one in found] == [
        (Span("d", 0, 2000), 10), (Span("d", 2500, 2600), 0), (Span("e", 0, 5), 0),
    ]  # fmt: skip
    assert [piece.text for piece in found[0].pieces if piece.evidence] == [text[1500:1510]]
    shown = "".join(piece.text for piece in found[0].pieces)
    assert shown == " [...] ".join([text[:120], text[1380:1630], text[1880:2000]])
    assert "".join(piece.text for piece in found[1].pieces) == text[2500:2600]
    assert found[2].pieces == (), "a document shorter than its passage is another document"
    assert passages(facts, Answer("x", context=sent))[0].pieces == ()


def test_a_breakdown_by_a_number_has_bins_of_about_equal_size_with_the_values_that_they_hold() -> None:
    values = [3, 3, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987]
    lengths = {f"q{place}": value for place, value in enumerate(values)}
    found = binned(lengths)
    assert found is not None
    assert found.labels == ("3 to 8", "13 to 89", "144 to 987")
    assert [found.label(value) for value in (3, 8, 13, 987)] == ["3 to 8", "3 to 8", "13 to 89", "144 to 987"]


@given(st.lists(st.integers(-50, 50) | st.floats(-1e6, 1e6), min_size=8, max_size=80))
def test_every_value_is_in_the_bin_that_its_label_says(values) -> None:
    bins = binned({str(place): value for place, value in enumerate(values)})
    if bins is None:
        return
    assert len(set(bins.labels)) == len(bins.labels) == len(bins.starts) <= 4
    held: dict[str, list[float]] = {}
    for value in values:
        held.setdefault(bins.label(value), []).append(value)
    assert set(held) == set(bins.labels)
    ordered = [held[label] for label in bins.labels]
    assert all(max(low) < min(high) for low, high in zip(ordered, ordered[1:], strict=False))


@pytest.mark.parametrize(
    "values",
    [
        list(range(40)),  # running numbers
        [1, 2, 3, 4, 5, 6] * 5,  # few values
        [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5],  # few questions
        ["a", *range(5, 40, 3)],
        [True, False] * 20,
        ["nan", *map(str, range(5, 40, 3))],
    ],
)
def test_what_is_no_number_or_a_few_of_them_is_not_binned(values) -> None:
    assert binned({str(place): value for place, value in enumerate(values)}) is None


def test_a_tag_with_many_numbers_or_numbers_as_text_is_broken_down_in_bins(tmp_path) -> None:
    names = [f"q{place:02d}" for place in range(20)]
    numbers = {name: {"tokens": place * place, "year": str(1900 + 3 * place)} for place, name in enumerate(names)}
    asked = [example(name, tags=numbers[name]) for name in names]
    loaded = write(tmp_path, asked, [cell("full", [row(name, {"m": float(name < "q10")}) for name in names])])
    assert tags(loaded.cells) == ["tokens", "year"]
    [found] = by_tag(loaded.cells, "m", "tokens")
    assert found.parts == ("0 to 25", "36 to 144", "169 to 361")
    assert [interval.n for interval in found.rows[0][1]] == [6, 7, 7]
    [found] = by_tag(loaded.cells, "m", "year")
    assert found.parts == ("1900 to 1915", "1918 to 1936", "1939 to 1957")
