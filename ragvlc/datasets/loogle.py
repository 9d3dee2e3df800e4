"""LooGLE: questions, clozes and summaries over documents of over 24,000 tokens, all from after 2022.

Li et al. 2023 (arXiv 2311.04939). One file a task, `{task}.jsonl`, a record for each document: `input` (the document),
`title`, `qa_pairs` (a Python list written as text, or "none"), `output` (the abstract in `longdep_summarization`). A
pair has `Q`, `A` and `S` (evidence: a sentence, or a list of them, maybe written as text), in `longdep_qa` also `type`.

    dataset: {kind: loogle, path: LooGLE-testdata, subset: longdep_qa, prompts: official}
    metrics: [token_f1, loogle_rouge]

Evidence is looked for in the document, sentence by sentence where it is not there word for word; such spans are marked
by the tag `fuzzy`. In `shortdep_cloze`, `S` is the question with the masks filled, so it is no evidence. Numbered
options inside a question become choices, and the right number the text of its option (its number is the tag
`answer_number`); with `prompts: official` the question stays whole, and the number is the reference. The order of a
`timeline_reorder` question and the entities of a cloze are gold for their metrics. The events of such a question get
Roman numerals, as in the authors' file of that task, since their scorer reads those.

The prompts are the authors' (MIT). Differences: GPT models get them as the system message, and open models as text
without a chat template; here they go without one, on servers as the user's message. They set a repetition penalty of 2
on open models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from ragvlc.core.data import Document, Example, Query, content_key
from ragvlc.core.literals import parse_literal
from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.evidence import Located, QuoteIndex
from ragvlc.documents.json_lines import Row
from ragvlc.documents.prompted import Prompted
from ragvlc.documents.released import Files, Release, ReleasedFile, size_tags

QUESTION = "Please answer the question based on the long texts below. \n{document}\nQuestion: {Q}\nAnswer: "
SUMMARY = "Please generate a summary of the below paper. \n{document}\n Summarization: "
CLOZE = (
    "Please fill in the clozes based on the given long texts below. Each of the placeholder '<mask-n>' in the question "
    "could be an entity of Person, Location or Organiocation. The same masks represent the same entity. Output a json "
    "format answer, for example: {'<mask-0>': 'Bob', '<mask-1>': 'Gorrosion Magazine','<mask-2>': 'Bethel Horizon'}\n"
    "{document}\n Question: {Q} What are the masked entities? \nAnswer:"
)
PROMPTS: Mapping[str, tuple[str, int]] = {
    "shortdep_qa": (QUESTION, 300),
    "longdep_qa": (QUESTION, 500),
    "longdep_summarization": (SUMMARY, 500),
    "shortdep_cloze": (CLOZE, 50),
}
ASK_ENTITIES = '\nWhich entity is behind each mask? Answer as JSON: {"<mask-0>": "..."}'
ASK_SUMMARY = "Summarize the paper."
NO_PAIRS: tuple[object, ...] = (None, "", "none", "None", "[]", [])
_OPTION = re.compile(r"^[ \t]*(\d{1,2})[.)][ \t]*(\S.*)$", re.MULTILINE)
NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


class Loogle(Prompted):
    """Reads the questions of one task.

    Attributes:
        subset: the task.
        types: of `longdep_qa`, questions of these types only; all if empty.
    """

    release: ClassVar[Release] = Release(
        title="LooGLE",
        citation="Li et al. 2023, LooGLE: Can Long-Context Language Models Understand Long Contexts?, arXiv 2311.04939",
        homepage="https://github.com/bigai-nlco/LooGLE",
        licence="MIT (code); data: see its card",
        tasks=("qa", "multiple_choice", "cloze", "reorder", "summarization"),
        metrics=("loogle_bleu", "loogle_rouge", "loogle_meteor", "loogle_cloze", "loogle_reorder", "llm_judge"),
        aggregate="mean of each metric; GPT-4's True among its True and False; exact and partial match by mask",
        files=tuple(ReleasedFile(f"data/{name}.jsonl") for name in PROMPTS),
        seen="5 documents of each task, of the authors' repository (2.1 MB)",
        hub="bigainlco/LooGLE",
        cut="middle of the whole prompt",
        prompts=True,
    )
    version: ClassVar[int] = 1
    subset: Literal["shortdep_qa", "longdep_qa", "longdep_summarization", "shortdep_cloze"] = "longdep_qa"
    types: tuple[str, ...] = ()

    def file_names(self) -> Sequence[str]:
        """Returns the task's file."""
        return (f"data/{self.subset}.jsonl",)

    def examples(self, files: Files) -> Iterator[Example]:
        """Yields an example for each question, or for each document of the summaries."""
        found: set[str] = set()
        for row in files.rows(self.file_names()[0]):
            title, text = row.text("title", default=""), row.text("input")
            document = Document(content_key([title, text])[:12], text, title)
            if self.subset == "longdep_summarization":
                pairs: list[Mapping[str, Any]] = [{"Q": ASK_SUMMARY, "A": row.text("output")}]
            elif row.values.get("qa_pairs") in NO_PAIRS:
                files.skipped["document without questions"] += 1
                continue
            else:
                pairs = _pairs(row)
            found |= {str(pair.get("type", "none")) for pair in pairs}
            index = QuoteIndex((document,))
            for number, pair in enumerate(pairs, start=1):
                if self.types and pair.get("type") not in self.types:
                    continue
                if (example := self._example(row, number, pair, index)) is not None:
                    yield example
        self.refuse_unknown("types", self.types, found)

    def _example(self, row: Row, number: int, pair: Mapping[str, Any], index: QuoteIndex) -> Example | None:
        """Returns the example of a pair; None, and a problem noted, if it cannot be read."""
        asked, answer = pair.get("Q"), pair.get("A")
        if not isinstance(asked, str) or not asked.strip():
            row.complain(f"pair {number} of 'qa_pairs' needs a text as Q, not {asked!r:.60}.")
            return None
        [document] = index.documents
        tags = {"subset": self.subset, "language": "en", **size_tags(index.documents)}
        if kind := pair.get("type"):
            tags["type"] = kind
        if kind == "timeline_reorder":
            asked = _roman(asked)
        query = Query(f"{self.subset}-{row.line}-{number}", asked.strip(), official=self.official(self._prompt(asked)))
        if self.subset == "shortdep_cloze":
            return _cloze(row, query, document, pair, tags)
        if not isinstance(answer, str) or not answer.strip():
            row.complain(f"pair {number} of 'qa_pairs' needs a text as A, not {answer!r:.60}.")
            return None
        located = index.located(_quotes(pair.get("S")))
        return _asked(query, document, answer, located, {**tags, **located.tags})

    def _prompt(self, asked: str) -> OfficialPrompt:
        template, tokens = PROMPTS[self.subset]
        return OfficialPrompt(template=template, fields={"Q": asked}, chat=False, max_tokens=tokens, cut="middle")


def _asked(query: Query, document: Document, answer: str, located: Located, tags: dict[str, Any]) -> Example:
    """Returns the example of a question, a summary or an order of events."""
    task, references, scoring = "qa", (answer.strip(),), {}
    order = _order(answer) if tags.get("type") == "timeline_reorder" else None
    text, options = _options(query.text) if query.official is None or not query.official.template else (query.text, ())
    if tags["subset"] == "longdep_summarization":
        task, query = "summarization", Query(query.id, query.text, form="summary", official=query.official)
    elif order:
        task, scoring, references = "reorder", {"order": order}, (",".join(NUMERALS[one - 1] for one in order),)
    elif options and answer.strip().isdecimal() and 0 < int(answer) <= len(options):
        task, references = "multiple_choice", (options[int(answer) - 1],)
        query, tags = Query(query.id, text, options, official=query.official), {**tags, "answer_number": answer.strip()}
    return Example(
        query, (document,), references, evidence=located.spans, cluster=document.id, task=task, tags=tags,
        scoring=scoring,
    )  # fmt: skip


def _cloze(
    row: Row, query: Query, document: Document, pair: Mapping[str, Any], tags: Mapping[str, Any]
) -> Example | None:
    masks = pair.get("A")
    if isinstance(masks, str):
        masks = _literal(row, "A", masks)
    if (
        not isinstance(masks, dict)
        or not masks
        or not all(isinstance(one, str) for both in masks.items() for one in both)
    ):
        row.complain(f"a cloze needs a mapping from masks to entities as A, not {masks!r:.60}.")
        return None
    return Example(
        Query(query.id, query.text + ASK_ENTITIES, official=query.official),
        (document,),
        (json.dumps(masks, ensure_ascii=False),),
        cluster=document.id,
        task="cloze",
        tags={**tags, "masks": len(masks), "evidence": "none"},
        scoring={"masks": masks},
    )


def _pairs(row: Row) -> list[Mapping[str, Any]]:
    """Returns the pairs of a record, which are written as a Python literal; a problem is noted if they are not."""
    value = row.values.get("qa_pairs")
    found = _literal(row, "qa_pairs", value) if isinstance(value, str) else value
    if isinstance(found, list) and all(isinstance(pair, dict) for pair in found):
        return found
    row.complain(f"'qa_pairs' must be a list of mappings, maybe written as text, not {found!r:.60}.")
    return []


def _literal(row: Row, name: str, text: str) -> object:
    try:
        return parse_literal(text)
    except ValueError as error:
        row.complain(f"'{name}' cannot be read: {error}.")
        return None


def _quotes(value: object) -> list[str]:
    """Returns the quoted sentences of `S`: a text, a list, or a list written as text, maybe as the item of a list."""
    if isinstance(value, list):
        return [quote for one in value for quote in _quotes(one)]
    if not isinstance(value, str):
        return []
    if value.strip().startswith("["):
        try:
            found = parse_literal(value)
        except ValueError:  # a sentence that begins with a bracket
            return [value]
        return [str(one) for one in found] if isinstance(found, list) else [value]
    return [value]


def _options(asked: str) -> tuple[str, tuple[str, ...]]:
    """Returns a question without the options numbered from 1 at its end, and those; none if there are fewer than 2."""
    found = list(_OPTION.finditer(asked))
    if len(found) < 2 or [int(one[1]) for one in found] != list(range(1, len(found) + 1)):
        return asked, ()
    text = asked[: found[0].start()].strip()
    return (text, tuple(one[2].strip() for one in found)) if text else (asked, ())


def _roman(asked: str) -> str:
    """Returns a question whose events, numbered from 1, have Roman numerals."""
    _, events = _options(asked)
    if not 0 < len(events) <= len(NUMERALS):
        return asked
    return _OPTION.sub(lambda found: f"{NUMERALS[int(found[1]) - 1]}. {found[2]}", asked)


def _order(answer: str) -> list[int] | None:
    """Returns the numbers of an order such as `2,1,3` or `II,I,III`, if each from 1 on is there once."""
    words = [word.strip(" .").upper() for word in answer.split(",")]
    numbers = [
        int(word) if word.isdecimal() else NUMERALS.index(word) + 1 if word in NUMERALS else 0
        for word in words
        if len(word) < 6
    ]
    return numbers if len(numbers) <= len(NUMERALS) and sorted(numbers) == list(range(1, len(words) + 1)) else None
