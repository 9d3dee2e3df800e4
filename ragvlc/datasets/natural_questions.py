"""Natural Questions (open) with passages: the files of Lost in the Middle, or any file of DPR's readers.

Kwiatkowski et al. 2019; Liu et al. 2023 (Lost in the Middle, arXiv 2307.03172): 2,655 questions, each over 10, 20 or 30
passages of Wikipedia of which one holds the answer, at a chosen place. Records in the form that DPR's and FiD's readers
share: `question`, `answers`, `ctxs` (`title`, `text`, `id`, and `isgold`, `hasanswer` or `has_answer`). DPR's training
form (`positive_ctxs`, `hard_negative_ctxs`, `negative_ctxs`) is read too.

    dataset: {kind: natural_questions, path: FOLDER, passages: 20, gold_at: 9}
    metrics: [contains, exact_match]
    axes: {dataset.gold_at: [0, 4, 9, 14, 19]}

With `file` any other file of that form is read, of Natural Questions, TriviaQA or one's own. A passage is a document.
The evidence is the passage marked as gold (`isgold`, `positive_ctxs`); without such a mark, every passage that has an
answer, and the tag `gold` says which. The question is the cluster: places and lengths share their questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc.core.data import Example, Query, Span
from ragvlc.datasets._passages import Passages, evidence_state
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags


class NaturalQuestions(Released):
    """Reads the questions of one file.

    Attributes:
        passages: in the file of Lost in the Middle: 10, 20 or 30.
        gold_at: place of the passage with the answer, from 0.
        file: name of another file, in place of those.
    """

    release: ClassVar[Release] = Release(
        title="Natural Questions (open) with passages",
        citation="Kwiatkowski et al. 2019, Natural Questions, TACL; Liu et al. 2023, Lost in the Middle, "
        "arXiv 2307.03172",
        homepage="https://github.com/nelson-liu/lost-in-the-middle",
        licence="CC BY-SA 3.0 (questions and Wikipedia), MIT (code)",
        tasks=("qa",),
        metrics=("contains", "exact_match"),
        aggregate="share of replies that hold an accepted answer after normalisation, by place of the passage",
        files=(
            ReleasedFile(
                "qa_data/{passages}_total_documents/nq-open-{passages}_total_documents_gold_at_{gold_at}.jsonl",
                None,
                "2,655 questions; gold at 0, 4, 9 (of 10), also 14, 19 (of 20), also 24, 29 (of 30); gzipped",
            ),
        ),
    )
    passages: Annotated[int, Field(ge=1)] = 20
    gold_at: Annotated[int, Field(ge=0)] = 9
    file: str = ""

    def file_names(self) -> Sequence[str]:
        """Returns the file."""
        number = f"{self.passages}_total_documents"
        return (self.file or f"qa_data/{number}/nq-open-{number}_gold_at_{self.gold_at}.jsonl",)

    def subset_words(self) -> Sequence[str]:
        """Returns the file's name, or the number of passages and the place."""
        return [self.file.rpartition("/")[2]] if self.file else [f"{self.passages} passages, gold at {self.gold_at}"]

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record."""
        name = self.file_names()[0]
        for number, row in enumerate(files.rows(name, "json" if name.endswith(".json") else "jsonl"), start=1):
            passages, gold, how = _passages(row)
            files.skipped["passage that repeats within a question, read once"] += passages.repeated
            if not passages.documents:
                files.skipped["question without passages"] += 1
                continue
            own = next((str(row.values[key]) for key in ("id", "q_id", "_id") if row.values.get(key) is not None), "")
            places = [place for place, one in enumerate(passages.documents) if one.id in gold]
            tags: dict[str, Any] = {**size_tags(passages.documents), "gold": how, "language": "en"}
            tags["evidence"] = evidence_state(len(gold), len(gold))
            yield Example(
                query=Query(own or f"q{number}", row.text("question")),
                documents=tuple(passages.documents),
                references=tuple(one for one in row.strings("answers") if one.strip()),
                evidence=tuple(Span(one.id, 0, len(one.text)) for one in passages.documents if one.id in gold),
                cluster=row.text("question"),
                task="qa",
                tags={**tags, **({"gold_place": places[0]} if places else {})},
            )


def _passages(row: Row) -> tuple[Passages, set[str], str]:
    """Returns the passages, the ids of those that hold the answer, and how that is known."""
    found, marked, answering = Passages(), set[str](), set[str]()
    if "ctxs" in row.values:
        given = [(one, bool(one.get("isgold"))) for one in row.mappings("ctxs")]
    else:
        names = {"positive_ctxs": True, "hard_negative_ctxs": False, "negative_ctxs": False}
        given = [(one, gold) for name, gold in names.items() for one in row.mappings(name)]
    for one, gold in given:
        own = row.remade(one)
        document = found.add(own.string("title"), own.text("text"), _facts(one))
        if gold:
            marked.add(document.id)
        if one.get("hasanswer") or one.get("has_answer"):
            answering.add(document.id)
    if marked:
        return found, marked, "marked"
    return found, answering, "has the answer" if answering else "none"


def _facts(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"rank_score": one["score"]} if isinstance(one.get("score"), (int, float)) else {}
