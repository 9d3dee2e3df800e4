"""Pictures: what notebooks and pages get of them, colours for all readers, labels that do not collide, hovering."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from browser import Browser, found
from sweep_folders import cell, example, row, write

from ragvlc.analysis.drawing import MARKERS, mark
from ragvlc.analysis.files import report_files
from ragvlc.analysis.page import html_page
from ragvlc.analysis.pictures import COLOURS, DARK
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Usage

SIZES, KS = (32, 64, 128, 256, 512), (1, 2, 4, 8, 16, 32)
PAGES = {"light": "#ffffff", "dark": "#14171a"}
# Machado, Oliveira and Fernandes 2009, whole loss of a cone, on linear RGB.
READERS = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: np.ndarray) -> np.ndarray:
    x, y, z = (XYZ @ values.clip(0, 1)) / (0.95047, 1.0, 1.08883)
    x, y, z = (one ** (1 / 3) if one > 216 / 24389 else (24389 / 27 * one + 16) / 116 for one in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(XYZ[1] @ linear(colour)) + 0.05 for colour in (one, other))
    return high / low


def apart(colours: tuple[str, ...], reader: str) -> float:
    seen = [lab(np.array(READERS[reader]) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


@pytest.mark.parametrize("reader", READERS)
def test_colours_differ_for_every_reader(reader: str) -> None:
    assert apart(COLOURS, reader) >= 19.5
    assert apart(DARK, reader) >= 19.5
    assert apart(("#1b7fc4", "#8f6fc4", "#d55e00", "#c08600"), "protanopia") < 5, "an earlier set would fail"


def test_colours_are_seen_on_light_and_dark_pages() -> None:
    assert min(contrast(colour, page) for colour in COLOURS for page in PAGES.values()) >= 3
    assert min(contrast(colour, PAGES["dark"]) for colour in DARK) >= 4


def test_series_of_one_colour_have_other_marks() -> None:
    seen = [mark(number) for number in range(len(COLOURS) * len(MARKERS))]
    assert len(set(seen)) == len(seen)
    assert seen[0][0] == seen[len(COLOURS)][0]
    assert {seen[0][1], seen[len(COLOURS)][1]} == {"o", "X"}, "the eighth series is no circle like the first"


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Thirty cells of a grid and two others, with evidence at known places."""
    texts = [example(f"q{n}", cluster=f"d{n % 8}", evidence=[("d", 40 * n, 40 * n + 8)]) for n in range(16)]
    usage = lambda tokens: {"usage": Usage(tokens, 0, 4, 1)}  # noqa: E731
    cells = [
        cell(
            f"rag size={size} k={k}",
            [row(f"q{n}", {"m": right(n, size, k)}, **usage(size * k + n)) for n in range(16)],
            pipeline="rag", settings={"routes.rag.chunker.size": size, "routes.rag.selector.k": k},
        )
        for size in SIZES
        for k in KS
    ]  # fmt: skip
    others = [
        cell(name, [row(f"q{n}", {"m": float(n % 3 > 0)}, **usage(9000)) for n in range(16)], pipeline=name)
        for name in ("full_context_with_a_name_of_more_than_usual_length_and_then_some", "closed")
    ]
    return write(tmp_path_factory.mktemp("thirty") / "thirty", texts, [*others, *cells])


def right(n: int, size: int, k: int) -> float:
    return float((7 * n + k * size) % 97 < 20 + 9 * k)


def visible_texts(figure) -> list[tuple[str, object]]:
    from matplotlib.text import Text

    figure.draw_without_rendering()
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    shown = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip() and one not in beyond]
    return [(one.get_text(), one.get_window_extent()) for one in shown if one.get_window_extent().width]


def test_labels_do_not_collide_at_thirty_cells(thirty: Results) -> None:
    drawn = thirty.figures()
    assert {"quality_tokens", "over_k", "over_size", "heat_size_k"} <= set(drawn)
    for name, figure in drawn.items():
        texts = visible_texts(figure)
        assert len(texts) > 5
        clashes = [
            (one, other)
            for (one, box), (other, their) in combinations(texts, 2)
            if box.padded(-0.5).overlaps(their.padded(-0.5))
        ]
        assert clashes == [], name
        width, height = figure.bbox.size
        outside = [
            text for text, box in texts if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
        ]
        assert outside == [], name


def test_the_frontier_has_names_where_the_legend_names_pipelines(thirty: Results) -> None:
    figure = thirty.figure("quality_tokens")
    named = [text.get_text() for text in figure.axes[0].texts]
    assert 2 <= len(named) <= 8
    assert all(name in [cell.name for cell in thirty.cells] for name in named)


def test_axes_have_words_and_units(thirty: Results) -> None:
    for name, figure in thirty.figures().items():
        for axes in figure.axes:
            assert axes.get_ylabel(), name
            assert axes.get_xlabel() or "colorbar" in axes.get_label(), name
    assert thirty.figure("over_size").axes[0].get_xlabel() == "chunk size (tokens)"
    assert thirty.figure("quality_tokens").axes[0].get_ylabel() == "m (mean)"


def test_a_heat_map_has_a_field_for_each_cell(thirty: Results) -> None:
    figure = thirty.figure("heat_size_k")
    fields = figure.axes[0].collections[0].get_array()
    assert fields.shape == (len(KS), len(SIZES))
    means = {cell.name: cell.mean("m") for cell in thirty.cells}
    assert fields[3][1] == pytest.approx(means["rag size=64 k=8"])
    assert {one.text.split("\n")[1] for one in figure.hovers} == {f"size: {size}" for size in SIZES}
    assert len(figure.hovers) == 30


def test_settings_that_change_together_have_no_heat_map(tmp_path: Path) -> None:
    cells = [
        cell(f"rag {n}", [row("a", {"m": n / 9})], pipeline="rag", settings={"k": n, "size": 2 * n}) for n in (1, 2, 3)
    ]
    assert not [name for name in write(tmp_path, [example("a")], cells).figures() if name.startswith("heat")]


def test_points_say_what_they_are_without_a_script(thirty: Results) -> None:
    element = thirty.figure("quality_tokens").element("one")
    root = ET.fromstring(element)
    titles = [one.text for one in root.iter() if one.tag.endswith("title")]
    assert len(titles) == 32
    chosen = next(one for one in titles if one.startswith("rag size=64 k=8\n"))
    cell = thirty.cell("rag size=64 k=8").summary["metrics"]["m"]
    assert f"m {cell['mean']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}], n = 16" in chosen
    assert re.search(r"tokens of a question, read and written 524 \[\d+, \d+\], n = 16", chosen)


def test_hovered_places_lie_on_the_drawn_points(thirty: Results) -> None:
    figure = thirty.figure("over_k")
    root = ET.fromstring(figure.element("one"))
    uses = [
        (float(one.get("x")), float(one.get("y"))) for one in root.iter() if one.tag.endswith("use") and one.get("x")
    ]
    hits = [one for one in root.iter() if one.get("class") == "hit"]
    assert len(hits) >= 30
    for hit in hits[:30]:
        x, y = float(hit.get("cx")), float(hit.get("cy"))
        assert any(abs(x - left) < 0.2 and abs(y - top) < 0.2 for left, top in uses)


@pytest.mark.parametrize(("name", "boxes"), [("a\x1b[31m\u202eb", True), ("\u5168\u6587", True), ("plain", False)])
def test_characters_of_names_that_the_font_lacks_are_said_in_one_line(tmp_path, recwarn, caplog, name, boxes):
    names = [f"q{number}" for number in range(4)]
    cells = [cell(one, [row(key, {"m": float(len(one) > 4)}) for key in names]) for one in (name, "other")]
    report_files(write(tmp_path / "run", [example(key) for key in names], cells))
    assert [str(one.message) for one in recwarn] == []
    assert caplog.text.count("boxes in the PNG files") == boxes
    assert "\x1b" not in caplog.text


def test_pictures_are_shapes_and_files(thirty: Results) -> None:
    for name, figure in thirty.figures().items():
        assert "<image" not in figure.element("x"), f"{name}: the report's policy and some viewers refuse images"
    figure = thirty.figure("heat_size_k")
    assert figure.svg().startswith("<?xml")
    assert ET.fromstring(figure.svg()).get("width")
    assert figure.pdf().startswith(b"%PDF")
    assert figure.png().startswith(b"\x89PNG")


def test_notebooks_get_a_picture_without_a_magic_line(thirty: Results) -> None:
    figure = thirty.figure("quality_tokens")
    bundle = figure._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert len(bundle["image/png"]) < 80_000
    assert "<svg" in bundle["text/html"]
    assert "<script>" in bundle["text/html"]
    assert set(figure._repr_mimebundle_(include=["image/png"])) == {"image/png"}
    assert "image/png" not in figure._repr_mimebundle_(exclude=["image/png"])
    other = figure._repr_mimebundle_()["text/html"]
    ids = [set(re.findall(r'\bid="([^"]+)"', one)) for one in (bundle["text/html"], other)]
    assert ids[0].isdisjoint(ids[1]), "the same figure twice in one notebook"


def test_the_report_of_thirty_cells_is_small(thirty: Results) -> None:
    assert len(html_page(thirty).encode()) < 1_000_000


@pytest.mark.skipif(found() is None, reason="needs Chromium")
def test_hovering_says_what_a_point_is_and_dims_the_others(thirty: Results, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html_page(thirty), encoding="utf-8")
    with Browser(tmp_path, dark=True) as browser:
        browser.open(page)
        browser.run("document.querySelectorAll('figure svg')[1].scrollIntoView({block: 'center'})")
        browser.run("window.frames_seen = 0, requestAnimationFrame(() => requestAnimationFrame(() => frames_seen = 2))")
        browser.until("frames_seen == 2")
        x, y = browser.run(
            "(() => { const hit = document.querySelectorAll('figure svg')[1].querySelectorAll('.hit')[2];"
            "const box = hit.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2] })()"
        )
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + 3, y=y + 2)
        browser.until("document.querySelector('.ragvlc-tip') && !document.querySelector('.ragvlc-tip').hidden")
        words = browser.run("document.querySelector('.ragvlc-tip').textContent")
        assert re.match(r"rag size=\d+ k=\d+\nm \d\.\d{3} \[", words), words
        assert browser.run("document.querySelectorAll('figure svg')[1].classList.contains('dim')")
        assert browser.run("document.querySelectorAll('figure svg')[1].querySelectorAll('g.on').length") > 2
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        browser.until("document.querySelector('.ragvlc-tip').hidden")
        assert browser.run("document.querySelectorAll('.dim, .on').length") == 0
        assert browser.complaints() == []
        assert browser.requested() == {page.as_uri()}
