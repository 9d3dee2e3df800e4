"""Converts the steps of an answer to trace spans. Does not import MLflow.

A step says how long it took, not when it began, so steps are laid end to end: a span's length is measured, its place in
time is not. Where an answer needed one call, that call's span lasts as long as the engine worked for it, as in every
table, even if the reply was a cache hit or had to wait; with several calls, steps last as measured.

The retrieved passages go to the first `retrieve` step in the form that MLflow shows as documents, what was really sent
goes to the first `read` step, tokens to the steps that called a model. Data without such a step get a step of their
own. Long texts are cut, and long rankings too: a trace is for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ragvlc.core.answer import Answer, Step, Usage
from ragvlc.core.data import Example, Span
from ragvlc.core.records import TraceRecord
from ragvlc.core.replies import bounded

__all__ = ["LaidSpan", "lay_out", "sample", "usage_facts"]

MOST_PASSAGES = 20
MOST_CHARACTERS = 4_000

_THOUGHT = 2_000  # characters shown of a thought
_NUDGE = 1_000
"""Nanoseconds that keep spans in order: MLflow sorts them by their start."""

_TYPES = {"retrieve": "RETRIEVER", "rerank": "RERANKER", "embed": "EMBEDDING", "read": "CHAIN"}


@dataclass(frozen=True, slots=True)
class LaidSpan:
    """A trace span: a step with its position and times in the trace.

    Attributes:
        name: of the step.
        kind: MLflow's span type: RETRIEVER, CHAT_MODEL, ...
        parent: position of its parent among the trace's spans; None for the first.
        start: nanoseconds after the trace's start.
        end: nanoseconds after the trace's start.
        inputs: inputs of the step, if known.
        outputs: outputs of the step, if known.
        facts: all other facts of the step.
        usage: tokens of its own calls.
        generator: role of the model called.
    """

    name: str
    kind: str
    parent: int | None
    start: int
    end: int
    inputs: Any = None
    outputs: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    generator: str = ""


def sample(records: Sequence[TraceRecord], count: int, key: Callable[[str], str]) -> list[TraceRecord]:
    """Returns `count` sampled records and up to `count` more records of failures, in their original order.

    Which ones depends on the questions' keys alone: every cell shows the same questions, and a larger count shows the
    same ones and more.

    Args:
        records: of a cell.
        count: number of records to take, failed or not.
        key: makes a random-looking key of a question id.
    """
    if not count:
        return []
    # Records may be read from disk one by one, and are not held: only what decides is.
    drawn = sorted((key(one.example.id), place, one.prediction.failure is None) for place, one in enumerate(records))
    taken = {place for _, place, _ in drawn[:count]}
    failed = [place for _, place, answered in drawn if not answered and place not in taken]
    return [records[place] for place in sorted(taken.union(failed[:count]))]


def lay_out(record: TraceRecord) -> list[LaidSpan]:
    """Returns the spans of a question: the question itself first, every span after its parent."""
    example, answer = record.example, record.prediction.answer
    inputs: dict[str, Any] = {"question": example.query.text}
    if example.query.choices:
        inputs["choices"] = list(example.query.choices)
    root = LaidSpan("question", "CHAIN", None, 0, 0, inputs)
    if answer is None:
        return [root]
    steps = _with_places(_charged(answer), answer)
    spans = [root, *_spans(steps, 0, _NUDGE, 1)]
    shown = {"retrieve": (None, _ranking(example, answer)), "read": (_context(example, answer), None)}
    for name, (given, made) in shown.items():
        place = next((place for place, span in enumerate(spans) if span.name == name and place), None)
        if place is not None:
            spans[place] = replace(spans[place], inputs=given or inputs, outputs=made)
    if answer.usage.calls == 1:
        place = max(place for place, span in enumerate(spans) if span.usage.calls or not place)
        spans[place] = replace(spans[place], outputs=answer.text)
    end = max(span.end for span in spans)
    facts = {
        "route": answer.route,
        "finish": answer.finish,
        "reused": answer.reused,
        "engine_seconds": answer.timing.engine_seconds,
        "queue_seconds": answer.timing.queue_seconds,
        "first_token_seconds": answer.timing.first_token_seconds,
        "dropped_tokens": answer.dropped_tokens,
    }
    facts |= {} if answer.answered else {"answered": False}
    facts |= {"thought": bounded(answer.thought, _THOUGHT)} if answer.thought else {}
    spans[0] = replace(root, end=end, outputs=answer.text, facts=facts)
    return spans


def usage_facts(usage: Usage) -> dict[str, int]:
    """Returns token counts under the names that MLflow adds up."""
    facts = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    return facts | ({"cache_read_input_tokens": usage.cached_tokens} if usage.cached_tokens else {})


def _charged(answer: Answer) -> tuple[Step, ...]:
    """Returns the steps of an answer; if it made one call, that call's duration is the engine's working time."""
    if answer.usage.calls != 1:
        return answer.trace
    callers = [step for root in answer.trace for step in root.walk() if _own(step).calls]
    if len(callers) != 1:
        return answer.trace
    excess = callers[0].seconds - answer.timing.engine_seconds
    return tuple(_shortened(step, excess) for step in answer.trace)


def _shortened(step: Step, excess: float) -> Step:
    if not step.usage.calls:
        return step
    inner = tuple(_shortened(one, excess) for one in step.steps)
    return replace(step, seconds=max(0.0, step.seconds - excess), steps=inner)


def _own(step: Step) -> Usage:
    """Returns the step's own usage, without that of its inner steps."""
    inner = [one.usage for one in step.steps]
    return Usage(
        step.usage.prompt_tokens - sum(one.prompt_tokens for one in inner),
        step.usage.cached_tokens - sum(one.cached_tokens for one in inner),
        step.usage.completion_tokens - sum(one.completion_tokens for one in inner),
        step.usage.calls - sum(one.calls for one in inner),
    )


def _with_places(steps: tuple[Step, ...], answer: Answer) -> tuple[Step, ...]:
    """Adds a `retrieve` or `read` step if the answer has passages but the route recorded no such step."""
    names = {step.name for root in steps for step in root.walk()}
    added = [Step("retrieve")] if answer.ranking and "retrieve" not in names else []
    added += [Step("read")] if answer.context and "read" not in names else []
    return (*added, *steps)


def _length(step: Step) -> int:
    return max(int(step.seconds * 1e9), _NUDGE + sum(_length(inner) for inner in step.steps))


def _spans(steps: Sequence[Step], parent: int, start: int, place: int) -> Iterator[LaidSpan]:
    """Yields the spans of sibling steps and all their inner steps, numbered from `place`."""
    for step in steps:
        own = _own(step)
        kind = _TYPES.get(step.name) or ("CHAT_MODEL" if own.calls else "TASK")
        end = start + _length(step)
        generator = str(step.facts.get("generator", ""))
        yield LaidSpan(step.name, kind, parent, start, end, facts=dict(step.facts), usage=own, generator=generator)
        yield from _spans(step.steps, place, start + _NUDGE, place + 1)
        place += sum(1 for _ in step.walk())
        start = end


def _ranking(example: Example, answer: Answer) -> list[dict[str, Any]]:
    """Returns the best passages in MLflow's document format."""
    found = []
    for rank, hit in enumerate(answer.ranking[:MOST_PASSAGES], 1):
        span = hit.chunk.span
        facts = _passage(example, span) | {
            "rank": rank,
            "score": hit.score,
            "read": any(_touch(span, sent) for sent in answer.context),
        }
        if example.evidence:
            facts["holds_evidence"] = any(_touch(span, right) for right in example.evidence)
        found.append({"page_content": _text(example, span), "metadata": facts, "id": span.document_id})
    return found


def _context(example: Example, answer: Answer) -> dict[str, Any]:
    pieces = [{**_passage(example, span), "text": _text(example, span)} for span in answer.context[:MOST_PASSAGES]]
    left = len(answer.context) - len(pieces)
    return {"pieces": pieces} | ({"pieces_not_shown": left} if left else {})


def _passage(example: Example, span: Span) -> dict[str, Any]:
    title = next((one.title for one in example.documents if one.id == span.document_id), "")
    facts: dict[str, Any] = {"document": span.document_id, "start": span.start, "end": span.end}
    return facts | ({"title": title} if title else {})


def _text(example: Example, span: Span) -> str:
    """Returns the text of `span`; rows from disk have positions only."""
    text = next((one.text for one in example.documents if one.id == span.document_id), "")[span.start : span.end]
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _touch(one: Span, other: Span) -> bool:
    return one.document_id == other.document_id and one.start < other.end and other.start < one.end
