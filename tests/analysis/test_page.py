"""The HTML page: it stands alone, it escapes, and it says what the results say."""

from __future__ import annotations

import errno
import os
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import analysis_things as things
import pytest
from sweep_folders import cell, example, row, write

from ragvlc.analysis.page import html_page, write_html
from ragvlc.analysis.results import Results
from ragvlc.core.data import Span
from ragvlc.core.errors import ConfigError, StoreError

VOID = {"meta", "br", "img", "hr", "wbr", "link", "input"}


class Reader(HTMLParser):
    """Collects tags, ids, links and text, and checks that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.outside: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name.startswith("on"):
                self.handlers.append(name)
            if name in {"src", "href", "xlink:href", "action", "data"} and not value.startswith("#"):
                self.outside.append(value)

    def handle_startendtag(self, tag: str, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


def read(text: str) -> tuple[Reader, str]:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return things.hostile(tmp_path_factory.mktemp("results") / "hostile")


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return html_page(results, texts=things.TEXTS)


def test_the_page_stands_alone_and_texts_stay_texts(page: str) -> None:
    reader, text = read(page)
    assert not reader.tags & {"img", "link", "iframe", "object", "base", "form"}
    [script] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'\"" in page, "the script of hovering runs, and no other could"
    assert (reader.outside, reader.handlers) == ([], [])
    assert "url(" not in re.sub(r"url\(#", "", page)
    assert "@import" not in page
    for hostile in (f"reply {things.HOSTILE}", f"boom {things.HOSTILE}", "<script>d0</script>", "What of 5 </pre>"):
        assert hostile in text, "shown as it is, not dropped"
    assert len(reader.ids) == len(set(reader.ids)), "ids of several drawings must not meet"


def test_sections_come_in_their_order(page: str) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "The answer", "Tables", "Parts of the questions", "Figures", "Where cells disagree most",
        "Failures and truncation", "How to reproduce it",
    ]  # fmt: skip


def test_figures_are_drawings_with_text_as_text(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) >= 7
    for words in ("m against tokens", "m against money", "m over passages read", "m over chunk size"):
        assert any(f">{words}</text>" in one for one in drawings), words
    assert all("currentColor" in one for one in drawings)
    assert all(re.match(r'<svg [^>]*viewBox="', one) and not re.match(r"<svg [^>]*width=", one) for one in drawings)


def test_what_is_said(page: str) -> None:
    _, text = read(page)
    assert "8 cells of 3 pipelines (full, rag, oracle); over toy: 12 questions in 4 clusters" in text
    assert "rag k=6 size=64 has the best m: 0.667, on paired questions 0.167 above full" in text
    assert "left out of the answer: oracle." in text
    assert "Left out by the data set in all cells: 3 too long." in text
    assert "11 of 11 7 7 0.55 -" in text, "questions cut, dropped tokens, most, score of those cut and of the others"
    assert re.search(r"d\d 0-600 \(40 characters of evidence\)", text)
    assert "money per 1000" in text


def test_best_scores_are_marked_among_the_candidates_only(page: str) -> None:
    table = re.search(r"<caption>Scores</caption>.*?</table>", page, flags=re.DOTALL)
    assert table
    rows = dict(re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', table[0], flags=re.DOTALL))
    marked = [name for name, cells in rows.items() if '<td class="best">0.67' in cells]
    assert marked == ["rag k=6 size=64", "rag k=6 size=128"]
    assert 'class="best"' not in rows["oracle (control)"].split("</td>")[0]


def test_parts_have_a_table_by_task_tag_and_place(page: str) -> None:
    groups = re.findall(r"<summary>(By .*?)</summary>", page)
    assert groups == [
        "By task", "By level",
        "By position of the evidence in the documents", "By position of the evidence in the context",
    ], "tags with one value, or another for every question, group nothing"  # fmt: skip


def test_without_texts_passages_are_places(tmp_path: Path) -> None:
    asked = [example("a", evidence=[["d", 5, 9]])]
    cells = [
        cell("full", [row("a", {"m": 1.0}, context=(Span("d", 0, 8), Span("d", 20, 30)))]),
        cell("rag", [row("a", {"m": 0.0})]),
    ]
    _, text = read(html_page(write(tmp_path, asked, cells)))
    assert "d 0-8 (3 characters of evidence) d 20-30 rag nothing" in text
    assert "Marked:" not in text


def test_the_page_is_written_whole_into_the_folder(tmp_path: Path) -> None:
    results = write(tmp_path / "one", [example("a")], [cell("full", [row("a", {"m": None}, text="half \ud800 pair")])])
    path = write_html(results)
    assert path == tmp_path / "one" / "report.html"
    assert "No cell has a score for m yet." in path.read_text(encoding="utf-8")
    assert list(path.parent.glob("*.part")) == []
    with pytest.raises(ConfigError, match="no cell of one is called 'nothing'"):
        write_html(results, "nothing")


def test_a_cell_that_owes_answers_is_announced(tmp_path: Path) -> None:
    cells = [cell("full", [row("a", {"m": 1.0})], done=False), cell("rag", [row(n, {"m": 1.0}) for n in "ab"])]
    _, text = read(html_page(write(tmp_path, [example("a"), example("b")], cells)))
    assert "full is not complete: 1 of 2 questions." in text


def test_several_data_sets_have_an_answer_each(tmp_path: Path) -> None:
    _, text = read(html_page(things.long_and_short(tmp_path / "lengths")))
    assert "toy pad_to_tokens=2000 full pad_to_tokens=2000 has the best m: 0.833" in text
    assert "toy pad_to_tokens=8000 rag pad_to_tokens=8000 has the best m: 0.583" in text


def test_a_page_that_does_not_fit_leaves_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = write(tmp_path / "one", [example("a")], [cell("full", [row("a", {"m": 1.0})])])
    left = tmp_path / "one" / "report.html.1-2-3.part"
    left.write_text("of a report that was killed")
    os.utime(left, (0, 0))

    def full(*paths: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ragvlc.memo.disk.os.replace", full)
        with pytest.raises(StoreError, match="cannot be written: No space left on device. The results are safe"):
            write_html(results)
    assert list(results.folder.glob("report.html*")) == []
    assert write_html(results).is_file()
