"""The processes around vLLM, with a scripted stand-in for vLLM itself in them: nothing hangs and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ragvlc.core.engines import Generation, Prompt, Request, TextEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.engines.vllm import arguments as _vllm_arguments
from ragvlc.generators.vllm import VllmGenerator

SCRIPTED = Path(__file__).parent / "scripted_vllm"
LONG = "the cat sat on the mat and the dog ran after the cat"


@pytest.fixture(scope="module", autouse=True)
def scripted_vllm():
    """The stand-in is what these processes import as vLLM."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "vllm", raising=False)
        patch.syspath_prepend(SCRIPTED)
        _vllm_arguments.known_arguments.cache_clear()
        yield
    _vllm_arguments.known_arguments.cache_clear()


@pytest.fixture
def opened(tiny_model: Path):
    """Opens engines, closed afterwards."""
    engines = []

    def opened(script: dict[str, object] | None = None, **fields: object):
        engine = {"additional_config": script or {}}
        spec = VllmGenerator(**{"model": str(tiny_model), "dtype": "float32", "engine": engine, **fields})
        engines.append(spec.open())
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()


def request(text: str, **settings: object) -> Request:
    """A question as data."""
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 6, **settings})


def group(number: int) -> list[psutil.Process]:
    """The living processes of a group."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == number and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def until(condition, seconds: float = 30.0) -> bool:
    """Waits for something that other processes do; whether it came."""
    for _ in range(int(seconds * 20)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def failing(engine, asked: Request) -> list[EngineError]:
    """What a thread that asks gets, one second after it began to wait."""
    found: list[EngineError] = []
    try:
        engine.generate([asked])
    except EngineError as error:
        found.append(error)
    return found


def test_an_answer_with_all_that_is_counted(tiny_model: Path, opened) -> None:
    engine = opened()
    tokenizer = VllmGenerator(model=str(tiny_model)).tokenizer()
    asked = [request("the cat", logprobs=True), request("a", max_tokens=3)]
    one, other = engine.generate(asked)
    ids = tokenizer.render(asked[0].prompt)
    assert one.token_ids == tuple(ids[:6])
    assert one.text == tokenizer.decode(ids[:6])
    assert one.finish == "length"
    assert (one.usage.prompt_tokens, one.usage.cached_tokens, one.usage.completion_tokens) == (len(ids), 0, 6)
    assert one.logprobs == tuple(-float(token) for token in ids[:6])
    assert other.logprobs is None
    assert one.timing.first_token_seconds == pytest.approx(0.25)
    assert one.timing.phases == pytest.approx({"prefill": 0.25, "decode": 0.5})
    assert one.timing.engine_seconds == pytest.approx(0.75)
    assert 0 < one.timing.queue_seconds < 30
    assert (engine.window, isinstance(engine, TextEngine)) == (64, True)
    assert engine.generate([]) == []


def test_end_tokens_and_stop_texts_are_cut_off(tiny_model: Path, opened) -> None:
    (ended,) = opened().generate([request("the cat", max_tokens=40)])  # the template's own end token is in the prompt
    assert ended.token_ids[-1] == 2
    assert (ended.finish, "<|end|>" in ended.text) == ("stop", False)
    assert ended.text.endswith("the cat")
    (stopped,) = opened().generate([request("the cat", stop=("never", "e c"), max_tokens=40)])
    assert stopped.text == ended.text[: ended.text.index("e c")]
    assert stopped.finish == "stop"


def test_a_document_is_cached_but_for_cold_requests(opened) -> None:
    engine = opened()

    def cached(**settings: object) -> int:
        return engine.generate([request(LONG, **settings)])[0].usage.cached_tokens

    assert [cached(), cached() > 0, cached(cold=True), cached(cold=True), cached() > 0] == [0, True, 0, 0, True]
    plain = opened(prefix_caching=False)
    assert [plain.generate([request(LONG, cold=cold)])[0].usage.cached_tokens for cold in (False, True, False)] == [
        0
    ] * 3


def test_requests_of_many_threads_meet(opened) -> None:
    engine = opened({"together": 16})  # none is answered before sixteen are in
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda n: engine.generate([request("a" * n)])[0], range(1, 17)))
    assert len({one.usage.prompt_tokens for one in found}) > 4


def test_the_window_is_checked_before_anything_is_sent(opened) -> None:
    engine = opened({"ask": "refuse"}, window=20)
    with pytest.raises(WindowExceeded, match="and 19 new ones exceed the window of 20"):
        engine.generate([request("a", max_tokens=1), request("a", max_tokens=19)])
    with pytest.raises(EngineError, match="failed in vLLM: this prompt is refused") as caught:
        engine.generate([request("a", max_tokens=1)])
    assert not caught.value.transient


def test_an_answer_that_was_given_up_is_no_answer(opened) -> None:
    with pytest.raises(EngineError, match="early: abort") as caught:
        opened({"ask": "abort"}).generate([request("a")])
    assert caught.value.transient


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("no_memory", r"cannot be loaded by vLLM: 16 GiB are needed, 2 are there\.$"),
        ("bad_length", r"cannot be loaded by vLLM: User-specified max_model_len \(9\) is greater than .* \(8\)\.$"),
        ("killed", r"cannot be loaded by vLLM: its process ended with status 9$"),
    ],
)
def test_what_cannot_be_loaded_says_why_and_leaves_nothing(script: str, cause: str, opened) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    threads = threading.active_count()
    with pytest.raises(EngineError, match=cause):
        opened({"open": script})
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert threading.active_count() <= threads


def test_closing_refuses_those_who_wait_and_ends_everything(opened) -> None:
    engine = opened({"ask": "wait"})
    assert len(group(engine.process_group)) >= 2
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(failing, engine, request("a" * n)) for n in range(1, 5)]
        assert until(lambda: len(engine._engine._waiting) == 4)
        engine.close()
        for one in waiting:
            assert "is closed" in str(one.result(60)[0])
    assert group(engine.process_group) == []
    with pytest.raises(EngineError, match="is closed"):
        engine.generate([request("a")])
    engine.close()


@pytest.mark.parametrize("victim", ["core", "front", "all"])
def test_an_engine_that_dies_tells_all_who_wait(victim: str, opened) -> None:
    engine = opened({"ask": "wait"})
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(failing, engine, request("a" * n)) for n in range(1, 4)]
        assert until(lambda: len(engine._engine._waiting) == 3)
        for process in group(engine.process_group):
            if victim == "all" or (process.pid == engine.process_group) == (victim == "front"):
                process.kill()
        errors = [one.result(60)[0] for one in waiting]
    assert all(error.transient for error in errors)
    expected = "has died: the core is gone" if victim == "core" else r"has died (exit status -9)"
    assert all(expected in str(error) for error in errors), errors
    assert until(lambda: group(engine.process_group) == [])  # SIGKILL takes effect after it was sent
    with pytest.raises(EngineError, match="has died"):
        engine.generate([request("a")])


def test_nobody_computes_for_a_thread_that_was_interrupted(opened, monkeypatch) -> None:
    engine = opened({"ask": "wait"})
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            engine.generate([request("a"), request("b")])
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert engine._engine._waiting == {}
    assert until(lambda: len([line for line in engine._engine._log_lines if line.startswith("aborted")]) == 2)


STARTER = """
import sys, time
from ragvlc.generators.vllm import VllmGenerator
engine = VllmGenerator(model=sys.argv[1], dtype="float32").open()
print(engine.process_group, flush=True)
time.sleep(600)
"""


def test_kill_9_of_the_starter_leaves_no_engine(tiny_model: Path) -> None:
    path = os.pathsep.join(folder for folder in sys.path if folder)
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tiny_model)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        assert starter.stdout is not None
        number = int(starter.stdout.readline())
        assert len(group(number)) >= 2
    finally:
        starter.kill()
        starter.communicate()
    assert until(lambda: group(number) == [])


def test_it_opens_in_any_thread(opened) -> None:
    with ThreadPoolExecutor(1) as threads:
        engine = threads.submit(opened).result()
    found: list[Generation] = engine.generate([request("the cat")])
    assert len(found) == 1
