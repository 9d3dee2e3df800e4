"""QuALITY: multiple-choice questions about stories and articles of about 5,000 tokens, by writers who read all of it.

Pang et al. 2022 (arXiv 2112.08608), version 1.0.1. JSON Lines without that ending, in `QuALITY.v1.0.1.zip`:
`article_id`, `set_unique_id`, `title`, `source`, `topic`, `year`, `article`, `questions`
(`question`, `options`, `gold_label` from 1,
`difficult`, `validation`). An article has two lines, of two writers.

    dataset: {kind: quality, path: FOLDER, split: dev}
    metrics: [choice_accuracy]

The authors report accuracy over all questions and over the `hard` ones, that most readers in a hurry got wrong (tag
`difficulty`). The tag `context` is what most annotators said is needed: a sentence, a paragraph, a third, or most of
the text. An article is a cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags

CONTEXT = {1: "a sentence or two", 2: "a paragraph or two", 3: "a third", 4: "most"}


class Quality(Released):
    """Reads the questions of one split.

    Attributes:
        split: `dev` or `train`; the test set has no labels.
        html: read the articles as HTML, as they were collected; by default those without tags.
        subset: `hard` for the difficult questions only; all if empty.
    """

    release: ClassVar[Release] = Release(
        title="QuALITY",
        citation="Pang et al. 2022, QuALITY: Question Answering with Long Input Texts, Yes!, arXiv 2112.08608",
        homepage="https://github.com/nyu-mll/quality",
        licence="CC BY 4.0 (questions); each article its own, in its record",
        tasks=("multiple_choice",),
        metrics=("choice_accuracy",),
        aggregate="accuracy over all questions, and over the hard ones",
        files=(
            ReleasedFile("QuALITY.v1.0.1.htmlstripped.{split}", None, "dev: 2,086 questions, train: 2,523"),
            ReleasedFile("QuALITY.v1.0.1.{split}", None, "the same with HTML"),
        ),
        archive="QuALITY.v1.0.1.zip",
        address="https://github.com/nyu-mll/quality/tree/main/data/v1.0.1",
    )
    split: Literal["dev", "train"] = "dev"
    html: bool = False
    subset: Literal["", "hard"] = ""

    def file_names(self) -> Sequence[str]:
        """Returns the split's file."""
        return (f"QuALITY.v1.0.1.{'' if self.html else 'htmlstripped.'}{self.split}",)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a question; those of other subsets are left out without being counted."""
        held: dict[str, Document] = {}
        for row in files.rows(self.file_names()[0], "jsonl"):
            document = _document(row, held)
            tags = {**size_tags((document,)), "evidence": "none", "language": "en"}
            tags |= {name: str(row.values.get(name, "")) for name in ("source", "topic", "year")}
            for number, one in enumerate(row.mappings("questions"), start=1):
                if "gold_label" not in one:
                    files.skipped["question without a label (a test set)"] += 1
                    continue
                found = _example(row.remade(one), f"{row.text('set_unique_id')}-q{number}", document, tags)
                if not self.subset or found.tags["difficulty"] == self.subset:
                    yield found


def _document(row: Row, held: dict[str, Document]) -> Document:
    """Returns the article, which both of its lines share; if their texts differ, the second has the line's own id."""
    name = row.text("article_id")
    made = Document(name, row.text("article").strip(), row.string("title"))
    if held.setdefault(name, made) == made:
        return held[name]
    return Document(row.text("set_unique_id"), made.text, made.title)


def _example(row: Row, name: str, document: Document, tags: Mapping[str, Any]) -> Example:
    options = tuple(option.strip() for option in row.strings("options"))
    label = row.integer("gold_label", least=1, most=max(len(options), 1))
    right = options[label - 1] if 0 < label <= len(options) else ""
    given = [one.get("untimed_eval2_context") for one in row.mappings("validation")]
    votes = Counter(one for one in given if not isinstance(one, (list, dict)))
    needed = max(votes, key=lambda one: (votes[one], str(one))) if votes else None
    return Example(
        query=Query(str(row.values.get("question_unique_id") or name), row.text("question").strip(), options),
        documents=(document,),
        references=(right,),
        cluster=document.id,
        task="multiple_choice",
        tags={
            **tags,
            "difficulty": "hard" if row.values.get("difficult") == 1 else "easy",
            **({"context": CONTEXT[needed]} if needed in CONTEXT else {}),
        },
    )
