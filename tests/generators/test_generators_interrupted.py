"""Ctrl-C, SIGTERM and deadlines, with real processes and signals, against servers that hang, drip or send comments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from chat_server import ChatServer, Handler, Reply, answer, chunk, refuse, stream
from chat_server import usage as usage_of

from ragvlc.core import interruption
from ragvlc.core.data import Document
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.errors import EngineError
from ragvlc.engines.remote.concurrency import ConcurrencyLimit, DeadlineExceeded
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.pipeline import Pipeline

SECONDS = 10
"""Generous: machines are shared. The usual time is printed."""


def hang(handler: Handler, body: dict[str, Any]) -> None:
    """No byte, not even of the headers."""
    handler.server.ended.wait(60)
    handler.cut()


def dripping(event: Callable[[Handler], None], seconds: float = 0.2) -> Reply:
    def reply(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        for _ in range(600):
            event(handler)
            if handler.server.ended.wait(seconds):
                break
        handler.cut()

    return reply


def comment(handler: Handler) -> None:
    text = b": keep-alive\n\n"
    handler.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
    handler.wfile.flush()


def headers_drip(handler: Handler, body: dict[str, Any]) -> None:
    """A header that never ends, a byte at a time."""
    handler.send_response(200)
    handler.flush_headers()
    handler.wfile.write(b"X-Long: ")
    for _ in range(600):
        handler.wfile.write(b"a")
        handler.wfile.flush()
        if handler.server.ended.wait(0.2):
            break
    handler.cut()


FAULTS: dict[str, Reply] = {
    "hang": hang,
    "headers": headers_drip,
    "drip": dripping(lambda handler: handler.event(chunk("a"))),
    "comments": dripping(comment),
    "retry_after": refuse(429, "slow down", Retry_After="20"),
}


def data_in(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    documents = [{"doc_id": f"d{i}", "text": f"Thing {i} is red."} for i in range(12)]
    questions = [
        {"question_id": f"q{i}", "doc_ids": [f"d{i}"], "question": f"Which colour is thing {i}?", "answers": ["red"]}
        for i in range(12)
    ]
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def sweep_of(folder: Path, generator: dict[str, Any], **fields: Any) -> Path:
    spec = {
        "name": "things",
        "dataset": {"kind": "jsonl", "path": str(data_in(folder / "data"))},
        "metrics": ["contains"],
        "tracker": "none",
        "concurrency": 4,
        "pipelines": {"full": {"generators": {"main": generator}, "routes": {"full": "full_context"}}},
    }
    path = folder / "things.yaml"
    path.write_text(yaml.safe_dump(spec | fields))
    return path


def remote(server: ChatServer, **fields: Any) -> dict[str, Any]:
    return {"kind": "openai_compatible", "url": server.url, "model": "tiny", "window": 4096, "retries": 2} | fields


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "RAGVLC_STORE": str(folder / "store"), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "ragvlc", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 90
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def ended(process: subprocess.Popen[str], number: int, seconds: float = SECONDS) -> str:
    """Sends a signal; returns what the process printed until its end, which must come soon."""
    start = time.monotonic()
    process.send_signal(number)
    try:
        said, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    print(f"ended after {time.monotonic() - start:.1f} s with {process.returncode}: {said}")
    return said


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_ctrl_c_ends_waiting_for_a_server(server: ChatServer, tmp_path: Path, fault: str) -> None:
    sweep = sweep_of(tmp_path, remote(server, timeout_seconds=40))
    # The short question before the sweep, if there is one, and four of the twelve are answered.
    server.script = [answer("red.")] * 5
    server.default = FAULTS[fault]
    process = started(tmp_path, "run", str(sweep))
    wait_until(lambda: len(server.requests) >= 9, process)
    said = ended(process, signal.SIGINT)
    asked = len(server.requests)
    assert process.returncode == 130
    assert "of 12 questions have a row in" in said
    assert "Run the same command again for the other" in said
    assert "Traceback" not in said
    rows = list((tmp_path / "runs" / "things").glob("*/predictions.jsonl"))[0].read_bytes()
    assert rows.endswith(b"\n")
    assert 0 < rows.count(b"\n") < 12
    assert b'"failure"' not in rows  # an interrupted question has not failed
    server.default = answer("red.")
    assert (
        subprocess.run(
            [sys.executable, "-m", "ragvlc", "run", str(sweep)], cwd=tmp_path, capture_output=True, check=False
        ).returncode
        == 0
    )
    assert len(server.requests) - asked <= 12 - rows.count(b"\n") + 1


def test_sigterm_ends_a_run_like_ctrl_c(server: ChatServer, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, remote(server, timeout_seconds=40))
    server.script, server.default = [answer("red.")] * 5, hang
    process = started(tmp_path, "run", str(sweep))
    wait_until(lambda: len(server.requests) >= 9, process)
    said = ended(process, signal.SIGTERM)
    assert process.returncode == 143
    assert "Run the same command again for the other" in said


def test_ctrl_c_ends_the_command_ask(server: ChatServer, tmp_path: Path) -> None:
    server.default = hang
    pipeline = {"generators": {"main": remote(server)}, "routes": {"full": "full_context"}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(pipeline))
    (tmp_path / "d.txt").write_text("Paris is a town.")
    process = started(tmp_path, "ask", "p.yaml", "Where?", "-d", "d.txt")
    wait_until(lambda: len(server.requests) >= 1, process)
    said = ended(process, signal.SIGINT)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said


def test_ctrl_c_ends_waiting_for_a_judge(server: ChatServer, tmp_path: Path) -> None:
    """The answers stay, without a score, and the next run asks only the judge."""
    judge = {"kind": "llm_judge", "judge": remote(server, model="judge", timeout_seconds=40)}
    sweep = sweep_of(tmp_path, {"kind": "scripted", "default": "red"}, metrics=["contains", judge])
    server.script, server.default = [answer("True")], hang
    process = started(tmp_path, "run", str(sweep))
    wait_until(lambda: len(server.requests) >= 4, process)
    said = ended(process, signal.SIGINT)
    assert process.returncode == 130, said
    server.default = answer("True")
    again = subprocess.run(
        [sys.executable, "-m", "ragvlc", "run", str(sweep)], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert again.returncode == 0, again.stderr
    assert "llm_judge" in again.stdout


def test_the_second_ctrl_c_ends_the_process_and_its_children(tmp_path: Path) -> None:
    """The model computes for a minute and cannot be interrupted."""
    module = tmp_path / "stuck.py"
    module.write_text(
        "import subprocess, sys, time\n"
        "from ragvlc.generators.scripted import Scripted\n\n\n"
        "class Stuck(Scripted):\n"
        "    def open(self):\n"
        "        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
        "        open('opened', 'w').close()\n"
        "        return super().open()\n"
    )
    sweep = sweep_of(tmp_path, {"kind": "stuck:Stuck", "default": "red", "seconds_per_call": 60})
    os.environ["PYTHONPATH"], before = (
        f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        os.environ.get("PYTHONPATH"),
    )
    try:
        process = started(tmp_path, "run", str(sweep))
    finally:
        os.environ["PYTHONPATH"] = before or ""
    wait_until((tmp_path / "opened").exists, process)
    time.sleep(1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None  # the first waits for the model
    said = ended(process, signal.SIGINT, seconds=5)
    assert process.returncode == 130
    assert "ended at once" in said
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive


def test_a_signal_that_the_caller_ignores_stays_ignored(server: ChatServer, tmp_path: Path) -> None:
    server.default = dripping(lambda handler: handler.event(chunk("red.", "stop")), 3)
    sweep = sweep_of(tmp_path, remote(server))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = started(tmp_path, "run", str(sweep))
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: len(server.requests) >= 1, process)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.parametrize("fault", ["hang", "headers", "drip", "comments"])
def test_a_deadline_bounds_a_call_whatever_signs_of_life_come(server: ChatServer, fault: str) -> None:
    server.default = FAULTS[fault]
    spec = OpenAICompatible(url=server.url, model="tiny", window=4096, retries=5, deadline_seconds=1.0)
    engine = spec.open()
    start = time.monotonic()
    with pytest.raises(EngineError, match="deadline_seconds") as caught:
        engine.generate([Request(Prompt("hello"), max_tokens=2000)])
    assert caught.value.transient
    assert time.monotonic() - start < SECONDS
    # Its place is free again, though the server still sends.
    server.default = answer("Paris.")
    assert engine.generate([Request(Prompt("hello"), max_tokens=10)])[0].text == "Paris."
    start = time.monotonic()
    engine.close()
    assert time.monotonic() - start < SECONDS


def test_a_deadline_is_ten_timeouts_by_default() -> None:
    spec = OpenAICompatible(url="http://x/v1", model="m", timeout_seconds=7)
    assert spec.address.deadline == 70
    assert spec.key == OpenAICompatible(url="http://x/v1", model="m", deadline_seconds=3).key


def test_a_deadline_bounds_waits_that_a_server_asks_for(server: ChatServer) -> None:
    server.default = refuse(429, "slow down", Retry_After="5")
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096, retries=50, deadline_seconds=1.0).open()
    start = time.monotonic()
    with pytest.raises(EngineError, match="deadline_seconds"):
        engine.generate([Request(Prompt("hello"), max_tokens=10)])
    assert time.monotonic() - start < 4


def test_a_deadline_bounds_the_question_for_the_window(server: ChatServer) -> None:
    server.models = {"object": "list", "data": []}
    original = Handler.do_GET

    def slow(self: Handler) -> None:
        self.server.ended.wait(4)
        original(self)

    Handler.do_GET = slow  # type: ignore[method-assign]
    try:
        start = time.monotonic()
        with pytest.raises(EngineError, match="deadline_seconds"):
            OpenAICompatible(url=server.url, model="tiny", deadline_seconds=0.5).open()
        assert time.monotonic() - start < 3
    finally:
        Handler.do_GET = original  # type: ignore[method-assign]


def test_a_reply_without_end_is_cut_at_its_limit(server: ChatServer) -> None:
    def endless(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        while True:
            handler.event(chunk("word " * 20))

    server.default = endless
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096).open()
    [found] = engine.generate([Request(Prompt("hello"), max_tokens=10)])
    assert len(found.text) == 160
    assert found.finish == "length"
    assert found.notes["cut_here"] is True


def test_thoughts_without_end_are_cut_too(server: ChatServer) -> None:
    def endless(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        while True:
            handler.event(chunk(reasoning_content="let me think " * 20))

    server.default = endless
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096).open()
    [found] = engine.generate([Request(Prompt("hello"), max_tokens=10)])
    assert found.text == ""
    assert found.finish == "length"


def test_a_long_answer_within_its_limit_is_not_cut(server: ChatServer) -> None:
    server.default = stream(chunk("x" * 160), chunk(finish="stop"), usage_of(1, 10))
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096).open()
    [found] = engine.generate([Request(Prompt("hello"), max_tokens=10)])
    assert (len(found.text), found.finish) == (160, "stop")
    assert "cut_here" not in found.notes


def test_a_cancelled_call_ends_its_connection(server: ChatServer) -> None:
    """The server notices: it does not go on for a client that has given up."""
    broken = threading.Event()

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        try:
            for _ in range(200):
                comment(handler)
                time.sleep(0.05)
        except OSError:
            broken.set()

    server.default = reply
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096, deadline_seconds=0.5).open()
    with pytest.raises(EngineError):
        engine.generate([Request(Prompt("hello"), max_tokens=10)])
    assert broken.wait(5)
    engine.close()


def test_an_interruption_reaches_threads_that_wait() -> None:
    limit = ConcurrencyLimit(2, "'m'")
    caught: list[BaseException] = []
    release = threading.Event()

    def call() -> None:
        try:
            limit.run(lambda item, group: release.wait(30), [1, 2, 3])
        except BaseException as error:  # noqa: BLE001 - looked at below
            caught.append(error)

    thread = threading.Thread(target=call)
    with interruption.scope():
        thread.start()
        time.sleep(0.1)
        interruption.request()
        thread.join(5)
        assert not thread.is_alive()
    assert isinstance(caught[0], interruption.Interrupted)
    assert not interruption.requested()  # the outermost scope has ended
    assert limit.run(lambda item, group: item, [4]) == [4]  # the places of calls that were given up are free
    release.set()
    limit.close()


def test_a_call_that_is_late_is_named() -> None:
    limit, release = ConcurrencyLimit(1, "'m'", 0.2), threading.Event()
    with pytest.raises(DeadlineExceeded, match=r"'m': no whole answer within 0.2 s"):
        limit.run(lambda item, group: release.wait(30), [1])
    release.set()
    limit.close()


def test_an_interrupted_library_call_lets_go(server: ChatServer) -> None:
    """`Pipeline.answer` in a notebook: the interrupt arrives in the main thread, while a server hangs."""
    server.default = hang
    pipeline = Pipeline.model_validate({"generators": {"main": remote(server)}, "routes": {"full": "full_context"}})
    timer = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt), pipeline:
        pipeline.answer("Where?", [Document("d", "Paris is a town.")])
    assert time.monotonic() - start < SECONDS
    server.default = answer("Paris.")
    with pipeline:
        assert pipeline.answer("Where is it?", [Document("d", "Paris is a town.")]).text == "Paris."
