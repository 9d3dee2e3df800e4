"""The command line as a user meets it: what it prints where, its exit status, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from command_line import Cli, Said

from ragvlc.analysis.results import Results
from ragvlc.families import Metric, Route, Score

FULL = {
    "generators": {"main": {"kind": "scripted", "replies": {"high": "31 metres"}, "default": "B"}},
    "routes": {"full": "full_context"},
}
RAG = {"generators": {"main": {"kind": "scripted", "default": "It stays in harbour"}}, "routes": {"rag": "retrieve"}}
SWEEP: dict[str, Any] = {
    "dataset": "toy",
    "pipelines": {"full": FULL, "rag": RAG},
    "axes": {"routes.rag.chunker.size": [24, 64]},
    "metrics": ["contains", "choice_accuracy"],
    "tracker": "none",
}


def write(path: str, value: Any) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(value if isinstance(value, str) else yaml.safe_dump(value), encoding="utf-8")
    return path


# --- the sweep commands


def test_plan_shows_cells_and_shared_work_and_writes_nothing(ragvlc: Cli, tmp_path: Path) -> None:
    said = ragvlc("plan", write("sweep.yaml", SWEEP))
    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()[2:5]] == ["full", "rag", "rag"]
    assert "3 cells, 27 answers" in said.out
    assert "2 chunkings, 2 rankings" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.yaml"]


def test_plan_counts_one_of_everything_in_the_singular(ragvlc: Cli) -> None:
    one = {name: pipeline for name, pipeline in SWEEP["pipelines"].items() if name == "rag"}
    said = ragvlc("plan", write("sweep.yaml", SWEEP | {"pipelines": one, "axes": {}}), "--limit", "1")
    assert "1 cell, 1 answer. " in said.out
    assert "1 chunking, 1 ranking; " in " ".join(said.out.split())


def test_plan_names_the_strategy_and_refuses_a_metric_that_it_cannot_go_by(ragvlc: Cli) -> None:
    held = {"dataset": {"kind": "needle", "questions": 24, "documents": 24, "length": 256}}
    said = ragvlc("plan", write("sweep.yaml", SWEEP | held), "--set", "strategy=race")
    assert said.code == 0
    assert "Strategy race, by contains: asks fewer than these answers" in said.out
    said = ragvlc("plan", "sweep.yaml", "--set", "strategy={kind: race, metric: contain}")
    assert (said.code, said.out) == (2, "")
    assert "strategy.metric: 'contain' is no metric of this sweep. Known: contains" in said.err


def test_run_prints_the_report_on_out_and_progress_on_err(ragvlc: Cli) -> None:
    said = ragvlc("run", write("sweep.yaml", SWEEP))
    assert said.code == 0
    for words in ("Scores", "Difference to full", "Coverage and cost", "Best contains: ", "27 prompts"):
        assert words in said.out
        assert words not in said.err
    assert re.search(r"^rag size=24: complete, contains 0\.\d+$", said.err, re.MULTILINE)
    assert Results.load("runs/sweep").cells[0].complete
    again = ragvlc("run", "sweep.yaml")
    assert "3 cells: 27 of 27 answers are stored already" in again.err
    assert "cache hits" not in again.out
    report = ragvlc("report", "sweep.yaml")
    assert report.out == said.out[: said.out.index("Requested in this run")]
    assert (report.code, report.err) == (0, "")


def test_limit_set_and_runs_are_heeded_and_recorded(ragvlc: Cli) -> None:
    said = ragvlc(
        "run",
        write("sweep.yaml", SWEEP),
        "--limit",
        "4",
        "--runs",
        "out",
        "--set",
        "routes.rag.chunker.size=50",
        "--set",
        "name=mine",
    )
    assert said.code == 0
    results = Results.load("out/mine")
    assert [cell.name for cell in results.cells] == ["full", "rag"]
    assert [len(cell.rows) for cell in results.cells] == [4, 4]
    assert results.cells[1].facts["settings"] == {"routes.rag.chunker.size": 50}
    kept = yaml.safe_load(Path("out/mine/sweep.yaml").read_text())
    assert kept["dataset"]["limit"] == 4
    assert kept["axes"] == {"routes.rag.chunker.size": [50]}
    assert not Path("runs").exists()


def test_limit_reaches_data_sets_that_an_axis_brings(ragvlc: Cli) -> None:
    sweep = SWEEP | {"axes": {"dataset": ["toy", {"kind": "toy", "seed": 1}]}}
    assert ragvlc("run", write("sweep.yaml", sweep), "--limit", "2").code == 0
    assert [len(cell.rows) for cell in Results.load("runs/sweep").cells] == [2, 2]


def test_a_results_folder_stands_for_its_experiment(ragvlc: Cli) -> None:
    assert ragvlc("run", write("sweep.yaml", SWEEP), "--limit", "3", "--runs", "elsewhere").code == 0
    Path("sweep.yaml").unlink()
    assert ragvlc("run", "elsewhere/sweep", "--limit", "5").code == 0
    assert len(Results.load("elsewhere/sweep").cells[0].rows) == 5
    for command in ("report", "score", "track", "show", "plan"):
        assert ragvlc(command, "elsewhere/sweep").code == 0, command
    assert not Path("runs").exists()


def test_an_experiment_is_found_by_the_name_it_gives_itself(ragvlc: Cli) -> None:
    write("sweep.yaml", SWEEP | {"name": "v1.2 final"})
    assert ragvlc("run", "sweep.yaml", "--limit", "1").code == 0
    assert ragvlc("report", "sweep.yaml").code == 0
    assert ragvlc("report", "v1.2 final").code == 0
    assert ragvlc("report", "runs/v1.2 final").code == 0


def test_score_uses_todays_metrics(ragvlc: Cli) -> None:
    ragvlc("run", write("sweep.yaml", SWEEP))
    write("sweep.yaml", SWEEP | {"metrics": ["token_f1"]})
    said = ragvlc("score", "sweep.yaml")
    assert said.code == 0
    assert "token_f1" in said.out
    assert "contains" not in said.out


def test_show_lists_questions_and_shows_one(ragvlc: Cli) -> None:
    ragvlc("run", write("sweep.yaml", SWEEP))
    listed = ragvlc("show", "sweep.yaml")
    assert listed.code == 0
    assert re.search(r"^ ?toy-height +How high is the tower of the lighthouse\? +0\.33 +1/3", listed.out, re.MULTILINE)
    shown = ragvlc("show", "sweep.yaml", "--question", "toy-fog")
    assert "B. It stays in harbour" in shown.out
    assert "accepted: It stays in harbour" in shown.out
    assert re.search(r"^ ?rag size=24 +It stays in harbour", shown.out, re.MULTILINE)


def test_report_takes_another_baseline(ragvlc: Cli) -> None:
    ragvlc("run", write("sweep.yaml", SWEEP))
    assert "Difference to rag size=64" in ragvlc("report", "sweep.yaml", "--baseline", "rag size=64").out


def test_report_decides_with_a_margin_from_the_file_or_the_command_line(ragvlc: Cli) -> None:
    decide = {"metric": "contains", "margin": 0.9}
    said = ragvlc("run", write("sweep.yaml", SWEEP | {"decide": decide}))
    assert said.code == 0
    assert "Decision against full" in said.out
    assert "\nDecision: " in said.out
    assert "The margin was given after the run" not in said.out
    given = ragvlc("report", "sweep.yaml", "--decide", "contains=0.2", "--cost", "seconds")
    assert "margin 0.2" in given.out
    assert "The margin was given after the run" in given.out
    assert "margin 0.2" in Path("runs/sweep/report.html").read_text()
    for options, problem in (
        (("--decide", "contains"), "The margin has no default"),
        (("--decide", "contains=3%"), "needs METRIC=MARGIN"),
        (("--decide", "contain=.1"), "has no metric 'contain'"),
        (("--cost", "money"), "--cost money: needs --decide"),
    ):
        refused = ragvlc("report", "sweep.yaml", *options)
        assert refused.code == 2
        assert problem in refused.err
        assert len(refused.err.splitlines()) == 1


def test_track_says_that_it_sent(ragvlc: Cli) -> None:
    ragvlc("run", write("sweep.yaml", SWEEP))
    said = ragvlc("track", "sweep.yaml")
    assert (said.code, said.out, said.err) == (0, "sent\n", "")


# --- exit status 1


def flaky(pattern: str, **fields: Any) -> dict[str, Any]:
    return {
        "generators": {"main": {"kind": "ragvlc.testing:Flaky", "fails": pattern, **fields}},
        "routes": {"full": "full_context"},
    }


def test_a_stopped_cell_is_status_1_and_says_what_to_do(ragvlc: Cli) -> None:
    sweep = SWEEP | {"pipelines": {"full": flaky("ferry|lighthouse"), "rag": RAG}, "axes": {}}
    said = ragvlc("run", write("sweep.yaml", sweep))
    assert said.code == 1
    assert re.search(
        r"^full: stopped.*max_failures.*\n.*on purpose.*\n.*--retry failed.*ragvlc show", said.out, re.MULTILINE
    )
    assert "full (not complete)" in said.out
    assert "(generate): this prompt fails on purpose" in ragvlc("show", "sweep.yaml", "--question", "toy-height").out
    assert ragvlc("run", "sweep.yaml", "--retry", "failed").code == 1


def test_a_passing_failure_is_status_1_and_says_to_run_again(ragvlc: Cli) -> None:
    sweep = SWEEP | {"pipelines": {"full": flaky("fog", transient=True)}, "axes": {}, "max_failures": 0.5}
    said = ragvlc("run", write("sweep.yaml", sweep))
    assert said.code == 1
    assert re.search(
        r"^full: not complete.*\n.*on purpose.*transient.*\n  Transient: run .*again", said.out, re.MULTILINE
    )


def test_a_tracker_that_is_away_costs_no_result_but_is_told(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    code = "class Away(Tracker):\n    def open(self, sweep):\n        raise OSError('no server')\n"
    write("away_tracker.py", f"from ragvlc.core.families import Tracker\n{code}")
    said = ragvlc("run", write("sweep.yaml", SWEEP | {"tracker": "away_tracker:Away"}))
    assert said.code == 0
    assert "Not sent to the tracker: 3 of 3 cells and the files about the sweep: OSError: no server\n" in said.out
    assert "Send it with: ragvlc track runs/sweep" in said.out
    sent = ragvlc("track", "runs/sweep")
    assert (sent.code, sent.out) == (1, "")
    assert "no server" in sent.err


# --- ask


def test_ask_prints_the_answer_alone(ragvlc: Cli) -> None:
    said = ragvlc(
        "ask", write("full.yaml", FULL), "How high is it?", "--document", write("tower.txt", "It is 31 metres high.")
    )
    assert (said.code, said.out, said.err) == (0, "31 metres\n", "")


def test_ask_says_why_there_is_no_answer(ragvlc: Cli) -> None:
    main = {"kind": "scripted", "default": "<think>It may be 30 or"}
    write("tower.txt", "It is 31 metres high.")
    pipeline = write("thinks.yaml", {"generators": {"main": main}, "routes": {"full": "full_context"}})
    said = ragvlc("ask", pipeline, "How high is it?", "--document", "tower.txt")
    assert (said.code, said.out.strip()) == (0, "")
    assert said.err.startswith("no answer: 1 answer ended with a thought and no answer")


def test_ask_offers_choices(ragvlc: Cli) -> None:
    replies = {"A\\. low\nB\\. tall": "B"}
    pipeline = {
        "generators": {"main": {"kind": "scripted", "replies": replies, "default": "?"}},
        "routes": {"full": "full_context"},
    }
    said = ragvlc(
        "ask",
        write("full.yaml", pipeline),
        "How is it?",
        "--choice",
        "low",
        "--choice",
        "tall",
        "-d",
        write("a.txt", "x"),
    )
    assert said.out == "B\n"


def test_ask_shows_how_the_answer_came_about(ragvlc: Cli) -> None:
    write("tower.txt", "It is 31 metres high. " * 30)
    said = ragvlc("ask", write("rag.yaml", RAG), "How [/b] high?", "-d", "tower.txt", "--trace")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "It stays in harbour"
    assert any(line.startswith("  retrieve: ") and "selected=" in line for line in lines)
    assert any(line.startswith("  [tower.txt 0-") and "31 metres high" in line for line in lines)
    assert re.search(r"  route rag, \d+ prompt and 4 new tokens, 0\.00 s in the engine, finish: stop", lines[-1])


@pytest.mark.parametrize("reply", ["[/b] :smile: [red]x[/red]", "茉莉花茶", "long " * 80])
def test_an_answer_is_printed_as_it_is(ragvlc: Cli, reply: str) -> None:
    pipeline = {
        "generators": {"main": {"kind": "scripted", "default": reply, "window": 9000}},
        "routes": {"full": {"kind": "full_context", "answer_tokens": 500}},
    }
    assert ragvlc("ask", write("full.yaml", pipeline), "?").out == reply.strip() + "\n"


def test_half_a_character_is_printed_somehow() -> None:
    imports = "from ragvlc.cli.main import main\nfrom ragvlc.cli.app import app, out\n"
    code = imports + "@app.command()\ndef odd(): out().print('a\\ud83db')\nmain()"
    done = subprocess.run([sys.executable, "-c", code, "odd"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a\\ud83db\n"), done.stderr


# --- models and help


def test_models_are_listed(ragvlc: Cli) -> None:
    said = ragvlc("models", "list")
    assert said.code == 0
    assert "packaged:smollm2-135m-instruct" in said.out
    assert "not fetched, about" in said.out


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("ask", "--help")])
def test_help_is_shown(ragvlc: Cli, words: tuple[str, ...]) -> None:
    said = ragvlc(*words)
    assert (said.code, said.err) == (0, "")
    assert "Usage: ragvlc" in said.out


def test_help_and_import_are_light() -> None:
    heavy = (
        "torch",
        "transformers",
        "sentence_transformers",
        "mlflow",
        "pandas",
        "numpy",
        "faiss",
        "bm25s",
        "langchain_core",
        "rich.table",
    )
    code = (
        "import sys\nfrom ragvlc.cli.main import main\nsys.argv = ['ragvlc', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ragvlc", "run", "nonsuch"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'nonsuch' is neither a file nor one of the shipped experiments: ")


def test_a_pipe_that_closes_is_no_error(ragvlc: Cli, tmp_path: Path) -> None:
    ragvlc("run", write("sweep.yaml", SWEEP))
    command = f"{sys.executable} -m ragvlc report runs/sweep | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


# --- interruption


def test_ctrl_c_is_status_130_and_loses_nothing(ragvlc: Cli, tmp_path: Path) -> None:
    slow = {
        "generators": {"main": {"kind": "scripted", "default": "x", "seconds_per_call": 0.2}},
        "routes": {"full": "full_context"},
    }
    write("sweep.yaml", SWEEP | {"pipelines": {"full": slow}, "axes": {}, "concurrency": 1})
    process = subprocess.Popen(
        [sys.executable, "-m", "ragvlc", "run", "sweep.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    )

    def rows() -> int:
        return sum(file.read_bytes().count(b"\n") for file in Path("runs").rglob("predictions.jsonl"))

    deadline = time.monotonic() + 60
    while rows() < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert re.search(r"interrupted: \d of 9 questions have a row in runs.sweep\. Run the same command again", err)
    assert "Traceback" not in err
    kept = len(Results.load("runs/sweep").cells[0].rows)
    assert 2 <= kept < 9
    said = ragvlc("run", "sweep.yaml")
    assert said.code == 0
    assert f"1 cell: {kept} of 9 answers are stored already" in said.err
    assert len(Results.load("runs/sweep").cells[0].rows) == 9


@pytest.mark.parametrize("module", ["ragvlc._early", "ragvlc.core.errors", "ragvlc.cli.app"])
def test_ctrl_c_while_starting_shows_no_traceback(module: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "ragvlc", "models"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any(line.rstrip().endswith(f" {module}") for line in process.stderr), "it is being imported"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in err


def test_a_library_leaves_ctrl_c_to_the_program() -> None:
    code = "import ragvlc, signal; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ctrl_c_while_asking_is_status_130(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("ragvlc.engines.scripted.engine.ScriptedEngine.generate", interrupt)
    said = ragvlc("ask", write("full.yaml", FULL), "?")
    assert said.code == 130
    assert said.out == ""


def test_ctrl_c_before_signals_are_handled_is_status_130(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("ragvlc.cli.main.handled_signals", interrupt)
    monkeypatch.setattr("ragvlc.cli.interrupting.threading.Timer", Mock())  # it would end this process
    said = ragvlc("models")
    assert said.code == 130
    assert "interrupted. Run the same command again to continue." in said.err


# --- bad input


def good(**fields: Any) -> dict[str, Any]:
    return SWEEP | fields


def with_route(route: Any) -> dict[str, Any]:
    return SWEEP | {"pipelines": {"a": FULL | {"routes": {"r": route}}}}


class Scoreless(Metric):
    """Has no score."""


class Assessing(Metric):
    """Needs a model, and does not say when it applies."""

    def assess(self, answer: Any, example: Any, engines: Any) -> Any:
        return Score(1.0)


class Unfinished(Route):
    """Answers nothing."""


BAD_SWEEPS: dict[str, tuple[Any, str]] = {
    "empty": ("", "needs a mapping of names to values"),
    "a list": ("[1, 2]", "needs a mapping of names to values"),
    "torn YAML": ("dataset: {kind: toy", "line 1"),
    "a tab": ("dataset:\n\tkind: toy", "line 2"),
    "a name twice": ("dataset: toy\ndataset: toy", "'dataset' is given twice"),
    "a python tag": ("dataset: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
    "an unknown field": (good(metricks=["contains"]), "Nearest: metrics."),
    "no data set": ({key: value for key, value in SWEEP.items() if key != "dataset"}, "dataset: is missing."),
    "an unknown data set": (good(dataset="tou"), "Nearest: toy."),
    "no pipelines": (good(pipelines={}), "pipelines: "),
    "pipelines of a wrong kind": (good(pipelines=5), "pipelines: "),
    "a missing pipeline": (good(pipelines=["rga"]), "Nearest: rag."),
    "a pipeline without routes": (good(pipelines={"a": {"generators": {}}}), "pipelines.a.routes: is missing."),
    "an unknown kind of route": (with_route("retrive"), "Nearest: retrieve."),
    "a role that is not there": (with_route({"kind": "retrieve", "generator": "mian"}), "Nearest: main."),
    "code that is not there": (with_route("nowhere.at_all:Route"), "cannot be imported"),
    "code of another family": (good(metrics=["ragvlc.testing:Flaky"]), "is not a subclass of"),
    "a metric without a score": (good(metrics=["test_cli:Scoreless"]), "defines no score. Define score(self, answer"),
    "a metric that does not say when": (good(metrics=["test_cli:Assessing"]), "Define applies(self, example: Example)"),
    "a class without its method": (with_route("test_cli:Unfinished"), "is abstract. Define answer(self, query: Query,"),
    "an unknown metric": (good(metrics=["contain"]), "Nearest: contains."),
    "no metrics": (good(metrics=[]), "metrics: "),
    "a metric twice": (good(metrics=["contains", "contains"]), "two metrics are called 'contains'"),
    "an unknown baseline": (good(baseline="ful"), "Nearest: full."),
    "a name with a slash": (good(name="../up"), "name: "),
    "axes as a list": (good(axes=[1]), "axes: "),
    "an axis without values": (good(axes={"routes.rag.chunker.size": []}), "has no values"),
    "an axis that is one value": (good(axes={"routes.rag.chunker.size": 5}), "axes.routes.rag.chunker.size"),
    "a path with a slip": (good(axes={"routes.rag.chunker.sise": [5]}), "Nearest: routes.rag.chunker.size."),
    "a value that is refused": (good(axes={"routes.rag.chunker.size": [0]}), "rag: routes.rag.chunker.size: "),
    "no such folder of data": (good(dataset={"kind": "jsonl", "path": "nowhere"}), "nowhere"),
    "a data set's own mistake": (good(dataset={"kind": "jsonl", "path": "broken"}), "questions.jsonl"),
    "repeats of 0": (good(repeats=0), "repeats: "),
    "a key that is a number": (good(axes={5: [1]}), "axes"),
}  # fmt: skip


def clear(said: Said) -> None:
    """The one shape of all errors: status 2, nothing on out, sentences on err."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert all(line.startswith("error: ") for line in said.err.splitlines()), said.err


@pytest.mark.parametrize("what", BAD_SWEEPS)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_bad_sweep_is_told_in_a_sentence(ragvlc: Cli, command: str, what: str) -> None:
    write("broken/documents.jsonl", '{"doc_id": "d", "title": "", "text": "x"}\n')
    write("broken/questions.jsonl", "{\n")
    given, told = BAD_SWEEPS[what]
    said = ragvlc(command, write("sweep.yaml", given))
    clear(said)
    assert told in said.err
    assert not Path("runs/sweep/cells.json").exists()


def test_every_problem_of_a_file_is_told_at_once(ragvlc: Cli) -> None:
    said = ragvlc("run", write("sweep.yaml", good(metrics=["contain"], dataset="tou", repeats=0)))
    clear(said)
    assert len(said.err.splitlines()) == 3
    assert all("sweep.yaml: " in line for line in said.err.splitlines())


BAD_WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "no such experiment": (("run", "missing.yaml"), "neither a file nor one of the shipped experiments"),
    "a slip in its name": (("run", "quickstrat"), "Nearest: quickstart."),
    "a folder without results": (("run", "."), "neither a file nor"),
    "a setting without a value": (("run", "sweep.yaml", "--set", "repeats"), "needs PATH=VALUE"),
    "a setting that is no YAML": (("run", "sweep.yaml", "--set", "repeats=[1"), "--set repeats=[1: line 1"),
    "a setting with a slip": (("plan", "sweep.yaml", "--set", "routes.rag.ordr=x"), "Nearest: routes.rag.order."),
    "a setting that is refused": (("plan", "sweep.yaml", "--set", "routes.rag.order=5"), "routes.rag.order: "),
    "a field that is refused": (("plan", "sweep.yaml", "--set", "concurrency=0"), "concurrency: "),
    "a setting of the data that is refused": (("plan", "sweep.yaml", "--set", "dataset.limmit=1"), "Nearest: limit."),
    "an unknown retry": (("run", "sweep.yaml", "--retry", "all"), "Known: failed."),
    "runs that are a file": (("run", "sweep.yaml", "--runs", "sweep.yaml"), "cannot be written"),
    "a report of nothing": (("report", "sweep.yaml"), "no results here"),
    "a report of nonsense": (("report", "nonsuch"), "no results here"),
    "a score of nothing": (("score", "sweep.yaml"), "no results here"),
    "a track of nothing": (("track", "sweep.yaml"), "no results here"),
    "a show of nothing": (("show", "nonsuch"), "no results here"),
    "an unknown baseline": (("report", "done", "--baseline", "ful"), "Nearest: full."),
    "an unknown question": (("show", "done", "--question", "toy-heigth"), "Nearest: toy-height."),

    "no such pipeline": (("ask", "nonsuch", "?"), "neither a file nor one of the shipped pipelines"),
    "a slip in a pipeline": (("ask", "rga", "?"), "Nearest: rag."),
    "no such document": (("ask", "full.yaml", "?", "-d", "missing.txt"), "missing.txt: no such file"),
    "no such folder of documents": (("ask", "full.yaml", "?", "-d", "papers"), "papers: no such file or folder"),
    "a document that is no text": (("ask", "full.yaml", "?", "-d", "picture.png"), "text in them needs OCR"),
    "a document that does not fit": (("ask", "refuse.yaml", "?", "-d", "long.txt"), "truncation is 'refuse'"),
    "an unknown model": (("models", "fetch", "smolm2-135m-instruct"), "Nearest: smollm2-135m-instruct."),
    "an unknown action": (("models", "eat"), "Known: list, fetch."),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_WORDS)
def test_bad_words_are_told_in_a_sentence(ragvlc: Cli, what: str) -> None:
    write("sweep.yaml", SWEEP)
    write("full.yaml", FULL)
    refuse = {"kind": "full_context", "truncation": "refuse"}
    write("refuse.yaml", {"generators": {"main": {"kind": "scripted", "window": 60}}, "routes": {"full": refuse}})
    write("long.txt", "word " * 200)
    Path("picture.png").write_bytes(b"\x89PNG\xff")
    if "done" in BAD_WORDS[what][0] or "old" in BAD_WORDS[what][0]:
        for name in ("done", "old"):
            assert ragvlc("run", "sweep.yaml", "--set", f"name={name}", "--limit", "9", "--set", "axes={}").code == 0
        write(
            f"runs/old/{Results.load('runs/old').cells[0].facts['key']}/predictions.jsonl", json.dumps({"id": 1}) + "\n"
        )
    words, told = BAD_WORDS[what]
    said = ragvlc(*words)
    clear(said)
    assert told in said.err


@pytest.mark.parametrize(
    "words", [("run", "x", "--limit", "0"), ("run", "--nonsense"), ("runn",), ("ask", "--nonsense")]
)
def test_words_that_are_no_command_are_status_2(ragvlc: Cli, words: tuple[str, ...]) -> None:
    said = ragvlc(*words)
    assert (said.code, said.out) == (2, "")
    assert "Usage: ragvlc" in said.err


# --- what a terminal shows


@pytest.mark.parametrize("columns", [80, 100])
def test_nothing_is_wider_than_the_terminal(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = ragvlc("run", write("sweep.yaml", SWEEP))
    assert max(len(line) for line in said.out.splitlines()) <= columns
    assert max(len(line) for line in ragvlc("show", "sweep.yaml").out.splitlines()) <= columns
    assert os.environ["COLUMNS"] == str(columns)
