"""Results as a place to compare: tidy frames with documented columns, what notebooks show, cells side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import analysis_things as things
import pytest
from browser import Browser, found
from sweep_folders import cell, example, row, write

from ragvlc.analysis import frames
from ragvlc.analysis.embedded import EmbeddedPage
from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError
from ragvlc.results.loading import Comparison

DOCS = Path(__file__).parents[2] / "docs" / "notebooks.md"
TABLES = {"compare": frames.COMPARE, "pareto": frames.PARETO, "flips": frames.FLIPS}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return things.hostile(tmp_path_factory.mktemp("results") / "hostile")


@pytest.mark.parametrize("method", TABLES)
def test_columns_are_those_of_the_documentation(results: Results, method: str) -> None:
    page = DOCS.read_text(encoding="utf-8")
    section = page.split(f"### `results.{method}(", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|$", section, flags=re.MULTILINE)
    assert dict(rows) == TABLES[method]
    given = {"flips": ("rag k=2 size=64", "rag k=6 size=64")}.get(method, ())
    frame = getattr(results, method)(*given)
    assert list(frame.columns) == list(TABLES[method])
    assert len(frame)
    docstring = getattr(Results, method).__doc__
    assert [name for name in TABLES[method] if f"`{name}`" not in docstring] == []


def test_compare_takes_no_one_or_two_names(results: Results) -> None:
    assert list(frames.COMPARE) == list(Comparison.__dataclass_fields__)
    assert set(results.compare()["baseline"]) == {results.cells[0].name}
    assert set(results.compare("rag k=2 size=64")["baseline"]) == {"rag k=2 size=64"}
    both = results.compare("rag k=6 size=64", "rag k=2 size=64")
    assert list(both["metric"]) == ["m", "other"]
    first = both.iloc[0]
    assert (first["difference"], first["better"], first["worse"]) == (pytest.approx(4 / 12), pytest.approx(4 / 12), 0)
    assert first["low"] < first["difference"] < first["high"]
    turned = results.compare("rag k=2 size=64", "rag k=6 size=64").iloc[0]
    assert turned["difference"] == pytest.approx(-4 / 12)
    with pytest.raises(ConfigError, match="are the same cell"):
        results.compare("oracle", "oracle")
    with pytest.raises(ConfigError, match="Nearest: oracle"):
        results.compare("oracel", "oracle")


def test_pareto_is_cheapest_first_without_controls(results: Results) -> None:
    frame = results.pareto()
    assert list(frame["cost"]) == sorted(frame["cost"])
    assert "oracle" not in set(frame["cell"])
    assert list(frame[frame["on_front"]]["score"]) == [pytest.approx(n / 12) for n in (4, 6, 8)]
    money = results.pareto(cost="money")
    assert set(money["cost_kind"]) == {"money"}
    with pytest.raises(ConfigError, match=r"no cost 'tokns'\. .*Nearest: tokens"):
        results.pareto(cost="tokns")


def test_flips_are_the_questions_whose_scores_differ(results: Results) -> None:
    frame = results.flips("rag k=6 size=64", "rag k=2 size=64")
    assert list(frame["id"]) == ["q4", "q5", "q6", "q7"]
    assert set(frame["better"]) == {"a"}
    assert set(zip(frame["score_a"], frame["score_b"], strict=True)) == {(1.0, 0.0)}
    assert frame.iloc[0]["answer_a"].startswith("reply")
    assert results.flips("rag k=2 size=64", "rag k=2 size=128").empty
    assert list(results.flips("rag k=2 size=64", "rag k=2 size=128").columns) == list(frames.FLIPS)


def test_smaller_may_be_better(tmp_path: Path) -> None:
    cells = [
        cell(name, [row("x", {"m": score})], smaller_is_better=["m"]) for name, score in (("one", 1.0), ("two", 3.0))
    ]
    results = write(tmp_path, [example("x")], cells)
    assert list(results.flips("one", "two")["better"]) == ["a"]
    assert results.compare("one", "two").iloc[0]["better"] == 1.0


def test_a_failed_question_has_an_empty_answer(results: Results) -> None:
    frame = results.flips(results.cells[0].name, "oracle")
    failed = frame[frame["id"] == "q11"].iloc[0]
    assert (failed["answer_a"], failed["better"]) == ("", "b")


def test_results_show_the_answer_a_table_and_a_figure(results: Results) -> None:
    shown = results._repr_html_()
    assert "<strong>Best m: rag k=6 size=64, 0.667" in shown
    assert "<b>0.667</b>" in shown or "<b>0.67</b>" in shown
    assert "<svg" in shown
    assert f"full {things.HOSTILE}" not in shown, "names are escaped"


def test_results_without_cells_or_scores_still_show(tmp_path: Path) -> None:
    assert Results(tmp_path / "none", [], "")._repr_html_() == "<p>none: no cells yet. Run the experiment.</p>"
    lone = write(tmp_path / "lone", [example("x")], [cell("full", [row("x", {"m": None})])])
    assert "<td>full</td>" in lone._repr_html_()
    assert lone.pareto().empty


def test_many_cells_are_cut_and_counted(tmp_path: Path) -> None:
    cells = [cell(f"c{n}", [row("x", {"m": n / 40})]) for n in range(30)]
    shown = write(tmp_path, [example("x")], cells)._repr_html_()
    assert "14 more cells: <code>results.table()</code>" in shown
    assert "<td>c29</td>" in shown
    assert "<td>c0</td>" not in shown


def test_a_notebook_gets_a_table_and_a_picture(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    shown: list[object] = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    results._ipython_display_()
    table, figure = shown
    assert "<table>" in table.data
    assert "<svg" not in table.data
    assert "image/png" in figure._repr_mimebundle_()


def test_the_report_is_shown_in_a_frame(results: Results) -> None:
    page = results.report()
    assert isinstance(page, EmbeddedPage)
    assert page.html.startswith("<!doctype html>")
    frame = page._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert "<script" not in frame, "all of the page is in the attribute"
    assert 'sandbox="allow-scripts"' in frame
    assert re.fullmatch(r"<report of hostile: a page of \d+ kB; run the cell to see it>", repr(page))
    assert not (results.folder / "report.html").exists()


def test_cells_side_by_side_say_what_is_left_out(tmp_path: Path, results: Results) -> None:
    names = [f"x{n}" for n in range(80)]
    cells = [cell(f"c{n}", [row(name, {"m": (n + at) / 99}) for at, name in enumerate(names)]) for n in range(14)]
    page = write(tmp_path, [example(name) for name in names], cells).side_by_side("c3", "c2").html
    assert "This page has 60 of 80 questions and 12 of 14 cells" in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert data["cells"][:2] == ["c3", "c2"]
    assert "This page has" not in results.side_by_side().html
    with pytest.raises(ConfigError, match="fewer than two cells"):
        write(tmp_path / "one", [example("x")], cells[:1]).side_by_side()


@pytest.mark.skipif(found() is None, reason="needs Chromium")
def test_two_cells_are_picked_and_read_in_a_browser(results: Results, tmp_path: Path) -> None:
    page = results.side_by_side("rag k=6 size=64", "rag k=2 size=64", texts=things.TEXTS).save(tmp_path / "side.html")
    with Browser(tmp_path) as browser:
        browser.open(page)
        assert browser.text("count") == "4 of 12 questions."
        answers = "[...document.querySelectorAll('.answer')].map((one) => one.textContent)"
        assert browser.run(answers) == [f"reply {things.HOSTILE}"] * 2
        assert browser.run("document.querySelectorAll('.answer.good, .answer.bad').length") == 2
        assert browser.run("document.querySelectorAll('mark').length") > 0
        first = browser.run("document.querySelector('#detail strong').textContent")
        browser.run("document.querySelectorAll('#list button')[1].click()")
        assert browser.run("document.querySelector('#detail strong').textContent") != first
        choose = (
            "(() => { const one = document.getElementById('%s'); one.value = %s;"
            "one.dispatchEvent(new Event('input', {bubbles: true})) })()"
        )
        browser.run(choose % ("which", "'b'"))
        assert browser.text("count") == "0 of 12 questions."
        browser.run(choose % ("which", "'all'"))
        full = browser.run(
            "[...document.querySelectorAll('#b option')].findIndex((one) => one.textContent.startsWith('full'))"
        )
        browser.run(choose % ("b", full))
        browser.run("document.querySelectorAll('#list button')[11].click()")
        assert any("boom" in one for one in browser.run(answers)), "a failure says why"
        assert browser.complaints() == []
        assert browser.requested() == {page.as_uri()}
