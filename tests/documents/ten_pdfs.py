"""Ten PDFs made for the purpose, each with what a person reads in it: what goes wrong in PDFs, one kind a file."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
LEFT, TOP, LEADING = 60, HEIGHT - 70, 15
FONT = "DejaVu"

PARAGRAPH = (
    "The mill by the lower weir was built in 1702 and rebuilt after the flood of 1764. Its wheel turned two pairs of "
    "stones for rye and one for oats. In dry summers the miller opened the upper pond and ground by night. The guild "
    "kept the measures in a chest with three locks and every baker of the town knew their number by heart."
)
OTHER = (
    "Salt came up the river in flat boats and was weighed at the east gate. A clerk wrote each sack into a ledger "
    "bound in green cloth. Whoever paid late lost the right to the covered market for a season. The ledgers of the "
    "years from 1711 to 1740 are lost and nobody has found out who took them from the town hall."
)


@dataclass(frozen=True)
class Made:
    """A PDF and its truth.

    Attributes:
        data: the file.
        text: what a person reads, in order.
        rows: cells that belong side by side, empty ones too.
        scans: pages that hold a picture alone.
        locked: it cannot be opened without a password.
    """

    data: bytes
    text: str
    rows: tuple[tuple[str, ...], ...] = ()
    scans: int = 0
    locked: bool = False
    absent: tuple[str, ...] = field(default=())


def ten_pdfs() -> dict[str, Made]:
    """Returns them by name."""
    import matplotlib as mpl

    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(FONT, str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")))
    return {name: make() for name, make in _MAKERS.items()}


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def _canvas(buffer: io.BytesIO, **settings: object) -> Canvas:
    canvas = Canvas(buffer, pagesize=A4, invariant=1, **settings)
    canvas.setFont(FONT, 10)
    return canvas


def _lines(canvas: Canvas, lines: list[str], x: float = LEFT, y: float = TOP) -> float:
    for line in lines:
        canvas.drawString(x, y, line)
        y -= LEADING
    return y


def _done(canvas: Canvas, buffer: io.BytesIO, text: str, **truth: object) -> Made:
    canvas.save()
    return Made(buffer.getvalue(), text, **truth)  # type: ignore[arg-type]


def _ligatures() -> Made:
    text = "The office of the chief officer is on the first floor. Five coffers of fluorspar were difficult to affix."
    typeset = text
    for plain, glyph in (("ffi", "ﬃ"), ("ffl", "ﬄ"), ("ff", "ﬀ"), ("fi", "ﬁ"), ("fl", "ﬂ")):
        typeset = typeset.replace(plain, glyph)
    canvas = _canvas(buffer := io.BytesIO())
    _lines(canvas, _wrapped(typeset, 50))
    return _done(canvas, buffer, text)


def _hyphens() -> Made:
    lines = [
        "The cooperative of millers met each spring. Members of the cooper-",
        "ative paid for the well-known dam. A well-",
        "known rule was that the encapsu\u00ad",
        "lation of the wheel be greased. No member was fined for encapsulation.",
    ]
    text = (
        "The cooperative of millers met each spring. Members of the cooperative paid for the well-known dam. A "
        "well-known rule was that the encapsulation of the wheel be greased. No member was fined for encapsulation."
    )
    canvas = _canvas(buffer := io.BytesIO())
    _lines(canvas, lines)
    return _done(canvas, buffer, text, absent=("cooper-ative", "wellknown"))


def _columns() -> Made:
    canvas = _canvas(buffer := io.BytesIO())
    _lines(canvas, ["A heading across both columns of the page"])
    _lines(canvas, _wrapped(PARAGRAPH, 38), y=TOP - 30)
    _lines(canvas, _wrapped(OTHER, 38), x=WIDTH / 2 + 15, y=TOP - 30)
    return _done(canvas, buffer, f"A heading across both columns of the page {PARAGRAPH} {OTHER}")


def _columns_by_line() -> Made:
    """The same as a typesetter writes it that goes down the page once: left and right by line, word by word."""
    canvas = _canvas(buffer := io.BytesIO())
    left, right = _wrapped(PARAGRAPH, 38), _wrapped(OTHER, 38)
    space = canvas.stringWidth(" ", FONT, 10)
    for line in range(max(len(left), len(right))):
        for x, lines in ((LEFT, left), (WIDTH / 2 + 15, right)):
            at = x
            for word in lines[line].split() if line < len(lines) else []:
                canvas.drawString(at, TOP - line * LEADING, word)
                at += canvas.stringWidth(word, FONT, 10) + space
    return _done(canvas, buffer, f"{PARAGRAPH} {OTHER}")


ROWS = (
    ("Year", "Rye", "Oats", "Barley"),
    ("1702", "120", "", "14"),
    ("1703", "", "33", ""),
    ("1704", "95", "41", "22"),
)


def _table(*, ruled: bool) -> Made:
    canvas = _canvas(buffer := io.BytesIO())
    _lines(canvas, ["Sacks of grain by year."])
    wide, high, y = 90, 20, TOP - 30
    for row, cells in enumerate(ROWS):
        for column, cell in enumerate(cells):
            x = LEFT + column * wide
            if ruled:
                canvas.rect(x, y - row * high - 6, wide, high)
            if cell:
                canvas.drawString(x + 5, y - row * high, cell)
    _lines(canvas, ["Barley was not counted in 1703."], y=y - 4 * high - 20)
    text = "Sacks of grain by year. " + " ".join(cell for row in ROWS for cell in row if cell)
    return _done(canvas, buffer, f"{text} Barley was not counted in 1703.", rows=ROWS)


def _ruled() -> Made:
    return _table(ruled=True)


def _unruled() -> Made:
    return _table(ruled=False)


def _locked() -> Made:
    from reportlab.lib.pdfencrypt import StandardEncryption

    canvas = _canvas(buffer := io.BytesIO(), encrypt=StandardEncryption("secret", canPrint=0))
    _lines(canvas, _wrapped(PARAGRAPH, 70))
    return _done(canvas, buffer, "", locked=True)


def _scans() -> Made:
    """A page of text between two that are pictures of a page."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    noise = random.Random(0).randbytes(100 * 140)
    picture = ImageReader(Image.frombytes("L", (100, 140), noise))
    canvas = _canvas(buffer := io.BytesIO())
    for page in range(3):
        canvas.setFont(FONT, 10)
        if page == 1:
            _lines(canvas, _wrapped(PARAGRAPH, 70))
        else:
            canvas.drawImage(picture, 0, 0, WIDTH, HEIGHT)
        canvas.showPage()
    return _done(canvas, buffer, PARAGRAPH, scans=2)


def _rotated() -> Made:
    """A page to be turned, and one with a text that runs up its edge."""
    canvas = _canvas(buffer := io.BytesIO())
    canvas.setPageRotation(90)
    canvas.saveState()
    canvas.translate(WIDTH, 0)
    canvas.rotate(90)
    _lines(canvas, _wrapped(PARAGRAPH, 70), y=WIDTH - 80)
    canvas.restoreState()
    canvas.showPage()
    canvas.setPageRotation(0)
    canvas.setFont(FONT, 10)
    _lines(canvas, _wrapped(OTHER, 70))
    canvas.rotate(90)
    canvas.drawString(100, -WIDTH + 30, "Printed in the town hall")
    return _done(canvas, buffer, f"{PARAGRAPH} {OTHER} Printed in the town hall")


def _notes_and_bullets() -> Made:
    """Two pages with a running head, bullets with a hanging indent, footnotes and page numbers."""
    items = [f"Rule {n}: whoever breaks rule {n} pays {n} shillings to the guild." for n in range(1, 9)]
    canvas = _canvas(buffer := io.BytesIO())
    text = []
    for page in (0, 1):
        canvas.setFont(FONT, 8)
        canvas.drawString(LEFT, HEIGHT - 40, "Rules of the guild")
        canvas.setFont(FONT, 10)
        y = TOP
        for item in items[page * 4 : page * 4 + 4]:
            canvas.drawString(LEFT, y, "•")
            canvas.drawString(LEFT + 15, y, item)
            y -= LEADING
        canvas.setFont(FONT, 8)
        canvas.drawString(LEFT, 80, f"{page + 1} A shilling was {12 + page} pence.")
        canvas.drawString(WIDTH / 2, 40, f"- {page + 1} -")
        canvas.showPage()
        listed = " ".join(f"• {item}" for item in items[page * 4 : page * 4 + 4])
        text.append(f"Rules of the guild {listed} {page + 1} A shilling was {12 + page} pence. - {page + 1} -")
    return _done(canvas, buffer, " ".join(text))


_MAKERS: Mapping[str, Callable[[], Made]] = {
    "ligatures": _ligatures,
    "hyphens": _hyphens,
    "columns": _columns,
    "columns_by_line": _columns_by_line,
    "table_ruled": _ruled,
    "table_unruled": _unruled,
    "locked": _locked,
    "scans": _scans,
    "rotated": _rotated,
    "notes": _notes_and_bullets,
}
