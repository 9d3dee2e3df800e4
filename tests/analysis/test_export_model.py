"""A cell's pipeline as an MLflow model: it answers as the pipeline does, loaded and served."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from command_line import Cli

from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError

TEXTS = {"a.md": "# A\n\nThe tower is 31 metres high.", "b.md": "# B\n\nThe bridge is 90 metres long."}
FILES = {
    **{f"docs/{name}": text for name, text in TEXTS.items()},
    "docs/questions.csv": "question,answers,documents\nHow high is it?,31 metres,a.md\n"
    "How long is it?,90 metres,b.md\n",
    "exp.yaml": "dataset: {kind: folder, path: docs, questions: questions.csv}\npipelines: [good.yaml, bad.yaml]\n"
    "metrics: [contains]\ntracker: none\n",
    "good.yaml": "generators: {main: {kind: scripted, replies: {'The (tower|bridge) is ([^.]+)': '\\2'}}}\n"
    "routes: {full: {kind: full_context}}\nrouter: always\n",
    "bad.yaml": "generators: {main: {kind: scripted, default: 'no'}}\n"
    "routes: {full: {kind: full_context}}\nrouter: always\n",
}


@pytest.fixture
def results(tmp_path: Path, ragvlc: Cli) -> Results:
    """Returns the results of two pipelines, of which `good` is the better."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    done = ragvlc("run", "exp.yaml")
    assert done.code == 0, done.err
    return Results.load(tmp_path / "runs/exp")


def asked(results: Results, cell: str) -> tuple[list[dict], list[str]]:
    """Returns the questions with their documents as a model takes them, and the stored answers of a cell."""
    chosen = results.cell(cell)
    rows = [
        {"question": one["question"], "documents": [TEXTS[name] for name in one["documents"]]}
        for one in chosen.examples.values()
    ]
    return rows, [chosen.rows[name].answer.text for name in chosen.examples]  # type: ignore[union-attr]


@pytest.mark.parametrize("cell", [None, "bad"])
def test_a_loaded_model_answers_as_the_cell_did(results: Results, ragvlc: Cli, cell: str | None) -> None:
    from mlflow import pyfunc

    done = ragvlc("export", "exp", "--to", "model", *(("--cell", cell) if cell else ()))
    assert done.code == 0, done.err
    assert f"MLflow model of {cell or 'good'}" in done.out
    rows, answers = asked(results, cell or "good")
    found = pyfunc.load_model(str(results.folder / "export/model")).predict(pd.DataFrame(rows))
    assert [one["answer"] for one in found] == answers
    assert answers == (["no", "no"] if cell else ["31 metres high", "90 metres long"])
    assert all(one["route"] == "full" and one["prompt_tokens"] > 5 for one in found)


def test_a_row_without_a_question_is_one_error(results: Results) -> None:
    from mlflow import pyfunc

    results.export(to=["model"])
    model = pyfunc.load_model(str(results.folder / "export/model"))
    with pytest.raises(ConfigError, match="question: is missing in a row"):
        model.predict(pd.DataFrame([{"question": " ", "documents": ["x"]}]))


def test_by_default_there_is_no_model_and_a_cell_needs_one(results: Results, ragvlc: Cli) -> None:
    assert "model" not in {one.path.name for one in results.export(to=["csv"])}
    done = ragvlc("export", "exp", "--cell", "good")
    assert done.code == 2
    assert "Add --to model" in done.err
    done = ragvlc("export", "exp", "--to", "model", "--cell", "goo")
    assert done.code == 2
    assert "Nearest: good." in done.err


def test_only_a_model_is_replaced(results: Results) -> None:
    place = results.folder / "export/model"
    for _ in range(2):
        results.export(to=["model"])
    (place / "MLmodel").unlink()
    with pytest.raises(ConfigError, match="is in the way"):
        results.export(to=["model"])
    assert (place / "data/pipeline.yaml").is_file()


@pytest.mark.slow
def test_a_served_model_answers_as_the_cell_did(results: Results, tmp_path: Path) -> None:
    results.export(to=["model"])
    rows, answers = asked(results, "good")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(results.folder / "export/model")]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    own = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = (tmp_path / "serve.log").open("wb")
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        body = json.dumps({"dataframe_records": rows}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        until = time.monotonic() + 300
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as reply:
                    found = json.load(reply)["predictions"]
                break
            except OSError:
                said = (tmp_path / "serve.log").read_text("utf-8", "replace")
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(1)
        assert [one["answer"] for one in found] == answers
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()
