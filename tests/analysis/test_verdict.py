"""The answer in sentences, for results with known figures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import analysis_things as things
from sweep_folders import as_control, cell, example, row, write

from ragvlc.analysis.results import Results
from ragvlc.analysis.verdict import answer_sentence, shown_cells, verdicts
from ragvlc.core.answer import Timing, Usage

NAMES = tuple(f"q{n}" for n in range(40))
EXAMPLES = [example(name) for name in NAMES]


def rows(right: int, tokens: int = 100) -> list[Any]:
    usage, timing = Usage(tokens, 0, 10, 1), Timing(engine_seconds=tokens / 100)
    return [row(name, {"m": float(n < right)}, usage=usage, timing=timing) for n, name in enumerate(NAMES)]


def said(results: Results, baseline: str | None = None) -> tuple[str, ...]:
    [one] = verdicts(results, results.comparisons(baseline))
    return one.sentences


def test_a_settled_answer_and_its_cost(tmp_path: Path) -> None:
    cells = [
        cell("full", rows(10, 1000)),
        cell("rag", rows(30, 250)),
        cell("oracle", as_control(rows(40)), control=True),
    ]
    first, second, third = said(write(tmp_path, EXAMPLES, cells))
    assert first == "rag has the best m: 0.750, on paired questions 0.500 above full (0.250), the baseline."
    assert re.fullmatch(
        r"Significant: 95 % interval of the difference \[\+0\.\d+, \+0\.\d+\], p = 0\.00\d, corrected for 2 "
        r"comparisons, from 40 paired questions in 40 clusters\.",
        second,
    )
    assert third == (
        "A question costs rag beside full: 250 prompt tokens against 1,000 (0.25 times as much); "
        "2.50 seconds in the model against 10.00 (0.25 times as much)."
    )


def test_an_open_answer_says_how_many_questions_would_close_it(tmp_path: Path) -> None:
    cells = [cell("full", rows(20, 1000)), cell("rag", rows(22, 250))]
    first, second, third = said(write(tmp_path, EXAMPLES, cells))
    assert first == (
        "rag has the best m: 0.550, on paired questions 0.050 above full (0.500), the baseline; not settled."
    )
    assert "corrected" not in second
    found = re.search(
        r"show a difference of ([\d.]+) or more; one of 0\.05 would take about ([\d,]+) like them\.", second
    )
    assert found
    # By hand: differences of 0.05 with variance 0.0475, so a standard error of 0.0349; 2.9 of them and half a step of
    # the mean, 1/40, are 0.13. Of n questions 2.83 root(0.0475 / n) + 1/n must be 0.05.
    assert 0.12 < float(found[1]) < 0.14
    assert 180 < float(found[2].replace(",", "")) <= 200
    assert "times as much" in third


def test_cells_that_score_alike_are_chosen_by_cost(tmp_path: Path) -> None:
    cells = [cell("full", rows(20, 1000)), cell("rag", rows(20, 250))]
    first, second, third = said(write(tmp_path, EXAMPLES, cells))
    assert first == "full has the best m: 0.500. It is the baseline, level with rag, the next best."
    assert second.endswith("The cells score alike on every question: choose by cost.")
    assert "rag reads 250, with 0.000 [-0.088, +0.088] in m. Whether it may replace full is a matter of" in third
    decided = [
        cell(name, rows(20, tokens), decide={"metric": "m", "margin": 0.1})
        for name, tokens in (("full", 1000), ("rag", 250))
    ]
    assert "--decide" not in said(write(tmp_path / "decided", EXAMPLES, decided))[2]


def test_a_cheaper_cell_that_is_shown_to_be_worse_is_not_recommended(tmp_path: Path) -> None:
    cells = [cell("full", rows(30, 1000)), cell("closed", rows(0, 10)), cell("rag", rows(29, 250))]
    *_, third = said(write(tmp_path, EXAMPLES, cells))
    assert "closed reads" not in third
    assert "rag reads 250" in third


def test_one_cluster_settles_nothing_and_recommends_nothing(tmp_path: Path) -> None:
    examples = [example(name, "only") for name in NAMES]
    _, second, third = said(write(tmp_path, examples, [cell("full", rows(0, 1000)), cell("rag", rows(40))]))
    assert second == (
        "The uncertainty is unknown: 40 paired questions in 1 cluster; it takes questions over more documents."
    )
    assert "do not show" not in third


def test_smaller_is_better_where_a_metric_says_so(tmp_path: Path) -> None:
    facts = {"smaller_is_better": ["m"]}
    cells = [cell("full", rows(30), **facts), cell("mid", rows(20), **facts), cell("rag", rows(0), **facts)]
    results = write(tmp_path, EXAMPLES, cells)
    first, *_ = said(results)
    assert (
        first
        == "rag has the best m (smaller is better): 0.000, on paired questions 0.750 below full (0.750), the baseline."
    )
    assert answer_sentence(results, results.comparisons()).startswith("Best m: rag, 0.000. Against full: -0.750 [")
    [mid, rag] = results.comparisons()
    assert (mid.better, mid.worse, rag.better) == (0.25, 0.0, 0.75)


def test_a_cell_alone_has_no_rival(tmp_path: Path) -> None:
    first, cost = said(write(tmp_path, EXAMPLES, [cell("full", rows(20, 500))]))
    assert first == "full has the best m: 0.500; there is no other cell to compare it with."
    assert cost == "A question costs full: 500 prompt tokens; 5.00 seconds in the model."


def test_data_sets_are_never_ranked_together(tmp_path: Path) -> None:
    results = things.long_and_short(tmp_path / "lengths")
    found = verdicts(results, results.comparisons())
    assert [one.best for one in found] == ["full pad_to_tokens=2000", "rag pad_to_tokens=8000"]
    lines = answer_sentence(results, results.comparisons()).splitlines()
    assert lines[0].startswith("toy pad_to_tokens=2000: Best m: full pad_to_tokens=2000, 0.833.")
    assert lines[1].startswith(
        "toy pad_to_tokens=8000: Best m: rag pad_to_tokens=8000, 0.583. Against full pad_to_tokens=8000:"
    )


def test_shown_are_the_best_of_each_pipeline_first(tmp_path: Path) -> None:
    cells = [cell(f"rag k={k}", rows(20 + k), settings={"k": k}) for k in range(5)] + [cell("worst", rows(0))]
    results = write(tmp_path, EXAMPLES, cells)
    assert [one.name for one in shown_cells(results.cells, "m", 3)] == ["rag k=3", "rag k=4", "worst"]
