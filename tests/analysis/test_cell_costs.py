"""Money by the number of questions about a document, from stored rows, against cases computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from sweep_folders import cell, example, write

from ragvlc.analysis._routing_break_even import break_even
from ragvlc.analysis.cell_costs import cell_cost
from ragvlc.analysis.document_costs import break_even as lines_meet
from ragvlc.analysis.money_tables import money_tables
from ragvlc.analysis.page import html_page
from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.analysis.routing import routing_groups
from ragvlc.core.answer import Answer, Prediction, Step, Usage
from ragvlc.core.data import Span
from ragvlc.results.loading import CellResult
from ragvlc.results.positions import read_from_start

SONNET = {
    "prompt": 3.0, "completion": 15.0, "cached": 0.3, "cache_write": 3.75, "lifetime": 300,
    "long_prompt": {"above": 200_000, "prompt": 6.0, "completion": 22.5, "cached": 0.6, "cache_write": 7.5},
}  # fmt: skip
GPT = {
    "prompt": 2.5, "completion": 15.0, "cached": 0.25,
    "long_prompt": {"above": 272_000, "prompt": 5.0, "completion": 22.5, "cached": 0.5},
}  # fmt: skip
GEMINI = {
    "prompt": 1.25, "completion": 10.0, "cached": 0.125, "storage": 4.5, "lifetime": 3600,
    "long_prompt": {"above": 200_000, "prompt": 2.5, "completion": 15.0, "cached": 0.25},
}  # fmt: skip
LENGTH = 1000
"""Characters of each document."""


def questions(documents: int, each: int) -> list[dict[str, Any]]:
    return [
        example(
            f"d{n}q{m}", f"d{n}", question="", documents=[f"d{n}"], characters=[LENGTH], group=f"d{n}",
        )
        for n in range(documents)
        for m in range(each)
    ]  # fmt: skip


def answer(
    name: str,
    route: str,
    usage: Usage,
    *,
    sent: tuple[int, int] | None = (0, LENGTH),
    reason: str = "always",
    **more: Any,
) -> Prediction:
    """Returns a row whose prompt held this part of its document."""
    context = () if sent is None else (Span(name.partition("q")[0], *sent),)
    trace = (Step("route", {"route": route, "reason": reason}),)
    given = {"route": route, "usage": usage, "bills": {"main": usage}, "trace": trace, "context": context}
    return made.row(name, {"m": 1.0}, **(given | more))


def priced(folder: Path, price: dict[str, Any], asked: list[dict[str, Any]], **rows: list[Prediction]) -> Results:
    return write(folder, asked, [cell(name, own, prices={"main": price}) for name, own in rows.items()])


def full_and_rag(
    folder: Path, price: dict[str, Any], *, full: int, rag: int, new: int = 0, gap: float = 0.0
) -> Results:
    """Returns one question about each of two documents, by full context and by retrieval; no hit was ever measured."""
    asked = questions(2, 1)
    names = [one["id"] for one in asked]
    loaded = priced(
        folder, price, asked,
        full=[answer(name, "full", Usage(full, 0, new, 1)) for name in names],
        rag=[answer(name, "rag", Usage(rag, 0, new, 1), sent=(200, 300)) for name in names],
    )  # fmt: skip
    return loaded.with_gap(gap)


def lines(results: Results) -> list[Any]:
    return [found.cost for one in results.cells if (found := cell_cost(one)) is not None]


@pytest.mark.parametrize(("write_at", "number"), [(1.0, 45), (1.25, 57.5), (2.0, 95)])
def test_the_break_even_of_stored_answers_has_the_cost_of_writing(tmp_path, write_at, number):
    price = {"prompt": 1.0, "completion": 0.0, "cached": 0.1, "cache_write": write_at, "lifetime": 300}
    results = full_and_rag(tmp_path, price, full=100_000, rag=12_000)
    assert lines_meet(*lines(results)) == pytest.approx(number)
    [group] = routing_groups(results)
    assert break_even(group).questions_money.mean == pytest.approx(number), "the router report says the same"
    [group] = routing_groups(results.with_gap(301))
    assert break_even(group).questions_money.mean is None, "expired: each question writes it anew"


def test_the_router_report_charges_long_prompts_at_their_prices(tmp_path):
    results = full_and_rag(tmp_path, SONNET, full=250_000, rag=20_000)
    [group] = routing_groups(results)
    # first: .25 x 7.5 - .02 x 3; further: .02 x 3 - .25 x .6 is less than nothing
    assert break_even(group).questions_money.mean is None
    dearer = SONNET | {"long_prompt": SONNET["long_prompt"] | {"cached": 0.1}}
    [group] = routing_groups(full_and_rag(tmp_path / "b", dearer, full=250_000, rag=20_000))
    assert break_even(group).questions_money.mean == pytest.approx(1 + (1.875 - 0.06) / (0.06 - 0.025))


def test_claude_writes_at_a_quarter_more_and_above_200_000_tokens_at_the_long_prices(tmp_path):
    # Claude Sonnet 4.5 (docs.claude.com, pricing): 3 in, 15 out, writes for five minutes 3.75 and for an hour 6, reads
    # .30; above 200,000 prompt tokens 6, 22.50, 7.50, 12 and .60. Measured: 100,000 tokens written, then read.
    asked = questions(1, 3)
    first, *later = [one["id"] for one in asked]
    rows = [answer(first, "full", Usage(101_000, 0, 200, 1, written_tokens=100_000))]
    rows += [answer(name, "full", Usage(101_000, 100_000, 200, 1)) for name in later]
    results = priced(tmp_path, SONNET, asked, full=rows)
    [full] = lines(results)
    each = 1_000 * 3e-6 + 200 * 15e-6
    assert full.money(1) == pytest.approx(0.375 + each)
    assert full.money(10) == pytest.approx(0.375 + 9 * 0.03 + 10 * each)
    assert full.money(10, 301) == pytest.approx(10 * (0.375 + each))
    assert sum(results.cells[0].columns.of("money")) == pytest.approx(full.money(3)), "as the rows were billed"
    hour = {**SONNET, "cache_write": 6.0, "lifetime": 3600}
    [full] = lines(priced(tmp_path / "hour", hour, asked, full=rows))
    assert full.money(10, 301) == pytest.approx(0.6 + 9 * 0.03 + 10 * each)
    [full, _] = lines(full_and_rag(tmp_path / "long", SONNET, full=300_000, rag=12_000, new=100))
    assert full.money(5) == pytest.approx(0.3 * 7.5 + 4 * 0.3 * 0.6 + 5 * 100 * 22.5e-6)


def test_gpt_writes_for_nothing_and_doubles_its_prices_above_272_000_tokens(tmp_path):
    # GPT-5.4 (openai.com/api/pricing): 2.50 in, .25 cached, 15 out; above 272,000 prompt tokens 5, .50 and 22.50.
    full, rag = lines(full_and_rag(tmp_path, GPT, full=100_000, rag=30_000, new=100))
    assert full.money(1) == pytest.approx(0.25 + 0.0015)
    assert full.money(10) == pytest.approx(0.25 + 9 * 0.025 + 10 * 0.0015)
    assert lines_meet(full, rag) == pytest.approx(1 + 0.175 / 0.05)
    full, rag = lines(full_and_rag(tmp_path / "long", GPT, full=300_000, rag=30_000, new=100))
    assert full.money(10) == pytest.approx(0.3 * 5 + 9 * 0.3 * 0.5 + 10 * 100 * 22.5e-6)
    assert lines_meet(full, rag) is None


def test_gemini_stores_by_the_hour_and_doubles_its_prices_above_200_000_tokens(tmp_path):
    # Gemini 2.5 Pro (ai.google.dev/gemini-api/docs/pricing): 1.25 in, .125 cached, 10 out, 4.50 for a million cached
    # tokens and hour; above 200,000 prompt tokens 2.50, .25 and 15. A question every ten minutes, an hour of life.
    full, _ = lines(full_and_rag(tmp_path, GEMINI, full=100_000, rag=10_000, new=200, gap=600))
    assert full.money(7, 600) == pytest.approx(0.125 + 6 * 0.0125 + 0.45 + 6 * 0.075 + 7 * 0.002)
    full, _ = lines(full_and_rag(tmp_path / "long", GEMINI, full=400_000, rag=10_000, new=200, gap=600))
    assert full.money(7, 600) == pytest.approx(1.0 + 6 * 0.1 + 1.8 + 6 * 0.3 + 7 * 0.003)


def test_lengths_on_both_sides_of_a_limit_are_charged_each_at_its_own(tmp_path):
    asked = questions(2, 1)
    rows = [answer("d0q0", "full", Usage(150_000, 0, 0, 1)), answer("d1q0", "full", Usage(250_000, 0, 0, 1))]
    results = priced(tmp_path, SONNET, asked, full=rows)
    [full] = lines(results)
    assert full.money(4) == pytest.approx((0.15 * (3.75 + 3 * 0.3) + 0.25 * (7.5 + 3 * 0.6)) / 2)
    found = cell_cost(results.cells[0])
    assert (found.basis, found.shared, found.long) == ("documents", pytest.approx(200_000), 0.5)


def test_how_a_shared_prefix_is_known(tmp_path):
    asked = questions(2, 2)
    names = [one["id"] for one in asked]
    price = {"prompt": 1.0, "completion": 0.0, "cached": 0.1}

    def known(usage: Usage, **more: Any) -> tuple[str, float]:
        found = cell_cost(
            priced(tmp_path / str(len(list(tmp_path.iterdir()))), price, asked, one=[
                answer(name, "one", usage, **more) for name in names
            ]).cells[0]
        )  # fmt: skip
        return found.basis, round(found.shared)

    assert known(Usage(5_000, 0, 0, 1)) == ("documents", 5_000)
    assert known(Usage(5_000, 0, 0, 1), sent=(0, 900)) == ("documents", 5_000), "truncated, but alike"
    assert known(Usage(5_000, 0, 0, 1), sent=(100, 200)) == ("nothing", 0)
    assert known(Usage(5_000, 4_000, 0, 1)) == ("measured", 4_000)
    assert known(Usage(5_000, 20, 0, 1)) == ("measured", 0), "a question in front of its document"
    assert known(Usage(5_000, 2_000, 0, 1), sent=(100, 200)) == ("measured", 2_000), "passages, but always the same"
    assert known(Usage(5_000, 0, 0, 2)) == ("unknown", 0)
    assert known(Usage(6_000, 3_000, 0, 2)) == ("measured", 3_000), "two calls of 1,500 shared tokens"
    assert known(Usage(6_000, 2_000, 0, 2)) == ("measured", 0), "two of 1,000, too few for a cache"
    assert known(Usage(5_000, 0, 0, 1), sent=None) == ("nothing", 0)


@pytest.mark.parametrize(
    ("context", "sent", "lead"),
    [
        ([("a", 0, 10), ("b", 0, 5)], 15, 15),
        ([("b", 0, 5), ("a", 0, 10)], 15, 0),
        ([("a", 0, 4), ("a", 4, 10), ("b", 0, 2)], 12, 12),
        ([("a", 0, 4), ("a", 2, 8)], 8, 8),  # pieces that overlap are read once
        ([("a", 0, 4), ("a", 6, 10), ("b", 0, 5)], 13, 4),
        ([("a", 0, 4), ("b", 0, 5)], 9, 4),
        ([("a", 1, 10)], 9, 0),
        ([("c", 0, 3)], 3, 0),
        ([], 0, 0),
    ],
)
def test_what_was_read_from_the_start(context, sent, lead):
    assert read_from_start(context, (("a", 10), ("b", 5))) == (sent, lead)
    assert read_from_start(context, ())[1] == 0, "documents that are not named"


def test_misses_and_chance_hits_are_no_shared_prefix(tmp_path):
    asked = questions(1, 4)

    def shared(*cached: int, **more: Any) -> float:
        rows = [
            answer(one["id"], "one", Usage(5_000, hit, 0, 1), **more) for one, hit in zip(asked, cached, strict=True)
        ]
        found = cell_cost(priced(tmp_path / "-".join(map(str, (*cached, *more))), SONNET, asked, one=rows).cells[0])
        assert found.basis == "measured"
        return found.shared

    assert shared(20, 20, 20, 4_600) == pytest.approx(4_600), "three asked at once"
    assert shared(0, 0, 4_500, 4_600) == pytest.approx(4_550)
    assert shared(40, 2_000, 60, 2_100, sent=(100, 200)) == 0, "retrieved passages, of which some come first twice"
    assert shared(20, 2_000, 1_500, 1_500, sent=(100, 200)) == pytest.approx(1_500), "all but the first found these"


def test_a_single_question_of_a_document_shares_it_only_if_nothing_else_was_sent(tmp_path):
    asked = questions(1, 1)
    for number, (sent, shared) in enumerate([((0, LENGTH), 5_000), ((0, 900), 5_000), ((1, 900), 0)]):
        rows = [answer("d0q0", "full", Usage(5_000, 0, 0, 1), sent=sent)]
        found = cell_cost(priced(tmp_path / str(number), SONNET, asked, full=rows).cells[0])
        assert found.shared == pytest.approx(shared)
    mixed = Span("d0", 0, 300), Span("d0", 500, 700)
    rows = [answer("d0q0", "rag", Usage(5_000, 0, 0, 1), context=mixed)]
    assert cell_cost(priced(tmp_path / "mixed", SONNET, asked, rag=rows).cells[0]).basis == "nothing"


def test_a_router_writes_as_often_as_chance_sends_a_first_question_to_full_context(tmp_path):
    asked = questions(2, 2)
    price = {"prompt": 1.0, "completion": 0.0, "cached": 0.1, "cache_write": 1.25}
    rows = [
        answer(one["id"], "full", Usage(100_000, 0, 0, 1), reason="looked") if one["id"].endswith("0")
        else answer(one["id"], "rag", Usage(10_000, 0, 0, 1), reason="looked", sent=(200, 300))
        for one in asked
    ]  # fmt: skip
    results = priced(tmp_path, price, asked, router=rows)
    [router] = lines(results)
    assert cell_cost(results.cells[0]).sharing == 0.5
    assert router.money(1) == pytest.approx(0.5 * 0.125 + 0.5 * 0.01)
    # of two questions, with 3 in 4 some one writes, and of one expected whole reading a quarter reads
    assert router.money(2) == pytest.approx(0.75 * 0.125 + 0.25 * 0.01 + 2 * 0.5 * 0.01)
    rag = lines(full_and_rag(tmp_path / "two", price, full=100_000, rag=20_000))[1]
    level = lines_meet(router, rag)
    assert level is not None
    assert router.money(level) == pytest.approx(0.02 * level)
    assert router.money(level - 0.1) > 0.02 * (level - 0.1)


def test_what_has_no_figure_is_said_with_what_to_do(tmp_path):
    asked = questions(1, 2)
    names = [one["id"] for one in asked]
    usage = Usage(5_000, 0, 10, 1)
    both = {"main": usage, "small": Usage(10, 0, 1, 1)}
    cells = [
        cell("full", [answer(name, "full", usage) for name in names], prices={"main": SONNET}),
        cell("two", [answer(name, "two", usage, bills=both) for name in names], prices={"main": SONNET}),
        cell("free", [answer(name, "free", usage) for name in names], prices={}),
        cell("long", [answer(names[0], "long", Usage(300_000, 0, 1, 2)), answer(names[1], "long", usage)],
             prices={"main": SONNET}),
    ]  # fmt: skip
    found, even = money_tables(write(tmp_path, asked, cells))
    assert [name for name, _ in found.rows] == ["full", "long"]
    assert [name for name, _ in even.rows] == ["full", "long"]
    assert "Not in the table: two. Add `price: {prompt: ..., completion: ...}`" in found.note
    assert "to generators.small and run again" in found.note
    assert "Not in the table: free. Add" in found.note
    assert "to its generators and run again" in found.note
    assert "not known which of their calls were long: answers of long (1)." in found.note
    assert not money_tables(write(tmp_path / "free", asked, cells[2:3]))


def test_the_report_has_the_table_the_rules_and_the_figure(tmp_path):
    results = full_and_rag(tmp_path, SONNET, full=100_000, rag=12_000)
    found, even = money_tables(results)
    assert found.heads == ("1\nquestion", "10\nquestions", "100\nquestions", "shared\ntokens", "known\nby")
    words = dict(zip(found.heads, (entry.word for entry in dict(found.rows)["full"]), strict=True))
    # 100,000 x 3.75 at first, then x .3
    assert [float(words[n]) for n in found.heads[:3]] == pytest.approx([0.375, 0.645, 3.345], abs=0.006)
    assert (words["shared\ntokens"], words["known\nby"]) == ("100,000", "documents")
    assert "by million tokens: 3 prompt, 15 new, 0.3 read from the cache, 3.75 written to it." in found.note
    assert "Documents: the documents in front of every prompt" in found.note
    assert "more than 300 s apart (--gap) find nothing in the cache, each then costs: full 0.375." in found.note
    assert [[entry.word for entry in row] for _, row in even.rows] == [["-", "from 58"], ["to 57", "-"]]
    page = html_page(results)
    assert "Money by questions about one document" in page
    assert "Circles: break-evens" in page
    assert any(getattr(part, "table", None) == found for part in terminal_report(results))
    late, never = money_tables(results.with_gap(301))
    assert late.title.endswith(", 301 s apart")
    assert "At 301 s apart the cache has expired" in late.note
    assert [[entry.word for entry in row] for _, row in never.rows] == [["-", "never"], ["always", "-"]]
    assert "money_questions" in results.figures()
    unpriced = write(tmp_path / "none", questions(1, 1), [cell("full", [made.row("d0q0", {"m": 1.0})])])
    assert "money_questions" not in unpriced.figures()


def test_a_failed_question_costs_nothing_and_hides_no_break_even(tmp_path):
    asked = questions(2, 1)
    price = {"prompt": 1.0, "completion": 0.0, "cached": 0.1}
    full = [answer("d0q0", "full", Usage(100_000, 0, 0, 1)), made.failed("d1q0", {"m": 0.0})]
    rag = [answer(one["id"], "rag", Usage(12_000, 0, 0, 1), sent=(1, 2)) for one in asked]
    results = priced(tmp_path, price, asked, full=full, rag=rag)
    assert cell_cost(results.cells[0]).cost.money(1) == pytest.approx(0.1)
    [group] = routing_groups(results)
    assert break_even(group).questions_money.mean == pytest.approx(1 + (0.05 - 0.012) / (0.012 - 0.005))


def test_rows_in_memory_and_on_disk_give_the_same(tmp_path):
    results = full_and_rag(tmp_path, SONNET, full=100_000, rag=12_000)
    stored = results.cells[0]
    held = CellResult(stored.facts, stored.examples, dict(stored.rows), complete=True, metrics=stored.metrics)
    assert cell_cost(held) == cell_cost(stored)
    assert isinstance(stored.rows["d0q0"].answer, Answer)
