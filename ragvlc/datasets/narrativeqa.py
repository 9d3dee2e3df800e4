"""NarrativeQA: questions about whole books and film scripts, written from summaries.

Kočiský et al. 2018 (arXiv 1712.07040). Tables of the authors' repository: `documents.csv` (`document_id`, `set`,
`kind`, `wiki_title` ...), `qaps.csv` (`document_id`, `set`, `question`, `answer1`, `answer2`), and
`third_party/wikipedia/summaries.csv` (`document_id`, `summary`); the stories in `tmp/{document_id}.content`, where
their script `download_stories.sh` puts them.

    dataset: {kind: narrativeqa, path: FOLDER, split: test, text: story}
    metrics: [token_f1, {kind: rouge, type: L}, bleu]

A story that is not there leaves its questions out, counted. Scripts are pages of HTML, read as such; other stories are
read as text in the likeliest encoding, with the header of Project Gutenberg as the authors' script leaves it. No
evidence is known. A document is a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query
from ragvlc.core.given_paths import path_of
from ragvlc.documents.bounded import file_bytes
from ragvlc.documents.extraction import Unreadable, extract
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags

SUMMARIES = "third_party/wikipedia/summaries.csv"


class Narrativeqa(Released):
    """Reads the questions of one split.

    Attributes:
        split: `test`, `valid` or `train`.
        text: `story`, the whole book or script; `summary`, that of Wikipedia, from which the questions were written.
    """

    release: ClassVar[Release] = Release(
        title="NarrativeQA",
        citation="Kočiský et al. 2018, The NarrativeQA Reading Comprehension Challenge, arXiv 1712.07040",
        homepage="https://github.com/google-deepmind/narrativeqa",
        licence="Apache-2.0 (questions), CC BY-SA 3.0 (summaries); stories have their own",
        tasks=("qa",),
        metrics=("token_f1", "rouge_l", "bleu"),
        aggregate="corpus BLEU-1 and BLEU-4, METEOR and ROUGE-L, the better of two answers",
        files=(
            ReleasedFile("documents.csv", 0.3, "1,572 stories"),
            ReleasedFile("qaps.csv", None, "46,765 questions"),
            ReleasedFile(SUMMARIES, None, "for text: summary"),
        ),
    )
    split: Literal["test", "valid", "train"] = "test"
    text: Literal["story", "summary"] = "story"

    def file_names(self) -> Sequence[str]:
        """Returns the two tables, and that of summaries if they are read."""
        return ("documents.csv", "qaps.csv", *([SUMMARIES] if self.text == "summary" else []))

    def subset_words(self) -> Sequence[str]:
        """Returns the split and what is read."""
        return (self.split, self.text)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a question of the split."""
        about = {row.text("document_id"): row.values for row in files.rows("documents.csv")}
        summaries: dict[str, str] = {}
        if self.text == "summary":
            summaries = {row.text("document_id"): row.string("summary") for row in files.rows(SUMMARIES)}
        held: dict[str, Document | str] = {}
        counts: dict[str, int] = {}
        for row in files.rows("qaps.csv"):
            if row.one_of("set", ("test", "valid", "train")) != self.split:
                continue
            name = row.text("document_id")
            if name not in held:
                held[name] = self._document(name, about.get(name, {}), summaries)
            document = held[name]
            counts[name] = counts.get(name, 0) + 1
            if isinstance(document, str):
                files.skipped[f"question about a {self.text} {document}"] += 1
                continue
            answers = [row.text("answer1").strip(), row.string("answer2").strip()]
            yield Example(
                query=Query(f"{name}-{counts[name]}", row.text("question").strip()),
                documents=(document,),
                references=tuple(dict.fromkeys(one for one in answers if one)),
                cluster=name,
                task="qa",
                tags={**size_tags((document,)), **document.metadata, "evidence": "none", "language": "en"},
            )

    def _document(self, name: str, about: Mapping[str, Any], summaries: Mapping[str, str]) -> Document | str:
        """Returns the document, or why it cannot be read."""
        facts = {"kind": str(about.get("kind", ""))}
        title = str(about.get("wiki_title", ""))
        if self.text == "summary":
            text = summaries.get(name, "").strip()
            return Document(name, text, title, facts) if text else "that is not in the table"
        folder = path_of(self.path).absolute()
        folder = folder if folder.is_dir() else folder.parent
        place = next((one for one in _places(folder, name) if one.is_file()), None)
        if place is None:
            return "that is not in tmp (download_stories.sh)"
        data = file_bytes(place)
        start = data[:4000].lower()
        page = b"<html" in start or b"<!doctype html" in start or (facts["kind"] == "movie" and b"<pre" in data.lower())
        try:
            text = extract("html" if page else "txt", data).text.strip()
        except Unreadable as error:
            return f"that cannot be read: {error}"
        return Document(name, text, title, facts)


def _places(folder: Path, name: str) -> list[Path]:
    return [folder / part / f"{name}{end}" for part in ("tmp", "") for end in (".content", ".content.gz", ".txt")]
