"""A question's steps laid out in time, with the texts that rows on disk do not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from traced_questions import ADA, TEXT, answered, traced

from ragvlc.core.answer import Answer, Failure, Step, Timing, Usage
from ragvlc.core.data import Span
from ragvlc.core.records import TraceRecord
from ragvlc.trackers._mlflow_spans import MOST_CHARACTERS, LaidSpan, lay_out, sample


def seconds(span: LaidSpan) -> float:
    return round((span.end - span.start) / 1e9, 3)


def laid(answer: Answer) -> dict[str, LaidSpan]:
    record = traced("q")
    record = TraceRecord(record.example, dataclasses.replace(record.prediction, answer=answer))
    return {span.name: span for span in lay_out(record)}


def test_steps_become_spans_end_to_end_and_nested() -> None:
    spans = lay_out(traced("q"))
    assert [span.name for span in spans] == ["question", "route", "retrieve", "index", "read", "answer"]
    assert [span.parent for span in spans] == [None, 0, 0, 2, 0, 4]
    for span in spans[1:]:
        over = spans[span.parent or 0]
        assert over.start < span.start < span.end <= over.end
    route, retrieve, read = (spans[place] for place in (1, 2, 4))
    assert (route.end, retrieve.end) == (retrieve.start, read.start)


def test_the_only_call_lasts_as_long_as_the_engine_worked() -> None:
    spans = laid(answered())
    assert (seconds(spans["answer"]), seconds(spans["read"])) == (1.0, 1.5)
    assert seconds(spans["question"]) == 2.0
    reused = Step("answer", {}, Usage(10, 0, 3, 1), 0.0001)
    assert seconds(laid(dataclasses.replace(answered(), trace=(reused,), reused=True))["answer"]) == 1.0


def test_several_calls_last_as_measured_and_none_claims_the_answer() -> None:
    one = Usage(5, 0, 2, 1)
    worker, manager = Step("worker", {}, one, 2.0), Step("manager", {"generator": "draft"}, one, 3.0)
    answer = Answer("Ada", "agents", usage=one + one, timing=Timing(engine_seconds=1.0), trace=(worker, manager))
    spans = laid(answer)
    assert (seconds(spans["worker"]), seconds(spans["manager"]), seconds(spans["question"])) == (2.0, 3.0, 5.0)
    assert (spans["worker"].outputs, spans["manager"].outputs, spans["question"].outputs) == (None, None, "Ada")
    assert (spans["worker"].kind, spans["manager"].generator) == ("CHAT_MODEL", "draft")


def test_texts_come_from_the_documents() -> None:
    spans = laid(answered())
    ada, grace = spans["retrieve"].outputs
    assert (ada["page_content"], grace["page_content"]) == (TEXT[slice(*ADA)], "Grace found a bug.")
    assert ada["metadata"] == {
        "document": "d",
        "start": 0,
        "end": 28,
        "title": "Pioneers",
        "rank": 1,
        "score": 0.75,
        "read": True,
        "holds_evidence": True,
    }
    assert (grace["metadata"]["read"], grace["metadata"]["holds_evidence"]) == (False, False)
    assert [piece["text"] for piece in spans["read"].inputs["pieces"]] == [TEXT[slice(*ADA)]]
    assert spans["answer"].outputs == "Ada"
    assert spans["answer"].usage.prompt_tokens == 10
    assert spans["read"].usage.calls == 0


def test_passages_show_though_no_step_has_their_name() -> None:
    spans = laid(dataclasses.replace(answered(), trace=()))
    assert len(spans["retrieve"].outputs) == 2
    assert len(spans["read"].inputs["pieces"]) == 1


def test_long_texts_and_long_contexts_are_cut() -> None:
    record = traced("q")
    [document] = record.example.documents
    example = dataclasses.replace(record.example, documents=(dataclasses.replace(document, text="x" * 10_000),))
    answer = dataclasses.replace(answered(), context=tuple(Span("d", n, 9_999) for n in range(30)))
    spans = lay_out(TraceRecord(example, dataclasses.replace(record.prediction, answer=answer)))
    shown = next(span for span in spans if span.name == "read").inputs
    assert (len(shown["pieces"]), shown["pieces_not_shown"]) == (20, 10)
    assert len(shown["pieces"][0]["text"]) == MOST_CHARACTERS


def test_a_failure_is_one_span() -> None:
    [span] = lay_out(traced("q", failure=Failure("generate", "EngineError", "no")))
    assert (span.inputs, span.outputs) == ({"question": "Who wrote the first program?"}, None)


def test_samples_nest_and_failures_come_on_top() -> None:
    failure = Failure("generate", "EngineError", "no")
    records = [traced(f"q{n}", failure=failure if n % 2 else None) for n in range(20)]
    keys = {f"q{n}": f"{n * 7 % 20:02d}" for n in range(20)}
    names = [[one.example.id for one in sample(records, count, keys.__getitem__)] for count in (0, 2, 4, 40)]
    assert names[0] == []
    assert names[1] == ["q0", "q3", "q9", "q15"]  # q0 and q3 are drawn; q9 and q15 are the next that failed
    assert set(names[1]) <= set(names[2])
    assert names[3] == [f"q{n}" for n in range(20)]


def test_sampling_holds_no_record_but_those_chosen() -> None:
    living: WeakSet[TraceRecord] = WeakSet()
    most: list[int] = []

    class OnDisk(Sequence[TraceRecord]):
        def __len__(self) -> int:
            return 200

        def __getitem__(self, place: Any) -> Any:
            if place >= len(self):
                raise IndexError
            made = Counted(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})
            living.add(made)
            most.append(len(living))
            return made

    class Counted(TraceRecord):
        __slots__ = ("__weakref__",)

        def __hash__(self) -> int:
            return id(self)

    record = traced("q", failure=Failure("generate", "EngineError", "no"))
    assert len(sample(OnDisk(), 3, str)) == 6
    assert max(most) <= 8
    assert sample(OnDisk(), 0, str) == []
