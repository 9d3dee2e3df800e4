"""PowerPoint files as text, through python-pptx: slide by slide, titles as headings, tables in Markdown, notes last.

Hidden slides stay out and are counted.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ragvlc.core.texts import library_words
from ragvlc.documents.formats.found import Found, Settings, Unreadable, visible
from ragvlc.documents.formats.office import drawn_paragraphs, members, opened, plain_texts
from ragvlc.documents.formats.writer import Writer, one_line

__all__ = ["read"]

_HIDDEN = "hidden slides"
_TEXTS = r"ppt/(slides/slide|notesSlides/notesSlide|diagrams/data|charts/chart)\d*\.xml"
_FIELD = re.compile(r"<a:fld\b.*?</a:fld>", re.DOTALL)
"""Numbers of slides and dates, which are no text of the author's."""


def read(data: bytes, settings: Settings) -> Found:  # noqa: ARG001 - it knows its encoding
    """Returns the text of a presentation. Raises `Unreadable`."""
    from pptx import Presentation

    archive = opened(data, "a PowerPoint file")
    try:
        presentation = Presentation(io.BytesIO(data))
        slides = list(presentation.slides)
        title = one_line(presentation.core_properties.title or "")
        deck = _Deck()
        for slide in slides:
            deck.slide(slide)
    except Exception as error:  # whatever the library makes of a broken file
        raise Unreadable(f"cannot be read as a PowerPoint file: {library_words(error)}") from error
    held = visible("")
    for _, xml in members(archive, _TEXTS):
        held.update(visible(plain_texts(_FIELD.sub("", xml), "a:t")))
    hidden = visible(deck.hidden)
    held.subtract(hidden)
    comments = sum(1 for name in archive.namelist() if name.startswith("ppt/comments/"))
    left_out = {_HIDDEN: sum(hidden.values()), "files of comments": comments}
    return Found(
        deck.writer.done(),
        "" if title == "PowerPoint Presentation" else title,
        headings=tuple(deck.writer.headings),
        held={one: count for one, count in held.items() if count > 0},
        pages=len(slides),
        images=deck.images,
        left_out={reason: count for reason, count in left_out.items() if count},
    )


class _Deck:
    """Writes the text of slides.

    Attributes:
        writer: takes the text.
        hidden: text of hidden slides.
        images: pictures met.
    """

    def __init__(self) -> None:
        self.writer = Writer()
        self.hidden = ""
        self.images = 0

    def slide(self, slide: Any) -> None:  # noqa: ANN401 - python-pptx has no types
        """Writes the text of one slide; the text of hidden slides is collected separately."""
        if slide.element.get("show") in ("0", "false"):
            inner = _Deck()
            inner._write(slide)
            self.hidden += inner.writer.done()
            return
        self._write(slide)

    def _write(self, slide: Any) -> None:  # noqa: ANN401 - python-pptx has no types
        self.writer.line(2)
        title = slide.shapes.title
        if title is not None and title.text_frame.text.strip():
            self.writer.heading(1)
            self.writer.text(title.text_frame.text.replace("\x0b", " "))
            self.writer.end_heading()
            self.writer.line(2)
        for shape in _shapes(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                self._shape(shape)
        for part in (relation.target_part for relation in slide.part.rels.values() if not relation.is_external):
            if "/diagrams/data" in part.partname or "/charts/chart" in part.partname:
                for text in drawn_paragraphs(part.blob.decode("utf-8", "replace")):
                    self._line(text)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            if notes:
                self.writer.line(2)
                self.writer.text("Notes:")
                self._lines(notes)

    def _shape(self, shape: Any) -> None:  # noqa: ANN401 - python-pptx has no types
        if getattr(shape, "has_table", False) and shape.has_table:
            self.writer.table([[cell.text for cell in row.cells] for row in shape.table.rows], head=True)
        elif shape.has_text_frame:
            self.writer.line(2)
            self._lines(shape.text_frame.text)
        elif getattr(shape, "has_chart", False) and shape.has_chart:
            self._chart(shape.chart)
        elif shape.shape_type is not None and "PICTURE" in str(shape.shape_type):
            self.images += 1

    def _chart(self, chart: Any) -> None:  # noqa: ANN401 - python-pptx has no types
        """Writes a chart's numbers as a table, with one row per category and one column per series."""
        for plot in chart.plots:
            names = [str(category.label) for category in plot.categories]
            series = [(str(one.name), list(one.values)) for one in plot.series]
            rows = [["", *(name for name, _ in series)]]
            for place in range(max([len(names), *(len(values) for _, values in series)], default=0)):
                cells = [values[place] if place < len(values) else None for _, values in series]
                label = names[place] if place < len(names) else ""
                rows.append([label, *("" if cell is None else f"{cell:.15g}" for cell in cells)])
            self.writer.table(rows, head=True)

    def _lines(self, text: str) -> None:
        for line in text.replace("\x0b", "\n").splitlines():
            self._line(line)

    def _line(self, text: str) -> None:
        self.writer.line()
        self.writer.text(text)


def _shapes(shapes: Any) -> Iterator[Any]:  # noqa: ANN401 - python-pptx has no types
    """Yields the shapes of a slide in order; a group is replaced by its shapes."""
    waiting = list(shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if "GROUP" in str(getattr(shape, "shape_type", "")):
            waiting += list(shape.shapes)[::-1]
        else:
            yield shape
