"""L-Eval: 20 sets of long documents, each with several instructions; exams with right answers, and open-ended tasks.

An et al. 2023 (arXiv 2307.11088). One file a set, a line for each document: `input`, `instructions` (a list),
`outputs` (as many), `source` and `evaluation` (exam, f1, rouge, LLM, human). Questions over one document are one
cluster, except those of gsm100, whose document is the same list of solved examples.

    dataset: {kind: leval, path: LEval, subset: quality, prompts: official, cut: official}
    metrics: [choice_accuracy, leval_exam]

Options in the instructions of coursera, quality and tpo become choices; coursera may have several right ones. sci_fi
asks two questions of each statement: whether it is true in the text (`question: loyalty`), and in the world (`fact`).

Data and code are under GPL-3.0, so that no words of theirs are in ragvlc: `prompts: official` reads the prompts from
the authors' code (`_leval_prompts`), including the length instruction (words of the reference) of open-ended sets.

Differences: the second question of sci_fi is asked in words of ours, alone, by the route `closed_book`; their code adds
it to the first conversation. The official cut is by words of the document, against what the window leaves for the whole
prompt, where they leave 512 tokens for answer and all else. Their judge of pairs (win rate against a fixed system) is
not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from ragvlc.core.component import Execution, FilePath
from ragvlc.core.data import Document, Example, Query, content_key
from ragvlc.core.given_paths import path_of
from ragvlc.core.official import OfficialPrompt
from ragvlc.datasets._leval_prompts import prompts_in
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

EXAMS: dict[str, tuple[str, float | None]] = {
    "coursera": ("multiple_choice", 0.6), "quality": ("multiple_choice", 0.5), "tpo": ("multiple_choice", 0.3),
    "gsm100": ("math", 1.7), "codeU": ("code", None), "sci_fi": ("true_false", 0.3),
    "topic_retrieval_longchat": ("topic", 2.9),
}  # fmt: skip
OPEN: dict[str, tuple[str, float | None]] = {
    "financial_qa": ("qa", 0.2), "gov_report_summ": ("summarization", 0.4), "legal_contract_qa": ("qa", 2.7),
    "meeting_summ": ("query_summarization", 1.4), "multidoc_qa": ("qa", 0.4), "narrative_qa": ("qa", None),
    "natural_question": ("qa", 1.5), "news_summ": ("summarization", 0.4), "paper_assistant": ("writing", 1.0),
    "patent_summ": ("summarization", 0.4), "review_summ": ("query_summarization", 2.0), "scientific_qa": ("qa", 0.5),
    "tv_show_summ": ("summarization", 0.5),
}  # fmt: skip
Subset = Literal[
    "coursera", "quality", "tpo", "gsm100", "codeU", "sci_fi", "topic_retrieval_longchat", "financial_qa",
    "gov_report_summ", "legal_contract_qa", "meeting_summ", "multidoc_qa", "narrative_qa", "natural_question",
    "news_summ", "paper_assistant", "patent_summ", "review_summ", "scientific_qa", "tv_show_summ",
]  # fmt: skip
_PLAIN = "{document}\n\n{instruction}"
_WITH_OPTIONS = ("coursera", "quality", "tpo")
_OPTION = re.compile(r"^[ \t]*\(?([A-H])[.)][ \t]*(.*)$", re.MULTILINE)
_RIGHT = re.compile(r"\s*\(?([A-H]+)\b")
_JUDGED = re.compile(r"\s*(\w+)\s*\[fact:\s*(\w+)\s*\]\s*")
_BY_THE_WORLD = " Answer by what is true in the real world: True or False?"


class Leval(Prompted):
    """Reads the questions of one set.

    Attributes:
        subset: the set.
        evaluation: questions of documents that are meant for these kinds of scoring only, as `exam`, `f1`, `rouge`; all
            if empty. The authors' table of F1 and ROUGE leaves out `LLM` and `human`.
        question: of sci_fi, which of the two questions is asked.
        code: the folder `Baselines` of the authors' code, for `prompts: official`; found beside the data if empty.
    """

    release: ClassVar[Release] = Release(
        title="L-Eval",
        citation="An et al. 2023, L-Eval: Instituting Standardized Evaluation for Long Context Language Models, arXiv "
        "2307.11088",
        homepage="https://github.com/OpenLMLab/LEval",
        licence="GPL-3.0 (data and code)",
        tasks=tuple(dict.fromkeys(task for task, _ in (EXAMS | OPEN).values())),
        metrics=("leval_exam", "leval_em", "leval_math", "leval_sci_fi", "leval_f1", "leval_rouge"),
        aggregate="100 times the mean; ROUGE as the geometric mean of the averages of types 1, 2 and L",
        files=tuple(
            ReleasedFile(f"LEval-data/{folder}-ended-tasks/{name}.jsonl", size)
            for folder, sets in (("Closed", EXAMS), ("Open", OPEN))
            for name, (_, size) in sets.items()
        ),
        seen="18 of the 20 sets, whole; codeU and narrative_qa by form only",
        address="https://github.com/OpenLMLab/LEval/tree/main/LEval-data",
        cut="words of the document from its end, of codeU from its beginning",
        prompts=True,
    )
    version: ClassVar[int] = 1
    subset: Subset = "quality"
    evaluation: tuple[str, ...] = ()
    question: Literal["loyalty", "fact"] = "loyalty"
    code: Annotated[FilePath, Execution] = ""

    def identity(self) -> Mapping[str, Any]:
        """Returns the names of the folders of data and code; prompts are hashed with each example."""
        named = {"code": "/".join(Path(self.code).parts[-2:])} if self.code else {}
        return {**super().identity(), **named}

    def file_names(self) -> Sequence[str]:
        """Returns the set's file."""
        folder = "Closed" if self.subset in EXAMS else "Open"
        return (f"LEval-data/{folder}-ended-tasks/{self.subset}.jsonl",)

    def subset_words(self) -> Sequence[str]:
        """Returns the set, and which of two questions is asked."""
        return [self.subset, *(["fact"] if self.subset == "sci_fi" and self.question == "fact" else [])]

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields an example for each instruction."""
        whole, found = 0, set[str]()
        for row in files.rows(self.file_names()[0]):
            kind = row.text("evaluation")
            found.add(kind)
            if self.evaluation and kind not in self.evaluation:
                continue
            text, asked, outputs = row.text("input"), row.strings("instructions"), row.strings("outputs")
            if len(asked) != len(outputs):
                row.complain(f"has {len(asked)} instructions, but {len(outputs)} outputs.")
            document = Document(content_key(text)[:12], text)
            tags = {"dataset": self.subset, "evaluation": kind, "language": "en", **size_tags((document,))}
            if source := row.text("source", default=""):
                tags["source"] = source
            for number, (instruction, output) in enumerate(zip(asked, outputs, strict=False), start=1):
                if not instruction.strip():
                    files.skipped["instruction without a word"] += 1
                    continue
                example = self._example(row, number, document, (instruction, output), tags)
                whole += self.subset in _WITH_OPTIONS and not example.query.choices
                yield example
        self.refuse_unknown("evaluation", self.evaluation, found)
        if whole:
            files.notes.append(f"questions whose options stay in their text, as they cannot be told apart: {whole:,}.")

    def _example(
        self, row: Row, number: int, document: Document, asked: tuple[str, str], tags: Mapping[str, Any]
    ) -> Example:
        instruction, output = asked
        name = f"{self.subset}-{row.line}-{number}"
        task = (EXAMS | OPEN)[self.subset][0]
        prompt = self.official(self._prompt(instruction, output)) if self._is_prompted else None
        form: Literal["question", "summary"] = "summary" if "summ" in self.subset else "question"
        made = Example(
            Query(name, instruction.strip(), form=form, official=prompt),
            (document,),
            (output,),
            cluster=name if self.subset == "gsm100" else document.id,
            task=task,
            tags={**tags, "evidence": "none"},
        )
        if self.subset in _WITH_OPTIONS:
            return _with_options(made, output)
        return self._judged(made, output) if self.subset == "sci_fi" else made

    @property
    def _is_prompted(self) -> bool:
        return "official" in (self.prompts, self.cut)

    def _judged(self, example: Example, output: str) -> Example:
        found = _JUDGED.fullmatch(output)
        if found is None:
            return example
        if self.question == "loyalty":
            return replace(example, references=(found[1],), scoring={"fact": found[2]})
        statement = re.sub(
            r"\s*Answer this question based on the world described in the document\.?", "", example.query.text
        )
        query = replace(example.query, text=statement + _BY_THE_WORLD, official=None)
        return replace(example, query=query, references=(found[2],), scoring={"fact": found[2]})

    def _prompt(self, instruction: str, output: str) -> OfficialPrompt:
        exam, template, system = self.subset in EXAMS, _PLAIN, ""
        if self.prompts == "official":
            prompts = prompts_in(self._code())
            system = prompts.system_of(self.subset, exam=exam)
            if self.subset not in ("gsm100", "codeU"):
                template = prompts.exam if exam else prompts.other
        return OfficialPrompt(
            template=template,
            fields={"instruction": instruction, "length": str(len(output.split()))},
            system=system,
            max_tokens=512,
            cut="words_left" if self.subset == "codeU" else "words_right",
        )

    def _code(self) -> Path:
        """Returns the folder of the authors' code: the one named, or one beside or above the data."""
        if self.code:
            return path_of(self.code)
        place = path_of(self.path).absolute()
        around = [place, *place.parents[:3]]
        return next((one / "Baselines" for one in around if (one / "Baselines").is_dir()), place / "Baselines")


def _with_options(example: Example, output: str) -> Example:
    """Returns the example with the options of its instruction as choices, where they can be told apart."""
    text = example.query.text
    found = list(_OPTION.finditer(text))
    letters, options = "".join(one[1] for one in found), tuple(one[2].strip() for one in found)
    right = _RIGHT.match(output)
    apart = len(found) > 1 and letters == "ABCDEFGH"[: len(found)] and all(options)
    if not apart or len(set(options)) < len(options) or right is None or not set(right[1]) <= set(letters):
        return example
    references = tuple(options[letters.index(letter)] for letter in dict.fromkeys(right[1]))
    query = replace(example.query, text=text[: found[0].start()].strip() or text, choices=options)
    return replace(example, query=query, references=references, answer_mode="all" if len(references) > 1 else "any")
