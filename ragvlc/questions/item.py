"""Generated questions: what was written, where its evidence is, how it was made and checked, and its JSON row.

A row is a line of a `jsonl` data set (`ragvlc.datasets.jsonl`), so a file of such rows is loaded as it is. What a table
may group by is in `meta`, which becomes tags; the rest of how a question was made is in `generation`, and a person's
decision in `review`. Fields that this version does not know are stored again with the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ragvlc.core.answer import Usage
from ragvlc.core.answer_json import fields_json, made
from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.core.texts import first_fault
from ragvlc.questions.shapes import QUESTION

__all__ = ["SOURCE", "FilterFinding", "GeneratedQuestion", "Level", "QuotedEvidence", "Verdict", "from_json", "to_json"]

Level = Literal["passage", "document", "corpus"]
"""How much of the documents a question needs: one place, several places of a document, several documents."""
Verdict = Literal["passed", "dropped", "marked", "skipped"]
"""What a filter found: no fault, a fault, that it could not judge, or that it does not apply to the question."""

SOURCE = "ragvlc questions"
ROW_VERSION = 1
_TASKS = {"summary": "query_summarization"}
_OWN = frozenset({"question_id", "doc_ids", "question", "answers", "unanswerable", "task", "evidence", "source"})
_OWN |= {"meta", "generation", "review"}
_META = frozenset({"generated", "kind", "level", "written_by", "prompt", "seed", "overlap", "marked", "reviewed"})


@dataclass(frozen=True, slots=True)
class QuotedEvidence:
    """A quoted piece of evidence at its place in a document.

    Attributes:
        span: characters of the document's text.
        text: those characters.
        quote: the quote as the model wrote it; its typography may differ.
    """

    span: Span
    text: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class FilterFinding:
    """The finding of one filter.

    Attributes:
        filter: its name.
        verdict: whether the question passed, was dropped, was marked because the filter could not judge, or was
            skipped because the filter does not apply to it.
        reason: why it was dropped, marked or skipped, as it is counted; empty if it passed.
        facts: what the verdict was based on, such as the reply of the filter's model.
    """

    filter: str
    verdict: Verdict
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeneratedQuestion:
    """A question that a model wrote, with its evidence and its history.

    Attributes:
        id: unique in its set; made of what was drawn and written, so that it is the same in every run.
        kind: of the question, such as `one_place`.
        level: how much of the documents it needs.
        question: what is asked.
        answers: accepted answers; empty for an unanswerable question.
        documents: ids of the documents it is asked over.
        evidence: where the answer is.
        unanswerable: the documents do not answer it.
        written_by: name of the model that wrote it.
        prompt: hash of the prompt template; the template is stored once, beside the set.
        seed: of the set.
        attempt: number of the attempt among those of its kind, from 0.
        passages: what the model was shown.
        overlap: share of the question's content words that occur in the evidence; None without evidence.
        findings: findings of the filters.
        usage: tokens and calls of writing and checking it.
        review: a person's decision: `decision` (accepted, edited, rejected), and its history.
        unknown: other fields of the row.
    """

    id: str
    kind: str
    level: Level
    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    evidence: tuple[QuotedEvidence, ...] = ()
    unanswerable: bool = False
    written_by: str = ""
    prompt: str = ""
    seed: int = 0
    attempt: int = 0
    passages: tuple[Span, ...] = ()
    overlap: float | None = None
    findings: tuple[FilterFinding, ...] = ()
    usage: Usage = Usage()
    review: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def marked(self) -> tuple[str, ...]:
        """The filters that could not judge the question."""
        return tuple(one.filter for one in self.findings if one.verdict == "marked")

    @property
    def dropped(self) -> FilterFinding | None:
        """The finding that the question was dropped for; None if it was not."""
        return next((one for one in self.findings if one.verdict == "dropped"), None)


def to_json(item: GeneratedQuestion) -> dict[str, Any]:
    """Returns the question as a row of a `jsonl` data set."""
    facts = {
        "generated": True,
        "kind": item.kind,
        "level": item.level,
        "written_by": item.written_by,
        "prompt": item.prompt,
        "seed": item.seed,
        **({} if item.overlap is None else {"overlap": round(item.overlap, 3)}),
        **({"marked": ", ".join(item.marked)} if item.marked else {}),
        **({"reviewed": item.review["decision"]} if "decision" in item.review else {}),
    }
    unknown = dict(item.unknown)
    return {
        "question_id": item.id,
        "doc_ids": list(item.documents),
        "question": item.question,
        "answers": list(item.answers),
        **({"unanswerable": True} if item.unanswerable else {}),
        "task": _TASKS.get(item.kind, "qa"),
        "evidence": [{**_span_json(one.span), "text": one.text} for one in item.evidence],
        "source": SOURCE,
        "meta": {**facts, **unknown.pop("meta", {})},
        "generation": {
            "version": ROW_VERSION,
            "attempt": item.attempt,
            "passages": [_span_json(span) for span in item.passages],
            "quotes": [one.quote for one in item.evidence],
            "findings": [_finding_json(one) for one in item.findings],
            "usage": {name: count for name, count in fields_json(item.usage).items() if count},
        },
        **({"review": dict(item.review)} if item.review else {}),
        **unknown,
    }


def from_json(row: Mapping[str, Any]) -> GeneratedQuestion:
    """Returns the question stored in a row. Raises `DatasetError` if it is no row of a generated question."""
    try:
        QUESTION.validate_python(row)
        meta, history = row["meta"], row["generation"]
        quotes = history["quotes"]
        evidence = tuple(
            QuotedEvidence(_span(one), one["text"], quotes[place] if place < len(quotes) else "")
            for place, one in enumerate(row.get("evidence", ()))
        )
        others = {name: value for name, value in row.items() if name not in _OWN}
        extra = {name: value for name, value in meta.items() if name not in _META}
        return GeneratedQuestion(
            id=row["question_id"],
            kind=meta["kind"],
            level=_known_level(meta["level"]),
            question=row["question"],
            answers=tuple(row["answers"]),
            documents=tuple(row["doc_ids"]),
            evidence=evidence,
            unanswerable=bool(row.get("unanswerable")),
            written_by=meta["written_by"],
            prompt=meta["prompt"],
            seed=meta["seed"],
            attempt=history["attempt"],
            passages=tuple(_span(one) for one in history["passages"]),
            overlap=meta.get("overlap"),
            findings=tuple(_finding(one) for one in history["findings"]),
            usage=made(Usage, history.get("usage", {})),
            review=row.get("review", {}),
            unknown=others | ({"meta": extra} if extra else {}),
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else first_fault(error)
        raise DatasetError(f"no row of a generated question: {what}") from error


def _known_level(value: object) -> Level:
    for level in get_args(Level):
        if value == level:
            return level  # type: ignore[no-any-return]
    raise ValueError(f"'{value}' is no level. Known: {', '.join(get_args(Level))}.")


def _span_json(span: Span) -> dict[str, Any]:
    return {"doc_id": span.document_id, "start": span.start, "end": span.end}


def _span(row: Mapping[str, Any]) -> Span:
    return Span(row["doc_id"], row["start"], row["end"])


def _finding_json(one: FilterFinding) -> dict[str, Any]:
    reason = {"reason": one.reason} if one.reason else {}
    return {"filter": one.filter, "verdict": one.verdict, **reason, **dict(one.facts)}


def _finding(row: Mapping[str, Any]) -> FilterFinding:
    facts = {name: value for name, value in row.items() if name not in {"filter", "verdict", "reason"}}
    return FilterFinding(row["filter"], row["verdict"], row.get("reason", ""), facts)
