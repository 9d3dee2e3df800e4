"""HTML source before parsing: a simple extraction of its text, and a rewriting that can be parsed in linear time.

The parser builds the tree that the standard asks for, and the standard's rules look through all open elements at every
tag. Browsers end that at a depth of 512, where further elements no longer nest; `flattened` does the same, and leaves
formatting tags out, which say nothing about the text.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BLOCKS", "Outline", "flattened", "hidden_by", "tags"]

DEPTH = 500
FORMATTING_OPEN = 64
LONG_TAG = 20_000
MANY_ATTRIBUTES = 500


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOID = _words("area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr")
BLOCKS = _words(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol optgroup p pre "
    "search section summary table tbody td textarea tfoot th thead tr ul xmp listing plaintext"
)
_FORMATTING = _words("a b big code em font i nobr s small strike strong tt u")
_RAW = _words("script style title textarea xmp iframe noembed noframes plaintext")
_UNSEEN = _RAW - {"textarea", "xmp", "plaintext"}
_SELF_CLOSING = _words("p li dt dd option optgroup tr td th tbody thead tfoot rt rp")
_DOCUMENT = frozenset({"html", "head", "body"})
_ALONE = VOID | _RAW | _DOCUMENT
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)(?:(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|(?=>)|(?![\"'])[^\s>]++))*+>)?")
"""A tag with its attributes; without its end where it has none."""
_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}
_STYLE = re.compile(r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_HIDES = re.compile(r"[\s\"'/]hidden(?=[\s=/>]|$)(?!\s*=\s*[\"']?until-found)|\sstyle\s*=", re.IGNORECASE)
_QUOTED_STYLE = re.compile(r"\sstyle\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]*)", re.IGNORECASE)


class Tag(NamedTuple):
    """A tag in the HTML source; the text lies between one tag's `end` and the next tag's `start`."""

    name: str
    closing: bool
    start: int
    end: int


def hidden_by(style: str) -> bool:
    """Returns whether a style attribute hides the element that has it."""
    return _STYLE.search(style) is not None


def tags(source: str) -> Iterator[Tag]:
    """Yields tags as a browser parses them; comments, scripts and styles are yielded as tags without a name."""
    place = source.find("<")
    while place >= 0:
        found = _TAG.match(source, place)
        if found is None:
            end = _other(source, place)
            if end:
                yield Tag("", False, place, end)
            place = source.find("<", end or place + 1)
            continue
        # A tag that never ends, for want of a `>` or of a quote, swallows the rest.
        end = found.end() if source[found.end() - 1] == ">" else len(source)
        name = found[2].lower()
        yield Tag(name, bool(found[1]), place, end)
        if name in _RAW and not found[1]:
            ending = _END[name].search(source, end)
            stop = ending.start() if ending else len(source)
            yield Tag(f"#{name}", False, end, stop)
            end = stop
        place = source.find("<", end)


def _other(source: str, place: int) -> int:
    """Returns the end of a comment, a declaration or a nameless end tag, or 0 for a plain `<`."""
    if source.startswith("<!--", place):
        end = source.find("-->", place + 2)
        return end + 3 if end >= 0 else len(source)
    if source[place + 1 : place + 2] in ("!", "?", "/") and len(source) > place + 2:
        end = source.find(">", place)
        return end + 1 if end >= 0 else len(source)
    return 0


class Outline:
    """The text of a page, extracted in one pass over its tags without building a tree.

    Attributes:
        text: everything between tags, less scripts, styles, titles, templates and frames.
        deep: whether elements nest, or attributes gather, so that parsing would take more than linear time.
    """

    def __init__(self, source: str) -> None:
        self.deep = False
        self._stack: list[str] = []
        self._formatting: Counter[str] = Counter()
        pieces: list[str] = []
        verbatim: list[str] = []
        place = templates = 0
        for tag in tags(source):
            name, closing, start, end = tag
            if start > place and not templates:
                pieces.append(source[place:start])
            place = end
            if name == "template":
                templates = max(0, templates + (-1 if closing else 1))
            elif name[:1] == "#" and name[1:] not in _UNSEEN and not templates:
                (pieces if name == "#textarea" else verbatim).append(source[start:end])
            if not self.deep:
                long = end - start > LONG_TAG and source.count("=", start, end) > MANY_ATTRIBUTES
                self.deep = (long and name[:1] != "#") or self._nests(name, closing)
        if not templates:
            pieces.append(source[place:])
        self.text = "\n".join([html.unescape("\n".join(pieces)), *verbatim])

    def _nests(self, name: str, closing: bool) -> bool:
        """Updates the list of open elements; returns whether they are nested too deeply."""
        if name in _FORMATTING:
            self._formatting[name] = count = max(0, self._formatting[name] + (-1 if closing else 1))
            return count > FORMATTING_OPEN
        if not name or name in _ALONE or name[0] == "#":
            return False
        stack = self._stack
        if not closing:
            if not (name in _SELF_CLOSING and stack and stack[-1] == name):
                stack.append(name)
        elif stack and stack[-1] == name:
            stack.pop()
        elif name in stack:
            del stack[len(stack) - 1 - stack[::-1].index(name)]
        return len(stack) > DEPTH


class _Flattener:
    """Rewrites HTML source so that it is properly nested, at most `DEPTH` elements deep."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._parts: list[str] = []
        self._stack: list[tuple[str, bool]] = []
        self._open: Counter[str] = Counter()
        self._beyond: Counter[str] = Counter()
        self._hidden = 0

    def written(self) -> str:
        """Returns the rewritten source."""
        place = 0
        for tag in tags(self._source):
            self._parts.append(self._source[place : tag.start])
            place = tag.end
            if tag.name in VOID or tag.name in _RAW or not tag.name or tag.name[0] == "#":
                self._parts.append(self._short(tag))
            elif tag.name in _DOCUMENT:
                self._parts.append("" if tag.closing else self._short(tag))
            elif tag.closing:
                self._close(tag.name)
                if tag.name == "a" and self._source.startswith("<a", place):
                    self._parts.append(" ")
            else:
                self._begin(tag)
        return "".join([*self._parts, self._source[place:]])

    def _short(self, tag: Tag) -> str:
        text = self._source[tag.start : tag.end]
        if len(text) > LONG_TAG and tag.name and tag.name[0] != "#" and text.count("=") > MANY_ATTRIBUTES:
            return f"<{'/' if tag.closing else ''}{tag.name}{' hidden' if _hides(text) else ''}>"
        return text

    def _begin(self, tag: Tag) -> None:
        hides = _hides(self._source[tag.start : tag.end])
        name = "span" if tag.name in _FORMATTING else tag.name
        if tag.name in _FORMATTING and not hides:
            return
        if name in _SELF_CLOSING and self._stack and self._stack[-1][0] == name:
            self._pop()
        if len(self._stack) < DEPTH or (hides and not self._hidden and len(self._stack) < DEPTH + 5):
            self._stack.append((tag.name, hides))
            self._open[tag.name] += 1
            self._hidden += hides
            self._parts.append("<span hidden>" if name != tag.name else self._short(tag))
        else:
            self._beyond[name] += 1
            self._boundary(name)

    def _close(self, name: str) -> None:
        if self._beyond[name]:
            self._beyond[name] -= 1
            self._boundary(name)
        elif self._open[name]:
            while self._stack[-1][0] != name:
                self._pop()
            self._pop()

    def _pop(self) -> None:
        name, hides = self._stack.pop()
        self._open[name] -= 1
        self._hidden -= hides
        self._parts.append(f"</{'span' if name in _FORMATTING else name}>")

    def _boundary(self, name: str) -> None:
        if name in BLOCKS:
            self._parts.append("<br>")


def _hides(tag: str) -> bool:
    found = _HIDES.search(tag)
    if found is None:
        return False
    style = _QUOTED_STYLE.search(tag)
    return "hidden" in found[0].lower() or (style is not None and hidden_by(style[1].strip("\"'")))


def flattened(source: str) -> str:
    """Returns the source with the same text, nested at most as deep as in browsers, and without formatting tags."""
    return _Flattener(source).written()
