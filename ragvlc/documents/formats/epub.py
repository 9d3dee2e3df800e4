"""E-books as text: the chapters of an EPUB in reading order, through the HTML reader."""

from __future__ import annotations

import posixpath
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.found import Found, Settings, Unreadable, visible
from ragvlc.documents.formats.html import page
from ragvlc.documents.formats.office import DAMAGED, opened
from ragvlc.documents.formats.writer import one_line

__all__ = ["read"]

_CHAPTER_BREAK = "\n\n"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read(data: bytes, settings: Settings) -> Found:
    """Returns the text of an e-book. Raises `Unreadable`."""
    archive = opened(data, "an EPUB")
    place, package = _package(archive)
    items = {
        item.get("id"): (
            posixpath.join(posixpath.dirname(place), unquote(item.get("href") or "")),
            item.get("media-type"),
        )
        for item in package.iterfind(".//{*}manifest/{*}item")
    }
    spine = [items[one.get("idref")] for one in package.iterfind(".//{*}spine/{*}itemref") if one.get("idref") in items]
    if not spine:
        raise Unreadable("cannot be read as an EPUB: its spine names no chapter")
    chapters = [_chapter(archive, name, settings) for name, kind in spine if kind in _PAGES]
    names = {name for name, _ in spine}
    others = [
        _chapter(archive, name, settings) for name, kind in items.values() if kind in _PAGES and name not in names
    ]
    rest = sum(sum(visible(one.text).values()) for one in others)
    title = package.findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    return _bound(chapters, one_line(title), {"pages outside the reading order": rest} if rest else {})


def _bound(chapters: list[Found], title: str, left_out: dict[str, int]) -> Found:
    """Returns the chapters joined into one text."""
    texts, headings, length = [], [], 0
    held = visible("")
    for chapter in chapters:
        held.update(chapter.held or {})
        for reason, count in chapter.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + count
        if chapter.text:
            headings += [(start + length, end + length, level) for start, end, level in chapter.headings]
            texts.append(chapter.text)
            length += len(chapter.text) + len(_CHAPTER_BREAK)
    return Found(
        _CHAPTER_BREAK.join(texts),
        title,
        headings=tuple(headings),
        held=held,
        broken=sum(chapter.broken for chapter in chapters),
        images=sum(chapter.images for chapter in chapters),
        left_out=left_out,
    )


def _package(archive: ZipFile) -> tuple[str, Any]:
    """Returns the path and the content of the EPUB's package file, which lists the parts of the book."""
    container = _xml(archive, "META-INF/container.xml")
    root = container.find(".//{*}rootfile")
    if root is None or not root.get("full-path"):
        raise Unreadable("cannot be read as an EPUB: its container names no book")
    return root.get("full-path"), _xml(archive, root.get("full-path"))


def _xml(archive: ZipFile, name: str) -> Any:  # noqa: ANN401 - lxml has no types
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    try:
        tree = etree.fromstring(archive.read(name), parser)
    except (KeyError, ValueError, etree.LxmlError, *DAMAGED) as error:
        raise Unreadable(f"cannot be read as an EPUB: {name} is missing or broken") from error
    if tree is None:
        raise Unreadable(f"cannot be read as an EPUB: {name} is empty")
    return tree


def _chapter(archive: ZipFile, name: str, settings: Settings) -> Found:
    try:
        data = archive.read(name)
    except (KeyError, ValueError) as error:
        raise Unreadable(f"chapter {name} is missing") from error
    except DAMAGED as error:
        raise Unreadable(f"chapter {name} is damaged") from error
    try:
        source, encoding = decoded(data)
    except NotText as error:
        raise Unreadable(f"chapter {name} is no text; it may be protected against copying") from error
    found = page(source, settings)
    return found if not encoding.broken else Found(found.text, broken=encoding.broken)
