"""MuSiQue: questions composed of two to four single-hop questions, over twenty paragraphs.

Trivedi et al. 2022 (arXiv 2108.00573). A record: `id` (`2hop__482757_12019`: shape and single-hop questions),
`paragraphs` (`idx`, `title`, `paragraph_text`, `is_supporting`), `question`, `question_decomposition` (`question`,
`answer`, `paragraph_support_idx`), `answer`, `answer_aliases`, `answerable`. In `full` each question has a twin of the
same id whose paragraphs do not answer it.

    dataset: {kind: musique, path: FOLDER, subset: full}
    metrics: [musique_f1, {kind: supporting_facts, empty: musique}, refusal_recall, false_refusal]

A question and its twin are one cluster. The evidence is the whole of each supporting paragraph: MuSiQue names no
sentences. `Example.scoring` has `paragraph_support`, the supporting documents' ids in the order of the hops, and
`answers_to_hops`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query, Span, covered
from ragvlc.datasets._passages import Passages, evidence_state
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags


class Musique(Released):
    """Reads the questions of one file.

    Attributes:
        subset: `ans`, questions with an answer; `full`, each also with paragraphs that do not answer it.
        split: `dev` or `train`; the test set has no answers.
    """

    release: ClassVar[Release] = Release(
        title="MuSiQue",
        citation="Trivedi et al. 2022, MuSiQue: Multihop Questions via Single-hop Question Composition, "
        "arXiv 2108.00573",
        homepage="https://github.com/StonyBrookNLP/musique",
        licence="CC BY 4.0",
        tasks=("multi_hop",),
        metrics=("musique_f1", "supporting_facts"),
        aggregate="mean F1 of answers and of supporting paragraphs, each over questions with an answer; in full also "
        "both, counted only where question and twin are rightly told apart",
        files=(
            ReleasedFile("musique_ans_v1.0_{split}.jsonl", None, "dev: 2,417 questions; train: 19,938"),
            ReleasedFile("musique_full_v1.0_{split}.jsonl", None, "dev: 4,834 questions; train: 39,876"),
        ),
        address="https://github.com/StonyBrookNLP/musique (download_data.sh)",
    )
    subset: Literal["ans", "full"] = "ans"
    split: Literal["dev", "train"] = "dev"

    def file_names(self) -> Sequence[str]:
        """Returns the file of subset and split."""
        return (f"musique_{self.subset}_v1.0_{self.split}.jsonl",)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a record."""
        for row in files.rows(self.file_names()[0]):
            if "answer" not in row.values:
                files.skipped["question without an answer (a test set)"] += 1
                continue
            passages, numbered = _paragraphs(row)
            files.skipped["paragraph that repeats within a question, read once"] += passages.repeated
            if passages.documents:
                yield _example(row, passages, numbered)
            else:
                files.skipped["question without paragraphs"] += 1


def _paragraphs(row: Row) -> tuple[Passages, dict[int, tuple[Document, bool]]]:
    """Returns the paragraphs, and by number each with whether it supports the answer."""
    passages, numbered = Passages(), dict[int, tuple[Document, bool]]()
    for one in row.mappings("paragraphs"):
        own = row.remade(one)
        document = passages.add(own.string("title"), own.text("paragraph_text"))
        numbered[own.integer("idx", least=0)] = (document, own.flag("is_supporting"))
    return passages, numbered


def _example(row: Row, passages: Passages, numbered: dict[int, tuple[Document, bool]]) -> Example:
    answerable = row.values.get("answerable", True) is not False
    name = row.text("id")
    support = [document for document, supports in numbered.values() if supports]
    steps = row.mappings("question_decomposition")
    order = [step.get("paragraph_support_idx") for step in steps]
    hops = [numbered[place][0] for place in order if isinstance(place, int) and place in numbered]
    shape = name.partition("__")[0]
    tags: dict[str, Any] = {
        "hops": int(shape[0]) if shape[:1].isdecimal() else len(steps),
        "shape": shape,
        **size_tags(passages.documents),
        "evidence": evidence_state(len(support), len(support)),
        "language": "en",
    }
    return Example(
        query=Query(name if answerable else f"{name} unanswerable", row.text("question")),
        documents=tuple(passages.documents),
        references=tuple(dict.fromkeys([row.text("answer"), *row.texts("answer_aliases")])) if answerable else (),
        unanswerable=not answerable,
        evidence=covered([Span(one.id, 0, len(one.text)) for one in support]) if answerable else (),
        cluster=name,
        task="multi_hop",
        tags=tags,
        scoring={
            "paragraph_support": list(dict.fromkeys(one.id for one in [*hops, *support])) if answerable else [],
            "answers_to_hops": [str(step.get("answer", "")) for step in steps],
        },
    )
