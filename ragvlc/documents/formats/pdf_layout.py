"""Reading order of a PDF page: columns one after the other, tables by row with their empty cells.

A PDF says where letters are, in whatever order they were drawn. Letters become pieces of a line, pieces that share a
height become lines, and a page is split wherever two columns of running text lie side by side.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from ragvlc.documents.formats.writer import markdown_rows

__all__ = ["TextRun", "page_text"]

_HYPHENATED = re.compile(r"\w[-\u2010\u2011]$")
_LABEL = re.compile(r"[•▪■●○◦‣·*–—-]|\(?[\divxlcIVXLC]{1,3}[.)]|\(?[a-zA-Z][.)]")
_GUTTER = 0.8
_MOST_CANDIDATES = 40


@dataclass(slots=True)
class TextRun:
    """Letters that follow each other on a line, with their position: `x` to the right, `y` upwards."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def height(self) -> float:
        """The height of the letters."""
        return self.top - self.bottom


@dataclass(slots=True)
class _Line:
    pieces: list[TextRun]
    bottom: float
    top: float

    @property
    def text(self) -> str:
        return " ".join(piece.text for piece in self.pieces)

    @property
    def left(self) -> float:
        return self.pieces[0].left

    @property
    def right(self) -> float:
        return max(piece.right for piece in self.pieces)


@dataclass(slots=True)
class _Block:
    """A block of lines that are read from top to bottom."""

    lines: list[_Line] = field(default_factory=list)


def page_text(pieces: Iterable[TextRun]) -> str:
    """Returns a page's text with blank lines between blocks; lines that fill a column are joined into paragraphs."""
    lines = _lines(pieces)
    texts = [text for block in _blocks(lines) for text in _block_texts(block)]
    return "\n\n".join(texts)


def _lines(pieces: Iterable[TextRun]) -> list[_Line]:
    """Returns the lines from top to bottom, each with its text runs from left to right."""
    found: list[_Line] = []
    for piece in sorted(pieces, key=lambda one: (-one.top, one.left)):
        middle = (piece.bottom + piece.top) / 2
        for line in found[:-4:-1]:
            lowest = min(piece.height, line.top - line.bottom)
            if (
                min(piece.top, line.top) - max(piece.bottom, line.bottom) > 0.6 * lowest
                and line.bottom < middle < line.top
            ):
                line.pieces.append(piece)
                break
        else:
            found.append(_Line([piece], piece.bottom, piece.top))
    for line in found:
        line.pieces.sort(key=lambda one: one.left)
        _join_labels(line)
    return sorted(found, key=lambda line: -line.top)


def _join_labels(line: _Line) -> None:
    """Joins each bullet or number with the text that follows it into one text run."""
    pieces = line.pieces
    place = 0
    while place + 1 < len(pieces):
        one, two = pieces[place], pieces[place + 1]
        if _LABEL.fullmatch(one.text) and two.left - one.right < 4 * two.height and not _LABEL.fullmatch(two.text):
            text = f"{one.text} {two.text}"
            bottom, top = min(one.bottom, two.bottom), max(one.top, two.top)
            pieces[place : place + 2] = [TextRun(text, one.left, two.right, bottom, top)]
        place += 1


def _blocks(lines: list[_Line]) -> list[_Block]:
    """Returns blocks of lines in reading order: lines above two columns, left column, right column, lines below."""
    cut = _gutter(lines)
    if cut is None:
        return [_Block(lines)] if lines else []
    found: list[_Block] = []
    between: list[_Line] = []
    zone: list[_Line] = []
    for line in [*lines, None]:
        if line is not None and not _crosses(line, cut):
            zone.append(line)
            continue
        left = [part for one in zone if (part := _side(one, cut, left=True))]
        right = [part for one in zone if (part := _side(one, cut, left=False))]
        if zone and _is_prose(left) and _is_prose(right):
            found += _blocks(between) if len(between) < len(lines) else [_Block(between)]
            between = []
            found += [*_blocks(left), *_blocks(right)]
        else:
            between += zone
        zone = []
        if line is not None:
            between.append(line)
    if len(between) == len(lines):
        return [_Block(lines)]
    return [*found, *([_Block(between)] if between else [])]


def _gutter(lines: Sequence[_Line]) -> float | None:
    """Returns the `x` that separates two columns of running text, crossed by the fewest lines; None without columns."""
    if len(lines) < 3:
        return None
    em = median(piece.height for line in lines for piece in line.pieces)
    votes: Counter[float] = Counter()
    for line in lines:
        for one, two in pairwise(line.pieces):
            if two.left - one.right >= _GUTTER * em:
                votes[round((one.right + two.left) / 2, 0)] += 1
    best, most = None, 2
    for place, _ in votes.most_common(_MOST_CANDIDATES):
        apart = [line for line in lines if line.left < place < line.right and not _crosses(line, place)]
        crossing = sum(_crosses(line, place) for line in lines)
        if len(apart) - crossing // 2 > most and _zones_are_prose(lines, place):
            best, most = place, len(apart) - crossing // 2
    return best


def _zones_are_prose(lines: Sequence[_Line], place: float) -> bool:
    free = [line for line in lines if not _crosses(line, place)]
    left = [part for line in free if (part := _side(line, place, left=True))]
    right = [part for line in free if (part := _side(line, place, left=False))]
    return _is_prose(left) and _is_prose(right)


def _crosses(line: _Line, place: float) -> bool:
    return any(piece.left < place - 1 and piece.right > place + 1 for piece in line.pieces)


def _side(line: _Line, cut: float, *, left: bool) -> _Line | None:
    pieces = [piece for piece in line.pieces if (piece.right <= cut + 1) == left]
    return _Line(pieces, line.bottom, line.top) if pieces else None


def _is_prose(lines: Sequence[_Line]) -> bool:
    """Returns whether lines are running text and not cells: they fill a column, and many start with a small letter."""
    if len(lines) < 3:
        return False
    right, left = max(line.right for line in lines), min(line.left for line in lines)
    texts = [line.text for line in lines]
    full = sum(line.right - line.left > 0.7 * (right - left) for line in lines)
    wordy = sum(text.count(" ") >= 2 or not text.isascii() for text in texts)
    small = sum(text[0].isalpha() and not text[0].isupper() for text in texts)
    return full >= 0.35 * len(lines) and wordy >= 0.5 * len(lines) and small >= 0.25 * len(lines)


def _block_texts(block: _Block) -> list[str]:
    """Returns the paragraphs, single lines and tables of a block, in order."""
    found: list[str] = []
    running: list[_Line] = []
    place = 0
    lines = block.lines
    while place < len(lines):
        size = _table_size(lines[place:])
        if size:
            found += _paragraphs(running)
            running = []
            found.append(_table(lines[place : place + size]))
            place += size
        else:
            running.append(lines[place])
            place += 1
    return [*found, *_paragraphs(running)]


def _table_size(lines: Sequence[_Line]) -> int:
    """Returns how many lines, counted from the first one, are rows of one table; 0 if no table starts there."""
    if len(lines[0].pieces) < 2:
        return 0
    size, several, widest = 0, 0, 0
    columns: list[tuple[float, float]] = []
    for place, line in enumerate(lines):
        em = line.top - line.bottom
        if place and lines[place - 1].bottom - line.top > 2.5 * em:
            break
        merged = _merged([*columns, *((piece.left, piece.right) for piece in line.pieces)])
        most = max(widest, len(line.pieces))
        if len(merged) < most or (columns and len(merged) < len(columns)):
            break
        columns, widest = merged, most
        if len(line.pieces) > 1:
            several += 1
            size = place + 1
    return size if several >= 3 or (several == 2 and widest >= 3) else 0


def _merged(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for left, right in sorted(intervals):
        if found and left < found[-1][1] - 0.5:
            found[-1] = (found[-1][0], max(found[-1][1], right))
        else:
            found.append((left, right))
    return found


def _table(lines: Sequence[_Line]) -> str:
    columns = _merged([(piece.left, piece.right) for line in lines for piece in line.pieces])
    rows = []
    for line in lines:
        cells = [""] * len(columns)
        for piece in line.pieces:
            place = next(n for n, (left, right) in enumerate(columns) if left <= piece.left and piece.right <= right)
            cells[place] = f"{cells[place]} {piece.text}".strip()
        rows.append(cells)
    return markdown_rows(rows, head=False)


def _paragraphs(lines: Sequence[_Line]) -> list[str]:
    """Returns the lines as paragraphs, split where line spacing grows; lines that fill the column are joined."""
    if not lines:
        return []
    steps = [one.bottom - two.bottom for one, two in pairwise(lines)]
    usual = median(steps) if steps else 0.0
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    texts = [lines[0].text]
    for place, line in enumerate(lines[1:]):
        above = lines[place]
        high = above.top - above.bottom
        if steps[place] > max(1.35 * usual, 1.8 * high) or steps[place] < 0:
            texts.append(line.text)
            continue
        word = line.text.split(" ")[0]
        needed = (line.right - line.left) * (len(word) + 1) / len(line.text)
        filled = above.right + needed > right - 0.01 * (right - left) and len(above.text) > 30 and len(lines) > 2
        even = abs(line.left - above.left) < high and abs(line.top - line.bottom - high) < 0.15 * high
        joined = filled and even and not _LABEL.fullmatch(word)
        # A line break after a hyphen stays: only so can a search tell a broken word from a dash between two.
        texts[-1] += (" " if joined and not _HYPHENATED.search(above.text) else "\n") + line.text
    return texts
