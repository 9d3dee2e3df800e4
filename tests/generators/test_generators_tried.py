"""Models and servers are tried before the first question: what is missing is one line and exit 2, within seconds."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import ChatServer, answer, refuse, serving
from command_line import Cli

from ragvlc import config
from ragvlc.analysis.results import Results
from ragvlc.core.engines import Generation, Request, Tokenizer
from ragvlc.core.errors import EngineError, SetupError
from ragvlc.core.families import Embedder, Generator
from ragvlc.core.jobs import Setup
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.pool import EnginePool
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine
from ragvlc.trials import QUESTION, try_setups

OPENED: list[str] = []
OPEN_NOW: list[str] = []
MOST_OPEN: list[int] = []


class Counted(Generator):
    """A model that is loaded here; its opens are counted."""

    label: str = "a"
    fails: str = ""

    def tokenizer(self) -> Tokenizer:
        return WordTokenizer()

    def open(self) -> FunctionEngine:
        if self.fails:
            raise EngineError(self.fails)
        OPENED.append(self.label)
        OPEN_NOW.append(self.label)
        MOST_OPEN.append(len(OPEN_NOW))
        return Engine(lambda prompt: "red", self.label)


class Engine(FunctionEngine):
    def __init__(self, reply: Any, label: str) -> None:
        super().__init__(reply)
        self.label = label

    def generate(self, requests: list[Request]) -> list[Generation]:
        assert all(request.prompt.text() != QUESTION.prompt.text() for request in requests), "opening it is enough"
        return super().generate(requests)

    def close(self) -> None:
        OPEN_NOW.remove(self.label)


class CountedEmbedder(Embedder):
    label: str = "embedder"

    def open(self) -> Any:
        from ragvlc.engines.scripted.word_vectors import WordVectors

        OPENED.append(self.label)
        return WordVectors()


@pytest.fixture(autouse=True)
def fresh() -> None:
    for one in (OPENED, OPEN_NOW, MOST_OPEN):
        one.clear()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving() as running:
        running.default = answer("red.")
        yield running


def data_in(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    documents = [{"doc_id": f"d{i}", "text": f"Thing {i} is red. It is round."} for i in range(6)]
    questions = [
        {"question_id": f"q{i}", "doc_ids": [f"d{i}"], "question": f"Which colour is thing {i}?", "answers": ["red"]}
        for i in range(6)
    ]
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def full(generator: dict[str, Any]) -> dict[str, Any]:
    return {"generators": {"main": generator}, "routes": {"full": "full_context"}}


def counted(label: str = "a", **fields: Any) -> dict[str, Any]:
    return {"kind": f"{__name__}:Counted", "label": label, **fields}


def remote(server: ChatServer | None = None, **fields: Any) -> dict[str, Any]:
    url = server.url if server else "http://127.0.0.1:9/v1"
    return {"kind": "openai_compatible", "url": url, "model": "tiny", "window": 4096} | fields


def sweep_of(tmp_path: Path, pipelines: dict[str, Any], **fields: Any) -> Sweep:
    given = {
        "name": "things",
        "dataset": {"kind": "jsonl", "path": data_in(tmp_path / "data")},
        "metrics": ["contains"],
        "tracker": "none",
        "pipelines": pipelines,
    }
    return config.build(Sweep, given | fields, "test")


def prompts(server: ChatServer) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.requests]


def test_each_served_model_is_asked_one_short_question_which_no_answer_is_charged_for(
    server: ChatServer, tmp_path: Path
) -> None:
    two = {
        "one": full(remote(server)),
        "same": full(remote(server, temperature=0.0)),
        "two": full(remote(server, model="other")),
    }
    outcome = run_sweep(sweep_of(tmp_path, two), tmp_path / "runs")
    assert outcome.complete
    short = [body for body in server.requests if body["messages"][-1]["content"] == QUESTION.prompt.text()]
    assert sorted(body["model"] for body in short) == ["other", "tiny"]
    assert prompts(server)[:2] == [QUESTION.prompt.text()] * 2, "before all others"
    assert [one.usage.calls for one in outcome.trials] == [1, 1]
    results = outcome.results()
    assert all(row.answer.usage.calls == 1 for cell in results.cells for row in cell.rows.values())
    summary = json.loads(next((tmp_path / "runs" / "things").glob("*/summary.json")).read_text())
    assert summary["tried"]["calls"] == 1
    assert outcome.counts.asked["generate"] == 12, "the first two pipelines are one cell"


def test_a_finished_or_cached_sweep_opens_nothing(server: ChatServer, tmp_path: Path) -> None:
    dense = {
        "generators": {"main": counted("rag")},
        "embedders": {"main": {"kind": f"{__name__}:CountedEmbedder"}},
        "routes": {"rag": {"kind": "retrieve", "retriever": "dense"}},
    }
    sweep = sweep_of(tmp_path, {"full": full(counted("full")), "rag": dense, "served": full(remote(server))})
    first = run_sweep(sweep, tmp_path / "runs")
    assert first.complete
    assert sorted(set(OPENED)) == ["embedder", "full", "rag"]
    before, asked = len(OPENED), len(server.requests)
    assert run_sweep(sweep, tmp_path / "runs").complete
    assert (len(OPENED), len(server.requests)) == (before, asked), "finished"
    again = run_sweep(sweep, tmp_path / "elsewhere")
    assert again.complete
    assert (len(OPENED), len(server.requests)) == (before, asked), "all answers are in the cache"
    assert again.trials == ()
    assert again.counts.stored["generate"] == again.counts.asked["generate"] == first.counts.asked["generate"]
    for one, other in zip(first.results().cells, again.results().cells, strict=True):
        for name, row in one.rows.items():
            assert (row.scores, row.answer.text, row.answer.usage, row.answer.context) == (
                other.rows[name].scores,
                other.rows[name].answer.text,
                other.rows[name].answer.usage,
                other.rows[name].answer.context,
            )
            assert other.rows[name].answer.reused


def test_only_what_still_has_something_to_do_is_tried(server: ChatServer, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, {"full": full(counted("full"))})
    assert run_sweep(sweep, tmp_path / "runs").complete
    OPENED.clear()
    more = sweep_of(tmp_path, {"full": full(counted("full")), "served": full(remote(server))})
    assert run_sweep(more, tmp_path / "runs").complete
    assert OPENED == []


def test_stored_rankings_need_no_embedder(tmp_path: Path) -> None:
    def dense(label: str) -> dict[str, Any]:
        return {
            "generators": {"main": counted(label)},
            "embedders": {"main": {"kind": f"{__name__}:CountedEmbedder"}},
            "routes": {"rag": {"kind": "retrieve", "retriever": "dense"}},
        }

    assert run_sweep(sweep_of(tmp_path, {"one": dense("one")}), tmp_path / "runs").complete
    assert sorted(OPENED) == ["embedder", "one"]
    assert run_sweep(sweep_of(tmp_path, {"two": dense("two")}), tmp_path / "runs").complete
    assert OPENED[2:] == ["two"]


def test_the_command_score_tries_the_judge_first(ragvlc: Cli, tmp_path: Path) -> None:
    def spec(metrics: list[Any]) -> str:
        found = sweep_of(tmp_path, {"full": full({"kind": "scripted", "default": "red"})}, metrics=metrics)
        (tmp_path / "things.yaml").write_text(config.to_yaml(found.spec()))
        return str(tmp_path / "things.yaml")

    assert ragvlc("run", spec(["contains"])).code == 0
    start = time.monotonic()
    said = ragvlc("score", spec(["contains", {"kind": "llm_judge", "judge": remote(model="judge")}]))
    assert said.code == 2
    assert "refused" in said.err
    assert time.monotonic() - start < 10


def test_the_command_ask_does_not_wait_long_for_a_server_that_is_down(ragvlc: Cli, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(full(remote())))
    (tmp_path / "d.txt").write_text("Paris is a town.")
    start = time.monotonic()
    said = ragvlc("ask", str(tmp_path / "p.yaml"), "Where?", "-d", str(tmp_path / "d.txt"))
    assert said.code == 2
    assert "refused" in said.err
    assert time.monotonic() - start < 8


def test_models_of_later_stages_are_closed_again(tmp_path: Path) -> None:
    """Never more models together than during the run, which closes one stage's before it opens the next."""
    sweep = sweep_of(tmp_path, {name: full(counted(name)) for name in ("a", "b", "c")})
    assert run_sweep(sweep, tmp_path / "runs").complete
    assert max(MOST_OPEN) == 1
    assert OPENED == ["b", "c", "a", "b", "c"], "the first stage's stays open"
    assert OPEN_NOW == []


def test_several_missing_things_are_named_together_and_nothing_is_asked(tmp_path: Path, server: ChatServer) -> None:
    pipelines = {
        "down": full(remote()),
        "key": full(remote(server, model="with-key", api_key_env="NO_SUCH_KEY_IS_SET")),
        "window": full(remote(server, model="other", window=None)),
        "local": full(counted("local")),
    }
    with pytest.raises(SetupError) as caught:
        run_sweep(sweep_of(tmp_path, pipelines), tmp_path / "runs")
    down, key, window = caught.value.problems
    assert "refused" in down
    assert "--wait" in down
    assert "NO_SUCH_KEY_IS_SET" in key
    assert "lists no model 'other'" in window
    assert all("\n" not in one for one in caught.value.problems)
    assert OPENED == [], "no model is loaded as long as a server is missing"
    assert server.requests == []
    assert not list((tmp_path / "runs").glob("*/*/predictions.jsonl"))


def test_a_model_that_cannot_be_loaded_ends_the_run_before_questions(tmp_path: Path) -> None:
    pipelines = {"good": full(counted("good")), "bad": full(counted("bad", fails="its weights are not there"))}
    with pytest.raises(SetupError, match="its weights are not there"):
        run_sweep(sweep_of(tmp_path, pipelines), tmp_path / "runs")


def test_a_judge_is_tried_before_any_question(tmp_path: Path) -> None:
    judge = {"kind": "llm_judge", "judge": remote(model="judge")}
    with pytest.raises(SetupError, match="judge"):
        run_sweep(sweep_of(tmp_path, {"full": full(counted())}, metrics=["contains", judge]), tmp_path / "runs")
    assert OPENED == []


def test_a_judge_with_nothing_to_judge_is_not_tried(tmp_path: Path, server: ChatServer) -> None:
    server.default = answer("True")
    judge = {"kind": "llm_judge", "judge": remote(server, model="judge")}
    sweep = sweep_of(tmp_path, {"full": full(counted())}, metrics=["contains", judge])
    assert run_sweep(sweep, tmp_path / "runs").complete
    asked = len(server.requests)
    assert run_sweep(sweep, tmp_path / "runs").complete
    assert len(server.requests) == asked


def test_the_command_line_ends_with_2_within_seconds(ragvlc: Cli, tmp_path: Path) -> None:
    spec = {
        "name": "things",
        "dataset": {"kind": "jsonl", "path": data_in(tmp_path / "data")},
        "metrics": ["contains"],
        "tracker": "none",
        "pipelines": {"full": full(remote())},
    }
    (tmp_path / "things.yaml").write_text(yaml.safe_dump(spec))
    start = time.monotonic()
    said = ragvlc("run", str(tmp_path / "things.yaml"))
    print(f"{time.monotonic() - start:.1f} s")
    assert said.code == 2
    assert time.monotonic() - start < 10
    assert said.err.count("error:") == 1
    assert "refused" in said.err


@pytest.mark.parametrize("fault", [429, 500, 503])
def test_a_server_that_answers_badly_is_there(server: ChatServer, tmp_path: Path, fault: int) -> None:
    """Retries are for it, and so is the next run."""
    server.script = [refuse(fault, "not now")]
    outcome = run_sweep(sweep_of(tmp_path, {"full": full(remote(server))}), tmp_path / "runs")
    assert outcome.complete
    assert "not now" in outcome.trials[0].note


@pytest.mark.parametrize("fault", [401, 404])
def test_a_refusal_that_stays_is_a_problem(server: ChatServer, tmp_path: Path, fault: int) -> None:
    server.default = refuse(fault, "no such model")
    with pytest.raises(SetupError, match=f"HTTP {fault}: no such model"):
        run_sweep(sweep_of(tmp_path, {"full": full(remote(server))}), tmp_path / "runs")
    assert len(server.requests) == 1


def test_a_mistyped_model_id_is_named_with_the_nearest_that_the_server_lists(
    server: ChatServer, tmp_path: Path
) -> None:
    """Though a window is set, so that nobody has asked for the list."""
    server.default = refuse(404, "model not found")
    server.models = {"object": "list", "data": [{"id": "qwen3-8b"}, {"id": "llama-3.1-8b"}]}
    pipelines = {"full": full(remote(server, model="qwen3-8bb"))}
    with pytest.raises(SetupError) as caught:
        run_sweep(sweep_of(tmp_path, pipelines), tmp_path / "runs")
    [problem] = caught.value.problems
    assert "The server lists: qwen3-8b, llama-3.1-8b. Nearest: qwen3-8b." in problem
    server.models = {"object": "list", "data": []}
    with pytest.raises(SetupError, match="model not found$"):
        run_sweep(sweep_of(tmp_path, pipelines), tmp_path / "runs")


def test_a_server_may_come_up_later() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spec = OpenAICompatible(url=f"http://127.0.0.1:{port}/v1", model="tiny", window=4096)
    over = threading.Event()

    def serve_later() -> None:
        time.sleep(2)
        with serving(port):
            over.wait(60)

    thread = threading.Thread(target=serve_later)
    thread.start()
    try:
        with EnginePool() as pool:
            [trial] = try_setups(pool, [Setup(spec)], wait_seconds=30)
    finally:
        over.set()
        thread.join()
    assert trial.problem == ""
    assert trial.usage.calls == 1
    assert trial.seconds >= 1.5


def test_without_waiting_a_server_that_is_down_takes_little_time() -> None:
    spec = OpenAICompatible(url="http://127.0.0.1:9/v1", model="tiny", window=4096, retries=5)
    start = time.monotonic()
    with EnginePool() as pool:
        [trial] = try_setups(pool, [Setup(spec)])
    assert "refused" in trial.problem
    assert time.monotonic() - start < 5


def test_outside_kinds_are_opened_and_asked_nothing(tmp_path: Path) -> None:
    outcome = run_sweep(sweep_of(tmp_path, {"full": full(counted())}), tmp_path / "runs")
    assert [one.usage.calls for one in outcome.trials] == [0]
    assert Results.load(outcome.folder).cells[0].complete
