"""Two cells side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis.compare import comparison, paired
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.errors import ConfigError

NAMES = tuple("abcdefgh")


def text_of(parts: Any, width: int = 160) -> str:
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def rows(scores: tuple[float | None, ...], names: tuple[str, ...] = NAMES, **answer: Any) -> list[Any]:
    return [row(name, {"m": score, "other": 0.5}, **answer) for name, score in zip(names, scores, strict=True)]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    dear = {"usage": Usage(400, 0, 20, 1), "timing": Timing(engine_seconds=4.0)}
    cells = [
        cell("full", rows((1, 1, 0, 0, 0, 0, 1, 1), **dear)),
        cell("rag k=1", rows((1, 0, 1, 1, 1, 1, 1, None)), settings={"k": 1}),
        cell("rag k=2", [*rows((1,) * 8)[:7], failed("h", {"m": 0.0, "other": 0.0})], settings={"k": 2}),
    ]
    return write(tmp_path / "one", [example(name) for name in NAMES], cells, metrics=("m", "other"))


def test_differences_counts_costs_and_flips(results: Results) -> None:
    text = text_of(comparison(results, "rag k=1", "full"))
    assert re.search(r"^ +m +0\.857 +0\.429 +\+0\.429 +\[[-+.\d]+, [-+.\d]+\] +0\.\d+ +4 +1 +2 +7", text, re.MULTILINE)
    assert re.search(r"^ +prompt tokens +100 +400 +0\.25", text, re.MULTILINE)
    assert re.search(r"^ +engine seconds +2\.00 +4\.00 +0\.50", text, re.MULTILINE)
    for head in ("a better on 4 by m", "b better on 1 by m", "reply to c", "right b", "8 questions in common."):
        assert head in text
    assert text.strip().splitlines()[-1].startswith("m: a - b = +0.429 [")
    assert "not settled by 7 questions in 7 clusters." in text


@pytest.mark.parametrize("width", [24, 40, 60, 80, 160])
def test_no_figure_is_cut_whatever_the_width(results: Results, width: int) -> None:
    text = text_of(comparison(results, "rag k=1", "full")[2:3], width)
    assert "…" not in text
    for shown in ("0.857", "0.429", "+0.429", "a better", "b better", "equal", "95 % interval", "other"):
        assert shown in text
    assert max(map(len, text.splitlines())) <= width
    assert ("continued" in text) == (width < 100)


def test_the_sign_turns_with_the_sides(results: Results) -> None:
    one, two = paired(results, "rag k=1", "full"), paired(results, "full", "rag k=1")
    assert one.difference("m").mean == pytest.approx(3 / 7)
    assert two.difference("m").mean == pytest.approx(-3 / 7)
    assert one.flips("m") == (["c", "d", "e", "f"], ["b"])
    assert two.flips("m") == (["b"], ["c", "d", "e", "f"])


def test_failed_answers_are_flips_that_say_why(results: Results) -> None:
    assert "(generate): on purpose" in text_of(comparison(results, "rag k=2", "full"))


def test_where_smaller_is_better_flips_and_winner_turn(tmp_path: Path) -> None:
    facts = {"smaller_is_better": ["m"]}
    cells = [cell("full", rows((0,) * 8), **facts), cell("rag", rows((1,) * 8), **facts)]
    results = write(tmp_path, [example(name) for name in NAMES], cells, metrics=("m", "other"))
    pair = paired(results, "rag", "full")
    assert (len(pair.flips("m")[0]), len(pair.flips("m")[1])) == (0, 8)
    assert text_of(comparison(results, "rag", "full")).strip().endswith("b is better, on 8 questions in 8 clusters.")


def test_cells_of_two_folders_are_paired_by_id(results: Results, tmp_path: Path) -> None:
    names = ("x", *NAMES[2:])
    asked = [example(name) for name in names]
    asked[1] |= {"key": "the question in other words", "gold_key": "other gold"}
    scored = rows((1,) * 7, names)
    scored[1] = made_of(scored[1], "the question in other words")
    other = write(tmp_path / "two", asked, [cell("new", scored)], metrics=("m",))
    pair = paired(results, "full", "new", other=other)
    assert pair.metrics == ("m",)
    assert pair.shared == NAMES[2:]
    assert (pair.only_a, pair.only_b, pair.other_texts, pair.other_gold) == (2, 1, 1, 1)
    text = text_of(comparison(results, "full", "new", other=other), 200)
    for words in ("6 questions in common, 2 only in a, 1 only in b, 1 with another wording", str(other.folder)):
        assert words in text


def made_of(prediction: Any, key: str) -> Any:
    from dataclasses import replace

    return replace(prediction, example_key=key)


@pytest.mark.parametrize(
    ("a", "b", "metric", "message"),
    [
        ("ful", "rag k=1", None, r"'ful' is not a cell of one\. .*Nearest: full"),
        ("rag", "full", None, r"'rag' is the pipeline of several cells\. Known: \['rag k=1', 'rag k=2'\]"),
        ("full", "full", None, "are the same cell"),
        ("full", "rag k=1", "othr", r"no metric 'othr' in common\. .*Nearest: other"),
    ],
)
def test_what_cannot_be_compared_says_why(results: Results, a: str, b: str, metric: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        comparison(results, a, b, metric=metric)


def test_no_common_question_or_metric_is_an_error(results: Results, tmp_path: Path) -> None:
    strange = write(tmp_path / "ids", [example("z")], [cell("new", [row("z", {"m": 1.0})])])
    with pytest.raises(ConfigError, match="no question in common: full has 8, new has 1"):
        paired(results, "full", "new", other=strange)
    unlike = write(tmp_path / "labels", [example("a")], [cell("new", [row("a", {"n": 1.0})])], metrics=("n",))
    with pytest.raises(ConfigError, match="no metric in common"):
        paired(results, "full", "new", other=unlike)
