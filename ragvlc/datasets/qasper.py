"""Qasper: questions about scientific papers, asked by readers of the abstract and answered by readers of the whole.

Dasigi et al. 2021 (arXiv 2105.03011). One JSON object a split, from the paper's id to `title`, `abstract`, `full_text`
(`section_name`, `paragraphs`) and `qas` (`question`, `question_id`, `answers`: `unanswerable`, `extractive_spans`,
`yes_no`, `free_form_answer`, `evidence`).

    dataset: {kind: qasper, path: FOLDER, split: test}
    metrics: [qasper_f1, qasper_evidence, evidence_recall]

Each annotator's answer is a reference, written as the official script does: extractive spans joined by ", ", else the
free answer, else `Yes` or `No`, and `Unanswerable`. A question is unanswerable if all annotators say so. Evidence is
what any annotator marked, found by its text; that in figures and tables (`FLOAT SELECTED`) is not in the text and is
counted in the tag `evidence_floats`. `Example.scoring` has `evidence_texts` and `answer_types`, a list for each
annotator. A paper is a cluster; its text is title, abstract, and section names and paragraphs as the authors read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query
from ragvlc.documents.evidence import QuoteIndex
from ragvlc.documents.json_lines import Row
from ragvlc.documents.released import Files, Release, Released, ReleasedFile, size_tags
from ragvlc.documents.released_rows import KEY

FLOAT = "FLOAT SELECTED"
UNANSWERABLE = "Unanswerable"


class Qasper(Released):
    """Reads the questions of one split.

    Attributes:
        split: `dev`, `test` or `train`.
        release_number: of the files' names, `v0.3` in the latest release.
        text_evidence_only: leave evidence in figures and tables out of `evidence_texts`, as the option of the official
            script does.
    """

    release: ClassVar[Release] = Release(
        title="Qasper",
        citation="Dasigi et al. 2021, A Dataset of Information-Seeking Questions and Answers Anchored in Research "
        "Papers, arXiv 2105.03011",
        homepage="https://allenai.org/data/qasper",
        licence="CC BY 4.0",
        tasks=("qa",),
        metrics=("qasper_f1", "qasper_evidence"),
        aggregate="mean over questions of the best F1 over annotators, of answers (also by type) and of evidence",
        files=(ReleasedFile("qasper-{split}-v0.3.json", None, "dev: 1,005 questions, test: 1,451, train: 2,593"),),
    )
    split: Literal["dev", "test", "train"] = "dev"
    release_number: str = "v0.3"
    text_evidence_only: bool = False

    def file_names(self) -> Sequence[str]:
        """Returns the split's file."""
        return (f"qasper-{self.split}-{self.release_number}.json",)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example a question; papers without a text are left out, as by the authors."""
        for row in files.rows(self.file_names()[0], "json"):
            questions = row.mappings("qas")
            if not row.values.get("full_text"):
                files.skipped["question about a paper without a text"] += len(questions)
                continue
            document = Document(str(row.values.get(KEY, "")), _text(row), row.string("title"))
            index = QuoteIndex((document,))
            for one in questions:
                found = _example(row.remade(one), document, index, floats=not self.text_evidence_only)
                if found is None:
                    files.skipped["question without an annotator's answer"] += 1
                else:
                    yield found


def _text(row: Row) -> str:
    """Returns title, abstract, section names and paragraphs, a blank line between them."""
    parts = [row.string("title"), row.string("abstract")]
    for section in row.mappings("full_text"):
        own = row.remade(section)
        if section.get("section_name") is not None:
            parts.append(own.string("section_name"))
        parts += own.strings("paragraphs")
    return "\n\n".join(bare for part in parts if (bare := _one_line(part)))


def _one_line(text: str) -> str:
    """Returns a paragraph on one line, as the authors' reader has it, so that evidence and paragraphs are equal."""
    return text.replace("\n", " ").strip()


def _example(row: Row, document: Document, index: QuoteIndex, *, floats: bool) -> Example | None:
    answers = [one["answer"] for one in row.mappings("answers") if isinstance(one.get("answer"), dict)]
    read = [found for answer in answers if (found := _answer(row.remade(answer))) is not None]
    if not read:
        return None
    quoted = list(dict.fromkeys(text for _, _, own in read for text in own))
    located = index.located(text for text in quoted if FLOAT not in text)
    kinds = list(dict.fromkeys(kind for _, kind, _ in read))
    tags: dict[str, Any] = {
        **size_tags((document,)),
        **located.tags,
        "evidence_floats": sum(FLOAT in text for text in quoted),
        "annotators": len(read),
        "language": "en",
    }
    return Example(
        query=Query(row.text("question_id"), row.text("question")),
        documents=(document,),
        references=tuple(dict.fromkeys(text for text, _, _ in read)),
        unanswerable=kinds == ["none"],
        evidence=located.spans,
        cluster=document.id,
        task="qa",
        tags={**tags, "answer_type": kinds[0] if len(kinds) == 1 else "mixed"},
        scoring={
            "evidence_texts": [[text for text in own if floats or FLOAT not in text] for _, _, own in read],
            "answer_types": [kind for _, kind, _ in read],
        },
    )


def _answer(row: Row) -> tuple[str, str, Sequence[str]] | None:
    """Returns an annotator's answer, its type and its evidence, by the rules of the official script."""
    values: Mapping[str, Any] = row.values
    if row.flag("unanswerable"):
        return UNANSWERABLE, "none", []
    evidence = [one for text in row.strings("evidence") if (one := _one_line(text))]
    if values.get("extractive_spans"):
        return ", ".join(row.strings("extractive_spans")), "extractive", evidence
    if values.get("free_form_answer"):
        return row.text("free_form_answer"), "abstractive", evidence
    if values.get("yes_no") is None:
        return None
    return ("Yes" if row.flag("yes_no") else "No"), "boolean", evidence
