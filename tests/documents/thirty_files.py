"""Thirty files of the formats that are read, as programs write them, each with what a person reads in it.

Truths are the texts that went in, so they owe nothing to any reader.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from ten_pdfs import OTHER, PARAGRAPH, ten_pdfs

ROWS = (("Grade", "Sacks", "Note"), ("Rye", "120", ""), ("Oats", "", "damp | mouldy"), ("Barley", "14", "Größe 5"))


@dataclass(frozen=True)
class File:
    """A file and the words that it must give, in any order."""

    name: str
    data: bytes
    text: str


def thirty_files() -> list[File]:
    """Returns them."""
    pdfs = ten_pdfs()
    read = ("ligatures", "hyphens", "columns", "columns_by_line", "table_ruled", "rotated", "notes")
    made = [File(f"{name}.pdf", pdfs[name].data, pdfs[name].text) for name in read]
    for maker in (_plain, _pages, _word, _slides, _sheets, _books, _notebooks, _messages):
        made += maker()
    return made


def _plain() -> Iterator[File]:
    yield File("a.txt", f"{PARAGRAPH}\n\nGrüße".encode(), f"{PARAGRAPH} Grüße")
    german = "Die Mühle öffnet um sechs. Für Gäste gilt: Straße frei halten, Schlüssel beim Pförtner."
    yield File("latin.txt", german.encode("latin-1"), german)
    yield File("wide.txt", OTHER.encode("utf-16"), OTHER)
    yield File("notes.md", f"# The mill\n\n{PARAGRAPH}\n\n- one\n- two\n".encode(), f"The mill {PARAGRAPH} one two")
    yield File("rows.csv", "\n".join(",".join(row) for row in ROWS).encode(), " ".join(" ".join(row) for row in ROWS))


def _pages() -> Iterator[File]:
    cells = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) for row in ROWS)
    table = " ".join(" ".join(row) for row in ROWS)
    yield File("table.html", f"<title>T</title><h1>Grain</h1><table>{cells}</table>".encode(), f"Grain {table}")
    yield File("unclosed.html", f"<p><font size=2>{PARAGRAPH}".encode() * 300, PARAGRAPH)
    yield File("deep.html", ("<div>" * 3000 + OTHER).encode(), OTHER)
    hidden = f"<script>var x = 'no'</script><template>no</template><p hidden>no</p><p>{OTHER}</p>"
    yield File("hidden.html", hidden.encode(), OTHER)
    declared = '<meta charset="iso-8859-2"><p>Zażółć gęślą jaźń</p>'
    yield File("old.html", declared.encode("iso-8859-2"), "Zażółć gęślą jaźń")


def saved(document: Any) -> bytes:
    """Returns what a library writes into a file."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _word() -> Iterator[File]:
    import docx

    plain = docx.Document()
    plain.add_heading("The mill", 1)
    plain.add_paragraph(PARAGRAPH)
    plain.add_paragraph("a point", style="List Bullet")
    yield File("plain.docx", saved(plain), f"The mill {PARAGRAPH} a point")
    table = docx.Document()
    grid = table.add_table(rows=len(ROWS), cols=len(ROWS[0]))
    for place, row in enumerate(ROWS):
        for column, cell in enumerate(row):
            grid.cell(place, column).text = cell
    table.sections[0].header.paragraphs[0].text = "Running head"
    table.sections[0].footer.paragraphs[0].text = "Version 3"
    yield File("table.docx", saved(table), f"Running head {' '.join(map(' '.join, ROWS))} Version 3")


def _slides() -> Iterator[File]:
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Safety", "Wear ear protection.\nKnow the gate."
    slide.notes_slide.notes_text_frame.text = "Mention the drill."
    yield File("text.pptx", saved(deck), "Safety Wear ear protection. Know the gate. Mention the drill.")
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    grid = slide.shapes.add_table(len(ROWS), len(ROWS[0]), Inches(1), Inches(1), Inches(6), Inches(2)).table
    for place, row in enumerate(ROWS):
        for column, cell in enumerate(row):
            grid.cell(place, column).text = cell
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    yield File("table.pptx", saved(deck), f"{' '.join(map(' '.join, ROWS))} in a group")


def _sheets() -> Iterator[File]:
    import openpyxl

    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append([int(cell) if cell.isdigit() else cell or None for cell in row])
    book.active.title = "Grain"
    yield File("grain.xlsx", saved(book), f"Grain {' '.join(map(' '.join, ROWS))}")
    book = openpyxl.Workbook()
    for number in range(3):
        sheet = book.create_sheet(f"Year {1702 + number}")
        sheet["C7"] = "far from the corner"
    yield File("sheets.xlsx", saved(book), " ".join(f"Year {1702 + n} far from the corner" for n in range(3)))


def epub(chapters: dict[str, str], spine: list[str]) -> bytes:
    """Returns a book of chapters by name, read in the order of its spine."""
    buffer = io.BytesIO()
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>The book</dc:title></metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OEBPS/book.opf", package)
        for name, body in chapters.items():
            archive.writestr(
                f"OEBPS/{name}.xhtml", f'<?xml version="1.0" encoding="utf-8"?><html><body>{body}</body></html>'
            )
    return buffer.getvalue()


def _books() -> Iterator[File]:
    two = {"b": f"<h1>Two</h1><p>{OTHER}</p>", "a": f"<h1>One</h1><p>{PARAGRAPH}</p>"}
    yield File("book.epub", epub(two, ["a", "b"]), f"One {PARAGRAPH} Two {OTHER}")
    yield File("leaf.epub", epub({"a": f"<p>{OTHER}</p>"}, ["a"]), OTHER)


def _notebooks() -> Iterator[File]:
    cells = [
        {"cell_type": "markdown", "source": ["# Counting\n", "\n", PARAGRAPH]},
        {
            "cell_type": "code",
            "source": "print(6 * 7)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}],
        },
    ]
    yield File(
        "count.ipynb", json.dumps({"cells": cells, "nbformat": 4}).encode(), f"Counting {PARAGRAPH} print(6 * 7) 42"
    )
    old = {"worksheets": [{"cells": [{"cell_type": "markdown", "source": OTHER}]}], "nbformat": 3}
    yield File("old.ipynb", json.dumps(old).encode(), OTHER)


def message(**attached: bytes) -> EmailMessage:
    """Returns a message with attachments by name, `_` for the dot."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ada@mill.example", "all@mill.example", "Größe der Säcke"
    made.set_content(OTHER)
    for name, data in attached.items():
        made.add_attachment(data, maintype="application", subtype="octet-stream", filename=name.replace("_", "."))
    return made


def _messages() -> Iterator[File]:
    heads = "From: ada@mill.example To: all@mill.example Subject: Größe der Säcke"
    yield File("plain.eml", bytes(message()), f"{heads} {OTHER}")
    yield File("attached.eml", bytes(message(plan_md=PARAGRAPH.encode())), f"{heads} {OTHER} plan.md {PARAGRAPH}")
    rich = message()
    rich.add_alternative(f"<p>{OTHER}</p><p>{PARAGRAPH}</p>", subtype="html")
    yield File("rich.eml", bytes(rich), f"{heads} {OTHER} {PARAGRAPH}")
