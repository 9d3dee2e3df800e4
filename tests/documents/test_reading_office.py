"""Word, PowerPoint, Excel, e-books, notebooks and messages: all of their text, and an account of the rest."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches
from thirty_files import epub, message, saved
from word_files import word

from ragvlc.documents.balance import Balance, balanced
from ragvlc.documents.extraction import Found, Unreadable, extract


def read(kind: str, data: bytes) -> tuple[Found, Balance]:
    found = extract(kind, data)
    return found, balanced(f"file.{kind}", kind, found)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


BOX = f"<w:txbxContent>{paragraph('In a box')}</w:txbxContent>"
DRAWN = (
    "<w:drawing><wp:inline><a:graphic><a:graphicData><wps:wsp><wps:txbx>"
    f"{BOX}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:inline></w:drawing>"
)
FALLBACK = f"<mc:Fallback><w:pict><v:shape><v:textbox>{BOX}</v:textbox></v:shape></w:pict></mc:Fallback>"
WORD = {
    "a note": (
        word(
            '<w:p><w:r><w:t>Text</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>',
            footnotes=f'<w:footnote w:id="2">{paragraph("The note.")}</w:footnote>',
        ),
        "Text[1] 1. The note.",
    ),
    "a text box": (
        word(
            f'<w:p><w:r><mc:AlternateContent><mc:Choice Requires="wps">{DRAWN}</mc:Choice>{FALLBACK}'
            f"</mc:AlternateContent></w:r></w:p>{paragraph('After.')}"
        ),
        "In a box After.",
    ),
    "a text box of today only": (word(f"<w:p><w:r>{DRAWN}</w:r></w:p>{paragraph('After.')}"), "In a box After."),
    "a text box in a choice without another": (
        word(
            f'<w:p><w:r><mc:AlternateContent><mc:Choice Requires="wps">{DRAWN}</mc:Choice></mc:AlternateContent>'
            f"</w:r></w:p>{paragraph('After.')}"
        ),
        "In a box After.",
    ),
    "changes": (
        word(
            "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
            "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:t> </w:t></w:r>"
            "<w:moveTo><w:r><w:t>moved</w:t></w:r></w:moveTo></w:p>"
        ),
        "new moved",
    ),
    "fields and links": (
        word(
            '<w:p><w:fldSimple w:instr="DATE"><w:r><w:t>4 March </w:t></w:r></w:fldSimple>'
            "<w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>"
        ),
        "4 March link",
    ),
    "content controls": (
        word(f"<w:sdt><w:sdtContent>{paragraph('chosen')}</w:sdtContent></w:sdt>{paragraph('After.')}"),
        "chosen After.",
    ),
}


@pytest.mark.parametrize("name", WORD)
def test_what_word_files_hold(name):
    data, text = WORD[name]
    found, sheet = read("docx", data)
    assert " ".join(found.text.split()) == text
    assert sheet.lost == 0


def test_a_word_file_as_people_write_it():
    file = docx.Document()
    file.core_properties.title = "The handbook"
    file.add_heading("Leave", 1)
    file.add_paragraph("Every miller has 28 days.")
    file.add_heading("Carrying over", 2)
    file.add_paragraph("five days", style="List Bullet")
    file.add_paragraph("ask first", style="List Number")
    grid = file.add_table(rows=2, cols=3)
    for place, cell in enumerate(("Role", "Days", "Notice", "Clerk", "", "2 | 3 weeks")):
        grid.cell(place // 3, place % 3).text = cell
    file.sections[0].header.paragraphs[0].text = "Confidential"
    file.sections[0].footer.paragraphs[0].text = "Version 3"
    found, sheet = read("docx", saved(file))
    assert found.text == (
        "Confidential\n\nLeave\n\nEvery miller has 28 days.\n\nCarrying over\n\n- five days\n1. ask first\n\n"
        "| Role | Days | Notice |\n| --- | --- | --- |\n| Clerk |  | 2 \\| 3 weeks |\n\nVersion 3"
    )
    assert [(found.text[start:end], level) for start, end, level in found.headings] == [
        ("Leave", 1),
        ("Carrying over", 2),
    ]
    assert (found.title, sheet.lost, sheet.notable) == ("The handbook", 0, False)


def test_comments_and_pictures_of_a_word_file_are_counted(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    file = docx.Document()
    file.add_paragraph("Text.").add_run().add_picture(str(tmp_path / "x.png"))
    found, sheet = read("docx", saved(file))
    assert (found.text, sheet.images, sheet.lost, sheet.notable) == ("Text.", 1, 0, True)
    file = docx.Document()
    file.add_picture(str(tmp_path / "x.png"))
    with pytest.raises(Unreadable, match="no text in it: it holds 1 pictures; text in them needs OCR"):
        read("docx", saved(file))
    remark = f'<w:comment w:id="1">{paragraph("a remark")}</w:comment>'
    _, sheet = read("docx", word(paragraph("Text."), comments=remark))
    assert (sheet.left_out, sheet.lost) == ({"comments": 7}, 0)


def test_what_mammoth_would_pass_over_is_missed(monkeypatch):
    """The account owes nothing to the reader: a reader that loses a paragraph is found out."""
    import mammoth

    real = mammoth.convert_to_html

    def lossy(*args, **kwargs):
        result = real(*args, **kwargs)
        result.value = result.value.replace("<p>lost on the way</p>", "")
        return result

    monkeypatch.setattr(mammoth, "convert_to_html", lossy)
    _, sheet = read("docx", word(paragraph("bcdf") + paragraph("lost on the way")))
    assert sheet.lost == len("lostontheway")
    assert sheet.loss > 0.5
    assert "characters are missing" in sheet.losses()


def test_slides():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Safety\vfirst", "Wear ear protection.\nKnow the gate."
    slide.notes_slide.notes_text_frame.text = "Mention the drill."
    plain = deck.slides.add_slide(deck.slide_layouts[6])
    group = plain.shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    inner.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group in a group"
    chart = CategoryChartData()
    chart.categories = ["Rye", "Oats"]
    chart.add_series("Sacks", (120, None))
    plain.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(2), Inches(2), chart)
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Draft"
    hidden.element.set("show", "0")
    found, sheet = read("pptx", saved(deck))
    assert found.text == (
        "Safety first\n\nWear ear protection.\nKnow the gate.\n\nNotes:\nMention the drill.\n\n"
        "in a group in a group\n\n|  | Sacks |\n| --- | --- |\n| Rye | 120 |\n| Oats |  |"
    )
    assert [found.text[start:end] for start, end, _ in found.headings] == ["Safety first"]
    assert (sheet.pages, sheet.lost, sheet.left_out) == (3, 0, {"hidden slides": 5})


def test_sheets():
    import datetime as dt

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Grain"
    rows = [("Grade", "Share", "From", "Sum", None), ("Rye", 0.15, dt.date(2026, 1, 1), 31000.0, True), (None,) * 5]
    for row in [*rows, ("Oats", None, dt.datetime.fromisoformat("2026-01-02T09:30"), 0.1 + 0.2, "a\nb")]:
        sheet.append(row)
    sheet["B2"].number_format = "0.0%"
    sheet["D6"] = "=SUM(D2:D3)"
    far = book.create_sheet("Far")
    far["F30"] = "far off"
    secret = book.create_sheet("Secret")
    secret.sheet_state, secret["A1"] = "hidden", "codeword"
    found, account = read("xlsx", saved(book))
    assert found.text == (
        "Grain\n\n| Grade | Share | From | Sum |  |\n| --- | --- | --- | --- | --- |\n"
        "| Rye | 15 % | 2026-01-01 | 31000 | TRUE |\n| Oats |  | 2026-01-02 09:30 | 0.3 | a b |\n\n"
        "Far\n\n| far off |\n| --- |"
    )
    assert [found.text[start:end] for start, end, _ in found.headings] == ["Grain", "Far"]
    assert (account.lost, account.blank_cells, account.loss) == (0, 1, 1 / 16)
    assert list(account.left_out) == ["hidden sheets"]
    assert "1 of 16 cells are formulas without a stored value" in account.losses()


def test_a_book_in_the_order_of_its_spine():
    chapters = {
        "b": "<h1>Two</h1><p>The second.</p>",
        "a": "<h1>One</h1><p>The first.</p>",
        "notes": "<p>Apart.</p>",
        "nav": "<nav>One Two</nav>",
    }
    found, sheet = read("epub", epub(chapters, ["a", "b"]))
    assert (found.text, found.title) == ("One\n\nThe first.\n\nTwo\n\nThe second.", "The book")
    assert [found.text[start:end] for start, end, _ in found.headings] == ["One", "Two"]
    assert (sheet.lost, sheet.left_out) == (0, {"pages outside the reading order": 12})
    with pytest.raises(Unreadable, match="its spine names no chapter"):
        read("epub", epub(chapters, []))


def test_a_notebook():
    cells = [
        {"cell_type": "markdown", "source": ["# Counting\n", "\n", "By hand."]},
        {
            "cell_type": "code",
            "source": "6 * 7",
            "outputs": [
                {"output_type": "stream", "text": "so\n"},
                {"output_type": "execute_result", "data": {"text/plain": ["42"], "image/png": "xx"}},
                {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["\x1b[31mlong"]},
            ],
        },
        {"cell_type": "raw", "source": "As it is."},
    ]
    found, sheet = read("ipynb", json.dumps({"cells": cells}).encode())
    assert found.text == "# Counting\n\nBy hand.\n\n```\n6 * 7\n```\n\nso\n\n42\n\nValueError: no\n\nAs it is."
    assert [found.text[start:end] for start, end, _ in found.headings] == ["Counting"]
    assert (found.title, sheet.images, sheet.lost) == ("Counting", 1, 0)
    for data in (b"{}", b"[1]", b"no", b'{"cells": 3}'):
        with pytest.raises(Unreadable, match="cannot be read as a notebook"):
            read("ipynb", data)


def test_messages_with_what_is_attached():
    made = message(plan_md=b"# The plan\n\nMeet at noon.", x_bin=b"\x00\x01")
    made.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="x.png")
    inner = EmailMessage()
    inner["Subject"] = "Forwarded"
    inner.set_content("The inner text.")
    made.add_attachment(inner)
    found, sheet = read("eml", bytes(made))
    for words in (
        "Subject: Größe der Säcke",
        "Salt came up the river",
        "Attachment plan.md:\n# The plan",
        "inner text.",
    ):
        assert words in found.text
    assert (sheet.images, sheet.left_out, found.title) == (1, {"attachment x.bin": 1}, "Größe der Säcke")


def test_a_message_whose_plain_text_only_points_at_the_other():
    made = message()
    made.set_content("Your program cannot show this message.")
    made.add_alternative("<h1>News</h1><p>" + "The mill opens again on Monday. " * 5, subtype="html")
    found, _ = read("eml", bytes(made))
    assert "The mill opens again" in found.text
    assert [found.text[start:end] for start, end, _ in found.headings] == ["News"]


def test_a_message_in_an_old_encoding():
    data = b"From: a@b.c\nSubject: x\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xf6\xdfe und Stra\xdfe\n"
    assert "Größe und Straße" in read("eml", data)[0].text
    data = data.replace(b"; charset=iso-8859-1", b"; charset=unknown-8bit")
    assert "Größe und Straße" in read("eml", data)[0].text


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "epub", "eml"])
def test_broken_files_are_one_sentence(kind):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("other.xml", "<x/>")
    for data in (b"", b"nothing", b"PK\x03\x04 cut", buffer.getvalue()):
        with pytest.raises(Unreadable) as caught:
            extract(kind, data)
        assert "\n" not in str(caught.value)
        assert str(caught.value)


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_locked_and_old_office_files_are_told_apart_from_broken_ones(kind):
    with pytest.raises(Unreadable, match="needs a password, or is .* of before 2007"):
        extract(kind, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 100)


def test_parts_nested_without_end_are_a_sentence():
    deep = "<w:smartTag>" * 3000 + paragraph("deep") + "</w:smartTag>" * 3000
    with pytest.raises(Unreadable):
        extract("docx", word(deep))
