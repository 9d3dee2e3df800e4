"""Writer of text from marked-up formats: collapsed white space, separate blocks, Markdown tables, heading positions."""

from __future__ import annotations

from collections.abc import Sequence

from ragvlc.documents.formats.found import Heading

__all__ = ["Writer", "markdown_rows", "one_line"]

_MOST_EDGES = 8


def one_line(text: str) -> str:
    """Returns the text with every run of white space replaced by one space."""
    return " ".join(text.split())


def markdown_rows(rows: Sequence[Sequence[str]], *, head: bool) -> str:
    """Returns a Markdown table with one line per row; short rows are padded to the width of the widest.

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
    """Builds a text piece by piece.

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
        """Adds running text; each run of white space becomes one space, or none at the start of a line."""
        words = piece.split()
        if not words:
            self._space = self._space or bool(piece)
            return
        self._space = self._space or piece[0].isspace()
        self._put(" ".join(words))
        self._space = piece[-1].isspace()

    def verbatim(self, piece: str) -> None:
        """Adds text with its line breaks and spaces unchanged."""
        body = piece.rstrip("\n")
        if body:
            self._put(body)
        self._breaks += len(piece) - len(body)

    def edge(self, name: str) -> None:
        """Notes that an inline element starts or ends here, so that words of two elements are not joined."""
        self._edge += name if len(self._edge) < _MOST_EDGES else ""

    def line(self, breaks: int = 1) -> None:
        """Ends the current line; with `breaks` of 2, a blank line follows."""
        self._breaks = max(self._breaks, breaks)
        self._space = False

    def mark(self, mark: str) -> None:
        """Starts a line with a mark, such as a bullet, which is written when text follows."""
        self.line()
        self._mark = mark

    def heading(self, level: int) -> None:
        """Starts a heading; its position counts from its first letter."""
        self._levels.append((level, -1))

    def end_heading(self) -> None:
        """Ends the heading that was started last."""
        level, start = self._levels.pop()
        if start >= 0:
            self.headings.append((start, self._length, level))

    def table(self, rows: Sequence[Sequence[str]], *, head: bool) -> None:
        """Adds a table on separate lines, without empty rows and without empty columns at the right."""
        filled = [[one_line(cell) for cell in row] for row in rows]
        filled = [row for row in filled if any(row)]
        wide = max((place + 1 for row in filled for place, cell in enumerate(row) if cell), default=0)
        if filled:
            self.line(2)
            self._put(markdown_rows([row[:wide] for row in filled], head=head))
            self.line(2)

    def done(self) -> str:
        """Returns the text written up to this call."""
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
        """Returns whether to put a space between two inline elements, because browsers show a gap there."""
        both = (self._last.isalnum() or self._last in ":;,") and first.isalnum()
        return both and ("aa" in self._edge or self._last in ":;," or (self._last.islower() and first.isupper()))
