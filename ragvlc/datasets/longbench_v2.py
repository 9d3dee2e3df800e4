"""LongBench v2: 503 multiple-choice questions over contexts of 8,000 to 2 million words.

Bai et al. 2024 (arXiv 2412.15204). One file `data.json`, a list of records: `_id`, `domain`, `sub_domain`, `difficulty`
(easy, hard), `length` (short, medium, long), `question`, `choice_A` to `choice_D`, `answer` (a letter), `context`.

    dataset: {kind: longbench_v2, path: data.json, prompts: official, cut: official}
    metrics: [choice_accuracy, longbench_v2_accuracy]

Their plain mode is the route `full_context`, their mode without context `closed_book`, their RAG mode `retrieve` with
the chunks in document order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from ragvlc.core.data import Document, Example, Query
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags

FILE = "data.json"


class LongbenchV2(Released):
    """Reads the questions; each is over its own context.

    Attributes:
        subset: questions of this difficulty or length only, as `hard` or `short`; all if empty.
    """

    release: ClassVar[Release] = Release(
        title="LongBench v2",
        citation="Bai et al. 2024, LongBench v2: Towards Deeper Understanding and Reasoning on Realistic Long-context "
        "Multitasks, arXiv 2412.15204",
        homepage="https://github.com/THUDM/LongBench",
        licence="MIT (code); data: see its card",
        tasks=("multiple_choice",),
        metrics=("longbench_v2_accuracy",),
        aggregate="accuracy, overall and for easy, hard, short, medium, long; questions without a reply are left out",
        files=(ReleasedFile(FILE, 450, "503 records"),),
        hub="THUDM/LongBench-v2",
    )
    subset: str = ""

    def file_names(self) -> Sequence[str]:
        """Returns the one file."""
        return (FILE,)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record; those of other subsets are left out without being counted."""
        for row in files.rows(FILE):
            choices = tuple(row.string(f"choice_{letter}").strip() for letter in "ABCD")
            right = choices["ABCD".index(row.one_of("answer", "ABCD"))]
            tags = {name: row.text(name) for name in ("domain", "sub_domain")}
            tags["difficulty"] = row.one_of("difficulty", ("easy", "hard"))
            tags["length"] = row.one_of("length", ("short", "medium", "long"))
            name = row.text("_id")
            documents = (Document(name, row.text("context").strip()),)
            yield Example(
                query=Query(name, row.text("question").strip(), choices),
                documents=documents,
                references=(right,),
                cluster=name,
                task="multiple_choice",
                tags={**tags, **size_tags(documents), "evidence": "none", "language": "en"},
            )
