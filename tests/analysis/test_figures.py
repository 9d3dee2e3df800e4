"""Figures show the figures of the results."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import analysis_things as things
import pytest
from sweep_folders import cell, example, row, write

from ragvlc.analysis.axes import axes
from ragvlc.analysis.figures import figures, svg
from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return things.hostile(tmp_path_factory.mktemp("results") / "hostile")


def lines(figure, place: int = 0) -> dict[str, list[tuple[float, float]]]:
    axes = figure.axes[place]
    found = {}
    for line in axes.get_lines():
        if not str(line.get_label()).startswith("_"):
            found[line.get_label()] = [tuple(map(float, point)) for point in line.get_xydata()]
    return found


def test_which_figures_there_are_follows_from_the_results(results: Results, tmp_path: Path) -> None:
    assert list(results.figures()) == [
        "quality_tokens", "quality_seconds", "quality_money", "over_k", "over_size", "heat_k_size", "money_questions",
        "position_document", "position_context",
    ]  # fmt: skip
    assert "quality_money" not in figures(things.hostile(tmp_path / "unpriced", prices=False))
    lone = write(tmp_path / "lone", [example("a")], [cell("full", [row("a", {"m": 1.0})])])
    assert lone.figures() == {}
    with pytest.raises(ConfigError, match=r"has no figure 'over_sise'\. .*Nearest: over_size\."):
        results.figure("over_sise")
    with pytest.raises(ConfigError, match=r"no metric 'n'\. Known: \['m', 'other'\]"):
        results.figure("over_k", metric="n")


def test_an_axis_has_a_line_for_each_combination_of_the_others(results: Results) -> None:
    found = lines(results.figure("over_k"))
    score = {2: 4 / 12, 4: 6 / 12, 6: 8 / 12}
    assert found["rag size=64"] == [(k, pytest.approx(score[k])) for k in (2, 4, 6)]
    assert found["rag size=128"] == found["rag size=64"]
    across = {name: points for name, points in found.items() if not name.startswith("rag")}
    assert [points[0][1] for points in across.values()] == [pytest.approx(0.5), pytest.approx(1.0)]
    assert "oracle (control)" in across


def test_settings_that_change_together_make_one_line(tmp_path: Path) -> None:
    pairs = [(64, 16), (128, 8), (256, 4)]
    cells = [
        cell(f"rag {size} {k}", [row("a", {"m": k / 16})], pipeline="rag", settings={"x.size": size, "x.k": k})
        for size, k in pairs
    ]
    found = axes(write(tmp_path, [example("a")], cells).cells, "m")
    assert [(one.name, one.words) for one in found] == [
        ("size", "x.size; changes with it: k"),
        ("k", "x.k; changes with it: size"),
    ]
    assert [value for value, _ in found[0].lines[0].points] == [64, 128, 256]


def test_repeats_are_pooled_question_by_question(tmp_path: Path) -> None:
    scores = {(1, 0): (1, 0), (1, 1): (0, 0), (2, 0): (1, 1), (2, 1): (1, 1)}
    cells = [
        cell(f"rag k={k} #{r}", [row(n, {"m": float(s)}) for n, s in zip("ab", own, strict=True)], pipeline="rag",
             settings={"k": k}, repeat=r)
        for (k, r), own in scores.items()
    ]  # fmt: skip
    [found] = axes(write(tmp_path, [example("a"), example("b")], cells).cells, "m")
    [line] = found.lines
    assert [(value, interval.mean, interval.n) for value, interval in line.points] == [(1.0, 0.25, 2), (2.0, 1.0, 2)]


def test_no_two_cells_that_differ_in_one_number_are_no_axis(tmp_path: Path) -> None:
    settings = [{"k": 1, "size": 2, "order": "a"}, {"k": 2, "size": 2, "order": "b"}, {"k": 1, "size": 4, "order": "b"}]
    cells = [cell(f"rag {n}", [row("a", {"m": 1.0})], pipeline="rag", settings=one) for n, one in enumerate(settings)]
    assert [one.name for one in axes(write(tmp_path, [example("a")], cells).cells, "m")] == []


def test_each_data_set_has_its_panel_of_costs(tmp_path: Path) -> None:
    figure = things.long_and_short(tmp_path / "lengths").figure("quality_tokens")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "m against tokens: toy pad_to_tokens=2000",
        "m against tokens: toy pad_to_tokens=8000",
    ]
    points = [
        tuple(map(float, line.get_xydata()[0])) for line in figure.axes[1].get_lines() if len(line.get_xydata()) == 1
    ]
    assert sorted(points) == [(810.0, pytest.approx(7 / 12)), (8010.0, pytest.approx(3 / 12))]


def test_the_frontier_leaves_out_controls_and_what_is_beaten(results: Results) -> None:
    found = lines(results.figure("quality_tokens"))["cost-quality frontier"]
    assert found == [(94.0, pytest.approx(4 / 12)), (114.0, pytest.approx(6 / 12)), (134.0, pytest.approx(8 / 12))]


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    names = ["$x^2$ cost", "_hidden", "<b>&bold", "长上下文", "a" * 200]
    cells = [cell(name, [row("a", {"m": n / 9}, usage=things.Usage(n + 1))]) for n, name in enumerate(names)]
    results = write(tmp_path, [example("a")], cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = svg(results.figure("quality_tokens"), "one")
    for words in ("$x^2$ cost", "_hidden", "&lt;b&gt;&amp;bold", "长上下文", "…"):
        assert words in text
    assert "one-figure_1" in text
    assert text == svg(results.figure("quality_tokens"), "one"), "the same results, the same drawing"


def test_drawing_leaves_the_global_state_alone(results: Results) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    svg(results.figure("over_k"), "x")
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
