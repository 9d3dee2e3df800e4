"""Decisions with a margin on hand-made results: verdicts, what is recommended, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis.decision_words import decision_lines, decision_table, decision_tables, headline, sentences
from ragvlc.analysis.decisions import CellDecision, decided
from ragvlc.analysis.files import report_files
from ragvlc.analysis.front import front, front_tables
from ragvlc.analysis.page import html_page
from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.decision import Decide
from ragvlc.core.errors import ConfigError
from ragvlc.statistics.decisions import MarginVerdict
from ragvlc.trackers._mlflow_notes import sweep_note

NAMES = tuple(f"q{place:03d}" for place in range(200))
EXAMPLES = [example(name) for name in NAMES]
FULL = [1.0] * 100 + [0.0] * 100
PRICES = {"prices": {"main": {"prompt": 2.0, "completion": 10.0}}}


def changed(wins: int, losses: int) -> list[float]:
    """Returns the scores of a cell that is right where full context is wrong on `wins` questions, and vice versa."""
    return [0.0] * losses + [1.0] * (100 - losses) + [1.0] * wins + [0.0] * (100 - wins)


def rows(scores: Sequence[float | None], tokens: int, other: Sequence[float] | None = None, **facts: Any) -> list[Any]:
    """Returns rows with these scores; prompts differ in length from question to question."""
    found = []
    for place, (name, score) in enumerate(zip(NAMES, scores, strict=True)):
        used = Usage(tokens + tokens * (place % 5) // 10, 0, 10, 1)
        seconds = {"timing": Timing(engine_seconds=used.prompt_tokens / 100, first_token_seconds=tokens / 1000)}
        scored = {"m": score, "loss": (other or [0.5] * 200)[place]}
        found.append(row(name, scored, **{"usage": used, "bills": {"main": used}} | seconds | facts))
    return found


def results(folder: Path, cells: Sequence[dict[str, Any]], examples: Sequence[Any] = EXAMPLES) -> Results:
    return write(folder, examples, cells, metrics=("m", "loss"), baseline="full")


def decision(folder: Path, *rivals: dict[str, Any], **spec: Any) -> CellDecision:
    full = cell("full", rows(FULL, 1000), **PRICES)
    [found] = decided(results(folder, [full, *rivals]), Decide(**{"metric": "m", "margin": 0.1} | spec))
    return found


LEVEL, BETTER, WORSE = changed(5, 5), changed(40, 5), changed(5, 60)
BY = "rag is not worse than full by more than 0.1 in m (95 %)"


@pytest.mark.parametrize(
    ("scores", "tokens", "expected"),
    [
        (LEVEL, 100, f"{BY}, at one ninth of the tokens: ship rag."),
        (BETTER, 100, "rag is better than full in m (95 %), at one ninth of the tokens: ship rag."),
        (
            changed(2, 10),
            500,
            "rag is lower than full, by less than the margin of 0.1 in m (95 %), at half of the tokens: ship rag.",
        ),
        (
            BETTER,
            2000,
            "rag is better than full in m (95 %), at 2 times the tokens: ship rag if 0.175 of m is worth that.",
        ),
        (LEVEL, 2000, f"Keep full: {BY}, but not shown to save tokens."),
        (WORSE, 100, "Keep full: the other cell is worse in m (95 %)."),
        (
            changed(40, 45),
            100,
            "Not settled: no cell is shown to be not worse than full by more than 0.1 in m (95 %): keep full for now.",
        ),
    ],
)
def test_the_headline_says_which_cell_how_sure_and_at_what_cost(tmp_path, scores, tokens, expected) -> None:
    assert headline(decision(tmp_path, cell("rag", rows(scores, tokens)))) == expected


def test_the_cheapest_of_the_cells_that_are_not_worse_is_recommended_and_the_others_are_named(tmp_path) -> None:
    found = decision(
        tmp_path,
        cell("rag", rows(changed(5, 5), 300)),
        cell("small", rows(changed(6, 5), 100)),
        cell("closed", rows(changed(0, 90), 10)),
        cell("wild", rows(changed(70, 70), 20)),
        cell("oracle", made.as_control(rows(changed(100, 0), 10)), control=True),
    )
    assert found.ship == "small"
    assert [one.name for one in found.rivals] == ["rag", "small", "closed", "wild"]
    said = sentences(found)
    assert said[1].startswith("Against full: m +0.005 [-0.0")
    assert "corrected for 4 cells" in said[1]
    assert said[2:5] == (
        "Also not worse: rag (0.31 times the cost).",
        "Worse: closed.",
        (
            "Not settled. Interval reaches beyond the margin: wild. If level, about 810 questions like these would "
            "show it, four times in five."
        ),
    )


def test_several_metrics_must_all_be_not_worse_and_smaller_may_be_better(tmp_path) -> None:
    low, high = [0.4, 0.5] * 100, [0.7, 0.9] * 100
    turned = {"smaller_is_better": ["loss"]}
    full = cell("full", rows(FULL, 1000), **turned)
    loaded = results(
        tmp_path,
        [
            full,
            cell("rag", rows(changed(5, 5), 100, low), **turned),
            cell("bad", rows(changed(5, 5), 50, high), **turned),
        ],
    )
    [found] = loaded.decide({"m": 0.1, "loss": 0.05})
    assert [one.verdict for one in found.rivals] == [MarginVerdict.NOT_WORSE, MarginVerdict.WORSE]
    assert "by more than 0.1 in m and 0.05 in loss (95 %)" in headline(found)
    assert found.rivals[0].decision.metrics[1].difference.mean == pytest.approx(0.05)  # lower loss is above 0
    assert "loss: smaller is better" in decision_table(found).note
    figures = next(text for text in sentences(found) if text.startswith("Against"))
    assert "loss -0.050 [-0.05" in figures  # as the scores differ
    assert ", smaller is better" in figures
    near = cell("near", rows(changed(5, 5), 100, [0.52, 0.54] * 100), **turned)
    both = results(tmp_path / "near", [full, near])
    assert headline(both.decide({"m": 0.1, "loss": 0.05})[0]).startswith(
        "near is not worse than full by more than 0.1 in m and 0.05 in loss, though higher in loss (95 %), at one ninth"
    )
    alone = headline(both.decide("loss", 0.05)[0])
    assert alone.startswith("near is higher than full, by less than the margin of 0.05 in loss (95 %)")
    assert decision_table(both.decide("loss", 0.05)[0]).rows[0][1][0].text == "higher, by less than the margin"
    [single] = loaded.decide("loss", 0.05)
    assert "rag is better than full in loss" in headline(single)


def test_every_cell_is_said_to_be_what_it_is(tmp_path) -> None:
    turned = {"smaller_is_better": ["loss"]}
    low, high = [0.4, 0.5] * 100, [0.7, 0.9] * 100
    full = cell("full", rows(FULL, 1000, low), **turned)
    first = cell("first", rows(WORSE, 100, low), **turned)
    second = cell("second", rows(LEVEL, 100, high), **turned)
    [found] = results(tmp_path / "one", [full, first]).decide({"m": 0.1, "loss": 0.05})
    assert headline(found) == "Keep full: the other cell is worse in m (95 %)."
    [found] = results(tmp_path / "either", [full, first, second]).decide({"m": 0.1, "loss": 0.05})
    assert headline(found) == "Keep full: every other cell is worse in m or loss (95 %)."
    both = cell("both", rows(WORSE, 100, high), **turned)
    [found] = results(tmp_path / "both", [full, both]).decide({"m": 0.1, "loss": 0.05})
    assert headline(found) == "Keep full: the other cell is worse in m and loss (95 %)."
    dear = [cell(name, rows(scores, 2000)) for name, scores in (("a", LEVEL), ("b", changed(2, 10)), ("c", LEVEL))]
    assert headline(decision(tmp_path / "dear", *dear)) == (
        "Keep full: a and c are not worse than full by more than 0.1 in m, and b is lower than full, by less than the "
        "margin of 0.1 in m (95 %), but not shown to save tokens."
    )


def test_missing_answers_few_clusters_and_holm_leave_it_open_and_say_why(tmp_path) -> None:
    half = cell("rag", rows(changed(5, 5), 100)[:150], done=False)
    found = decision(tmp_path / "half", half)
    assert found.rivals[0].verdict is MarginVerdict.NOT_SETTLED
    assert "Not complete (rag has 150 of 200 questions): rag." in sentences(found)[1]
    few = [example(name, f"c{place % 7}") for place, name in enumerate(NAMES)]
    cells = [cell("full", rows(FULL, 1000)), cell("rag", rows(changed(40, 0), 100))]
    [found] = results(tmp_path / "few", cells, few).decide("m", 0.1)
    assert "7 clusters, fewer than 8: rag." in sentences(found)[1]
    alone = decision(tmp_path / "alone", cell("a", rows(changed(20, 18), 100)), margin=0.06)
    assert alone.ship == "a"
    others = [cell(name, rows(changed(20, 18), 100)) for name in "abcdefgh"]
    several = decision(tmp_path / "several", *others, margin=0.06)
    assert several.ship == ""
    assert (
        "Not worse alone, but not after correction for several cells: a, b, c, d, e, f, g and h."
        in sentences(several)[1]
    )


def test_a_cell_without_a_score_or_a_cost_has_no_decision_and_no_crash(tmp_path) -> None:
    broken = cell("rag", [failed(name, {}) for name in NAMES])
    found = decision(tmp_path / "broken", broken)
    assert "No question has a score in m from both: rag." in sentences(found)[1]
    unpriced = decision(tmp_path / "unpriced", cell("rag", rows(changed(5, 5), 100)), cost="money")
    assert headline(unpriced) == (
        "Keep full: rag is not worse than full by more than 0.1 in m (95 %), but its cost in money is not known "
        "(no price is stored for its models)."
    )
    alone = decision(tmp_path / "alone")
    assert headline(alone) == "No decision: there is no other cell to compare with full."


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("money", "at one seventh of the money"),
        ("seconds", "at one tenth of the seconds"),
        ("first_token", "at one tenth of the time to the first token"),
    ],
)
def test_every_cost_is_a_ratio_with_an_interval(tmp_path, cost, words) -> None:
    found = decision(tmp_path, cell("rag", rows(changed(5, 5), 100), **PRICES), cost=cost)
    assert words in headline(found)
    assert found.rivals[0].cost.low <= found.rivals[0].cost.mean <= found.rivals[0].cost.high < 0.2


def test_a_dominated_cell_is_named_and_one_that_may_be_level_is_not(tmp_path) -> None:
    cells = [
        cell("full", rows(FULL, 1000)),
        cell("good", rows(changed(60, 5), 100)),
        cell("near", rows(changed(58, 5), 100)),
        cell("cheap", rows(changed(0, 50), 10)),
        cell("oracle", made.as_control(rows([1.0] * 200, 1)), control=True),
    ]
    loaded = results(tmp_path, cells)
    places = {one.cell.name: one.words for one in front(loaded.cells, "m", "tokens")}
    assert places == {
        "cheap": "on the front",
        "good": "on the front",
        "near": "not settled",
        "full": "dominated by good",
    }
    drawn = loaded.figure("quality_tokens").axes[0]
    faint = {line.get_label() for line in drawn.containers if line.lines[0].get_alpha() < 0.5}
    assert faint == {"full"}
    assert all(len(one.lines[2]) == 2 for one in drawn.containers)  # bars of the score and of the cost
    [table] = front_tables(loaded, "tokens")
    assert [name for name, _ in table.rows] == ["cheap", "good", "near", "full"]
    assert all(entry.interval for _, (score, cost, _) in table.rows for entry in (score, cost))
    [found] = loaded.decide("m", 0.1, baseline="good")
    assert "Dominated with confidence, worse and no cheaper: full by good." in sentences(found)


def test_cells_that_cost_nothing_have_no_front_and_one_of_several_no_interval(tmp_path) -> None:
    free = [cell(name, rows(scores, 0)) for name, scores in (("full", FULL), ("rag", changed(0, 50)))]
    loaded = results(tmp_path / "free", free)
    assert front(loaded.cells, "m", "first_token") == []
    assert front_tables(loaded, "first_token") == []
    [found] = loaded.decide("m", 0.1, cost="first_token")
    assert "ominated" not in " ".join(decision_lines([found]))
    loaded = results(tmp_path / "paid", [cell("full", rows(FULL, 1000)), free[1]])
    nothing, paid = front(loaded.cells, "m", "first_token")
    assert (nothing.cell.name, nothing.cost.mean, nothing.cost.low) == ("rag", 0.0, None)
    assert paid.on_front


def test_the_front_of_a_decision_is_by_its_own_metric(tmp_path) -> None:
    low, high = [0.4, 0.5] * 100, [0.7, 0.9] * 100
    loaded = results(tmp_path, [cell("full", rows(FULL, 1000, low)), cell("rag", rows(WORSE, 100, high))])
    tables = decision_tables(loaded, loaded.decide("loss", 0.05))
    assert [table.heads[0] for table in tables][1:] == ["loss"]
    assert dict(tables[1].rows)["full"][2].text == "dominated by rag"


def test_a_margin_of_the_whole_scale_is_refused_after_a_run_too(tmp_path) -> None:
    loaded = results(tmp_path, [cell("full", rows(FULL, 1000)), cell("rag", rows(LEVEL, 100))])
    with pytest.raises(
        ConfigError, match=r"margin: 5 is all of m, whose scores are from 0 to 1\. Three hundredths are"
    ):
        loaded.decide("m", 5)
    with pytest.raises(ConfigError, match=r"margin: 1 is all of m"):
        loaded.decide({"m": 1.0, "loss": 0.1}, None)
    larger = [cell("full", rows([4.0 * one for one in FULL], 1000)), cell("rag", rows(LEVEL, 100))]
    results(tmp_path / "larger", larger).decide("m", 2)


def test_each_data_set_has_its_own_decision(tmp_path) -> None:
    cells = [cell("full", rows(FULL, 1000)), cell("rag", rows(changed(5, 5), 100))]
    loaded = results(tmp_path / "one", cells)
    loaded.decide("m", 0.1)
    folder = tmp_path / "two"
    folder.mkdir()
    file = made.SweepStore(folder).write_examples("1" * 16, EXAMPLES)
    second = [
        cell("full b", rows(FULL, 1000), dataset="b", examples=file),
        cell("rag b", rows(changed(0, 90), 100), dataset="b", examples=file),
    ]
    loaded = results(folder, [*cells, *second])
    first, other = loaded.decide("m", 0.1)
    assert (first.ship, other.ship) == ("rag", "")
    assert [line.partition(":")[0] for line in decision_lines([first, other])] == ["toy", "b"]


def test_the_page_the_terminal_the_files_and_mlflow_begin_with_the_decision(tmp_path) -> None:
    spec = {"decide": {"metric": "m", "margin": 0.1, "cost": "tokens", "baseline": ""}, "replaceable": "full"}
    cells = [cell("full", rows(FULL, 1000), **spec), cell("rag", rows(changed(5, 5), 100), **spec)]
    loaded = results(tmp_path, cells)
    line = "rag is not worse than full by more than 0.1 in m (95 %), at one ninth of the tokens: ship rag."
    page = html_page(loaded)
    assert page.index(line) < page.index("has the best m")
    assert "The margin was given after the run" not in page
    assert f"Decision: {line}" in [part for part in terminal_report(loaded) if isinstance(part, str)]
    paths = report_files(loaded)
    assert paths["decision.txt"].read_text() == f"{line}\n"
    record = made_record(loaded)
    assert sweep_note(record, [], line).startswith(f"**Decision.** {line}")
    assert "The margin was given after the run" in sentences(loaded.decide("m", 0.1)[0])[-1]
    undecided = results(tmp_path, [cell("full", rows(FULL, 1000)), cell("rag", rows(FULL, 100))])
    assert "decision.txt" not in report_files(undecided)
    assert not (tmp_path / "decision.txt").exists()


def made_record(loaded: Results) -> Any:
    from ragvlc.core.records import SweepRecord

    return SweepRecord(loaded.name, loaded.folder, "Which?")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"metric": "m"}, "needs `margin`: how much of m may be lost"),
        ({"metric": "n", "margin": 0.1}, "has no metric 'n'"),
        ({"metric": "m", "margin": -0.1}, "must be above 0"),
        ({"metric": "m", "margin": "3%"}, "Three hundredths are 0.03."),
        ({"metric": {"m": 0.1}, "margin": 0.1}, "give one of the two"),
        ({"metric": "m", "margin": 0.1, "baseline": "ful"}, "Nearest: full."),
        ({"metric": "m", "margin": 0.1, "cost": "dollars"}, "Known: tokens, money, seconds, first_token."),
        ({"metric": [], "margin": 0.1}, "needs `metric`"),
        ({}, "needs a metric and a margin"),
    ],
)
def test_a_decision_that_cannot_be_made_is_one_sentence(tmp_path, given, problem) -> None:
    loaded = results(tmp_path, [cell("full", rows(FULL, 1000)), cell("rag", rows(FULL, 100))])
    with pytest.raises(ConfigError) as error:
        loaded.decide(**given)
    assert len(error.value.problems) == 1
    assert problem in str(error.value)


def test_a_control_is_no_baseline(tmp_path) -> None:
    oracle = cell("oracle", made.as_control(rows(FULL, 10)), control=True)
    loaded = results(tmp_path, [cell("full", rows(FULL, 1000)), oracle])
    with pytest.raises(ConfigError, match="is a control"):
        loaded.decide("m", 0.1, baseline="oracle")
