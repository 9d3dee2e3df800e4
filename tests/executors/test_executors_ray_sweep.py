"""A sweep comes to the same results on a cluster as in one process, and its folder has one writer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from ray_things import notes, until

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core.errors import SetupError
from ragvlc.sweep.runner import Outcome, run_sweep
from ragvlc.sweep.spec import Sweep

COLOURS = ("red", "blue", "green", "grey")
RULES = {f"Thing {n} is (\\w+)[^?]*thing {n}\\?": "\\1" for n in range(12)}
RAY = {"kind": "ray", "workers": 2, "cpus": 0.1}
RAG = {
    "generators": {"main": {"kind": "scripted", "replies": RULES, "default": "unknown"}},
    "routes": {
        "rag": {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 10}, "selector": {"kind": "top_k", "k": 2}}
    },
}
FULL = {**RAG, "routes": {"full": "full_context"}}
SAMPLED = {
    "generators": {"main": {"kind": "scripted", "temperature": 1, "default": "{seed}"}},
    "routes": {"full": "full_context"},
}


def write_set(folder: Path, count: int = 12, documents: int = 3) -> str:
    folder.mkdir()
    texts = [
        " ".join(f"Thing {n} is {COLOURS[n % 4]}, as everybody knows." for n in range(place, 40, documents))
        for place in range(documents)
    ]
    rows = {
        "documents": [{"doc_id": f"d{n}", "title": f"Things {n}", "text": text} for n, text in enumerate(texts)],
        "questions": [
            {
                "question_id": f"q{n}",
                "doc_ids": [f"d{n % documents}"],
                "question": f"What colour is thing {n}?",
                "answers": [COLOURS[n % 4]],
                "task": "extractive_qa",
            }
            for n in range(count)
        ],
    }
    for name, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def sweep_over(folder: str, **fields: Any) -> dict[str, Any]:
    given = {
        "dataset": {"kind": "jsonl", "path": folder},
        "pipelines": {"full": FULL, "rag": RAG},
        "metrics": ["contains"],
        "concurrency": 3,
        "tracker": "none",
    }
    return given | fields


def ran(runs: Path, **fields: Any) -> Outcome:
    return run_sweep(config.build(Sweep, {"name": "things"} | fields, "test"), runs)


def row_counts(runs: Path) -> dict[str, Counter[str]]:
    """Returns how many lines each question has, by cell."""
    return {
        file.parent.name: Counter(json.loads(line)["id"] for line in file.read_text("utf-8").splitlines())
        for file in runs.rglob("predictions.jsonl")
    }


def standing(folder: Path) -> dict[str, Any]:
    """Returns all that two runs must agree on: everything but times, and whether a result was found or made."""
    found: dict[str, Any] = {}
    for cell in Results.load(folder).cells:
        for name, row in cell.rows.items():
            answer = row.answer
            assert answer is not None, row.failure
            chunks = [(hit.chunk.document_id, hit.chunk.start, hit.chunk.end, hit.score) for hit in answer.ranking]
            found[f"{cell.facts['key']} {name}"] = (
                answer.text,
                answer.route,
                chunks,
                answer.context,
                answer.usage,
                answer.bills,
                dict(row.scores),
                row.example_key,
            )
    return found


def test_results_are_those_of_one_process(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    things = write_set(tmp_path / "things")
    fields = sweep_over(
        things,
        pipelines={"full": FULL, "rag": RAG, "sampled": SAMPLED},
        axes={"routes.rag.order": ["random", "document"]},
        repeats=2,
    )
    outcomes = {}
    for name, executor in (("one", {"kind": "local"}), ("many", RAY)):
        monkeypatch.setenv("RAGVLC_STORE", str(tmp_path / name / "store"))
        outcomes[name] = ran(tmp_path / name, **fields, executor=executor)
        assert outcomes[name].complete
    one, many = (standing(outcome.folder) for outcome in outcomes.values())
    assert len(one) == 6 * 12
    assert many == one
    assert len({key: value[0] for key, value in many.items() if value[0].isdigit()}) == 24  # seeds of their own
    counts = {name: outcome.counts for name, outcome in outcomes.items()}
    for stage in ("rank", "generate"):
        assert counts["many"].asked[stage] == counts["one"].asked[stage]
    assert 12 <= counts["many"].computed["rank"] <= 24  # each once, or once in each worker


def test_a_worker_killed_amid_a_sweep_leaves_one_row_a_question(cluster: None, tmp_path: Path) -> None:
    main = {"kind": "ray_things:Noting", "folder": str(tmp_path), "kills": r"thing 9\?", "together": 2}
    noting = {"generators": {"main": main}, "routes": {"full": "full_context"}}
    things = write_set(tmp_path / "things", count=40)
    outcome = ran(tmp_path / "runs", **sweep_over(things, pipelines={"noting": noting}, executor=RAY, cache=False))
    assert (tmp_path / "killed").exists()
    assert outcome.complete
    [counts] = row_counts(tmp_path / "runs").values()
    assert counts == {f"q{n}": 1 for n in range(40)}


def test_too_many_failures_stop_a_cell_and_no_other(cluster: None, tmp_path: Path) -> None:
    flaky = {"generators": {"main": {"kind": "ragvlc.testing:Flaky", "fails": "thing"}}, "routes": FULL["routes"]}
    things = write_set(tmp_path / "things", count=60)
    fields = sweep_over(things, pipelines={"flaky": flaky, "full": FULL}, executor=RAY | {"workers": 1})
    outcome = ran(tmp_path / "runs", **fields)
    assert sorted(outcome.status.values()) == ["complete", "stopped"]
    rows = {cell.name: len(cell.rows) for cell in outcome.results().cells}
    assert rows["full"] == 60
    assert 7 <= rows["flaky"] <= 20  # more than a tenth, and what was in work then


def test_models_are_tried_on_a_worker_before_the_first_question(cluster: None, tmp_path: Path) -> None:
    main = {"kind": "ray_things:Noting", "folder": str(tmp_path)}
    down = {"kind": "openai_compatible", "url": "http://127.0.0.1:9/v1", "model": "tiny", "window": 4096}
    noting = {"generators": {"main": main}, "routes": {"full": "full_context"}}
    served = {"generators": {"main": down}, "routes": {"full": "full_context"}}
    things = write_set(tmp_path / "things")
    fields = sweep_over(things, pipelines={"noting": noting, "served": served}, executor=RAY | {"workers": 1})
    with pytest.raises(SetupError, match="refused"):
        ran(tmp_path / "runs", **fields)
    assert not (tmp_path / "notes").exists(), "no model is loaded as long as a server is missing"
    outcome = ran(tmp_path / "runs", **(fields | {"pipelines": {"noting": noting}}))
    assert outcome.complete
    word, _, process, when = notes(tmp_path)[0]
    assert word == "open"
    assert process != os.getpid()
    assert when < min(start for what, _, _, start in notes(tmp_path) if what == "begin")


def test_a_cluster_of_its_own_is_interrupted_and_ends_with_the_sweep(needs_ray: None, tmp_path: Path) -> None:
    main = {"kind": "ray_things:Noting", "folder": str(tmp_path), "seconds": 0.2}
    noting = {"generators": {"main": main}, "routes": {"full": "full_context"}}
    things = write_set(tmp_path / "things", count=400)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"RAGVLC_STORE": str(tmp_path / "store"), "PYTHONPATH": path}
    file = tmp_path / "slow.yaml"
    file.write_text(yaml.safe_dump(sweep_over(things, pipelines={"noting": noting}, executor=RAY)), encoding="utf-8")
    command = [sys.executable, "-m", "ragvlc", "run", str(file), "--runs", str(tmp_path / "runs")]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that Ctrl-C, which a terminal sends to a whole group, does not end the tests
    )
    try:
        assert until(lambda: sum(map(Counter.total, row_counts(tmp_path / "runs").values())) >= 5, 240)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    [counts] = row_counts(tmp_path / "runs").values()
    assert set(counts.values()) == {1}
    assert sum(word == "begin" for word, *_ in notes(tmp_path)) == counts.total() < 400
    assert until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
