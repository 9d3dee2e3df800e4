"""What reading costs by length: counted pairs, calls and seconds, and the powers with which they grow."""

from __future__ import annotations

from io import StringIO

import pytest
import sweep_folders as made
from rich.console import Console

from ragvlc.analysis.page import html_page
from ragvlc.analysis.reading import CostCurve, ReadingCost, curves, reading_cost
from ragvlc.analysis.report import terminal_report
from ragvlc.core.answer import Step, Timing, Usage

LENGTHS = (1000, 2000, 4000)
WINDOW = 500


def answered(prompts, seconds):
    """Returns what an answer of so many calls leaves."""
    calls = tuple(Step("call", {"prompt_tokens": tokens, "completion_tokens": 2}) for tokens in prompts)
    usage = Usage(sum(prompts), 0, 2 * len(prompts), len(prompts))
    trace = (Step("split", {"agents": len(prompts), "paths": 1}), Step("worker", usage=usage, steps=calls))
    return {"usage": usage, "timing": Timing(engine_seconds=seconds), "trace": trace}


def cost_cell(pipeline, length, prompts, seconds):
    rows = [made.row(name, {"m": 1.0}, **answered(prompts, seconds * times)) for name, times in (("a", 1), ("b", 3))]
    settings = {"dataset.pad_to_tokens": length}
    return made.cell(f"{pipeline} pad_to_tokens={length}", rows, pipeline=pipeline, settings=settings)


@pytest.fixture
def results(tmp_path):
    """Full context whose seconds grow with the square of the length, and a chain of full windows."""
    cells = [cost_cell("full", length, [length], length**2 / 1e6) for length in LENGTHS]
    cells += [cost_cell("chain", length, [WINDOW] * (length // WINDOW), length / 1e3) for length in LENGTHS]
    return made.write(tmp_path / "grown", [made.example("a"), made.example("b")], cells)


def test_costs_are_means_of_what_was_counted(results):
    full, chain = curves(results.cells)
    assert [one.length for one in full.costs] == list(LENGTHS)
    assert [one.pairs for one in full.costs] == [pytest.approx(n * (n + 1) / 2e6) for n in LENGTHS]
    assert [one.pairs for one in chain.costs] == [pytest.approx(n // 500 * 500 * 501 / 2e6) for n in LENGTHS]
    assert [one.calls for one in chain.costs] == [2, 4, 8]
    assert [one.seconds for one in full.costs] == [2.0, 8.0, 32.0]


def test_the_table_says_that_one_grows_with_the_square_and_the_other_in_step(results):
    table = reading_cost(results)
    shown = {name: [entry.text for entry in entries] for name, entries in table.rows}
    assert [head.replace("\n", " ") for head in table.heads[:3]] == [
        "pairs at 1,000",
        "pairs at 4,000",
        "growth exponent",
    ]
    assert shown == {
        "full": ["0.50", "8.00", "2.0", "1.0", "1.0", "2.00", "32.00", "2.0"],
        "chain": ["0.25", "1.00", "1.0", "2.0", "8.0", "2.00", "8.00", "1.0"],
    }


def test_the_figure_has_a_panel_for_each_cost(results):
    pairs, calls, seconds = results.figure("reading_cost").axes
    assert [place.get_ylabel() for place in (pairs, calls, seconds)] == [
        "pairs of tokens (millions)",
        "calls",
        "seconds in the model",
    ]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in calls.get_lines()}
    assert drawn == {"full": [[n, 1.0] for n in LENGTHS], "chain": [[n, n / WINDOW] for n in LENGTHS]}


def test_it_is_part_of_both_reports(results):
    console = Console(width=160, record=True, file=StringIO())
    console.print(*terminal_report(results))
    assert "Reading cost by length of the context" in console.export_text()
    page = html_page(results)
    assert "Reading cost by length of the context" in page
    assert "Cost of reading by context length" in page


def test_what_a_trace_does_not_tell_is_no_figure(tmp_path):
    bare = {"trace": (), "usage": Usage(100, 0, 4, 2)}
    cells = [
        made.cell(f"x {n}", [made.row("a", {"m": 1.0}, **bare)], pipeline="x", settings={"dataset.pad_to_tokens": n})
        for n in LENGTHS
    ]
    found = made.write(tmp_path, [made.example("a")], cells)
    [curve] = curves(found.cells)
    assert [place.get_ylabel() for place in found.figure("reading_cost").axes] == ["calls", "seconds in the model"]
    assert [one.pairs for one in curve.costs] == [None] * 3
    assert curve.power(lambda one: one.pairs) is None
    assert curve.power(lambda one: one.calls) == pytest.approx(0)
    assert (
        CostCurve("x", (ReadingCost(10, None, 1, 0.0), ReadingCost(20, 1.0, 1, 0.0))).power(lambda c: c.seconds) is None
    )


def test_what_asks_no_model_has_no_curve(tmp_path):
    silent = [
        made.cell(f"x {n}", [made.row("a", {"m": 1.0}, usage=Usage())], settings={"dataset.pad_to_tokens": n})
        for n in LENGTHS
    ]
    found = made.write(tmp_path / "silent", [made.example("a")], silent)
    assert curves(found.cells) == []
    assert "reading_cost" not in found.figures()


def test_without_several_lengths_there_is_nothing(tmp_path):
    one = made.write(tmp_path, [made.example("a")], [made.cell("x", [made.row("a", {"m": 1.0})])])
    assert reading_cost(one) is None
    assert "reading_cost" not in one.figures()
