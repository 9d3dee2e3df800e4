"""Collections in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/{split}.tsv`; CodeRAG-Bench's too.

Thakur et al. 2021 (BEIR, arXiv 2104.08663); Wang et al. 2024 (CodeRAG-Bench, arXiv 2406.14497), whose scripts write
the same three files; any set of one's own in this form.

Corpus: `_id`, `title`, `text`; queries: `_id`, `text`; qrels with a
header: `query-id`, `corpus-id`, `score`.

    dataset: {kind: beir, path: scifact, split: test}
    pipelines: [search_bm25]
    metrics: [{kind: ndcg, k: 10}, {kind: recall_at, k: 100}]

Every question is asked over the whole collection, which is shared. A document is its title, a blank and its text, as
BEIR embeds it. A question without a relevant document is left out and counted. `Example.scoring` has `excluded`:
documents
that are not to be counted for this question: the one with the question's own id (BEIR's default; Quora, ArguAna), and
those that the queries name in `excluded_ids` (BRIGHT; "N/A" is none), also within `metadata`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from ragvlc.core.data import Collection, Document, Example, Query
from ragvlc.core.errors import DatasetError
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile


class Beir(Released):
    """Reads the questions of one collection.

    Attributes:
        split: name of the file in `qrels`.
        titles: put the title before each document's text.
        judged: give each question the ids of all documents that are judged for any, which `hole_rate` needs.
    """

    release: ClassVar[Release] = Release(
        title="BEIR layout (BEIR, CodeRAG-Bench)",
        citation="Thakur et al. 2021, BEIR, arXiv 2104.08663; Wang et al. 2024, CodeRAG-Bench, arXiv 2406.14497",
        homepage="https://github.com/beir-cellar/beir",
        licence="each collection its own",
        tasks=("retrieval",),
        metrics=("ndcg", "recall_at", "map_at", "mrr", "capped_recall", "hole_rate"),
        aggregate="mean of nDCG@10 over questions, then over collections",
        files=(
            ReleasedFile("corpus.jsonl"),
            ReleasedFile("queries.jsonl"),
            ReleasedFile("qrels/{split}.tsv"),
        ),
        seen="humaneval and mbpp of CodeRAG-Bench, made from the solutions in its repository by its scripts' rules",
        address="https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/",
    )
    split: str = "test"
    titles: bool = True
    judged: bool = False

    def file_names(self) -> Sequence[str]:
        """Returns the three files."""
        return ("corpus.jsonl", "queries.jsonl", f"qrels/{self.split}.tsv")

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a judged question, in the order of the queries."""
        corpus = Collection(self._document(row) for row in files.rows("corpus.jsonl", "jsonl"))
        known = Counter(document.id for document in corpus)
        if repeated := [name for name, count in known.items() if count > 1]:
            raise DatasetError(
                f"{self.source}: corpus.jsonl: {len(repeated)} ids are repeated, such as '{repeated[0]}'."
            )
        grades = _grades(files, f"qrels/{self.split}.tsv")
        asked = set()
        seen = sorted({document for own in grades.values() for document in own}) if self.judged else []
        for row in files.rows("queries.jsonl", "jsonl"):
            name = _id(row)
            if name not in grades:
                files.skipped[f"query that qrels/{self.split}.tsv does not judge"] += 1
                continue
            asked.add(name)
            own = {document: grade for document, grade in grades[name].items() if document in known and grade > 0}
            files.skipped["judgement of a document that is not in the corpus"] += sum(
                document not in known for document in grades[name]
            )
            if not own:
                files.skipped["query without a relevant document in the corpus"] += 1
                continue
            excluded = [*([name] if name in known else []), *(one for one in _excluded(row) if one != name)]
            yield Example(
                query=Query(name, row.text("text")),
                documents=corpus,
                relevant=own,
                cluster=name,
                task="retrieval",
                tags={"evidence": "none", "relevant": len(own)},
                scoring={**({"excluded": excluded} if excluded else {}), **({"judged": seen} if seen else {})},
            )
        if lost := len(set(grades) - asked):
            files.skipped["judged query that is not in queries.jsonl"] += lost

    def _document(self, row: Row) -> Document:
        title = row.string("title") if row.values.get("title") is not None else ""
        text = row.string("text")
        return Document(_id(row), f"{title} {text}".strip() if self.titles and title else text, title)


def _id(row: Row) -> str:
    """Returns a record's id, which some collections write as a number."""
    value = row.values.get("_id")
    return str(value) if type(value) is int else row.text("_id")


def _grades(files: Files, name: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in files.rows(name, "tsv"):
        score = row.string("score")
        try:
            grade = float(score)
        except ValueError:
            row.complain(f"'score' must be a number, not '{score[:60]}'.")
            continue
        found.setdefault(row.text("query-id"), {})[row.text("corpus-id")] = grade
    return found


def _excluded(row: Row) -> list[str]:
    for values in (row.values, row.mapping("metadata")):
        given = values.get("excluded_ids")
        if isinstance(given, list):
            return list(dict.fromkeys(str(one) for one in given if one not in ("N/A", "", None)))
    return []
