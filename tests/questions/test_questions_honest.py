"""Whatever is made of generated questions says so: tables, pages, plans, MLflow, and the verdict on their writer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import Cli
from expert import Expert, corpus, pool, spec

from ragvlc.analysis.page import html_page
from ragvlc.analysis.results import Results
from ragvlc.documents.dataset import REJECTED
from ragvlc.questions.files import SetFiles, read_questions, write_questions
from ragvlc.questions.runner import make_questions
from ragvlc.results.generated import generated_share

EXPERIMENT = """
name: own
dataset: {kind: jsonl, path: set}
pipelines: [whole.yaml, again.yaml]
metrics: [contains]
tracker: %s
"""
PIPELINE = """
generators: {main: {kind: scripted, default: "Ada Ashdown"}}
routes: {whole: {kind: full_context}}
"""
SENTENCE = "All 6 were written by scripted; 2 of 6 reviewed by a person."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with a set of questions, two of them reviewed, and an experiment over it."""
    given = spec(tmp_path, corpus(6), count=6, kinds=["one_place"])
    with pool(tmp_path, Expert()) as engines:
        made = make_questions(given, tmp_path / "set", pool=engines)
    items = read_questions(made.files.questions)
    reviewed = [replace(item, review={"decision": "accepted"}) for item in items[:2]]
    write_questions(made.files.questions, [*reviewed, *items[2:]])
    (tmp_path / "whole.yaml").write_text(PIPELINE)
    (tmp_path / "again.yaml").write_text(PIPELINE.replace("Ada Ashdown", "Bruno Ashdown"))
    (tmp_path / "own.yaml").write_text(EXPERIMENT % "none")
    return tmp_path


def test_reports_pages_and_lists_say_so(folder: Path, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = ragvlc("plan", "own.yaml")
    assert SENTENCE in done.out
    for command in (("estimate", "own.yaml"), ("check", "own.yaml")):
        assert SENTENCE in " ".join(ragvlc(*command).out.split())
    done = ragvlc("run", "own.yaml")
    assert done.code == 0
    words = " ".join(done.out.split())
    assert f"Generated questions: {SENTENCE}" in words
    for table in ("Scores", "Difference to whole", "Coverage and cost"):
        assert f"{table} (generated questions, 2 of 6 reviewed)" in words
    assert "scripted wrote these questions and is judged on them in every cell" in words
    for command in (("show", "own"), ("compare", "own", "whole", "again")):
        assert SENTENCE in " ".join(ragvlc(*command).out.split())
    results = Results.load(folder / "runs" / "own")
    page = html_page(results)
    assert SENTENCE in page
    assert page.count("(generated questions, 2 of 6 reviewed)") >= 3
    assert "scripted wrote these questions" in page
    frame = results.frame()
    assert set(frame["tag_generated"]) == {True}


def test_a_run_in_mlflow_says_so(folder: Path, ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    (folder / "own.yaml").write_text(EXPERIMENT % f'{{kind: mlflow, uri: "{uri}"}}')
    assert ragvlc("run", "own.yaml").code == 0
    client = MlflowClient(uri)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert len(runs) == 3
    for run in runs:
        assert run.data.tags["ragvlc.generated"] == "true"
        assert run.data.tags["ragvlc.generated.by"] == "scripted"
        assert run.data.tags["ragvlc.generated.questions"] == "6 of 6"
        assert run.data.tags["ragvlc.generated.reviewed"] == "2 of 6"


def test_another_writer_is_not_named_in_the_verdict(folder: Path, ragvlc: Cli, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    path = SetFiles.at(folder / "set").questions
    path.write_text(path.read_text().replace('"written_by": "scripted"', '"written_by": "someone"'))
    words = " ".join(ragvlc("run", "own.yaml").out.split())
    assert "written by someone" in words
    assert "judged on them" not in words


def test_questions_of_people_have_no_such_words() -> None:
    assert generated_share([{"level": "hard"}, {}]) is None
    share = generated_share([{"generated": True, "written_by": "a", "marked": "ambiguous"}, {"generated": False}])
    assert share is not None
    assert share.sentence == (
        "Generated questions: 1 of 2 were written by a; 0 of 1 reviewed by a person; 1 could not be judged by every "
        "filter."
    )


def test_rejected_questions_count_as_reviewed_and_are_tagged() -> None:
    tags = [{"generated": True, "written_by": "a", "reviewed": "accepted"}, {"generated": True, "written_by": "a"}]
    share = generated_share(tags, {REJECTED: 2, "row without a question": 5})
    assert share is not None
    assert share.sentence == ("Generated questions: All 2 were written by a; 3 of 4 reviewed by a person, 2 rejected.")
    assert share.tags()["generated.reviewed"] == "3 of 4"
    assert share.tags()["generated.rejected"] == "2"
