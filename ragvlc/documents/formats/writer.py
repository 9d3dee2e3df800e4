"""Text out of marked-up formats: white space collapsed, blocks apart, tables as Markdown rows, headings by place."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.documents.formats.found import Heading

__all__ = ["Writer", "markdown_rows", "one_line"]

_MOST_EDGES = 8


def one_line(text: str) -> str:
    """Returns the text with every run of white space as one space."""
    return " ".join(text.split())


def markdown_rows(rows: Sequence[Sequence[str]], *, head: bool) -> str:
    """Returns a table as Markdown, a line a row, every row as wide as the widest; empty cells stay.

    Args:
        rows: cells by row.
        head: whether the first row names the columns.
    """
    width = max((len(row) for row in rows), default=0)
    lines = ["| " + " | ".join(_cell(cell) for cell in (*row, *[""] * (width - len(row)))) + " |" for row in rows]
    if head and lines:
        lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")


class Writer:
    """Collects a text piece by piece.

    Attributes:
        headings: their places, in order.
    """

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._parts: list[str] = []
        self._length = 0
        self._breaks = 0
        self._space = False
        self._edge = ""
        self._last = ""
        self._mark = ""
        self._levels: list[tuple[int, int]] = []

    def text(self, piece: str) -> None:
        """Adds running text: white space counts as one space, and as none at the start of a line."""
        words = piece.split()
        if not words:
            self._space = self._space or bool(piece)
            return
        self._space = self._space or piece[0].isspace()
        self._put(" ".join(words))
        self._space = piece[-1].isspace()

    def verbatim(self, piece: str) -> None:
        """Adds text whose line breaks and spaces stay."""
        body = piece.rstrip("\n")
        if body:
            self._put(body)
        self._breaks += len(piece) - len(body)

    def edge(self, name: str) -> None:
        """Notes where an element starts or ends within a line: words of two elements are not to become one."""
        self._edge += name if len(self._edge) < _MOST_EDGES else ""

    def line(self, breaks: int = 1) -> None:
        """Ends the line, with a blank line after it for two breaks."""
        self._breaks = max(self._breaks, breaks)
        self._space = False

    def mark(self, mark: str) -> None:
        """Begins a line with a mark, such as a bullet, once there is text for it."""
        self.line()
        self._mark = mark

    def heading(self, level: int) -> None:
        """Begins a heading; its place starts with its first letter."""
        self._levels.append((level, -1))

    def end_heading(self) -> None:
        """Ends the heading begun last."""
        level, start = self._levels.pop()
        if start >= 0:
            self.headings.append((start, self._length, level))

    def table(self, rows: Sequence[Sequence[str]], *, head: bool) -> None:
        """Adds a table of its own lines; rows and columns with nothing in them are left out."""
        filled = [[one_line(cell) for cell in row] for row in rows]
        filled = [row for row in filled if any(row)]
        wide = max((place + 1 for row in filled for place, cell in enumerate(row) if cell), default=0)
        if filled:
            self.line(2)
            self._put(markdown_rows([row[:wide] for row in filled], head=head))
            self.line(2)

    def done(self) -> str:
        """Returns the text."""
        return "".join(self._parts)

    def _put(self, piece: str) -> None:
        lead = "\n" * self._breaks or (" " if self._space or (self._edge and self._apart(piece[0])) else "")
        lead = (lead if self._length else "") + self._mark
        self._parts += (lead, piece)
        self._length += len(lead)
        if self._levels and self._levels[-1][1] < 0:
            self._levels[-1] = (self._levels[-1][0], self._length)
        self._length += len(piece)
        self._breaks, self._space, self._mark = 0, False, ""
        self._edge, self._last = "", piece[-1]

    def _apart(self, first: str) -> bool:
        """Returns whether pages show a gap between two elements though there is no space: two links, a new word."""
        both = (self._last.isalnum() or self._last in ":;,") and first.isalnum()
        return both and ("aa" in self._edge or self._last in ":;," or (self._last.islower() and first.isupper()))
