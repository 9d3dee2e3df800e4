"""The longest context at which a route is not worse than at the shortest, in tables, sentences, figures and frames."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from command_line import Cli
from rich.console import Console

from ragvlc.analysis.effective_length import route_lengths
from ragvlc.analysis.length_words import effective_tables, sentence, short_length
from ragvlc.analysis.page import html_page
from ragvlc.analysis.report import terminal_report
from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError
from ragvlc.core.length_margin import LengthMargin
from ragvlc.results.store import SweepStore

LENGTHS = (4096, 8192, 16384, 32768)
NAMES = tuple(f"q{place:03d}" for place in range(200))
ASKED = {"effective_length": {"metric": "m", "margin": 0.1}}


def right(count: int, names: Sequence[str] = NAMES) -> dict[str, float]:
    return {name: float(place < count) for place, name in enumerate(names)}


def swept(
    folder: Path, routes: Mapping[str, Sequence[Mapping[str, float | None]]], clusters: int = 200, **facts: Any
) -> Results:
    """Writes a sweep over context lengths, of scores by question for each length; others were skipped there."""
    folder.mkdir(parents=True, exist_ok=True)
    store, cells = SweepStore(folder), []
    for at, length in enumerate(LENGTHS):
        asked = {name for scores in routes.values() if at < len(scores) for name in scores[at]}
        examples = [made.example(name, f"c{int(name[1:]) % clusters}") for name in NAMES if name in asked]
        file = store.write_examples(f"{at + 1:016d}", examples)
        for route, scores in routes.items():
            if at < len(scores):
                settings = {"dataset.pad_to_tokens": length, **facts.get("settings", {}).get(route, {})}
                name, pipeline = f"{route} {length}", facts.get("pipelines", {}).get(route, route)
                rows = [made.row(question, {"m": score}) for question, score in scores[at].items()]
                given = {key: value for key, value in facts.items() if key not in ("settings", "pipelines")}
                cell = made.cell(name, rows, settings=settings, examples=file, pipeline=pipeline, **given)
                cells.append({**ASKED, **cell})
    return made.write(folder, [made.example("unused")], cells)


def only(results: Results) -> Any:
    [found] = route_lengths(results, LengthMargin(metric="m", margin=0.1))
    return found


def test_a_route_holds_up_to_the_length_before_the_first_that_fails(tmp_path: Path) -> None:
    found = only(swept(tmp_path, {"full": [right(180), right(178), right(140), right(180)]}))
    assert found.found.length == 8192
    assert [step.length for step in found.found.steps] == [8192, 16384], "the longest is not tested"
    assert found.found.lost is None, "at the longest nothing is lost"
    low, high = (-end for end in (found.pairs[16384].difference().low, found.pairs[16384].difference().high))
    assert sentence(found) == (
        f"full: holds up to 8k (8,192) tokens; at 16k .20 lower [{high:.2f}, {low:.2f}].".replace("0.", ".")
    )


def test_a_loss_from_some_length_on_bounds_it_from_above(tmp_path: Path) -> None:
    found = only(swept(tmp_path, {"full": [right(180), right(168), right(120), right(90)]}))
    assert (found.found.length, found.found.lost) == (4096, 16384)
    assert re.fullmatch(
        r"full: no context longer than 4k \(4,096\) tokens, the shortest asked, is shown to hold; at 8k \.06 lower "
        r"\[\.0\d, \.1\d\], perhaps by less than the margin; from 16k on more than the margin is lost\.",
        sentence(found),
    )


def test_what_holds_everywhere_and_what_is_not_settled(tmp_path: Path) -> None:
    every = only(swept(tmp_path / "every", {"full": [right(180), right(180), right(174), right(182)]}))
    assert sentence(every).startswith("full: holds up to 32k (32,768) tokens, the longest asked (worse by less than ")
    assert "margin at 16k)." in sentence(every)
    few = only(swept(tmp_path / "few", {"full": [right(180), right(180)]}, clusters=7))
    assert few.found.length == 4096
    assert "at 8k not settled, as fewer than 8 clusters decide nothing: .00 [-" in sentence(few)
    names = NAMES[:20]
    wide = only(swept(tmp_path / "wide", {"full": [right(18, names), right(17, names)]}))
    assert re.search(r"at 8k not settled: -\.05 \[-\.\d\d, \+\.\d\d\]", sentence(wide)), sentence(wide)


def test_the_same_questions_at_every_length_and_the_others_counted(tmp_path: Path) -> None:
    # At the shortest, thirty questions were skipped; ten more have no score at 8k.
    start = dict.fromkeys(NAMES[30:], 1.0)
    second: dict[str, float | None] = {
        name: None if place in range(40, 50) else 1.0 for place, name in enumerate(NAMES)
    }
    results = swept(tmp_path, {"full": [start, second, right(200)]})
    found = only(results)
    assert (found.questions.n, found.left_out, found.without) == (160, 40, (4096, 30))
    [table] = effective_tables(results)
    assert (
        "160 questions in 160 clusters have a score at every length; 40 others are left out. Without 4k, 30 of them "
        "could be compared, too."
    ) in table.note
    assert found.pairs[16384].difference().mean == 0, "of the common questions only"


def test_no_common_question_is_said(tmp_path: Path) -> None:
    results = swept(tmp_path, {"full": [right(90, NAMES[:100]), right(80, NAMES[100:])]})
    found = only(results)
    assert found.found is None
    assert sentence(found) == (
        "full: no question has a m at every length (at 4k (4,096) tokens 100 have one), so lengths cannot be compared."
    )
    [table] = effective_tables(results)
    assert [entry.text for entry in table.rows[0][1]] == ["-", "-", "-", "-"]
    assert results.effective_length()["holds"].tolist() == [False, False]


def test_each_generator_has_its_own_length(tmp_path: Path) -> None:
    scores = {"small": [right(180), right(120)], "large": [right(190), right(190)]}
    own = {name: {"generators.main.model": name} for name in scores}
    results = swept(tmp_path, scores, settings=own, pipelines=dict.fromkeys(scores, "full"))
    lengths = {one.route: one.found.length for one in route_lengths(results, LengthMargin(metric="m", margin=0.1))}
    assert lengths == {"full model=small": 4096, "full model=large": 8192}


def test_smaller_may_be_better(tmp_path: Path) -> None:
    scores = {"full": [right(20), right(20), right(80)]}
    results = swept(tmp_path, scores, smaller_is_better=["m"])
    found = only(results)
    assert found.found.length == 8192
    assert "at 16k +.30 [+.2" in sentence(found)
    [table] = effective_tables(results)
    assert "is below +0.1" in table.note
    assert table.rows[0][1][0].text == "0.10", "the score as it is"
    frame = results.effective_length().set_index("length")
    assert frame.loc[16384, "difference"] == pytest.approx(0.3)
    assert frame.loc[16384, "difference_low"] < 0.3 < frame.loc[16384, "difference_high"]


def test_controls_and_single_lengths_have_no_effective_length(tmp_path: Path) -> None:
    one = swept(tmp_path / "one", {"full": [right(180)]})
    [table] = effective_tables(one)
    assert "No pipeline was asked at two lengths" in table.note
    with pytest.raises(ConfigError, match="no pipeline was asked at two lengths: effective_length needs an axis over"):
        one.effective_length("m", 0.1)
    control = swept(tmp_path / "control", {"gold": [right(180), right(180)]}, control=True)
    assert route_lengths(control, LengthMargin(metric="m", margin=0.1)) == []


def test_lengths_that_the_data_set_gives_are_paired_by_the_text_of_the_question(tmp_path: Path) -> None:
    examples, rows = [], []
    for length, count in ((500, 180), (1000, 178), (2000, 100)):
        for place, name in enumerate(NAMES):
            own = f"{name}@{length}"
            examples.append(made.example(own, name, question=name, references=["r"], tags={"length": length}))
            rows.append(made.row(own, {"m": float(place < count)}))
    results = made.write(tmp_path, examples, [{**made.cell("full", rows), **ASKED}])
    found = only(results)
    assert (found.found.length, found.found.lost) == (1000, 2000)
    assert sentence(found).startswith("full: holds up to 1k (1,000); at 2k .40 lower")


def test_a_length_of_its_own(tmp_path: Path) -> None:
    cells = [
        made.cell(f"rag {k}", [made.row(n, {"m": s}) for n, s in right(right_ones).items()], settings={"a.k": k})
        | {"pipeline": "rag", "effective_length": {"metric": "m", "margin": 0.1, "axis": "a.k"}}
        for k, right_ones in ((2, 180), (4, 180))
    ]
    results = made.write(tmp_path, [made.example(name) for name in NAMES], cells)
    assert results.effective_length()["effective_length"].tolist() == [4.0, 4.0]


def test_the_report_says_it_on_screen_page_and_figure(tmp_path: Path) -> None:
    results = swept(tmp_path, {"full": [right(180), right(178), right(140)], "rag": [right(150)] * 3})
    console = Console(width=150, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        for part in terminal_report(results):
            console.print(part)
    text = " ".join(capture.get().split())
    assert "Effective length by m, margin 0.1" in text
    assert "full: holds up to 8k (8,192) tokens; at 16k .20 lower" in text
    assert "rag: holds up to 16k (16,384) tokens, the longest asked." in text
    page = html_page(results)
    assert "<h3>How long may the context be? (by m, margin 0.1)</h3><p>full: holds up to 8k (8,192) tokens" in page
    drawn = results.figure("effective_length")
    assert len(drawn.axes) == 2
    dashed = [line for line in drawn.axes[0].get_lines() if line.get_label() == "score at 4k less the margin"]
    assert [one.get_ydata()[0] for one in dashed] == [pytest.approx(0.8)]


def test_a_margin_may_be_given_later_and_that_is_said(tmp_path: Path) -> None:
    results = swept(tmp_path, {"full": [right(180), right(178)]}, effective_length=None)
    assert effective_tables(results) == []
    assert "effective_length" not in results.figures()
    with pytest.raises(ConfigError, match="needs a metric and a margin"):
        results.effective_length()
    given = results.with_effective_length("m", 0.1)
    assert "The margin was given with the results known" in effective_tables(given)[0].note
    frame = results.effective_length("m", 0.1)
    assert frame["effective_length"].tolist() == [8192, 8192]
    assert list(frame["verdict"]) == ["", "not worse"]
    assert effective_tables(results) == [], "unchanged"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "m"}, "effective_length: needs `margin`: how much of m a longer context may lose"),
        ({"metric": "m", "margin": 0}, "effective_length: margin: must be above 0"),
        ({"metric": "m", "margin": 5}, "effective_length: margin: 5 is all of m, which is from 0 to 1 here"),
        (
            {"metric": "m", "margin": 0.1, "axis": "dataset.pad_to_token"},
            "effective_length: 'dataset.pad_to_token' is no setting that the cells differ in. Known: dataset.pad",
        ),
        ({"metric": "n", "margin": 0.1}, "has no metric 'n'. Known: ..m"),
    ],
)
def test_wrong_margins_and_metrics_are_one_sentence(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    results = swept(tmp_path, {"full": [right(180), right(178)]})
    with pytest.raises(ConfigError, match=message) as caught:
        results.effective_length(**given)
    assert len(caught.value.problems) == 1


def test_the_command_takes_a_margin(tmp_path: Path, ragvlc: Cli) -> None:
    swept(tmp_path, {"full": [right(180), right(178)]}, effective_length=None)
    done = ragvlc("report", str(tmp_path), "--effective-length", "m=0.1")
    assert "full: holds up to 8k (8,192) tokens, the longest asked." in " ".join(done.out.split())
    for wrong, message in (("m", "The margin has no default."), ("m=much", "needs METRIC=MARGIN, such as")):
        failed = ragvlc("report", str(tmp_path), "--effective-length", wrong)
        assert (failed.code, message in failed.err) == (2, True)


def test_lengths_in_short() -> None:
    assert [short_length(one) for one in (500, 1000, 1024, 7000, 16384, 1_048_576, 1500)] == [
        "500", "1k", "1k", "7k", "16k", "1,024k", "1,500",
    ]  # fmt: skip
