"""What drafts were worth: sums over answers by hand, ratios of sums, tables, figure, and what a summary keeps."""

from __future__ import annotations

from typing import Any

import pytest
import sweep_folders as made

from ragvlc.analysis._sections import special_tables
from ragvlc.analysis.speculation import acceptance_by_place, speculation
from ragvlc.core.answer import Answer, Step
from ragvlc.results.speculation import Speculation, figures_of, speculation_of


def told(**facts: Any) -> Step:
    """Returns the step of an answer, as the route tells it."""
    given = {"draft_seconds": 1.0, "verify_seconds": 1.0, "prefill_seconds": 4.0, "draft_prefill_seconds": 0.5}
    return Step("read", steps=(Step("answer", given | {"target_prompt": 1000, "draft_prompt": 100} | facts),))


# Drafts of 3, 3 and 1 tokens. First: all accepted. Second: the first one, then a rejection. Third: rejected at once.
LONG = told(
    rounds=3, tokens=7, tried_at="3 2 2", judged_at="3 2 1", accepted_at="2 1 1", draft_seconds=2.0, verify_seconds=1.0,
    plain_seconds=6.0, target_prompt=3000,
)  # fmt: skip
# One draft of 2, none accepted; plain decoding was not measured.
SHORT = told(rounds=1, tokens=1, tried_at="1 1", judged_at="1 0", accepted_at="0 0")
PLAIN = Step("read", steps=(Step("answer", {"finish": "stop"}),))


def answer(*steps: Step) -> Answer:
    return Answer("x", trace=steps)


def test_sums_by_hand() -> None:
    found = speculation_of([answer(LONG), answer(SHORT), answer(PLAIN)])
    assert found == Speculation(
        answers=2, rounds=4, tokens=8, tried=(4, 3, 2), judged=(4, 2, 1), accepted=(2, 1, 1), draft_seconds=3.0,
        verify_seconds=2.0, prefill_seconds=8.0, draft_prefill_seconds=1.0, target_tokens=4000, draft_tokens=200,
        compared_tokens=7, compared_seconds=3.0, plain_seconds=6.0,
    )  # fmt: skip


def test_ratios_are_of_sums_not_means_of_ratios() -> None:
    found = speculation_of([answer(LONG), answer(SHORT)])
    assert found is not None
    assert found.acceptance == pytest.approx(4 / 9)  # not the mean of 4/7 and 0
    assert found.token_acceptance == pytest.approx(4 / 7)
    assert found.by_place == (2 / 4, 1 / 3, 1 / 2)
    assert found.token_acceptance_by_place == (2 / 4, 1 / 2, 1 / 1)
    assert found.tokens_a_round == 8 / 4
    assert found.tokens_a_second == 8 / 5  # not the mean of 7/3 and 1/2
    assert found.speedup == 6 / 3  # of the answer that has both
    assert found.plain_tokens_a_second == pytest.approx(7 / 6)


def test_what_was_not_measured_is_not_known() -> None:
    found = speculation_of([answer(SHORT)])
    assert found is not None
    assert (found.speedup, found.plain_tokens_a_second) == (None, None)
    assert speculation_of([answer(PLAIN)]) is None
    nothing = speculation_of([answer(told(rounds=1, tokens=1, tried_at="", judged_at="", accepted_at=""))])
    assert nothing is not None
    assert (nothing.acceptance, nothing.token_acceptance, nothing.by_place) == (None, None, ())


def test_a_summary_keeps_means_of_a_question_and_ratios() -> None:
    found = speculation_of([answer(LONG), answer(SHORT)])
    assert found is not None
    kept = figures_of(found)
    assert kept["speculation_rounds"] == 2.0
    assert kept["speculation_prefill_seconds"] == 4.0
    assert kept["speculation_speedup"] == 2.0
    assert kept["speculation_acceptance_at_2"] == pytest.approx(1 / 3)
    missing = figures_of(Speculation(answers=1, rounds=1, tokens=1))
    assert "speculation_speedup" not in missing
    assert "speculation_acceptance" not in missing


def results(folder: Any, **cells: list[Step]) -> Any:
    questions = [made.example(f"q{n}") for n in range(2)]
    rows = [
        made.cell(name, [made.row(f"q{n}", {"m": 1.0}, trace=(step,)) for n, step in enumerate(steps)])
        for name, steps in cells.items()
    ]
    return made.write(folder, questions, rows)


def test_the_report_has_a_table_and_one_by_place(tmp_path: Any) -> None:
    found = results(tmp_path, plain=[PLAIN, PLAIN], rapid=[LONG, SHORT])
    shown = {table.title: table for table in special_tables(found)}
    [(name, entries)] = shown["Speculation"].rows
    assert name == "rapid"
    assert [entry.text for entry in entries] == [
        "2.0", "4.5", "2.0", "0.44", "2.00", "1.6", "1.2", "2.00", "1.500", "1.000", "4.000", "0.500",
    ]  # fmt: skip
    [(_, places)] = shown["Acceptance by position in the draft"].rows
    assert [entry.text for entry in places] == ["0.50 (4)", "0.33 (3)", "0.50 (2)"]


def test_drafts_of_unequal_length_stand_side_by_side(tmp_path: Any) -> None:
    table = acceptance_by_place(results(tmp_path, rapid=[LONG, LONG], short=[SHORT, SHORT]))
    assert table is not None
    assert table.heads == ("at 1", "at 2", "at 3")
    assert [entry.text for entry in table.rows[1][1]] == ["0.00 (2)", "0.00 (2)", "-"]


def test_without_drafts_there_is_nothing_to_show(tmp_path: Any) -> None:
    found = results(tmp_path, plain=[PLAIN, PLAIN])
    assert (speculation(found), acceptance_by_place(found)) == (None, None)
    assert "speculation" not in found.figures()


def test_the_figure_shows_acceptance_and_speed(tmp_path: Any) -> None:
    figure = results(tmp_path, plain=[PLAIN, PLAIN], rapid=[LONG, SHORT], other=[SHORT, SHORT]).figure("speculation")
    above, below = figure.axes
    lines = {line.get_label(): [float(y) for y in line.get_ydata()] for line in above.get_lines()}
    assert lines == {"rapid": [pytest.approx(y) for y in (1 / 2, 1 / 3, 1 / 2)], "other": [0.0, 0.0]}
    assert [bar.get_width() for bar in below.patches] == [2.0]
    lone = results(tmp_path / "lone", other=[SHORT, SHORT]).figure("speculation")
    assert len(lone.axes) == 1
