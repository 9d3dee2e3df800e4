"""LaRA: questions over novels, financial statements and papers of 32,000 and 128,000 tokens, made to compare routes.

Li et al. 2025 (arXiv 2502.09977). 24 question files `datasets/query/{length}_{text}_{query}.jsonl`, a line each with
`type`, `level`, `length`, `file`, `question`, `answer`, and `context_order` (which part of the text has the answer, or
"full") or `comp_parts` (two of them). Texts are in `datasets/{length}/{text}/`; `location` questions about books have
theirs in the line (`context`: an excerpt with other names). The folder is that of the file's name, since `type` says
otherwise.

    dataset: {kind: lara, path: LaRA, length: 32k, prompts: official}
    metrics: [token_f1, {kind: llm_judge, judge: {...}, protocol: lara}]

Answers to `hallu` questions say that the text does not tell: they are unanswerable, and that sentence is the tag
`said_instead`. Questions over one text are one cluster. Several novels are in copyright: do not pass them on.

Differences: their calls set no limit to the answer, here it is 512 tokens with `prompts: official`; they cut at 127,000
tokens of GPT-4's tokenizer, here at what the model's window leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from ragvlc.core.data import Document, Example, Query, content_key
from ragvlc.core.errors import DatasetError
from ragvlc.core.given_paths import path_of
from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags
from ragvlc.documents.released_rows import LocatedFile

LENGTHS, TEXTS, QUERIES = ("32k", "128k"), ("book", "financial", "paper"), ("location", "reasoning", "comp", "hallu")
SYSTEM = "You are a helpful assistant"
_ASKED = "{document}\n\nQuestion: {question}\n\n Be concise."
_CHUNKS = "{document}\n\n\n\nQuestion: {question}\n\n Be concise."  # each of their chunks ends with an empty line
FULL: Mapping[str, str] = {
    "paper": f"Read the papers below and answer a question \n\n{_ASKED}",
    "financial": f"Read the financial statement below and answer a question \n\n{_ASKED}",
    "book": f"Read the book below and answer a question.\n\n{_ASKED.replace(' Be', 'Be')}",
}
RAG: Mapping[str, str] = {
    "paper": "Here are some chunks retrieved from some papers. Read these chunks to answer a question.\n\n" + _CHUNKS,
    "financial": "Here are some chunks retrieved from a financial statement. Read these chunks to answer a question. "
    "\n\n" + _CHUNKS,
    "book": "Here are some chunks retrieved from a book. Read these chunks to answer a question.\n\n"
    + _CHUNKS.replace(" Be", "Be"),
}


class Lara(Prompted):
    """Reads the questions of one length, or of a part of it.

    Attributes:
        length: of the texts.
        text: kind of text; all if empty.
        query: kind of question; all if empty.
    """

    release: ClassVar[Release] = Release(
        title="LaRA",
        citation="Li et al. 2025, LaRA: Benchmarking Retrieval-Augmented Generation and Long-Context LLMs - No Silver "
        "Bullet for LC or RAG Routing, arXiv 2502.09977",
        homepage="https://github.com/Alibaba-NLP/LaRA",
        licence="MIT (code and questions); several novels are in copyright",
        tasks=QUERIES,
        metrics=("llm_judge",),
        aggregate="mean of the four kinds of question, each the mean over the kinds of text; failed calls are left out",
        files=(
            ReleasedFile("datasets/query/{length}_{text}_{query}.jsonl", None, "24 files, 2,326 questions"),
            ReleasedFile("datasets/{length}/{text}/", 35, "the texts; 35 MB with the questions"),
        ),
        seen="23 of the 24 question files with their texts (all but 128k_book_location)",
        cut="middle of the whole prompt",
        prompts=True,
    )
    version: ClassVar[int] = 1
    length: Literal["32k", "128k"] = "32k"
    text: Literal["", "book", "financial", "paper"] = ""
    query: Literal["", "location", "reasoning", "comp", "hallu"] = ""

    def subset_words(self) -> Sequence[str]:
        """Returns the length, and the kinds of text and question that are chosen."""
        return [self.length, self.text, self.query]

    def file_names(self) -> Sequence[str]:
        """Returns the question files."""
        texts, queries = [self.text] if self.text else TEXTS, [self.query] if self.query else QUERIES
        return [f"datasets/query/{self.length}_{text}_{query}.jsonl" for text in texts for query in queries]

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields the questions, file by file."""
        known: dict[str, Document | None] = {}
        for name in files.by_name:
            text, query = name.rpartition("/")[2].removesuffix(".jsonl").split("_")[1:]
            for row in files.rows(name):
                document = self._document(row, text, known)
                if document is not None:
                    yield self._example(row, text, query, document)

    def _document(self, row: Row, text: str, known: dict[str, Document | None]) -> Document | None:
        """Returns what a question is about; None, and a problem noted, if it cannot be read."""
        file = row.text("file")
        name = f"{self.length}/{text}/{file}"
        if row.values.get("context") is not None:
            excerpt = row.text("context")
            return Document(f"{name}#{content_key(excerpt)[:12]}", excerpt, file) if excerpt else None
        if name not in known:
            known[name] = self._read_text(row, text, file)
        if known[name] is None:
            row.complain(f"its text {name} cannot be read: see above.")
        return known[name]

    def _read_text(self, row: Row, text: str, file: str) -> Document | None:
        if not file or Path(file).name != file:
            row.complain(f"'file' must be the name of a file, not '{file[:60]}'.")
            return None
        place = path_of(self.path).absolute()
        places = [place / "datasets" / self.length / text / file, place / self.length / text / file]
        found = next((one for one in places if one.is_file()), None)
        if found is None:
            row.complain(f"no file {self.length}/{text}/{file} in {place} or its folder datasets.")
            return None
        try:
            return Document(f"{self.length}/{text}/{file}", LocatedFile(found).text(), Path(file).stem)
        except DatasetError as error:
            row.complain(str(error))
            return None

    def _example(self, row: Row, text: str, query: str, document: Document) -> Example:
        answer, hallu = row.text("answer"), query == "hallu"
        tags = {"text": text, "length": self.length, "language": "en", **size_tags((document,)), "evidence": "none"}
        if (order := row.values.get("context_order")) is not None:
            tags["context_order"] = order if order == "full" else row.integer("context_order", least=0)
        elif isinstance(parts := row.values.get("comp_parts"), list):
            tags["comp_parts"] = ",".join(map(str, parts))
        if hallu:
            tags["said_instead"] = answer
        prompt = OfficialPrompt(
            template=FULL[text], passages=RAG[text], passage="chunk {index}: {text}.", system=SYSTEM, max_tokens=512,
            cut="middle_odd",
        )  # fmt: skip
        return Example(
            Query(f"{self.length}-{text}-{query}-{row.line}", row.text("question"), official=self.official(prompt)),
            (document,),
            () if hallu else (answer,),
            unanswerable=hallu,
            cluster=document.id.partition("#")[0],
            task=query,
            tags=tags,
        )
