"""LongBench v2: 503 multiple-choice questions over contexts of 8,000 to 2 million words.

Bai et al. 2024 (arXiv 2412.15204). One file `data.json`, a list of records: `_id`, `domain`, `sub_domain`, `difficulty`
(easy, hard), `length` (short, medium, long), `question`, `choice_A` to `choice_D`, `answer` (a letter), `context`.

    dataset: {kind: longbench_v2, path: data.json, prompts: official, cut: official}
    metrics: [choice_accuracy, longbench_v2_accuracy]

Their plain mode is the route `full_context`, their mode without context `closed_book`, their RAG mode `retrieve` with
the chunks in document order, each headed "Retrieved chunk 1:". The prompts are theirs (MIT).

Differences: they sample at temperature 0.1, here the generator's own is used; with `thinking` they ask a second time,
show the thoughts and want the answer line, which is not done here, so that a reply without that line is unparsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from ragvlc.core.data import Document, Example, Query
from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

FILE = "data.json"
ASKED = """What is the correct answer to this question: {question}
Choices:
(A) {A}
(B) {B}
(C) {C}
(D) {D}

"""
FORM = 'Format your response as follows: "The correct answer is (insert answer here)".'
TEXT = "\n\n<text>\n{document}\n</text>\n\n"
PLAIN = f"Please read the following text and answer the question below.{TEXT}{ASKED}{FORM}"
PASSAGES = f"Please read the following retrieved text chunks and answer the question below.{TEXT}{ASKED}{FORM}"
CLOSED = f"{ASKED}What is the single, most likely answer choice? {FORM}"
THINKING = f"Please read the following text and answer the questions below.{TEXT}{ASKED}Let’s think step by step:"


class LongbenchV2(Prompted):
    """Reads the questions; each is over its own context.

    Attributes:
        subset: questions of this difficulty or length only; all if empty.
        thinking: with `prompts: official`, ask to think step by step, with 1,024 tokens instead of 128.
    """

    asks_closed: ClassVar[bool] = True
    version: ClassVar[int] = 1

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
        prompts=True,
        cut="middle of the whole prompt",
    )
    subset: Literal["", "easy", "hard", "short", "medium", "long"] = ""
    thinking: bool = False

    def file_names(self) -> Sequence[str]:
        """Returns the one file."""
        return (FILE,)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields one example for each record of the subset."""
        for row in files.rows(FILE):
            choices = tuple(row.string(f"choice_{letter}").strip() for letter in "ABCD")
            right = choices["ABCD".index(row.one_of("answer", "ABCD"))]
            tags = {name: row.text(name) for name in ("domain", "sub_domain")}
            tags["difficulty"] = row.one_of("difficulty", ("easy", "hard"))
            tags["length"] = row.one_of("length", ("short", "medium", "long"))
            name, question = row.text("_id"), row.text("question").strip()
            if self.subset and self.subset not in (tags["difficulty"], tags["length"]):
                continue
            documents = (Document(name, row.text("context").strip()),)
            yield Example(
                query=Query(name, question, choices, official=self.official(self._prompt(choices))),
                documents=documents,
                references=(right,),
                cluster=name,
                task="multiple_choice",
                tags={**tags, **size_tags(documents), "evidence": "none", "language": "en"},
            )

    def _prompt(self, choices: Sequence[str]) -> OfficialPrompt:
        return OfficialPrompt(
            template=THINKING if self.thinking else PLAIN,
            closed=CLOSED,
            passages=PASSAGES,
            passage="Retrieved chunk {number}: {text}",
            fields=dict(zip("ABCD", choices, strict=True)),
            max_tokens=1024 if self.thinking else 128,
            cut="middle_odd",
        )
