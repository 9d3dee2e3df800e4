"""Writes a sample of a cell's questions as MLflow traces of the cell's run.

A trace's id is the hash of its run and of all that it shows. So a trace that was sent before is found, and a trace
that no longer matches the results on disk has another id: the old one is deleted. Scores are its feedback, the
references its expectation, by the names that the tables have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ragvlc.core.data import content_key
from ragvlc.core.records import CellRecord, TraceRecord
from ragvlc.trackers._mlflow_spans import LaidSpan, lay_out, sample, usage_facts
from ragvlc.trackers._mlflow_values import CELL_TAG, SWEEP_TAG, finite, tag_text

__all__ = ["delete_traces", "known_traces", "send_traces"]

_RUN = "mlflow.sourceRun"
_PLACE_TAG = "mlflow.trace.spansLocation"
_TAG_CHARACTERS = 4_000
_PREVIEW_CHARACTERS = 1_000
_VERSION = 1
"""Part of a trace's id: raised when the same answer is shown in another way."""


def known_traces(client: Any, experiment_id: str, equals_sweep: str) -> dict[str, dict[str, bool]]:  # noqa: ANN401
    """Returns the traces of each run, and whether each is complete, that is, has its spans.

    Args:
        client: of the store.
        experiment_id: where to look.
        equals_sweep: the end of a filter that the tag of the sweep's name passes.
    """
    found: dict[str, dict[str, bool]] = {}
    token = None
    while True:
        page = client.search_traces(
            [experiment_id],
            filter_string=f"tags.`{SWEEP_TAG}` {equals_sweep}",
            max_results=500,
            page_token=token,
            include_spans=False,
        )
        for trace in page:
            of_run = found.setdefault(trace.info.trace_metadata.get(_RUN, ""), {})
            of_run[trace.info.trace_id] = _PLACE_TAG in trace.info.tags
        token = page.token
        if not token:
            return found


def send_traces(
    client: Any,  # noqa: ANN401 - MLflow's types are not imported here
    run: Any,  # noqa: ANN401
    record: CellRecord,
    count: int,
    known: Mapping[str, bool],
) -> dict[str, bool]:
    """Updates the run's traces to show `count` questions and some failed questions; returns the traces.

    Args:
        client: of the store.
        run: the cell's.
        record: the cell.
        count: number of questions to show.
        known: the traces of the run, and whether each is complete.
    """
    chosen = sample(record.traces, count, lambda name: content_key(["trace", name]))
    wanted = {_trace_id(run, record, one, spans): (one, spans) for one in chosen for spans in [lay_out(one)]}
    stale = [name for name, whole in known.items() if name not in wanted or not whole]
    delete_traces(client, run.info.experiment_id, stale)
    for place, (name, (one, spans)) in enumerate(wanted.items()):
        if not known.get(name, False):
            # The newest trace is listed first: the order of the list is that of the data set.
            _send(client, name, run, record, (one, spans), run.info.start_time + len(wanted) - place)
    return dict.fromkeys(wanted, True)


def delete_traces(client: Any, experiment_id: str, names: Iterable[str]) -> None:  # noqa: ANN401
    """Deletes traces by their ids."""
    gone = sorted(names)
    for first in range(0, len(gone), 100):  # MLflow's limit
        client.delete_traces(experiment_id, trace_ids=gone[first : first + 100])


def _trace_id(run: Any, record: CellRecord, one: TraceRecord, spans: Sequence[LaidSpan]) -> str:  # noqa: ANN401
    """Returns a trace id in MLflow's OpenTelemetry format."""
    row = one.prediction
    shown = [asdict(span) for span in spans]
    facts = [shown, dict(row.scores), list(row.flags), row.failure and asdict(row.failure), _expected(one)]
    names = [_VERSION, run.info.run_id, record.key, record.name, one.example.id, dict(record.models)]
    return f"tr-{content_key([names, json.loads(json.dumps(facts, default=str))])[:32]}"


def _send(
    client: Any,  # noqa: ANN401
    name: str,
    run: Any,  # noqa: ANN401
    record: CellRecord,
    shown: tuple[TraceRecord, list[LaidSpan]],
    start: int,
) -> None:
    """Writes a complete trace; MLflow's usual API supports only live tracing in the process's own store."""
    from mlflow.entities import TraceData, TraceInfo, TraceLocation, TraceState
    from mlflow.tracing.client import TracingClient

    one, spans = shown
    failure = one.prediction.failure
    info = TraceInfo(
        trace_id=name,
        trace_location=TraceLocation.from_experiment_id(run.info.experiment_id),
        request_time=start,
        state=TraceState.ERROR if failure else TraceState.OK,
        request_preview=one.example.query.text[:_PREVIEW_CHARACTERS],
        response_preview=(failure.message if failure else str(spans[0].outputs))[:_PREVIEW_CHARACTERS],
        execution_duration=spans[0].end // 1_000_000,
        trace_metadata=_metadata(run),
        tags=_tags(run.data.tags[SWEEP_TAG], record, one),
        assessments=list(_assessments(name, one)),
    )
    entities = list(_entities(name, spans, start, record, failure.message if failure else None))
    tracing = TracingClient(client.tracking_uri)

    def deleted() -> None:  # an attempt without a reply: its feedback would be there twice
        client.delete_traces(run.info.experiment_id, trace_ids=[name])

    # Before its spans: the other way round takes twice as long.
    found = client.repeat(lambda: tracing.start_trace(info), made=deleted)
    if _takes_spans(client, tracing.store):
        client.repeat(lambda: tracing.log_spans(run.info.experiment_id, entities))
    else:  # an old server: spans go into a file
        client.repeat(lambda: tracing._upload_trace_data(found, TraceData(entities)))  # noqa: SLF001 - no public way


def _takes_spans(client: Any, store: Any) -> bool:  # noqa: ANN401
    """Whether the store takes spans. MLflow remembers a question for the server's version that was not answered."""
    ask = getattr(store, "_get_server_version", None)
    if ask is None:  # a database
        return True
    from mlflow.utils.rest_utils import http_request

    def known() -> bool:
        version = ask(store.get_host_creds())
        if version is None:
            ask.cache_clear()
            reply = http_request(store.get_host_creds(), "/version", "GET")
            if reply.status_code == 200 and reply.text[:1].isdigit():
                raise ConnectionError("the server did not say its version")
        return version is not None and (version.major, version.minor) >= (3, 4)

    return bool(client.repeat(known))


def _metadata(run: Any) -> dict[str, str]:  # noqa: ANN401
    """Returns the metadata that MLflow needs, without token counts, which it sums from the spans."""
    return {
        "mlflow.trace_schema.version": "3",
        _RUN: run.info.run_id,
        "mlflow.source.name": "ragvlc",
        "mlflow.source.type": "LOCAL",
    }


def _tags(sweep: str, record: CellRecord, one: TraceRecord) -> dict[str, str]:
    tags = {
        "mlflow.traceName": record.name,
        SWEEP_TAG: sweep,
        CELL_TAG: record.key,
        "ragvlc.question": one.example.id,
        **{f"ragvlc.{name}": value for name, value in record.tags.items()},
    }
    answer, flags = one.prediction.answer, one.prediction.flags
    tags |= {"ragvlc.reused": "true"} if answer and answer.reused else {}
    tags |= {"ragvlc.flags": ", ".join(flags)} if flags else {}
    tags |= {"ragvlc.unanswerable": "true"} if one.example.unanswerable else {}
    return {name: tag_text(value)[:_TAG_CHARACTERS] for name, value in tags.items()}


def _expected(one: TraceRecord) -> str:
    return " | ".join(one.example.references)


def _assessments(name: str, one: TraceRecord) -> Iterator[Any]:
    from mlflow.entities import AssessmentSource, Expectation, Feedback

    if _expected(one):
        source = AssessmentSource(source_type="HUMAN", source_id="data set")
        yield Expectation("expected_response", _expected(one), source, trace_id=name)
    source = AssessmentSource(source_type="CODE", source_id="ragvlc")
    for label, score in finite(one.prediction.scores).items():
        yield Feedback(label, score, source=source, trace_id=name)


def _entities(
    name: str, spans: Sequence[LaidSpan], start: int, record: CellRecord, failure: str | None
) -> Iterator[Any]:
    """Yields the spans as MLflow objects."""
    from mlflow.entities import Span
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    number = int(name.removeprefix("tr-"), 16)
    contexts = [
        SpanContext(number, int(content_key([name, place])[:16], 16), is_remote=False, trace_flags=TraceFlags(1))
        for place in range(len(spans))
    ]
    for span, context in zip(spans, contexts, strict=True):
        attributes = _attributes(name, span, record.models)
        status = Status(StatusCode.OK)
        if failure and span.parent is None:
            status = Status(StatusCode.ERROR, failure)
        yield Span(
            ReadableSpan(
                name=record.name if span.parent is None else span.name,
                context=context,
                parent=None if span.parent is None else contexts[span.parent],
                attributes={key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()},
                status=status,
                resource=Resource.get_empty(),  # else MLflow takes its name for tags of the trace
                start_time=start * 1_000_000 + span.start,
                end_time=start * 1_000_000 + span.end,
            )
        )


def _attributes(name: str, span: LaidSpan, models: Mapping[str, str]) -> dict[str, Any]:
    attributes: dict[str, Any] = {"mlflow.traceRequestId": name, "mlflow.spanType": span.kind}
    attributes |= {} if span.inputs is None else {"mlflow.spanInputs": span.inputs}
    attributes |= {} if span.outputs is None else {"mlflow.spanOutputs": span.outputs}
    if span.usage.calls:
        attributes |= {"mlflow.chat.tokenUsage": usage_facts(span.usage), "calls": span.usage.calls}
        attributes |= {"mlflow.llm.model": models[span.generator]} if span.generator in models else {}
    return attributes | {key: value for key, value in span.facts.items() if value is not None}
