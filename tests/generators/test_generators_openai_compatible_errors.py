"""API errors: transient ones are retried, others raised with the server's own message, and never with the key."""

from __future__ import annotations

import email.utils
import logging
import pickle
import threading
import time
import traceback

import pytest
from chat_server import ChatServer, Handler, answer, chunk, cut_off, echo, refuse, stream

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import EngineError, MissingExtra, WindowExceeded
from ragvlc.engines.remote.api_errors import Secrets, read_failure
from ragvlc.generators.openai_compatible import OpenAICompatible

KEY = "sk-hunter2-and-some-more"


def request(text: str = "Where?", **settings: object) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 20, **settings})


def generate(server: ChatServer, *requests: Request, **fields: object) -> list[Generation]:
    engine = OpenAICompatible(**{"url": server.url, "model": "tiny", "window": 4096, **fields}).open()
    try:
        return engine.generate(requests or [request()])
    finally:
        engine.close()


def test_a_burst_of_429_is_waited_out_as_the_server_asks(server: ChatServer, pauses: list[float]) -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    server.script = [refuse(429, Retry_After="7"), refuse(429, Retry_After=soon), refuse(429, Retry_After="2.5")]
    [generation] = generate(server)
    assert generation.text == "Paris."
    assert generation.notes["failed_attempts"] == 3
    assert generation.usage.calls == 1
    # Never earlier than asked, and later by a random part: many clients do not return at the same moment.
    for pause, asked in zip(pauses, (7.0, 28.5, 2.5), strict=True):
        assert asked < pause < asked + 10
    assert len(set(pauses)) == 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_without_a_date_the_waits_grow(server: ChatServer, pauses: list[float], status: int) -> None:
    server.script = [refuse(status)] * 4
    assert generate(server)[0].text == "Paris."
    assert all(0.25 * 2**i <= pause <= 0.5 * 2**i for i, pause in enumerate(pauses))
    assert len(pauses) == 4


@pytest.mark.parametrize(
    "broken",
    [
        cut_off(chunk("Par")),
        stream(chunk("Par"), done=False),
        stream(chunk("Par"), '{"id": "x", "choi'),
        stream(chunk("Par"), {"error": {"message": "worker died", "code": 500}}),
        stream(chunk("Par"), {"error": {"message": "The server had an error", "type": "server_error", "code": None}}),
        lambda handler, body: handler.cut(),
    ],
    ids=["cut", "no finish", "half a chunk", "error 500", "error without a code", "no answer"],
)
def test_a_stream_that_breaks_off_is_retried_whole(server: ChatServer, pauses: list[float], broken) -> None:
    server.script = [broken]
    [generation] = generate(server)
    assert generation.text == "Paris."
    assert generation.notes["failed_attempts"] == len(pauses) == 1


def test_retries_end_with_a_transient_error(server: ChatServer, pauses: list[float]) -> None:
    server.default = refuse(503, "loading the model")
    with pytest.raises(EngineError, match="after 3 attempts: HTTP 503: loading the model") as caught:
        generate(server, retries=2)
    assert caught.value.transient
    assert (len(server.requests), len(pauses)) == (3, 2)


def test_a_wait_longer_than_the_timeout_is_left_to_a_later_run(server: ChatServer, pauses: list[float]) -> None:
    server.default = refuse(429, "quota of the day", Retry_After="86400")
    with pytest.raises(EngineError, match="asks to wait 86400 s.*quota of the day") as caught:
        generate(server)
    assert caught.value.transient
    assert (len(server.requests), pauses) == (1, [])


def test_a_server_that_is_silent_or_absent_is_a_transient_error(
    server: ChatServer, pauses: list[float], free_port: int
) -> None:
    over = threading.Event()
    server.default = lambda handler, body: over.wait(60)
    with pytest.raises(EngineError, match="timed out") as silent:
        generate(server, timeout_seconds=0.05, retries=1)
    over.set()
    with pytest.raises(EngineError, match="Connection error") as absent:
        generate(server, url=f"http://127.0.0.1:{free_port}/v1", retries=1)
    assert silent.value.transient
    assert absent.value.transient
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (refuse(400, "temperature must be below 2"), "HTTP 400: temperature must be below 2"),
        (refuse(401, "no such key"), "HTTP 401: no such key"),
        (refuse(404, {"error": "model 'tiny' not found"}), "HTTP 404: model 'tiny' not found"),
        (refuse(404, {"detail": "Not Found"}), "HTTP 404: Not Found"),
        (refuse(422, {"detail": [{"loc": ["body", "top_k"], "msg": "bad"}]}), "HTTP 422: .*top_k"),
        (refuse(403, "<html>forbidden</html>"), "HTTP 403: a web page without a title: forbidden"),
        (refuse(429, {"error": {"message": "pay", "code": "insufficient_quota"}}), "HTTP 429: pay"),
        (stream(chunk("a"), {"error": {"message": "bad image", "code": 400}}), "bad image"),
    ],
)
def test_final_errors_are_raised_at_once_with_the_servers_message(
    server: ChatServer, pauses: list[float], reply, said: str
) -> None:
    server.default = reply
    with pytest.raises(EngineError, match=said) as caught:
        generate(server)
    assert not caught.value.transient
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too much", "code": "context_length_exceeded"}},
        {"error": {"message": "too much", "type": "exceed_context_size_error", "code": 400}},
        {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048", "error_type": "x"},
    ],
)
def test_a_prompt_that_the_server_finds_too_long_exceeds_the_window(server: ChatServer, body: dict) -> None:
    server.default = refuse(400, body)
    with pytest.raises(WindowExceeded, match="the prompt does not fit: HTTP 400"):
        generate(server)


def test_only_the_request_that_failed_is_tried_again(server: ChatServer, pauses: list[float]) -> None:
    failed = threading.Event()

    def once(handler: Handler, body: dict) -> None:
        if body["messages"][-1]["content"] == "say b" and not failed.is_set():
            failed.set()
            refuse(500)(handler, body)
        else:
            echo(handler, body)

    server.default = once
    found = generate(server, request("say a"), request("say b"), request("say c"))
    assert [one.text for one in found] == ["a", "b", "c"]
    assert [one.notes.get("failed_attempts", 0) for one in found] == [0, 1, 0]
    assert len(server.requests) == 4


def test_after_a_final_error_no_further_request_is_started(server: ChatServer) -> None:
    raised = threading.Event()

    def hold(handler: Handler, body: dict) -> None:
        raised.wait(60)
        echo(handler, body)

    server.script, server.default = [refuse(400, "no")], hold
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096, concurrency=1).open()
    with pytest.raises(EngineError, match="HTTP 400"):
        engine.generate([request(str(i)) for i in range(50)])
    raised.set()
    engine.close()
    assert len(server.requests) <= 2  # the second may have been under way


def test_a_closed_engine_says_so(server: ChatServer) -> None:
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096).open()
    engine.close()
    with pytest.raises(EngineError, match="'tiny' at http://127.0.0.1:.* is closed"):
        engine.generate([request()])


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ragvlc\[servers\]'"):
        OpenAICompatible(url="http://127.0.0.1:8000/v1", model="m", window=100).open()


# ---------------------------------------------------------------- the key


def test_the_key_reaches_the_server_and_nothing_else(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pauses: list[float]
) -> None:
    caplog.set_level(logging.DEBUG)
    spec = OpenAICompatible(url=server.url, model="tiny", window=4096, api_key_env="MY_SERVER_KEY", retries=1)
    with pytest.raises(EngineError, match="needs the key in the environment variable MY_SERVER_KEY, which is not set"):
        spec.open()
    before = spec.key
    monkeypatch.setenv("MY_SERVER_KEY", KEY)
    engine = spec.open()
    [generation] = engine.generate([request()])
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    told = [repr(spec), str(spec.spec()), repr(engine), repr(generation), repr(vars(engine)), pickle.dumps(spec)]
    for reply in (refuse(401, f"Incorrect API key provided: {KEY}."), refuse(500, KEY), cut_off(chunk(KEY))):
        server.default = reply
        with pytest.raises(EngineError) as caught:
            engine.generate([request()])
        told += ["".join(traceback.format_exception(caught.value)), str(caught.value)]
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    engine.close()
    assert "***" in told[-6]
    assert all(KEY not in str(one) for one in told)
    assert KEY not in caplog.text
    assert spec.key == before == spec.model_copy(update={"api_key_env": None}).key


def test_no_key_of_another_service_is_sent(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.default = answer("x")
    generate(server)
    assert KEY not in str(server.headers)


# ---------------------------------------------------------------- reading what was raised


class Answered(Exception):
    """An error of some client library."""

    def __init__(self, status: int, body: object = None) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.body = body


def test_the_transport_under_an_unknown_client_is_recognised() -> None:
    error = RuntimeError("call failed")
    error.__cause__ = ConnectionResetError("reset by peer")
    failure = read_failure(error, Secrets())
    assert failure.transient
    assert "reset by peer" in failure.message
    assert not read_failure(RuntimeError("bug"), Secrets()).transient
    assert read_failure(Answered(503), Secrets()).transient
    assert not read_failure(Answered(400, "words"), Secrets()).transient


def test_secrets_within_each_other_are_hidden_whole() -> None:
    assert Secrets(["abc", "abcdef", ""]).hide("abcdef abc") == "*** ***"
    assert "abc" not in repr(Secrets(["abc"]))
