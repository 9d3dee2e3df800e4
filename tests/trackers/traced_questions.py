"""Questions with an answer that a trace can be made of."""

from __future__ import annotations

from ragvlc.core.answer import Answer, Failure, Prediction, Step, Timing, Usage
from ragvlc.core.data import Chunk, Document, Example, Hit, Query, Span
from ragvlc.core.records import TraceRecord

TEXT = "Ada wrote the first program. Grace found a bug."
ADA, GRACE = (0, 28), (29, 47)


def traced(name: str, *, reply: str = "Ada", failure: Failure | None = None, score: float = 1.0) -> TraceRecord:
    """Returns a question read from the first of two passages, with places only, as rows from disk have them."""
    query = Query(name, "Who wrote the first program?")
    example = Example(query, (Document("d", TEXT, "Pioneers"),), ("Ada",), evidence=(Span("d", 0, 3),))
    answer = None if failure else answered(reply)
    scores = {"contains": score, "recall@5": 0.5, "choice_accuracy": None}
    return TraceRecord(example, Prediction(name, "key", answer, failure, scores=scores, flags=("unparsed",)))


def answered(reply: str = "Ada") -> Answer:
    """Returns an answer of one call that took a second, after nine of waiting."""
    usage = Usage(10, 4, 3, 1)
    steps = (
        Step("route", {"route": "rag"}),
        Step("retrieve", {"chunks": 2}, Usage(), 0.5, (Step("index", {"index": "i"}, Usage(), 0.25),)),
        Step("read", {"pieces": 1}, usage, 10.5, (Step("answer", {"generator": "main"}, usage, 10.0),)),
    )
    return Answer(
        reply,
        "rag",
        ranking=(Hit(Chunk("d", 0, *ADA, ""), 0.75), Hit(Chunk("d", 1, *GRACE, ""), 0.25)),
        context=(Span("d", *ADA),),
        usage=usage,
        timing=Timing(queue_seconds=9.0, engine_seconds=1.0),
        trace=steps,
    )
