"""The page of a review: one HTML file that works offline, with each question beside its evidence in the documents.

All texts are data of the page's one script, which writes them as text, never as HTML; no other script runs and nothing
is requested from anywhere. Decisions stay in the browser's storage until they are saved as a file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ragvlc.core.data import Document, Span
from ragvlc.core.errors import StoreError
from ragvlc.core.surrogates import joined
from ragvlc.memo.disk import write_whole
from ragvlc.questions.item import SOURCE, GeneratedQuestion
from ragvlc.questions.review.decision import reviewed_words, set_of, version_of
from ragvlc.questions.review.sheet import COLUMNS, SEPARATOR

__all__ = ["Excerpt", "excerpts", "review_page", "write_page"]

TEMPLATE = Path(__file__).with_name("page.html")
SCRIPT = Path(__file__).with_name("page.js")
AROUND = 500
"""Characters of the document shown before and after evidence."""
LONGEST = 6000
"""Characters of one excerpt that are shown; of longer evidence, both ends."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a document around evidence.

    Attributes:
        title: of the document.
        document: its id.
        start: first character.
        end: after the last character.
        length: characters of the whole document.
        pieces: texts, and whether each is evidence.
    """

    title: str
    document: str
    start: int
    end: int
    length: int
    pieces: tuple[tuple[str, bool], ...]


def excerpts(item: GeneratedQuestion, documents: Mapping[str, Document]) -> list[Excerpt]:
    """Returns the evidence of a question in its place, or, of unanswerable ones, the passages that were shown."""
    evidence = [one.span for one in item.evidence]
    around = AROUND if evidence else 0
    found = []
    for name in dict.fromkeys(span.document_id for span in evidence or item.passages):
        text = documents[name].text
        spans = sorted((one for one in evidence or item.passages if one.document_id == name), key=lambda one: one.start)
        windows: list[list[int]] = []
        for span in spans:
            start, end = max(0, span.start - around), min(len(text), span.end + around)
            if windows and start <= windows[-1][1]:
                windows[-1][1] = max(windows[-1][1], end)
            else:
                windows.append([start, end])
        title = documents[name].title or name
        found += [
            Excerpt(title, name, start, end, len(text), tuple(_pieces(text, start, end, spans if evidence else ())))
            for start, end in windows
        ]
    return found


def _pieces(text: str, start: int, end: int, marked: Sequence[Span]) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    place = start
    for span in marked:
        low, high = max(place, span.start), min(end, span.end)
        if low < high:
            found += [(text[place:low], False), (text[low:high], True)]
            place = high
    found.append((text[place:end], False))
    return [(_shortened(piece), mark) for piece, mark in found if piece]


def _shortened(piece: str) -> str:
    if len(piece) <= LONGEST:
        return piece
    half = LONGEST // 2
    return f"{piece[:half]}\n[... {len(piece) - 2 * half:,} characters ...]\n{piece[-half:]}"


def review_page(items: Sequence[GeneratedQuestion], documents: Mapping[str, Document], name: str) -> str:
    """Returns the page as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    script = SCRIPT.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(TEMPLATE.read_text(encoding="utf-8"))
    data = {
        "set": set_of(items),
        "name": name,
        "columns": list(COLUMNS),
        "separator": SEPARATOR,
        "items": [_facts(item, documents) for item in items],
    }
    page = template.render(
        name=name,
        count=len(items),
        writers=", ".join(dict.fromkeys(item.written_by for item in items if item.written_by)) or "a model",
        generator=SOURCE,
        digest=digest,
        script=Markup(script),  # noqa: S704 - a file of ours
        data=data,
    )
    return joined(page)


def write_page(path: Path, page: str) -> None:
    """Writes the page as a whole file. Raises `StoreError`."""
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def _facts(item: GeneratedQuestion, documents: Mapping[str, Document]) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "question": item.question,
        "answers": list(item.answers),
        "evidence": [one.text for one in item.evidence],
        "unanswerable": item.unanswerable,
        "writer": item.written_by,
        "overlap": item.overlap,
        "marks": ", ".join(item.marked),
        "findings": [[one.filter, one.verdict, one.reason] for one in item.findings],
        "reviewed": reviewed_words(item),
        "version": version_of(item),
        "excerpts": [asdict(one) for one in excerpts(item, documents)],
    }
