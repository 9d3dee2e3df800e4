"""Files named on the command line belong to the folder where the command is typed, whatever file they change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Cli

FULL = {"generators": {"main": {"kind": "scripted", "default": "31 metres"}}, "routes": {"full": "full_context"}}
SWEEP = {"dataset": "toy", "pipelines": ["full.yaml"], "metrics": ["contains"], "tracker": "none"}
DOCUMENT = {"doc_id": "d", "text": "The tower is 31 metres high."}
QUESTION = {"question_id": "q", "doc_id": "d", "question": "How high is it?", "answers": ["31 metres"]}


def put(path: str, value: Any) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(value) if file.suffix == ".yaml" else json.dumps(value) + "\n")


@pytest.fixture
def typed(ragvlc: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in a folder with data, beside one with an experiment and other data."""
    monkeypatch.chdir(tmp_path)
    put("far/sweep.yaml", SWEEP)
    put("far/full.yaml", FULL)
    for folder in ("here/data", "far/other"):
        put(f"{folder}/documents.jsonl", DOCUMENT)
        put(f"{folder}/questions.jsonl", QUESTION)
    monkeypatch.chdir(tmp_path / "here")
    return ragvlc


def test_a_renamed_results_folder_is_continued_where_it_is(typed: Cli, tmp_path: Path) -> None:
    data = ("--set", "dataset={kind: jsonl, path: data}")
    typed("run", "../far/sweep.yaml", *data, "--runs", "../runs")
    rows = next((tmp_path / "runs/sweep").glob("*/predictions.jsonl"))
    (tmp_path / "runs/sweep").rename(tmp_path / "runs/before")
    before = tmp_path / "runs/before" / rows.parent.name / rows.name
    whole = before.read_bytes()
    for verb in ("run", "score"):
        said = typed(verb, "../runs/before")
        assert said.code == 0, said
        assert before.read_bytes() == whole
        assert not (tmp_path / "runs/sweep").exists()
    before.unlink()
    assert typed("run", "../runs/before").code == 0
    assert before.read_bytes().count(b"\n") == 1
    typed("run", "../runs/before", "--set", "name=other")
    assert (tmp_path / "runs/other").is_dir()


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "dataset={kind: jsonl, path: data}"),
        ("--set", "dataset.kind=jsonl", "--set", "dataset.path=../here/data"),
        ("--set", "dataset.path=./data", "--set", "dataset.kind=jsonl"),
        ("--set", "axes={dataset: [{kind: jsonl, path: data}]}"),
    ],
)
def test_a_run_finds_its_data_from_the_current_folder_and_again_from_any(
    typed: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    said = typed("run", "../far/sweep.yaml", *words, "--runs", "../runs")
    assert said.code == 0, said.err
    monkeypatch.chdir(tmp_path)
    assert "1 of 1 answers are stored already" in typed("run", "runs/sweep").err
    whole = f"dataset={{kind: jsonl, path: {tmp_path}/here/data}}"
    assert "1 of 1 answers are stored already" in typed("run", "far/sweep.yaml", "--set", whole).err  # the same cell


@pytest.mark.parametrize("command", ["run", "plan", "estimate", "score", "track"])
def test_data_beside_the_experiment_alone_is_not_taken(typed: Cli, tmp_path: Path, command: str) -> None:
    said = typed(command, "../far/sweep.yaml", "--set", "dataset={kind: jsonl, path: other}")
    assert (said.code, said.out) == (2, "")
    assert (
        f"dataset: 'other' is seen from {tmp_path / 'here'}, and {tmp_path / 'here' / 'other'} does not exist"
        in said.err
    )
    assert f"seen from {tmp_path / 'far'} it would be {tmp_path / 'far' / 'other'}." in said.err
    assert typed(command, "../far/sweep.yaml", "--set", "pipelines=[full.yaml]").code == 2


def test_estimating_a_pipeline_sees_models_from_the_current_folder(typed: Cli, tmp_path: Path) -> None:
    served = {"kind": "openai_compatible", "url": "http://127.0.0.1:9/v1", "model": "m", "window": 4096}
    put("../far/served.yaml", {**FULL, "generators": {"main": served}})
    (tmp_path / "far" / "model").mkdir()
    words = ("estimate", "../far/served.yaml", "--context", "100", "--set", "generators.main.tokenizer_from=./model")
    said = typed(*words)
    assert said.code == 2
    assert f"served: --set: './model' is seen from {tmp_path / 'here'}, and" in said.err
    assert str(tmp_path / "far" / "model") in said.err


def test_a_replay_finds_answers_and_questions_from_the_current_folder(
    typed: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"question_id": "q", "route": route, "prediction": "31 metres"} for route in ("rag", "full")]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    put("../far/again.yaml", {"answers": {"routes": {"rag": "rag", "full": "full"}}, "routers": {"random": "random"}})
    words = ("--set", "answers.file=answers.jsonl", "--set", "questions=data")
    assert typed("replay", "../far/again.yaml", *words, "--runs", "../runs").code == 0
    stored = yaml.safe_load(Path("../runs/again/sweep.yaml").read_text())
    assert stored["answers"]["file"] == str(tmp_path / "here" / "answers.jsonl")
    assert stored["questions"] == str(tmp_path / "here" / "data")
    monkeypatch.chdir(tmp_path)
    assert typed("replay", "runs/again/sweep.yaml").code == 0
    said = typed("replay", "far/again.yaml", "--set", "answers.file=here/answers.jsonl", "--set", "questions=other")
    assert said.code == 2
    assert f"questions: 'other' is seen from {tmp_path}, and" in said.err
