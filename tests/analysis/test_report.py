"""What the terminal says, for results with known figures."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from rich.console import Console
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis import tables
from ragvlc.analysis.counts import fewness, hopeless
from ragvlc.analysis.questions import one_question, question_list
from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.analysis.verdict import answer_sentence
from ragvlc.core.answer import Answer, Step, Usage
from ragvlc.core.data import Chunk, Hit, Span
from ragvlc.core.errors import ConfigError

NAMES = tuple("abcdefgh")
EXAMPLES = [example(name) for name in NAMES]
GOOD, HALF, NONE = (1,) * 8, (1, 1, 1, 1, 0, 0, 0, 0), (0,) * 8


def rows(scores: tuple[float | None, ...], **answer: Any) -> list[Any]:
    return [row(name, {"m": score, "other": 0.25}, **answer) for name, score in zip(NAMES, scores, strict=True)]


def text_of(parts: Any, width: int = 120) -> str:
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def line_of(text: str, start: str, nth: int = 0) -> str:
    return [line for line in text.splitlines() if line.strip().startswith(start)][nth]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    cut = row("a", {"m": 1.0, "other": 0.25}, trace=made.dropping(5), usage=made.Usage(1500, 0, 10, 1))
    unparsed = replace(rows(HALF)[1], flags=("unparsed",))
    cells = [
        cell("full", [cut, unparsed, *rows(HALF)[2:7], failed("h", {"m": 0.0, "other": 0.0})]),
        cell("rag k=2", rows(GOOD), settings={"k": 2}),
        cell("oracle", made.as_control(rows(GOOD)[:4]), control=True, done=False),
    ]
    return write(tmp_path / "hand", EXAMPLES, cells, metrics=("m", "other"))


def test_the_report_has_scores_differences_costs_and_an_answer(results: Results) -> None:
    text = text_of(terminal_report(results))
    titles = [
        line.strip()
        for line in text.splitlines()
        if line.strip() in ("Scores", "Difference to full", "Coverage and cost")
    ]
    assert titles == ["Scores", "Difference to full", "Coverage and cost"]
    # Eight clusters that are all alike leave 1 - .025^(1/8) = .37 for others.
    assert re.search(r"^ rag k=2 +1\.00 \[\.63,1\.00\] +\.25 \[\.16,\.53\]", text, re.MULTILINE)
    assert re.search(r"^ full +\.50 \[\.\d\d,\.\d\d\]", text, re.MULTILINE)
    assert re.search(r"^ rag k=2 +\+\.50 \[-\.\d\d,\.\d\d\] +\+\.03 \[-\.\d\d,\.\d\d\] +\.?\d", text, re.MULTILINE)
    assert text.strip().splitlines()[-1].startswith("Best m: rag k=2, 1.000. Against full: +0.500 [")


def test_a_metric_that_scores_no_question_is_said_to_read_what_is_not_there(tmp_path: Path) -> None:
    silent = [row(name, {"m": 1.0, "other": None}) for name in NAMES]
    results = write(tmp_path / "silent", EXAMPLES, [cell("full", silent)], metrics=("m", "other"))
    assert "other: no question has a score, as what it reads of the data" in " ".join(
        tables.scores(results).note.split()
    )
    unjudged = [replace(one, flags=("unjudged",)) for one in silent]
    waiting = write(tmp_path / "waiting", EXAMPLES, [cell("full", unjudged)], metrics=("m", "other"))
    assert "no question has a score" not in tables.scores(waiting).note


def test_the_report_counts_failures_truncation_and_what_could_not_be_read(results: Results) -> None:
    text = text_of(terminal_report(results))
    words = line_of(text, "full", 1).split()
    assert words[:5] == ["full", "8/8", "1", "1", "1"], "questions, failed, truncated, unparsed"
    assert words[5:8] == ["300", "10", "2.00"], "(1500 + 6 * 100) / 7 prompt tokens, new tokens, engine seconds"
    assert line_of(text, "rag k=2", 2).split()[2:6] == ["8/8", "-", "-", "-"]


def test_cells_that_are_controls_or_not_complete_say_so(results: Results) -> None:
    text = text_of(terminal_report(results))
    assert "oracle (not complete, control)" in text
    assert "4/8" in text


def test_columns_appear_when_there_is_something_to_say(tmp_path: Path) -> None:
    bills = {"main": made.Usage(1000, 0, 100, 1)}
    priced = {"prices": {"main": {"prompt": 1.0, "completion": 5.0}}, "skipped": {"too long": 2, "empty": 1}}
    judged = [replace(one, scoring=made.Usage(900, 0, 100, 1)) for one in rows(HALF, bills=bills)]
    plain = text_of(terminal_report(write(tmp_path / "plain", EXAMPLES, [cell("full", rows(HALF))])))
    assert not re.search(r"skipped|money|scored answers", plain)
    text = text_of(terminal_report(write(tmp_path / "priced", EXAMPLES, [cell("full", judged, **priced)])))
    words = line_of(text, "full", 1).split()
    assert words[:4] == ["full", "8/8", "-", "3"], "questions, failed, skipped"
    assert words[-1] == "1.50", "1000 questions of 1000 prompt tokens at 1 and 100 new ones at 5 a million"
    assert "Models that scored answers used 8,000 tokens" in " ".join(text.split())


def test_a_price_of_cache_writes_that_no_reply_reports_is_said_and_counted(tmp_path: Path) -> None:
    def said(name: str, price: dict[str, float], **usage: int) -> tuple[str, object]:
        used = made.Usage(
            2000, usage.get("cached", 0), 100, usage.get("calls", 1), written_tokens=usage.get("wrote", 0)
        )
        own = [*rows(HALF, usage=used, bills={"main": used})]
        results = write(
            tmp_path / name, EXAMPLES, [cell("full", own, prices={"main": {"prompt": 1, "completion": 5, **price}})]
        )
        return " ".join(text_of(terminal_report(results)).split()), results.cells[0].summary.get("writes_unreported")

    text, count = said("silent", {"cache_write": 1.25})
    assert "Cache writes unreported: answers of models whose price has `cache_write`" in text
    assert count == 8
    assert said("cached", {"cache_write": 1.25}, cached=1500)[1] == 8, "hits are no writes"
    for name, price, usage in (
        ("reported", {"cache_write": 1.25}, {"wrote": 1024}),
        ("flat", {}, {}),
        ("short", {"cache_write": 1.25}, {"calls": 2}),
    ):
        text, count = said(name, price, **usage)
        assert (count, "unreported" in text) == (None, False), name


def test_bold_are_the_best_of_each_data_set_without_controls(tmp_path: Path) -> None:
    oracle = cell("oracle", made.as_control(rows(GOOD)), control=True)
    results = write(tmp_path, EXAMPLES, [cell("full", rows(HALF)), cell("rag", rows(NONE)), oracle], metrics=("m",))
    marked = {name for name, entries in tables.scores(results).rows if entries[0].best}
    assert marked == {"full"}
    lower = write(
        tmp_path / "lower", EXAMPLES, [cell(n, rows(v), smaller_is_better=["m"]) for n, v in (("a", HALF), ("b", NONE))]
    )
    assert {name for name, entries in tables.scores(lower).rows if entries[0].best} == {"b"}
    assert "Smaller is better: m." in text_of(terminal_report(lower))


def test_the_report_explains_its_figures(results: Results) -> None:
    text = " ".join(text_of(terminal_report(results)).split())
    for words in (
        "95 % interval",
        "Failed questions score 0",
        "cluster",
        "Holm",
        "as if it ran alone",
        "Truncated",
        "Unparsed",
    ):
        assert words in text


def test_a_cell_of_its_own_has_no_differences(tmp_path: Path) -> None:
    text = text_of(terminal_report(write(tmp_path, EXAMPLES, [cell("full", rows(HALF))], metrics=("m",))))
    assert "Difference" not in text
    assert "Best m: full, 0.500." in text


def test_a_difference_that_rounds_to_nothing_has_no_sign_and_its_bounds_have_one_unless_they_are_0(
    tmp_path: Path,
) -> None:
    cells = [cell("full", rows((0.001,) * 8)), cell("rag", rows((0.0,) * 8))]
    text = text_of(terminal_report(write(tmp_path, EXAMPLES, cells)))
    # All eight differences are below 0, so p is 2 / 2^8 and the interval must end below 0, too.
    assert re.search(r"^ rag +\.00 \[-\.37,-\.00\] +0\.008", text, re.MULTILINE)
    level = text_of(terminal_report(write(tmp_path / "level", EXAMPLES, [cells[0], cell("rag", rows((0.001,) * 8))])))
    assert re.search(r"^ rag +\.00 \[-\.37,\.37\] +1\.000", level, re.MULTILINE)


def test_brackets_without_0_that_holm_does_not_settle_are_marked(tmp_path: Path) -> None:
    better = cell("rag", rows(GOOD))  # p is 2 / 2^8, times 7 rows .055
    others = [cell(f"other {n}", rows(NONE)) for n in range(6)]
    text = text_of(terminal_report(write(tmp_path, EXAMPLES, [cell("full", rows(NONE)), better, *others])))
    assert re.search(r"^ rag +\+1\.00 \[\.26,1\.00\]° +0\.055", text, re.MULTILINE)
    assert "°: brackets without 0, but not settled after Holm." in " ".join(text.split())
    assert "not settled by 8 questions in 8 clusters after Holm's correction for 7 comparisons." in " ".join(
        text.split()
    )
    settled = text_of(terminal_report(write(tmp_path / "two", EXAMPLES, [cell("full", rows(NONE)), better])))
    assert "°" not in settled
    assert "contain 0 exactly when its own p is above .05" in " ".join(settled.split())


def test_few_clusters_are_warned_of(tmp_path: Path) -> None:
    examples = [example(name, f"d{place % 7}") for place, name in enumerate(NAMES)]
    text = text_of(terminal_report(write(tmp_path, examples, [cell("full", rows(HALF)), cell("rag", rows(GOOD))])))
    warning = "7 clusters: fewer than 8 are too few to rely on an interval."
    assert " ".join(text.split()).count(warning) == 2, "below scores and below differences"


def test_few_clusters_of_one_metric_name_the_metric() -> None:
    assert fewness([("contains", 20), ("choice_accuracy", 7), ("choice_accuracy", 9), ("f1", 19)]) == (
        " choice_accuracy: 7 clusters: fewer than 8 are too few to rely on an interval."
        " f1: 19 clusters are few: intervals are wide. Ask over more documents, not more about the same."
    )
    assert fewness([("contains", 20)]) == ""


def test_a_metric_that_applies_to_few_questions_says_to_how_many(tmp_path: Path) -> None:
    asked = [example(name, f"c{place % 4}") for place, name in enumerate(NAMES)]
    some = [row(name, {"m": 1.0, "other": 0.5 if name in "ab" else None}) for name in NAMES]
    none = [row(name, {"m": 1.0, "other": 0.5 if name == "a" else None}) for name in NAMES]
    loaded = write(tmp_path, asked, [cell("full", some), cell("rag", none)], metrics=("m", "other"))
    table = tables.scores(loaded)
    assert table.heads == ("m", "other\nn = 1 to 2")
    assert table.note.startswith(
        "8 questions in 4 clusters. other: 1 to 2 of 8 questions in 1 to 2 of 4 clusters (fewer: rag 1). Mean"
    )


def test_what_holm_cannot_settle_with_so_few_clusters_is_said_exactly(tmp_path: Path) -> None:
    def said_of(clusters: int, rivals: int) -> str:
        asked = [example(name, f"c{place % clusters}") for place, name in enumerate(NAMES)]
        better = [cell(f"rag{place}", rows(GOOD)) for place in range(rivals)]
        loaded = write(tmp_path / f"{clusters}-{rivals}", asked, [cell("full", rows(NONE)), *better])
        comparisons = loaded.comparisons()
        assert hopeless(comparisons) == "" or not any(one.settled for one in comparisons)
        return hopeless(comparisons)

    assert said_of(8, 5) == said_of(6, 1) == said_of(8, 6) == ""
    assert said_of(7, 5) == (
        " 5 rows and 7 clusters can settle no difference after Holm, whatever the scores: it takes 8 clusters, or "
        "fewer rows."
    )
    assert said_of(5, 1) == (
        " 1 row and 5 clusters can settle no difference after Holm, whatever the scores: it takes 6 clusters."
    )
    assert "it takes 9 clusters" in said_of(8, 7)


def test_rows_against_different_baselines_name_theirs(tmp_path: Path) -> None:
    cells = [cell(f"{name} s={s}", rows(HALF), settings={"s": s}) for name in ("full", "rag") for s in (1, 2)]
    text = text_of(terminal_report(write(tmp_path, EXAMPLES, cells)))
    assert "rag s=1 - full s=1" in text
    assert "rag s=2 - full s=2" in text


WIDE = ["contains", "token_f1", "choice_accuracy", "evidence_recall", "answer_in_context"]


def wide(tmp_path: Path) -> Results:
    names = ["closed_book", "full_context"]
    names += [
        f"rag size={s} k={k} order={o}" for s in (64, 256) for k in (2, 6) for o in ("document", "edges_best_first")
    ]
    scored = [row(name, {label: float(place % 2) for label in WIDE}) for place, name in enumerate(NAMES)]
    return write(tmp_path, EXAMPLES, [cell(name, scored) for name in names], metrics=WIDE, baseline="full_context")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_figure_is_broken_at_any_width(tmp_path: Path, width: int) -> None:
    text = text_of(terminal_report(wide(tmp_path)), width)
    assert max(len(line) for line in text.splitlines()) <= width
    figures = re.findall(r"\.50 \[\.\d\d,\.\d\d\]|\[\.\d\d,\.\d\d\]", text)
    assert len(figures) >= 5 * 10
    assert "…" not in text
    for head in ("evidence_", "answer_in_", "questions", "truncated", "unparsed", "seconds"):
        assert head in text


def test_a_hundred_columns_take_one_table_with_intervals_below(tmp_path: Path) -> None:
    text = text_of(terminal_report(wide(tmp_path)), 100)
    assert "continued" not in text
    assert "continued" in text_of(terminal_report(wide(tmp_path)), 60)
    assert len(text.splitlines()) < 90


def sentence(tmp_path: Path, *cells: dict[str, Any], baseline: str = "full") -> str:
    results = write(tmp_path, EXAMPLES, list(cells), metrics=("m",), baseline=baseline)
    return answer_sentence(results, results.comparisons())


def test_a_settled_answer_says_how_sure_it_is(tmp_path: Path) -> None:
    found = sentence(tmp_path, cell("full", rows(NONE)), cell("rag", rows(GOOD)))
    assert found == "Best m: rag, 1.000. Against full: +1.000 [+0.261, +1.000], p = 0.008."


def test_an_unsettled_answer_says_so(tmp_path: Path) -> None:
    found = sentence(tmp_path, cell("full", rows(HALF)), cell("rag", rows((1, 1, 1, 1, 1, 0, 0, 0))))
    assert found.startswith("Best m: rag, 0.625. Against full: +0.125 [")
    assert found.endswith("p = 1.000: not settled by 8 questions in 8 clusters.")


def test_one_cluster_settles_nothing(tmp_path: Path) -> None:
    examples = [example(name, "only") for name in NAMES]
    results = write(tmp_path, examples, [cell("full", rows(NONE)), cell("rag", rows(GOOD))])
    found = answer_sentence(results, results.comparisons())
    assert found == "Best m: rag, 1.000. Against full: +1.000: not settled by 8 questions in 1 cluster."


def test_a_baseline_that_wins_is_held_against_the_next_best(tmp_path: Path) -> None:
    found = sentence(tmp_path, cell("full", rows(GOOD)), cell("worst", rows(NONE)), cell("rag", rows(HALF)))
    assert found.startswith("Best m: full, 1.000. It is the baseline; against it the next best, rag: -0.500 [")


def test_a_control_is_never_the_answer(tmp_path: Path) -> None:
    oracle = cell("oracle", made.as_control(rows(GOOD)), control=True)
    found = sentence(tmp_path, cell("full", rows(HALF)), cell("rag", rows(NONE)), oracle)
    assert found.startswith("Best m: full, 0.500. It is the baseline; against it the next best, rag: -0.500")


def test_no_scores_is_no_answer(tmp_path: Path) -> None:
    assert sentence(tmp_path, cell("full", rows((None,) * 8))) == "No cell has a score for m yet."


ODD = "What is [/b] :smile: [red]?"


def test_one_question_is_shown_with_every_cells_answer(tmp_path: Path) -> None:
    asked = [example("a", question=ODD, choices=["yes [/i]", "no"], references=["no"], documents=["d1", "d2"])]
    cells = [
        cell("full", [row("a", {"m": 1.0}, text="[/x] no")]),
        cell("rag", [failed("a", {"m": None}, "out [/of] it")]),
    ]
    text = text_of(one_question(write(tmp_path, asked, cells), "a"))
    for words in (ODD, "A. yes [/i]", "B. no", "accepted: no", "over: d1, d2", "[/x] no", "(generate): out [/of] it"):
        assert words in text
    assert line_of(text, "full").split()[-2:] == ["1.00", "100"]
    assert line_of(text, "rag").split()[-2:] == ["-", "-"]


def test_passages_and_steps_are_shown_when_asked_for(tmp_path: Path) -> None:
    text = "".join(chr(97 + n % 26) for n in range(100))
    step = Step("read", {"pieces": 2}, made.Usage(90, 0, 5, 1), 0.5, (Step("answer", {"finish": "stop"}),))
    found = Hit(Chunk("d", 0, 10, 30, ""), 0.75)
    read = row("a", {"m": 1.0}, context=(Span("d", 10, 30), Span("d", 50, 60)), ranking=(found,), trace=(step,))
    asked = [example("a", evidence=[["d", 12, 16]])]
    results = write(tmp_path, asked, [cell("rag", [read]), cell("full", [failed("a", {"m": 0.0})])])
    shown = text_of(one_question(results, "a", passages=True, texts={"d": text}))
    assert f"[d 10-30] rank 1, score 0.750 (4 characters of evidence) {text[10:30]}" in shown
    assert f"[d 50-60] {text[50:60]}" in shown
    assert "  read: pieces=2 (0.500 s, 90 + 5 tokens)\n    answer: finish=stop" in shown
    assert "no answer, no passages" in shown
    assert "[d 50-60]" in text_of(one_question(results, "a", passages=True)), "places without texts"
    assert "[d 50-60]" not in text_of(one_question(results, "a"))


def test_all_questions_are_listed_with_their_mean(tmp_path: Path) -> None:
    cells = [cell("full", rows(HALF)), cell("rag", rows(GOOD))]
    text = text_of(question_list(write(tmp_path, [example(name, question=ODD) for name in NAMES], cells)))
    assert line_of(text, "a").split()[-2:] == ["1.00", "2/2"]
    assert line_of(text, "h").split()[-2:] == ["0.50", "1/2"]
    assert text.count(ODD) == 8


def test_an_unknown_question_names_the_nearest(tmp_path: Path) -> None:
    results = write(tmp_path, [example("question-1")], [cell("full", [])])
    with pytest.raises(ConfigError, match=r"no question 'question1'\. Nearest: question-1\."):
        one_question(results, "question1")


def test_no_answer_is_a_column_with_advice_and_a_word_in_place_of_the_text(tmp_path: Path) -> None:
    some = rows(HALF)
    usage = Usage(100, 0, 32, 1, thought_tokens=32)
    lost = Answer("", finish="length", thought="hm, \x1b[31m where", usage=usage)
    results = write(tmp_path / "lost", EXAMPLES, [cell("full", [replace(some[0], answer=lost), *some[1:]])])
    text = " ".join(text_of(terminal_report(results)).split())
    assert "1 answer ran out of tokens while thinking: raise thinking_tokens" in text
    assert results.cells[0].summary["no_answer"] == 1
    shown = text_of(one_question(results, some[0].example_id, passages=True))
    assert "no answer: ran out of tokens while thinking" in shown
    assert "thought, no part of the answer: hm," in shown
    assert "\x1b[31m where" not in shown
