"""PDF files as text, through PDFium: letters with their positions, put into reading order by `pdf_layout`.

Ligatures are letters. A word broken at the end of a line is joined where the document has the joined word elsewhere,
and where neither half is a word of a long document; else the hyphen and the line break stay. What forms and stamps say
is text. Pages that are pictures alone are counted.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from math import pi
from typing import Any

from ragvlc.documents.formats.found import Found, Heading, Settings, Unreadable, visible
from ragvlc.documents.formats.pdf_layout import TextRun, page_text
from ragvlc.documents.formats.writer import one_line

__all__ = ["read"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOCK = threading.Lock()
"""PDFium works on one file at a time in a process."""
_HYPHEN = "\x02"
_BROKEN = re.compile(r"([^\W\d_]+)\x02(\s*)([^\W\d_]+)?")
_UNKNOWN = frozenset({0, 0xFFFD, 0xFFFE, 0xFFFF})
_MANY_PATHS = 50
_MUTE = 0.1
"""Share of text objects without a letter from which on another reader is asked: PDFium knows not every font."""
_MOST_OBJECTS = 3000
_LONG = 2000
_PAGE_BREAK = "\n\n"


def read(data: bytes, settings: Settings) -> Found:  # noqa: ARG001 - a PDF knows its encoding
    """Returns the text of a PDF. Raises `Unreadable`."""
    import pypdfium2
    from pypdfium2 import raw

    with _LOCK:
        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
                raise Unreadable("needs a password") from error
            raise Unreadable(f"cannot be read as PDF: {str(error).rstrip('.')}") from error
        try:
            pages = [_page(pdf, number) for number in range(len(pdf))]
            title = one_line(pdf.get_metadata_value("Title") or "")
            marks = [(mark.get_title(), mark.get_dest(), mark.level) for mark in pdf.get_toc()]
            contents = [(name, dest.get_index() if dest else None, level + 1) for name, dest, level in marks]
        except pypdfium2.PdfiumError as error:
            raise Unreadable(f"cannot be read as PDF: {str(error).rstrip('.')}") from error
        finally:
            pdf.close()
    objects, mute = sum(page.objects for page in pages), sum(page.mute for page in pages)
    if mute >= max(3, _MUTE * objects):
        _fill(pages, data)
    return _found(pages, title, contents)


@dataclass
class _Page:
    text: str = ""
    broken: int = 0
    images: int = 0
    scan: bool = False
    objects: int = 0
    mute: int = 0
    groups: dict[int, list[TextRun]] = field(default_factory=lambda: defaultdict(list))


def _found(pages: list[_Page], title: str, contents: list[tuple[str, int | None, int]]) -> Found:
    scans = sum(page.scan for page in pages)
    if not any(page.text.strip() for page in pages):
        raise Unreadable(f"no text on any of its pages ({len(pages)}); it is probably scanned and needs OCR")
    words = frozenset(word for page in pages for word in re.findall(r"[\w-]+", page.text.casefold()))
    texts = [_joined(page.text, words) for page in pages]
    starts, place = [], 0
    for text in texts:
        starts.append(place)
        place += len(text) + len(_PAGE_BREAK) if text else 0
    return Found(
        _PAGE_BREAK.join(text for text in texts if text),
        "" if title.lower() == "untitled" else title,
        headings=_headings(texts, starts, contents),
        facts={"pages": len(pages)},
        broken=sum(page.broken for page in pages),
        pages=len(pages),
        scans=scans,
        images=sum(page.images for page in pages),
    )


def _fill(pages: list[_Page], data: bytes) -> None:
    """Replaces the text of pages where PDFium misses letters (of Asian fonts not embedded) by pypdf's text."""
    from pypdf import PdfReader

    log = logging.getLogger("pypdf")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it warns of every oddity that it gets over
    try:
        texts = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    except Exception:  # noqa: BLE001 - whatever the library makes of a file that PDFium can read
        texts = []
    finally:
        log.setLevel(level)
    for page, text in zip(pages, texts, strict=False):
        read, other = visible(page.text), visible(text)
        lacking = sum(count for one, count in other.items() if one not in read)
        if lacking > 0.01 * sum(other.values()):
            page.text = _SURROGATE.sub("\ufffd", text).strip("\n")


def _page(pdf: Any, number: int) -> _Page:  # noqa: ANN401 - PDFium's objects have no types
    """Returns the text of one page, and counts of its content that is not text."""
    from pypdfium2 import raw

    try:
        page = pdf[number]
    except Exception as error:  # whatever the library makes of a broken page
        raise Unreadable(f"page {number + 1} of {len(pdf)} cannot be read: {error}") from error
    raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)  # what forms and stamps show becomes part of the page
    page.close()
    page = pdf[number]
    found = _Page()
    letters = page.get_textpage()
    _collect(letters.raw, found)
    objects = [raw.FPDFPage_GetObject(page, place) for place in range(raw.FPDFPage_CountObjects(page))]
    kinds = [raw.FPDFPageObj_GetType(one) for one in objects]
    said = [one for one, kind in zip(objects, kinds, strict=True) if kind == raw.FPDF_PAGEOBJ_TEXT]
    found.objects = len(said)
    found.mute = sum(raw.FPDFTextObj_GetText(one, letters, None, 0) <= 2 for one in said[:_MOST_OBJECTS])
    letters.close()
    groups = sorted(found.groups.items(), key=lambda item: -sum(len(piece.text) for piece in item[1]))
    found.text = "\n\n".join(text for _, pieces in groups if (text := page_text(pieces)))
    found.images = kinds.count(raw.FPDF_PAGEOBJ_IMAGE)
    shapes = kinds.count(raw.FPDF_PAGEOBJ_PATH)
    nested = kinds.count(raw.FPDF_PAGEOBJ_FORM)
    found.scan = not found.text.strip() and (found.images > 0 or nested > 0 or shapes > _MANY_PATHS)
    page.close()
    return found


def _collect(letters: Any, found: _Page) -> None:  # noqa: ANN401 - PDFium's objects have no types
    """Groups a page's letters into text runs, by the direction in which they are written."""
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    pen = _Pen(found)
    for place in range(raw.FPDFText_CountChars(letters)):
        code = raw.FPDFText_GetUnicode(letters, place)
        if code in (10, 13):
            pen.end()
        elif code in (32, 160):
            pen.space = True
        elif raw.FPDFText_GetLooseCharBox(letters, place, box):
            if code in _UNKNOWN or (code != 2 and raw.FPDFText_HasUnicodeMapError(letters, place) == 1):
                found.broken += 1
                code = 0xFFFD if code in _UNKNOWN or not chr(code).isprintable() else code
            if code >= 32 or code == 2:
                turned = raw.FPDFText_GetCharAngle(letters, place) / (pi / 2)
                pen.letter("\ufffd" if 0xD800 <= code < 0xE000 else chr(code), box, turned)
    pen.end()


class _Pen:
    """Appends letters to the current text run, or starts a new run."""

    def __init__(self, found: _Page) -> None:
        self.space = False
        self._found = found
        self._piece: TextRun | None = None
        self._turn = 0
        self._last = 0.0

    def letter(self, letter: str, box: Any, turned: float) -> None:  # noqa: ANN401 - PDFium's objects have no types
        """Adds a letter at its position; `turned` is its rotation in quarter turns."""
        turn = round(turned) % 4
        slanted = abs(turned - round(turned)) > 0.06
        left, right, bottom, top = _upright(box, turn)
        piece = self._piece
        if piece is not None and (turn != self._turn or not (slanted or self._follows(left, bottom, top))):
            self.end()
            piece = None
        if piece is None:
            self._piece, self._turn = TextRun(letter, left, right, bottom, top), turn
        else:
            piece.text += (" " if self.space and piece.text else "") + letter
            piece.right = max(piece.right, right)
            piece.bottom, piece.top = min(piece.bottom, bottom), max(piece.top, top)
        self.space, self._last = False, left
        if letter == _HYPHEN:
            self.end()

    def end(self) -> None:
        """Ends the current text run."""
        if self._piece is not None and self._piece.text.strip():
            self._found.groups[self._turn].append(self._piece)
        self._piece, self.space = None, False

    def _follows(self, left: float, bottom: float, top: float) -> bool:
        """Returns whether a letter continues the current text run: on its line, not to the left, without a gap."""
        piece = self._piece
        if piece is None:
            return False
        high = max(piece.height, 1.0)
        level = min(piece.top, top) - max(piece.bottom, bottom) > 0.4 * min(high, top - bottom)
        return level and left > self._last - 0.2 * high and left - piece.right < high


def _upright(box: Any, turn: int) -> tuple[float, float, float, float]:  # noqa: ANN401 - PDFium's objects have no types
    """Returns the left, right, bottom and top of a box after rotating the text upright."""
    if turn == 0:
        return box.left, box.right, box.bottom, box.top
    if turn == 1:  # downwards
        return -box.top, -box.bottom, box.left, box.right
    if turn == 2:
        return -box.right, -box.left, -box.top, -box.bottom
    return box.bottom, box.top, -box.right, -box.left


def _joined(text: str, words: frozenset[str]) -> str:
    """Returns the text with hyphenated words rejoined where the rest of the document supports that."""

    def word(match: re.Match[str]) -> str:
        first, gap, second = match[1], match[2], match[3] or ""
        if not second:
            return f"{first}-{gap}"
        one, two = first.casefold(), second.casefold()
        fragments = len(words) > _LONG and one not in words and two not in words
        if one + two in words or fragments:
            return first + second
        return f"{first}-{second}" if f"{one}-{two}" in words else f"{first}-\n{second}"

    return _BROKEN.sub(word, text).replace(_HYPHEN, "-")


def _headings(texts: list[str], starts: list[int], contents: list[tuple[str, int | None, int]]) -> tuple[Heading, ...]:
    """Returns the positions of the titles in the PDF's table of contents that occur on their pages."""
    found = []
    for name, page, level in contents:
        words = name.split()
        if page is None or page >= len(texts) or not words:
            continue
        match = re.search(r"\s+".join(map(re.escape, words)), texts[page], re.IGNORECASE)
        if match:
            found.append((starts[page] + match.start(), starts[page] + match.end(), level))
    return tuple(sorted(set(found)))
