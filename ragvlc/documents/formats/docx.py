"""Word files as text, through mammoth and the HTML reader: paragraphs, headings, lists, tables, notes, text boxes.

Page heads and feet are read once each; comments and deleted text stay out, inserted text is in.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from zipfile import ZipFile

from ragvlc.core.texts import library_words
from ragvlc.documents.formats.found import Found, Settings, Unreadable, visible
from ragvlc.documents.formats.html import page
from ragvlc.documents.formats.office import drawn_paragraphs, members, opened, plain_texts
from ragvlc.documents.formats.writer import one_line

__all__ = ["read"]

_BODY = r"word/(document|footnotes|endnotes|header\d*|footer\d*)\.xml"
_DRAWN = r"word/(diagrams/data\d*|charts/chart\d*)\.xml"
_PARAGRAPH = re.compile(r"<w:p[ >].*?</w:p>", re.DOTALL)
_BACK = re.compile(r' <a href="#[^"]*">↑</a>')
"""The way back from a note, which nobody can go in a text."""
_SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "v": "urn:schemas-microsoft-com:vml",
}
_PROPERTY = re.compile(r"<dc:title>([^<]*)</dc:title>")


def read(data: bytes, settings: Settings) -> Found:
    """Returns the text of a Word file. Raises `Unreadable`."""
    import mammoth

    archive = opened(data, "a Word file")
    if "word/document.xml" not in archive.namelist():
        raise Unreadable("cannot be read as a Word file: it holds no document")
    images = 0

    def picture(image: object) -> dict[str, str]:  # noqa: ARG001 - mammoth's contract
        nonlocal images
        images += 1
        return {"src": ""}

    try:
        file = io.BytesIO(_readable(archive, data))
        converted = mammoth.convert_to_html(file, convert_image=mammoth.images.img_element(picture))
    except Exception as error:  # whatever the library makes of a broken file
        raise Unreadable(f"cannot be read as a Word file: {library_words(error)}") from error
    body = page(_with_heads(_BACK.sub("", converted.value)), settings)
    above, below = _repeated(archive, "header"), _repeated(archive, "footer")
    drawn = [text for _, xml in members(archive, _DRAWN) for text in drawn_paragraphs(xml)]
    lead = f"{above}\n\n" if above else ""
    text = "\n\n".join(part for part in (body.text, below, "\n".join(drawn)) if part)
    comments = visible("".join(plain_texts(xml, "w:t") for _, xml in members(archive, r"word/comments\d*\.xml")))
    title = next((one for _, xml in members(archive, r"docProps/core\.xml") for one in _PROPERTY.findall(xml)), "")
    return Found(
        lead + text,
        one_line(title) or _first_heading(body),
        headings=tuple((start + len(lead), end + len(lead), level) for start, end, level in body.headings),
        held=_held(archive),
        images=images,
        left_out={"comments": sum(comments.values())} if comments else {},
    )


def _readable(archive: ZipFile, data: bytes) -> bytes:
    """Returns the file with simple fields and newer text boxes rewritten into forms that mammoth reads."""
    changed = {}
    for name, xml in members(archive, r"word/(document|footnotes|endnotes)\.xml"):
        if "<w:fldSimple" in xml or "<wps:txbx" in xml:
            changed[name] = _rewritten(archive.read(name))
    if not changed:
        return data
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, changed.get(name) or archive.read(name))
    return buffer.getvalue()


def _rewritten(xml: bytes) -> bytes:
    from lxml import etree

    w, v = (f"{{{_SPACES[name]}}}" for name in ("w", "v"))
    tree = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    for field in tree.xpath("//w:fldSimple", namespaces=_SPACES):
        for child in list(field):
            field.addprevious(child)
        field.getparent().remove(field)
    for content in tree.xpath(
        "//wps:txbx/w:txbxContent[not(ancestor::mc:AlternateContent[mc:Fallback//w:txbxContent])]", namespaces=_SPACES
    ):
        drawing = next(content.iterancestors(f"{w}drawing"), None)
        if drawing is not None:
            either = next(content.iterancestors(f"{{{_SPACES['mc']}}}AlternateContent"), drawing)
            box = etree.SubElement(etree.SubElement(etree.Element(f"{w}pict"), f"{v}shape"), f"{v}textbox")
            box.append(content)
            either.addprevious(box.getparent().getparent())
    return bytes(etree.tostring(tree))


def _with_heads(source: str) -> str:
    """Returns the HTML page with the first row of each table marked as its header row."""
    return re.sub(r"<table><tr>(.*?)</tr>", _as_head, source, flags=re.DOTALL)


def _as_head(match: re.Match[str]) -> str:
    row = match[1]
    if "<table" in row or "<thead" in row:
        return match[0]
    return f"<table><tr>{row.replace('<td', '<th').replace('</td>', '</th>')}</tr>"


def _repeated(archive: ZipFile, what: str) -> str:
    """Returns the different texts of the page headers or footers."""
    lines: dict[str, None] = {}
    for _, xml in members(archive, rf"word/{what}\d*\.xml"):
        for paragraph in _PARAGRAPH.findall(xml):
            tabbed = re.sub(r"<w:(?:tab|br)\s*/>", "<w:t> </w:t>", paragraph)
            lines.setdefault(one_line(plain_texts(tabbed, "w:t").replace("\n", "")))
    return "\n".join(line for line in lines if line)


def _held(archive: ZipFile) -> Counter[str]:
    """Returns counts of the visible characters in the file's XML, with each page header and footer counted once."""
    held: Counter[str] = Counter()
    seen: set[str] = set()
    for name, xml in members(archive, _BODY):
        text = plain_texts(xml, "w:t")
        if "header" in name or "footer" in name:
            paragraphs = {one_line(plain_texts(one, "w:t").replace("\n", "")) for one in _PARAGRAPH.findall(xml)} - seen
            seen |= paragraphs
            text = "\n".join(paragraphs)
        held.update(visible(text))
    for _, xml in members(archive, _DRAWN):
        held.update(visible(plain_texts(xml, "a:t")))
    return held


def _first_heading(body: Found) -> str:
    return next((one_line(body.text[start:end]) for start, end, level in body.headings if level == 1), "")
