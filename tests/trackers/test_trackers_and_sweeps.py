"""A sweep with its tracker: what is sent when it runs and when it is sent again, and what an outage leaves behind."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_trackers_mlflow import Store, empty_database, runs  # noqa: F401 - fixtures

from ragvlc import config
from ragvlc.analysis.files import report_files
from ragvlc.analysis.outcome import outcome
from ragvlc.analysis.results import Results
from ragvlc.core.records import bound_name, score_name
from ragvlc.results.summary import metric_values
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.sweep.tracking import send
from ragvlc.trackers._mlflow_calls import sqlite_uri

mlflow = pytest.importorskip("mlflow")

RAG = {
    "kind": "retrieve",
    "retriever": "bm25",
    "chunker": {"kind": "tokens", "size": 16},
    "selector": {"kind": "top_k", "k": 2},
}


def sweep_of(**fields: object) -> Sweep:
    given = {
        "name": "toys",
        "dataset": "toy",
        "pipelines": {
            "full": {"generators": {"main": "scripted"}, "routes": {"full": "full_context"}},
            "rag": {"generators": {"main": "scripted"}, "routes": {"rag": RAG}},
        },
        "axes": {"routes.rag.chunker.size": [8, 16]},
        "metrics": ["contains", "evidence_recall"],
        "tracker": {"kind": "mlflow", "traces": 2},
    }
    return config.build(Sweep, given | fields, "test")


def report(folder: Path) -> Mapping[str, Path]:
    (folder / "page.html").write_text(f"<p>{len(json.loads((folder / 'cells.json').read_text()))} cells</p>")
    return {"report.html": folder / "page.html"}


def broken(folder: Path) -> Mapping[str, Path]:
    raise ZeroDivisionError("nothing to draw")


def test_a_decision_is_a_tag_and_the_first_line_of_the_note_until_it_is_gone(runs: Path) -> None:  # noqa: F811
    def files(folder: Path) -> Mapping[str, Path]:
        return report_files(Results.load(folder))

    decide = {"metric": "contains", "margin": 0.9}
    run_sweep(sweep_of(decide=decide, tracker={"kind": "mlflow", "traces": 0}), runs, finish=files)
    parent = Store(sqlite_uri(runs)).parent("toys")
    line = (runs / "toys" / "decision.txt").read_text().strip()
    assert parent.data.tags["ragvlc.decision"] == line
    assert parent.data.tags["mlflow.note.content"].startswith(f"**Decision.** {line}")
    run_sweep(sweep_of(tracker={"kind": "mlflow", "traces": 0}), runs, finish=files)
    parent = Store(sqlite_uri(runs)).parent("toys")
    assert parent.data.tags["ragvlc.decision"] == ""
    assert "Decision" not in parent.data.tags["mlflow.note.content"]


def test_a_sweep_arrives_whole_and_sending_it_again_changes_nothing(runs: Path) -> None:  # noqa: F811
    outcome = run_sweep(sweep_of(), runs, finish=report)
    assert (outcome.complete, outcome.untracked) == (True, None)
    store = Store(sqlite_uri(runs))
    parent = store.parent("toys")
    assert store.all_files(parent) == ["report.html", "resolved.yaml"]
    assert parent.data.tags["ragvlc.metric"] == "contains"
    children = sorted(store.children("toys"), key=lambda run: run.data.tags["ragvlc.order"])
    assert [run.info.run_name for run in children] == ["full", "rag size=8", "rag size=16"]
    shown = [{trace.info.tags["ragvlc.question"]: trace for trace in store.traces(run)} for run in children]
    assert shown[0].keys() == shown[1].keys() == shown[2].keys()
    assert len(shown[0]) == 2

    example = {one.id: one for one in sweep_of().dataset.load()}
    for name, trace in shown[1].items():
        passages = next(span for span in trace.data.spans if span.name == "retrieve").outputs
        texts = {document.id: document.text for document in example[name].documents}
        assert passages
        for passage in passages:
            place = passage["metadata"]
            assert passage["page_content"] == texts[place["document"]][place["start"] : place["end"]] != ""

    before = [(run.info.run_id, run.data.to_dictionary()) for run in store.runs("toys")]
    assert send(sweep_of(), runs, finish=report) is None
    assert [(run.info.run_id, run.data.to_dictionary()) for run in store.runs("toys")] == before
    again = [{trace.info.trace_id for trace in store.traces(run)} for run in children]
    assert again == [{trace.info.trace_id for trace in one.values()} for one in shown]

    assert run_sweep(sweep_of(axes={"routes.rag.chunker.size": [16]}), runs).complete
    stale = {run.info.run_name: run.data.tags["ragvlc.stale"] for run in store.children("toys")}
    assert stale == {"full": "false", "rag": "false", "rag size=8": "true"}


def test_figures_that_fail_cost_neither_results_nor_the_tracker(runs: Path) -> None:  # noqa: F811
    outcome = run_sweep(sweep_of(), runs, finish=broken)
    assert outcome.complete
    assert "ZeroDivisionError: nothing to draw" in str(outcome.untracked)
    assert Store(sqlite_uri(runs)).parent("toys").info.status == "FINISHED"


def test_figures_are_made_without_a_tracker(tmp_path: Path) -> None:
    outcome = run_sweep(sweep_of(tracker="none"), tmp_path, finish=report)
    assert outcome.untracked is None
    assert (outcome.folder / "page.html").read_text() == "<p>3 cells</p>"


def test_a_cell_that_mlflow_refuses_leaves_nothing_running(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from mlflow.exceptions import MlflowException

    original = mlflow.MlflowClient.log_text

    def refusing(self: object, run_id: str, text: str, artifact_file: str) -> None:
        if artifact_file == "questions.json":
            raise MlflowException("the disk is full")
        original(self, run_id, text, artifact_file)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_text", refusing)
        outcome = run_sweep(sweep_of(), runs, finish=report)
    assert outcome.complete
    assert "the disk is full" in str(outcome.untracked)
    store = Store(sqlite_uri(runs))
    assert store.parent("toys").info.status == "FAILED"
    assert send(sweep_of(), runs) is None
    assert {run.info.status for run in store.runs("toys")} == {"FINISHED"}


def test_sections_of_the_charts_come_in_the_order_of_reading(tmp_path: Path) -> None:
    outcome = run_sweep(sweep_of(tracker="none"), tmp_path)
    summary = {**outcome.results().cells[0].summary, "cost": 0.5}
    names = metric_values(summary)
    sections = sorted({name.rpartition("/")[0] for name in names})
    assert sections == ["score", "score/high", "score/low", "seconds", "spend", "tokens", "totals"]
    assert names[score_name("contains")] == summary["metrics"]["contains"]["mean"]
    assert names[bound_name("contains", "low")] == summary["metrics"]["contains"]["low"]
    assert (names["spend/cost"], names["totals/questions"]) == (0.5, summary["questions"])


def answering() -> dict[str, object]:
    """Returns pipelines whose model answers."""
    models = {"main": {"kind": "scripted", "replies": {"(?s).*": "31 metres"}}}
    return {
        "full": {"generators": models, "routes": {"full": "full_context"}},
        "rag": {"generators": models, "routes": {"rag": RAG}},
    }


def test_the_run_of_a_sweep_has_the_verdict_in_words_and_numbers(runs: Path) -> None:  # noqa: F811
    def files(folder: Path) -> Mapping[str, Path]:
        return report_files(Results.load(folder))

    decide = {"metric": "contains", "margin": 0.9}
    run_sweep(
        sweep_of(pipelines=answering(), decide=decide, tracker={"kind": "mlflow", "traces": 0}), runs, finish=files
    )
    store = Store(sqlite_uri(runs))
    parent = store.parent("toys")
    written = json.loads((runs / "toys" / "outcome.json").read_text(encoding="utf-8"))
    assert parent.data.metrics == written["metrics"]
    [sentence] = written["sentences"]
    assert f"**Verdict.** {sentence}" in parent.data.tags["mlflow.note.content"]
    loaded = Results.load(runs / "toys")
    best = max(loaded.cells, key=lambda cell: cell.mean("contains") or 0.0)
    figures = best.summary["metrics"]["contains"]
    found = parent.data.metrics
    assert (found["verdict/score"], found["verdict/score_low"], found["verdict/score_high"]) == (
        figures["mean"],
        figures["low"],
        figures["high"],
    )
    assert {
        "verdict/difference",
        "verdict/difference_low",
        "verdict/difference_high",
        "verdict/p",
        "verdict/settled",
    } <= set(found)
    assert found["verdict/cells"] == 3
    assert found["verdict/ship"] in {0.0, 1.0}
    points = len(store.client.get_metric_history(parent.info.run_id, "verdict/score"))
    assert (
        send(
            sweep_of(pipelines=answering(), decide=decide, tracker={"kind": "mlflow", "traces": 0}), runs, finish=files
        )
        is None
    )
    assert len(store.client.get_metric_history(parent.info.run_id, "verdict/score")) == points
    undecided = sweep_of(pipelines=answering(), tracker={"kind": "mlflow", "traces": 0})
    for _ in range(2):
        run_sweep(undecided, runs, finish=files)
        assert math.isnan(store.parent("toys").data.metrics["verdict/ship"]), "no decision any more"
        assert store.parent("toys").data.metrics["verdict/cells"] == 3
        assert len(store.client.get_metric_history(parent.info.run_id, "verdict/ship")) == 2


def test_bounds_are_one_series_and_parameters_are_what_varies(runs: Path) -> None:  # noqa: F811
    outcome = run_sweep(sweep_of(pipelines=answering(), tracker={"kind": "mlflow", "traces": 0}), runs)
    store = Store(sqlite_uri(runs))
    for run in store.children("toys"):
        cell = next(one for one in outcome.results().cells if one.name == run.info.run_name)
        figures = cell.summary["metrics"]["contains"]
        history = store.client.get_metric_history(run.info.run_id, "score_interval/contains")
        assert [(point.step, point.value) for point in history] == [(0, figures["low"]), (1, figures["high"])]
        assert not any(name.startswith(("score/low", "score/high")) for name in run.data.metrics)
        assert set(run.data.params) <= {"pipeline", "routes.rag.chunker.size", "size"}
    before = {run.info.run_id for run in store.children("toys")}
    assert send(sweep_of(pipelines=answering(), tracker={"kind": "mlflow", "traces": 0}), runs) is None
    assert {run.info.run_id for run in store.children("toys")} == before
    for run in store.children("toys"):
        assert len(store.client.get_metric_history(run.info.run_id, "score_interval/contains")) == 2


def test_several_data_sets_have_numbers_of_their_own(tmp_path: Path) -> None:
    axes = {"dataset": ["toy", {"kind": "toy", "scope": "corpus"}], "routes.rag.chunker.size": [8]}
    outcome_ = run_sweep(sweep_of(pipelines=answering(), tracker="none", axes=axes), tmp_path)
    found = outcome(outcome_.results())
    assert len(found["sentences"]) == 2
    names = {name.rpartition("/")[2] for name in found["metrics"] if name.startswith("verdict/score/")}
    assert len(names) == 2
    assert found["metrics"]["verdict/cells"] == 4
