"""SORT: which of two segments of a text came first (BookSORT: nine books of 2022 to 2024 in the public domain).

Pink et al. 2024 (arXiv 2410.08133). On the hub, `data/test_e{excerpt}_s{segment}.parquet`; the authors' generator
writes three tables, `segments_`, `excerpts_` and `books_{excerpt}-s{segment}-n110.csv`. Fields: `book_idx`,
`excerpt_idx`, `excerpt_text`, `segment_1` (the earlier), `segment_2`, `seg1_pos`, `seg2_pos` (words), `distance_bin`,
`present_seg1_first`, `book_title`.

    dataset: {kind: sort, books: data/pg/full_text, excerpt_words: 1000, pairs: 10}
    metrics: [choice_accuracy, sort_accuracy]

With `books`, pairs are drawn from texts of your own, or from the books in the authors' repository: excerpts and
segments begin with sentences, distances are in their bins, and each segment is A in half of the pairs. The segments are
choices A and B, and evidence. Retrieval without the order of passages cannot know the answer.

The authors' prompt here is their number 12 (BSD-3): each model has its own of 13, chosen on held-out pairs.
Differences: their figures are by the probabilities of the two labels; here one token is generated after "Answer:
Segment" (servers are sent no such beginning). They remove the titles of chapters from books, which is not done here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.core.errors import DatasetError
from ragvlc.core.given_paths import path_of
from ragvlc.core.official import OfficialPrompt
from ragvlc.datasets._sort_pairs import body_of, pairs_of
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags
from ragvlc.documents.released_rows import LocatedFile

ASK = "Which of these two segments came first in the text?"
SYSTEM = "You are a helpful, respectful and honest assistant. Please only answer A or B."
READ = (
    "I need you to thoroughly read and comprehend this extract from the book {title}. The passage is as follows: "
    "{document}"
)
TASK = (
    "Your task is to recall which text segment, either A or B, appeared first in the book {title}. Please read the "
    "segments carefully to remember in which order they appeared in {title} and respond with either A or B: "
    "Segment A: {A} Segment B: {B}\n Which of these, A or B, was first in the book {title}?"
)
_PER_CELL = 110


class Sort(Prompted):
    """Reads or draws pairs of segments of one length in excerpts of one length.

    Attributes:
        excerpt_words: words of an excerpt; 250, 1000, 2500, 10000 and 20000 are released.
        segment_words: words of a segment; 20 and 50 are released.
        pairs: of each book and bin of distances, the first ones; the authors evaluate 100.
        form: `parquet` as on the hub, or `csv` as the authors' generator writes it.
        books: a folder of texts to draw pairs from, in place of released ones; each file is a book.
        pair_seed: of drawn pairs.
    """

    release: ClassVar[Release] = Release(
        title="SORT (BookSORT)",
        citation="Pink et al. 2024, Assessing Episodic Memory in LLMs with Sequence Order Recall Tasks, arXiv "
        "2410.08133",
        homepage="https://github.com/bridge-ai-neuro/SORT",
        licence="BSD-3-Clause (code), CC0 (data)",
        tasks=("order",),
        metrics=("sort_accuracy",),
        aggregate="accuracy of each length of excerpt and segment; replies with both or no label are wrong",
        files=(
            ReleasedFile("data/test_e{excerpt}_s{segment}.parquet", None, "341 MB together"),
            ReleasedFile("data/pg/full_text/{book}-0.txt", 3.9, "nine books, for `books`"),
        ),
        seen="the nine books of the authors' repository, with drawn pairs; released pairs by form only",
        hub="memari/booksort",
        cut="none: a prompt that is too long fails",
        prompts=True,
    )
    asks_closed: ClassVar[bool] = True
    version: ClassVar[int] = 1
    excerpt_words: Annotated[int, Field(ge=100)] = 1000
    segment_words: Annotated[int, Field(ge=5)] = 20
    pairs: Annotated[int, Field(ge=1, le=1000)] = 100
    form: Annotated[Literal["parquet", "csv"], Execution] = "parquet"
    books: Annotated[FilePath, Execution] = ""
    pair_seed: int = 0

    def subset_words(self) -> Sequence[str]:
        """Returns the lengths, and where drawn pairs are from."""
        drawn = [f"from {Path(self.books).name}"] if self.books else []
        return [f"e{self.excerpt_words}-s{self.segment_words}", *drawn]

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folder with pairs or books, or those on the hub."""
        return {"books": "/".join(Path(self.books).parts[-2:])} if self.books else super().identity()

    def file_names(self) -> Sequence[str]:
        """Returns the files with pairs; none where pairs are drawn."""
        if self.books:
            return ()
        if self.form == "parquet":
            return (f"data/test_e{self.excerpt_words}_s{self.segment_words}.parquet",)
        cell = f"{self.excerpt_words}-s{self.segment_words}-n{_PER_CELL}.csv"
        return tuple(f"data/booksort/{name}_{cell}" for name in ("segments", "excerpts", "books"))

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields the pairs, book by book."""
        if self.books:
            yield from self._drawn(files)
            return
        excerpts: dict[tuple[str, int], Row] = {}
        titles: dict[str, str] = {}
        segments, *others = self.file_names()
        if others:
            by_book = [(str(row.values.get("book_idx")), row) for row in files.rows(others[0])]
            excerpts = {(book, _number(row, "excerpt_idx")): row for book, row in by_book}
            titles = {str(row.values.get("book_idx")): row.text("book_title") for row in files.rows(others[1])}
        for row in files.rows(segments):
            book, number = str(row.values.get("book_idx")), _number(row, "excerpt_idx")
            if number >= self.pairs:
                continue
            source = excerpts.get((book, number), row) if others else row
            if others and source is row:
                row.complain(f"no excerpt {number} of book {book} in {others[0]}.")
                continue
            title = titles.get(book, "") or str(row.values.get("book_title") or book)
            document = Document(f"{book}-{number}-e{self.excerpt_words}", source.text("excerpt_text"), title)
            places = tuple(_number(row, name) for name in ("seg1_pos", "seg2_pos"))
            first_is_a = str(row.values.get("present_seg1_first")).strip() in ("1", "1.0", "True", "true")
            pair = (row.text("segment_1"), row.text("segment_2"))
            yield self._example(document, pair, places, first_is_a, _number(row, "distance_bin"))

    def _drawn(self, files: Files) -> Iterator[Example]:
        folder = path_of(self.books).absolute()
        found = sorted(path for path in folder.glob("*.txt") if path.is_file())
        if not found:
            raise DatasetError(f"{folder}: holds no .txt files to draw pairs from.")
        lengths = (self.excerpt_words, self.segment_words)
        for path in found:
            words = body_of(LocatedFile(path).text()).split()
            count = 0
            for pair in pairs_of(words, lengths, self.pairs, f"{self.pair_seed}\0{path.stem}\0{lengths}"):
                text = " ".join(pair.words)
                document = Document(f"{path.stem}-{pair.excerpt}-e{self.excerpt_words}", text, path.stem)
                places = (pair.first, pair.second)
                shown = tuple(" ".join(pair.words[place : place + self.segment_words]) for place in places)
                yield self._example(document, (shown[0], shown[1]), places, pair.first_is_a, pair.distance_bin)
                count += 1
            wanted = 4 * self.pairs
            if count < wanted:
                files.skipped["pair that a book is too short for"] += wanted - count

    def _example(
        self, document: Document, pair: tuple[str, str], places: Sequence[int], first_is_a: bool, distance: int
    ) -> Example:
        choices = pair if first_is_a else pair[::-1]
        spans = [_span(document, segment, place) for segment, place in zip(pair, places, strict=True)]
        lost = sum(span is None for span in spans)
        prompt = OfficialPrompt(
            template=READ + TASK,
            closed=TASK,
            fields={"title": document.title, "A": choices[0], "B": choices[1]},
            system=SYSTEM,
            lead="Answer: Segment",
            max_tokens=1,
            cut="refuse",
        )
        return Example(
            Query(f"{document.id}-d{distance}-s{self.segment_words}", ASK, choices, official=self.official(prompt)),
            (document,),
            (pair[0],),
            evidence=tuple(sorted(span for span in spans if span is not None)),
            cluster=document.id,
            task="order",
            tags={
                "book": document.title,
                "distance_bin": distance,
                "distance": places[1] - places[0],
                "answer": "A" if first_is_a else "B",
                "language": "en",
                **size_tags((document,)),
                "evidence": ("located", "partly located", "not located")[lost],
                "evidence_exact": 2 - lost,
                "evidence_lost": lost,
            },
        )


def _number(row: Row, name: str) -> int:
    """Returns a whole number that a table may have as text."""
    value = row.values.get(name)
    bare = value.strip().removesuffix(".0") if isinstance(value, str) else ""
    if bare.isdecimal() and len(bare) < 10:
        return int(bare)
    return row.integer(name, least=0)


def _span(document: Document, segment: str, place: int) -> Span | None:
    """Returns where a segment is that begins at a word; the first occurrence if it is not there."""
    words = document.text.split(" ")
    start = sum(len(word) + 1 for word in words[:place])
    if document.text[start : start + len(segment)] != segment:
        start = document.text.find(segment)
    return Span(document.id, start, start + len(segment)) if start >= 0 and segment else None
