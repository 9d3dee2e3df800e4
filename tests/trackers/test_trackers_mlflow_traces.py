"""Questions as traces, files of the sweep, notes and the best: what a reader of the store finds."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from test_trackers_mlflow import Store, cell_in, empty_database, figures, runs, send, sweep_in  # noqa: F401 - fixtures
from traced_questions import traced

from ragvlc.core.answer import Failure
from ragvlc.core.errors import StoreError
from ragvlc.trackers._mlflow_calls import sqlite_uri
from ragvlc.trackers._mlflow_machine import MOST_SAMPLES, MachineMetrics, peaks
from ragvlc.trackers.mlflow import MlflowTracker

mlflow = pytest.importorskip("mlflow")

QUESTIONS = tuple(traced(f"q{n}") for n in range(8))


def scored(sweep, key: str, contains: float, **fields: object):
    metrics = {"score/contains": contains, "score/low/contains": 0.25, "score/high/contains": 0.75}
    return cell_in(sweep, key, name=f"size={key}", metrics=metrics, **fields)


def shown(store: Store, run) -> set[str]:
    return {trace.info.tags["ragvlc.question"] for trace in store.traces(run)}


def test_a_trace_says_how_a_question_was_answered(runs: Path) -> None:  # noqa: F811
    sweep = sweep_in(runs)
    send(MlflowTracker(traces=1), sweep, cell_in(sweep, traces=QUESTIONS[:1], models={"main": "a-model"}))
    store = Store(sqlite_uri(runs))
    [child] = store.children("chunk_size")
    [found] = store.traces(child)
    trace = store.client.get_trace(found.info.trace_id, display=False)
    info, spans = trace.info, {span.name: span for span in trace.data.spans}

    assert (info.state.value, info.execution_duration) == ("OK", 2000)
    assert (info.request_preview, info.response_preview) == ("Who wrote the first program?", "Ada")
    assert info.trace_metadata["mlflow.sourceRun"] == child.info.run_id
    assert info.token_usage == {
        "input_tokens": 10,
        "output_tokens": 3,
        "total_tokens": 13,
        "cache_read_input_tokens": 4,
    }
    tags = {name: value for name, value in info.tags.items() if name.startswith("ragvlc.")}
    assert tags == {
        "ragvlc.sweep": "chunk_size",
        "ragvlc.cell": "c0ffee",
        "ragvlc.question": "q0",
        "ragvlc.control": "false",
        "ragvlc.flags": "unparsed",
    }
    said = {one.name: (one.value, one.source.source_type) for one in info.assessments}
    assert said == {"expected_response": ("Ada", "HUMAN"), "contains": (1.0, "CODE"), "recall_at_5": (0.5, "CODE")}

    assert [span.name for span in trace.data.spans] == [
        child.info.run_name,
        "route",
        "retrieve",
        "index",
        "read",
        "answer",
    ]
    assert (spans[child.info.run_name].parent_id, spans["index"].parent_id) == (None, spans["retrieve"].span_id)
    assert spans["retrieve"].span_type == "RETRIEVER"
    assert [one["page_content"] for one in spans["retrieve"].outputs] == [
        "Ada wrote the first program.",
        "Grace found a bug.",
    ]
    assert spans["answer"].get_attribute("mlflow.chat.tokenUsage")["input_tokens"] == 10
    assert spans["answer"].get_attribute("mlflow.llm.model") == "a-model"


def test_traces_are_sent_once_and_replaced_when_they_no_longer_hold(runs: Path) -> None:  # noqa: F811
    sweep = sweep_in(runs)
    cells = [cell_in(sweep, key, traces=QUESTIONS) for key in ("aa", "bb")]
    store = Store(sqlite_uri(runs))

    def ids() -> list[set[str]]:
        children = sorted(store.children("chunk_size"), key=lambda run: run.data.tags["ragvlc.cell"])
        return [{trace.info.trace_id for trace in store.traces(run)} for run in children]

    for _ in range(2):
        send(MlflowTracker(traces=3), sweep, *cells, *cells)
        first = ids()
        assert [len(found) for found in first] == [3, 3]
    one, other = store.children("chunk_size")
    assert shown(store, one) == shown(store, other)  # the same questions in each cell

    send(MlflowTracker(traces=3), sweep, *cells)
    assert ids() == first
    changed = tuple(
        traced(f"q{n}", reply="Grace") if f"q{n}" in shown(store, one) else traced(f"q{n}") for n in range(8)
    )
    send(MlflowTracker(traces=3), sweep, dataclasses.replace(cells[0], traces=changed), cells[1])
    assert [len(found) for found in ids()] == [3, 3]
    assert not ids()[0] & first[0]
    assert ids()[1] == first[1]

    send(MlflowTracker(traces=0), sweep, cells[0], dataclasses.replace(cells[1], params={"pipeline": "another"}))
    assert store.client.search_traces([one.info.experiment_id]) == []


def test_failures_are_shown_beyond_the_sample(runs: Path) -> None:  # noqa: F811
    failure = Failure("generate", "EngineError", "the prompt is too long")
    records = (*QUESTIONS, *(traced(f"bad{n}", failure=failure, score=0.0) for n in range(3)))
    sweep = sweep_in(runs)
    send(MlflowTracker(traces=2), sweep, cell_in(sweep, traces=records))
    store = Store(sqlite_uri(runs))
    [child] = store.children("chunk_size")
    failed = [trace for trace in store.traces(child) if trace.info.state.value == "ERROR"]
    assert len(failed) >= 2
    assert {trace.info.response_preview for trace in failed} == {"the prompt is too long"}
    assert all(trace.data.spans[0].status.description == "the prompt is too long" for trace in failed)


def test_a_trace_cut_off_before_its_spans_is_sent_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from mlflow.exceptions import MlflowException
    from mlflow.tracing.client import TracingClient

    def cut(*_: object) -> None:
        raise MlflowException("the line went dead")

    sweep = sweep_in(runs)
    cell = cell_in(sweep, traces=QUESTIONS[:1])
    with monkeypatch.context() as patch:
        patch.setattr(TracingClient, "log_spans", cut)
        with pytest.raises(StoreError, match="the line went dead"):
            send(MlflowTracker(), sweep, cell)
    store = Store(sqlite_uri(runs))
    assert store.parent("chunk_size").info.status == "FAILED"
    send(MlflowTracker(), sweep, cell)
    [child] = store.children("chunk_size")
    [trace] = store.traces(child)
    assert len(trace.data.spans) == 6
    assert sorted(one.name for one in trace.info.assessments) == ["contains", "expected_response", "recall_at_5"]


def test_files_of_the_sweep_replace_those_before(runs: Path, tmp_path: Path) -> None:  # noqa: F811
    sweep = sweep_in(runs)
    store = Store(sqlite_uri(runs))
    for places in (("report.html", "figures/old.svg"), ("report.html", "figures/new.svg")):
        with MlflowTracker().open(sweep) as opened:
            opened.files(figures(tmp_path / places[1], *places))
    parent = store.parent("chunk_size")
    assert store.all_files(parent) == ["figures/new.svg", "report.html", "resolved.yaml"]
    local = store.client.download_artifacts(parent.info.run_id, "figures/new.svg", str(tmp_path))
    assert Path(local).read_text() == "figures/new.svg"


def test_the_best_cells_are_named_and_controls_are_not(runs: Path) -> None:  # noqa: F811
    sweep = sweep_in(runs, cells=("64", "128", "gold"), metrics=("contains",))
    cells = [scored(sweep, "64", 0.5), scored(sweep, "128", 0.625), scored(sweep, "gold", 1.0, control=True)]
    send(MlflowTracker(), sweep, *cells)
    store = Store(sqlite_uri(runs))

    def tags() -> dict[str, dict[str, str]]:
        return {run.info.run_name: run.data.tags for run in store.runs("chunk_size")}

    assert (tags()["chunk_size"]["ragvlc.best"], tags()["chunk_size"]["ragvlc.metric"]) == (
        "size=128 (0.625)",
        "contains",
    )
    assert "**size=128**, 0.625, among 2 cells" in tags()["chunk_size"]["mlflow.note.content"]
    assert [tags()[f"size={key}"].get("ragvlc.best", "") for key in ("64", "128", "gold")] == ["", "contains", ""]
    note = tags()["size=128"]["mlflow.note.content"]
    assert "Best mean of contains among 2 cells" in note
    assert "contains 0.625 (0.250 to 0.750)" in note
    assert "`routes.rag.chunker.size`: 64" in note

    child = next(run for run in store.children("chunk_size") if run.info.run_name == "size=64")
    store.client.set_tag(child.info.run_id, "mlflow.note.content", "mine")
    sweep = dataclasses.replace(sweep, smaller_is_better=("contains",))
    send(MlflowTracker(), sweep, *cells)
    assert tags()["chunk_size"]["ragvlc.best"] == "size=64 (0.500)"
    assert [tags()[f"size={key}"].get("ragvlc.best", "") for key in ("64", "128", "gold")] == ["contains", "", ""]
    assert tags()["size=64"]["mlflow.note.content"] == "mine"
    assert "Best" not in tags()["size=128"]["mlflow.note.content"]


def test_data_sets_are_not_ranked_together(runs: Path) -> None:  # noqa: F811
    sweep = sweep_in(runs, cells=("a", "b", "c", "d"), metrics=("contains",))
    cells = [scored(sweep, key, score) for key, score in (("a", 0.25), ("b", 0.25))]
    cells += [
        scored(sweep, key, score, dataset="qmsum", dataset_key="ef" * 9) for key, score in (("c", 0.9), ("d", 0.8))
    ]
    send(MlflowTracker(), sweep, *cells)
    parent = Store(sqlite_uri(runs)).parent("chunk_size")
    one, other = parent.data.tags["ragvlc.best"].split("; ")
    assert one == "squad_articles ab12ab: size=a (0.250, shared with 1 other)"
    assert other == "qmsum efefef: size=c (0.900)"


class TestMachine:
    """Samples of memory and processor."""

    def test_a_cell_at_work_gets_them_and_one_that_was_done_does_not(self, runs: Path) -> None:  # noqa: F811
        sweep = sweep_in(runs)
        done, working = cell_in(sweep, "aa"), cell_in(sweep, "bb")
        (done.folder / "predictions.jsonl").write_text("{}\n")
        with MlflowTracker(system_metrics=True).open(sweep) as opened:
            time.sleep(0.05)  # a file's time is coarser than the clock
            opened.cell(done)
            (working.folder / "predictions.jsonl").write_text("{}\n")
            opened.cell(working)
            opened.cell(working)
        store = Store(sqlite_uri(runs))
        names = {run.data.tags["ragvlc.cell"]: set(run.data.metrics) for run in store.children("chunk_size")}
        assert not any(name.startswith("system/") for name in names["aa"])
        assert {"system/process_memory_megabytes", "system/peak_process_memory_megabytes"} <= names["bb"]
        assert store.parent("chunk_size").data.metrics["system/peak_process_memory_megabytes"] > 10
        send(MlflowTracker(), sweep, done, working)
        assert len(store.children("chunk_size")) == 2

    def test_memory_of_started_processes_counts_and_samples_stay_few(self) -> None:
        machine = MachineMetrics(3600)
        try:
            for _ in range(MOST_SAMPLES + 10):
                machine._take()
                time.sleep(0.002)
            samples = machine.taken()
        finally:
            machine.close()
        assert 10 < len(samples) <= MOST_SAMPLES + 1
        [last] = machine.taken().values()
        assert last["system/process_memory_megabytes"] > 10

    def test_peaks_are_of_memory_only(self) -> None:
        rows = [(1.0, 5.0, 9.0), (3.0, 4.0, 99.0)]
        names = ("system/process_memory_megabytes", "system/device_0_memory_megabytes", "system/process_cpu_percentage")
        samples = {when: dict(zip(names, row, strict=True)) for when, row in enumerate(rows)}
        assert peaks(samples) == {
            "system/peak_process_memory_megabytes": 3.0,
            "system/peak_device_0_memory_megabytes": 5.0,
        }


def test_where_results_are_shown_changes_no_key() -> None:
    assert MlflowTracker().key == MlflowTracker(traces=0, system_metrics=True).key
    assert json.loads(json.dumps(MlflowTracker().spec()))["traces"] == 5
