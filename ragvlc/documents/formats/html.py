"""HTML pages as text: the visible text, parsed as in browsers, without limits on nesting depth and page size.

Blocks are lines, lists have marks, tables with rows and columns are Markdown rows; nothing is indented, since
indentation costs tokens and says nothing. Scripts, templates and what its own attributes hide stay out. Rules in style
sheets are not applied: what a page hides until it is clicked is text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.found import Found, Settings, Unreadable, visible
from ragvlc.documents.formats.html_source import BLOCKS, Outline, flattened, hidden_by
from ragvlc.documents.formats.writer import Writer, one_line

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["page", "read"]

_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,80}encoding=[\"']([\w.:-]+)", re.IGNORECASE
)
_HEADINGS: Mapping[str, int] = {f"h{level}": level for level in range(1, 7)}
_APART = frozenset({*_HEADINGS, "p", "table"})
"""Blocks with a blank line around them."""
_DROPPED = frozenset(["script", "style", "template", "iframe", "noembed", "noframes", "title"])
_UNSEEN: Mapping[str, str] = {
    "head": "the head of the page",
    "noscript": "for browsers without scripts",
    **dict.fromkeys(("object", "audio", "video", "canvas"), "for browsers that show no media"),
    **dict.fromkeys(("datalist", "rp"), "hidden"),
}
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_BULLETS = "-*+"
"""Marks of lists within lists, which tell the level as indentation would, at no cost."""
_LAYOUT_CELL = 1000
_MOST_COLUMNS = 100
_TEXT, _COMMENT = "-text", "-comment"


def read(data: bytes, settings: Settings) -> Found:
    """Returns the text of an HTML page from its bytes. Raises `Unreadable`."""
    declared = _DECLARED.search(data[:4096])
    stated = (declared[1] or declared[2]).decode("ascii", "replace") if declared else ""
    try:
        source, encoding = decoded(data, settings.encoding, stated)
    except NotText as error:
        raise Unreadable(str(error)) from error
    return replace(page(source, settings), encoding=encoding, broken=encoding.broken)


def page(source: str, settings: Settings) -> Found:
    """Returns the text of an HTML page that is already decoded."""
    from selectolax.lexbor import LexborHTMLParser

    outline = Outline(source)
    held = visible(outline.text)
    tree = LexborHTMLParser(flattened(source) if outline.deep else source)
    walk = _Walk(Writer(), settings)
    if tree.root is not None:
        walk.over(tree.root)
    for counts in walk.left_out.values():
        held.subtract(counts)
    titles = [one for one in tree.css("title") if one.parent is not None and one.parent.tag == "head"]
    return Found(
        walk.writer.done(),
        title=one_line(titles[0].text()) if titles else "",
        headings=tuple(walk.writer.headings),
        held={one: count for one, count in held.items() if count > 0},
        images=walk.images,
        left_out={reason: sum(counts.values()) for reason, counts in walk.left_out.items() if counts},
    )


@dataclass
class _Walk:
    """Walks over an HTML tree without recursion, and writes the visible text.

    Attributes:
        writer: takes the text.
        settings: how to read.
        images: pictures met.
        left_out: visible characters of what is not written, by reason.
    """

    writer: Writer
    settings: Settings
    images: int = 0
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    _lists: list[int] = field(default_factory=list)
    _verbatim: int = 0

    def over(self, root: LexborNode) -> None:
        """Writes all visible content below `root`."""
        node = root.child
        while node is not None:
            below = self._enter(node)
            if below is not None:
                node = below
                continue
            while node is not None and node.next is None:
                node = node.parent
                if node is None or node.mem_id == root.mem_id:
                    return
                self._leave(node.tag or "")
            node = node.next if node is not None else None

    def _enter(self, node: LexborNode) -> LexborNode | None:
        """Writes the start of a node; returns its first child if the children are to be visited."""
        tag = node.tag or ""
        if tag == _TEXT:
            self._write(node.text_content or "")
            return None
        if tag in (_COMMENT, "br", "img", "hr"):
            self._mark(tag)
            return None
        reason = self._reason(node, tag)
        if reason is not None:
            if reason:
                self.left_out.setdefault(reason, Counter()).update(visible(_text_below(node)))
            return None
        if tag == "table" and _is_data(node):
            self.writer.line(2)
            self._table(node)
            return None
        self._begin(node, tag)
        if node.child is None:
            self._leave(tag)
        return node.child

    def _write(self, text: str) -> None:
        if self._verbatim:
            self.writer.verbatim(text)
        else:
            self.writer.text(text)

    def _mark(self, tag: str) -> None:
        if tag == "img":
            self.images += 1
        elif tag == "br" and self._verbatim:
            self.writer.verbatim("\n")
        elif tag in ("br", "hr"):
            self.writer.line()

    def _reason(self, node: LexborNode, tag: str) -> str | None:
        """Returns the reason why a node is not written (empty if it holds no text), or None if it is to be written."""
        if tag in _DROPPED or tag in _UNSEEN:
            return _UNSEEN.get(tag, "")
        attributes = node.attributes
        if tag == "dialog" and "open" not in attributes:
            return "hidden"
        if attributes.get("hidden", "until-found") != "until-found" or hidden_by(attributes.get("style") or ""):
            return "hidden"
        if not self.settings.boilerplate and _is_boilerplate(node, tag, attributes.get("role") or ""):
            return "navigation, page heads and feet"
        return None

    def _begin(self, node: LexborNode, tag: str) -> None:
        if tag in ("ul", "ol", "menu", "dir"):
            self.writer.line()
            self._lists.append(_first_number(node) if tag == "ol" else -1)
        elif tag == "li":
            number = self._lists[-1] if self._lists else -1
            self.writer.mark(f"{_BULLETS[max(0, len(self._lists) - 1) % 3]} " if number < 0 else f"{number}. ")
            if number >= 0:
                self._lists[-1] = number + 1
        elif tag in BLOCKS:
            self.writer.line(2 if tag in _APART else 1)
        elif tag in ("button", "option"):
            self.writer.text(" ")
        elif not self._verbatim:
            self.writer.edge("a" if tag == "a" else "-")
        if tag in _HEADINGS:
            self.writer.heading(_HEADINGS[tag])
        if tag in ("pre", "textarea", "xmp", "listing", "plaintext"):
            self._verbatim += 1

    def _leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self.writer.end_heading()
        if tag in ("pre", "textarea", "xmp", "listing", "plaintext"):
            self._verbatim -= 1
        if tag in ("ul", "ol", "menu", "dir"):
            self._lists.pop()
            self.writer.line()
        elif tag in BLOCKS:
            self.writer.line(2 if tag in _APART else 1)
        elif tag in ("button", "option"):
            self.writer.text(" ")
        elif not self._verbatim:
            self.writer.edge("a" if tag == "a" else "-")

    def _table(self, table: LexborNode) -> None:
        """Writes a table of rows and columns; merged cells are padded with empty cells to align the columns."""
        rows: list[list[str]] = []
        spans: Counter[int] = Counter()
        head = False
        for row in self._rows(table):
            cells: list[str] = []
            for cell in self._seen(row, ("td", "th")):
                while spans[len(cells)] > 0:
                    cells.append("")
                head = head or (not rows and cell.tag == "th")
                wide, high = _span(cell, "colspan"), _span(cell, "rowspan")
                spans.update(dict.fromkeys(range(len(cells), len(cells) + wide), high))
                cells += [self._cell(cell), *[""] * (wide - 1)]
            rows.append(cells)
            spans -= Counter(dict.fromkeys(spans, 1))
        self.writer.table(rows, head=head)

    def _rows(self, table: LexborNode) -> Iterator[LexborNode]:
        """Yields the visible rows of a table, after writing its caption."""
        for part in self._seen(table, ("caption", "thead", "tbody", "tfoot", "tr")):
            if part.tag == "caption":
                self.writer.text(self._cell(part))
                self.writer.line()
            elif part.tag == "tr":
                yield part
            else:
                yield from self._seen(part, ("tr",))

    def _seen(self, node: LexborNode, wanted: tuple[str, ...]) -> Iterator[LexborNode]:
        child = node.child
        while child is not None:
            tag = child.tag or ""
            reason = self._reason(child, tag)
            if reason:
                self.left_out.setdefault(reason, Counter()).update(visible(_text_below(child)))
            elif reason is None and tag in wanted:
                yield child
            child = child.next

    def _cell(self, cell: LexborNode) -> str:
        inner = _Walk(Writer(), self.settings, left_out=self.left_out)
        inner.over(cell)
        self.images += inner.images
        return inner.writer.done()


def _is_boilerplate(node: LexborNode, tag: str, role: str) -> bool:
    if tag in ("nav", "aside") or role in _ROLES:
        return True
    above = node.parent if tag in ("header", "footer") else None
    while above is not None and above.tag not in ("article", "main", "section", "html"):
        above = above.parent
    return above is not None and above.tag == "html"


def _below(root: LexborNode) -> Iterator[LexborNode]:
    """Yields all nodes below `root` in document order, except those that never hold text."""
    node = root.child
    while node is not None:
        yield node
        if node.child is not None and node.tag not in _DROPPED:
            node = node.child
            continue
        while node.next is None:
            node = node.parent
            if node is None or node.mem_id == root.mem_id:
                return
        node = node.next


def _text_below(root: LexborNode) -> str:
    return "\n".join(node.text_content or "" for node in _below(root) if node.tag == _TEXT)


def _is_data(table: LexborNode) -> bool:
    """Returns whether a table holds data, in rows and columns of short cells, and not a page layout."""
    rows = cells = most = length = 0
    for node in _below(table):
        tag = node.tag or ""
        if tag in ("table", "ul", "ol", "form", "pre") or tag in _HEADINGS:
            return False
        if tag == "tr":
            rows, cells = rows + 1, 0
        elif tag in ("td", "th"):
            cells, length = cells + 1, 0
            most = max(most, cells)
        elif tag == _TEXT:
            length += len(node.text_content or "")
            if length > _LAYOUT_CELL:
                return False
    return rows > 1 and most > 1


def _span(cell: LexborNode, name: str) -> int:
    stated = (cell.attributes.get(name) or "").strip()
    return min(max(int(stated), 1), _MOST_COLUMNS) if stated.isdecimal() and len(stated) < 6 else 1


def _first_number(node: LexborNode) -> int:
    stated = (node.attributes.get("start") or "").strip()
    return int(stated) if stated.isdecimal() and len(stated) < 6 else 1
