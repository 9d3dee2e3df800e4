"""PDF files: ten made for the purpose, and what else goes wrong in them."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess

import pytest
from rapidfuzz.distance import LCSseq
from reportlab.pdfgen.canvas import Canvas
from ten_pdfs import PARAGRAPH, ROWS, ten_pdfs

from ragvlc.documents.balance import balanced
from ragvlc.documents.extraction import Unreadable, extract
from ragvlc.documents.formats.found import visible
from ragvlc.documents.formats.pdf import _joined
from ragvlc.documents.formats.pdf_layout import TextRun, page_text


@pytest.fixture(scope="module")
def made():
    return ten_pdfs()


def agreement(one: str, other: str) -> float:
    """Returns the share of words that two texts have in common, in the same order; bars of tables aside."""
    first, second = ([word for word in text.split() if word != "|"] for text in (one, other))
    return 2 * LCSseq.similarity(first, second) / max(1, len(first) + len(second))


NAMES = [
    "ligatures",
    "hyphens",
    "columns",
    "columns_by_line",
    "table_ruled",
    "table_unruled",
    "scans",
    "rotated",
    "notes",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_word_in_the_order_of_reading(made, name):
    found = extract("pdf", made[name].data)
    assert agreement(made[name].text, found.text) > 0.999
    assert not any(word in found.text for word in made[name].absent)


@pytest.mark.parametrize("name", ["table_ruled", "table_unruled"])
def test_rows_have_their_empty_cells(made, name):
    text = extract("pdf", made[name].data).text
    for row in ROWS:
        assert "| " + " | ".join(row) + " |" in text.split("\n")


def test_scans_are_counted(made):
    found = extract("pdf", made["scans"].data)
    sheet = balanced("scans.pdf", "pdf", found)
    assert (found.pages, found.scans, sheet.loss) == (3, 2, 2 / 3)
    assert sheet.losses() == "scans.pdf: 2 of 3 pages are pictures without text (scans need OCR)."


def test_a_password_is_one_clear_line(made):
    with pytest.raises(Unreadable, match="^needs a password$"):
        extract("pdf", made["locked"].data)


@pytest.mark.parametrize("name", NAMES)
def test_poppler_finds_nothing_more(made, name, tmp_path):
    tool = shutil.which("pdftotext")
    if tool is None and not os.environ.get("CI"):
        pytest.skip("Debian's pdftotext is absent: apt-get install poppler-utils")
    assert tool, "CI installs poppler-utils"
    (tmp_path / "x.pdf").write_bytes(made[name].data)
    second = subprocess.run([tool, "-q", tmp_path / "x.pdf", "-"], capture_output=True, check=True).stdout.decode()
    missing = visible(second) - visible(extract("pdf", made[name].data).text)
    missing.pop("-", None)  # hyphens of words that were joined
    assert sum(missing.values()) <= 0.01 * sum(visible(second).values()), missing


def drawn(*lines: tuple[float, float, str], font: str = "Helvetica", **settings) -> bytes:
    canvas = Canvas(buffer := io.BytesIO(), invariant=1, **settings)
    canvas.setFont(font, 10)
    for x, y, text in lines:
        canvas.drawString(x, y, text)
    canvas.save()
    return buffer.getvalue()


def test_lines_drawn_from_the_bottom_up_are_read_from_the_top():
    lines = [(60, 700 + 15 * n, f"Line {n} of the page.") for n in range(5)]
    assert extract("pdf", drawn(*lines)).text.split("\n") == [f"Line {n} of the page." for n in (4, 3, 2, 1, 0)]


def test_three_columns():
    words = PARAGRAPH.split()
    columns = [[" ".join(words[n : n + 4]) for n in range(start, start + 48, 4)] for start in (0, 10, 5)]
    lines = [(60 + 170 * x, 700 - 14 * y, text) for y in range(12) for x, text in enumerate(t[y] for t in columns)]
    found = extract("pdf", drawn(*lines)).text
    assert agreement(" ".join(" ".join(column) for column in columns), found) > 0.999


def test_a_table_of_phrases_is_no_page_of_columns():
    rows = [(f"Item {n} of the list", f"Responsible person {n}") for n in range(8)]
    lines = [(60 + 200 * x, 700 - 14 * y, text) for y, row in enumerate(rows) for x, text in enumerate(row)]
    assert "| Item 3 of the list | Responsible person 3 |" in extract("pdf", drawn(*lines)).text


def test_bullets_and_numbers_stay_with_their_text():
    lines = [(60, 700 - 14 * n, mark) for n, mark in enumerate(("1.", "2.", "3."))]
    lines += [(85, 700 - 14 * n, f"Point number {n}") for n in range(3)]
    text = extract("pdf", drawn(*lines)).text
    assert text.split("\n") == ["1. Point number 0", "2. Point number 1", "3. Point number 2"]


def test_a_hyphen_at_a_line_end_is_never_followed_by_a_blank():
    """With a blank, a search could not tell a broken word from a dash between two."""
    assert _joined("a single\x02 stranded genome", frozenset({"a", "single", "genome"})) == "a single-\nstranded genome"
    line = "the order is told by words that fill the whole column of 2019-"
    runs = [TextRun(text, 0, 400, top - 10, top) for text, top in ((line, 100), (line, 88), ("nCoV is a virus", 76))]
    assert "2019-\nnCoV" in page_text(runs)


def test_a_hyphen_without_evidence_stays_at_the_end_of_its_line():
    lines = [(60, 700, "This is a well-"), (60, 686, "known rule of the house, and no other is.")]
    assert "well-\nknown" in extract("pdf", drawn(*lines)).text


def test_fonts_that_are_not_embedded_are_read_by_another_reader():
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    lines = [
        (60, 700 - 14 * n, text)
        for n, text in enumerate(("磨坊在河边", "人们都知道它", "每天早上", "打开大门", "一百年"))
    ]
    assert "磨坊在河边" in extract("pdf", drawn(*lines, font="STSong-Light")).text


def test_what_a_form_shows_is_text():
    canvas = Canvas(buffer := io.BytesIO(), invariant=1)
    canvas.drawString(60, 700, "Name:")
    canvas.acroForm.textfield(name="who", value="Ada Trevean", x=120, y=690, width=200, height=20)
    canvas.save()
    assert "Ada Trevean" in extract("pdf", buffer.getvalue()).text


def test_headings_are_those_of_the_outline():
    canvas = Canvas(buffer := io.BytesIO(), invariant=1)
    for n, name in enumerate(("First part", "Second part")):
        canvas.bookmarkPage(str(n))
        canvas.addOutlineEntry(name, str(n), n)
        canvas.drawString(60, 700, name)
        canvas.drawString(60, 600, f"Text of part {n}.")
        canvas.showPage()
    canvas.save()
    found = extract("pdf", buffer.getvalue())
    assert [(found.text[start:end], level) for start, end, level in found.headings] == [
        ("First part", 1),
        ("Second part", 2),
    ]


def test_letters_without_a_meaning_are_counted():
    ten_pdfs()  # it registers the font
    whole = drawn((60, 700, "Grün Łódź naïve €uro αβγ"), font="DejaVu")
    data = re.sub(rb"/ToUnicode \d+ 0 R", lambda match: b" " * len(match[0]), whole)
    assert extract("pdf", whole).broken == 0
    found = extract("pdf", data)
    assert found.broken == found.text.count("\ufffd") >= 8
    assert balanced("x.pdf", "pdf", found).loss > 0.3


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\nnothing", b"no PDF", b"%PDF-1.7\n" + b"\x00" * 500])
def test_broken_files_are_a_sentence(data):
    with pytest.raises(Unreadable) as caught:
        extract("pdf", data)
    assert "\n" not in str(caught.value)
