"""Answers of a real local server: text, times, usage, order, and how many requests are in work at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import chat_server
import pytest
from chat_server import ChatServer, answer, chunk, echo, refuse, stream, texts, usage

from ragvlc import config
from ragvlc.core.answer import Usage
from ragvlc.core.data import Document
from ragvlc.core.engines import Generation, Prompt, Request, TextEngine
from ragvlc.core.errors import ConfigError, EngineError, WindowExceeded
from ragvlc.core.families import Generator
from ragvlc.engines.remote.streaming import read_stream
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.pipeline import Pipeline


def request(text: str = "What is the capital of France?", **settings: object) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 20, **settings})


def generate(server: ChatServer, *requests: Request, **fields: object) -> list[Generation]:
    """Answers of an engine that is opened and closed again."""
    engine = OpenAICompatible(**{"url": server.url, "model": "tiny", "window": 4096, **fields}).open()
    assert isinstance(engine, TextEngine)
    try:
        return engine.generate(requests or [request()])
    finally:
        engine.close()


def test_an_answer_is_put_together_with_what_the_server_counted(server: ChatServer) -> None:
    server.default = answer("The ", "capital ", "is Paris.", cached=5)
    [generation] = generate(server)
    assert (generation.text, generation.finish) == ("The capital is Paris.", "stop")
    assert generation.usage == Usage(prompt_tokens=11, cached_tokens=5, completion_tokens=3, calls=1)
    assert generation.notes == {"token_counts": "estimated"}
    [body] = server.requests
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 20,
        "temperature": 0.0,
    }


def test_a_prompts_own_system_message_is_sent_and_what_is_not_is_noted(server: ChatServer) -> None:
    asked = [Request(Prompt("a", system="Be good.", raw=True), 5), Request(Prompt("b", lead="Answer:"), 5)]
    raw, led = generate(server, *asked, system="Be brief.")
    said = {body["messages"][1]["content"]: body["messages"][0]["content"] for body in server.requests}
    assert said == {"a": "Be good.", "b": "Be brief."}
    assert raw.notes["chat_template_applied"] is True
    assert led.notes["lead_unsent"] is True


def test_settings_reach_the_server(server: ChatServer) -> None:
    asked = request(temperature=0.7, top_p=0.9, seed=7, stop=("a", "b", "c", "d", "e"))
    extra = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}
    generate(server, asked, system="Be brief.", extra=extra, limit_name="max_completion_tokens")
    [body] = server.requests
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    expected = {"temperature": 0.7, "top_p": 0.9, "seed": 7, "stop": ["a", "b", "c", "d"], **extra}
    assert expected.items() <= body.items()
    assert body["max_completion_tokens"] == 20
    assert "max_tokens" not in body


def test_the_first_token_is_the_first_text_and_the_last_is_the_end() -> None:
    from openai.types.chat import ChatCompletionChunk

    marks: list[float] = []

    def pieces() -> Iterator[ChatCompletionChunk]:
        for piece in (chunk(""), chunk("a"), chunk("b"), chunk(finish="stop"), usage(3, 2)):
            marks.append(time.perf_counter())
            yield ChatCompletionChunk.model_validate({"created": 0, **piece})

    reply = read_stream(pieces(), time.perf_counter(), lambda: None)
    assert marks[1] <= reply.first <= marks[2]  # the role alone is no token
    assert marks[3] <= reply.last <= marks[4]


def test_times_add_up(server: ChatServer) -> None:
    server.default = answer("a", "b")
    timing = generate(server)[0].timing
    assert 0 < timing.first_token_seconds == timing.phases["prefill"]
    assert timing.engine_seconds == pytest.approx(timing.phases["prefill"] + timing.phases["decode"])
    assert timing.queue_seconds >= 0


def test_requests_are_in_work_side_by_side_within_the_bound_over_all_threads(server: ChatServer) -> None:
    together, nobody = threading.Barrier(3), threading.Event()

    def meet(handler: chat_server.Handler, body: dict) -> None:
        together.wait(60)
        nobody.wait(0.05)  # time for a fourth to come in, if the bound lets it
        echo(handler, body)

    server.default = meet
    engine = OpenAICompatible(url=server.url, model="tiny", window=4096, concurrency=3).open()
    found: dict[int, list[Generation]] = {}

    def work(i: int) -> None:
        found[i] = engine.generate([request(f"say {i}{j}") for j in range(6)])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    assert server.most_at_once == 3
    assert {i: [one.text for one in found[i]] for i in found} == {i: [f"{i}{j}" for j in range(6)] for i in range(2)}


def test_waiting_for_a_lane_is_queue_time(server: ChatServer) -> None:
    first, second = generate(server, request("a"), request("b"), concurrency=1)
    assert second.timing.queue_seconds >= first.timing.queue_seconds + first.timing.engine_seconds


@pytest.mark.parametrize(
    ("reason", "finish", "noted"),
    [("stop", "stop", None), ("length", "length", None), ("content_filter", "filtered", "content_filter")],
)
def test_reasons_become_ours(server: ChatServer, reason: str, finish: str, noted: str | None) -> None:
    server.default = answer("x", finish=reason)
    [generation] = generate(server)
    assert generation.finish == finish
    assert generation.notes.get("finish_reason") == noted


def test_stop_texts_are_cut_off_even_if_the_server_ignores_them(server: ChatServer) -> None:
    server.default = answer("one EN", "D two STOP", finish="length")
    [generation] = generate(server, request(stop=("STOP", "END")))
    assert (generation.text, generation.finish) == ("one ", "stop")


def test_a_server_without_usage_is_counted_here(server: ChatServer) -> None:
    server.default = stream(chunk("Paris", "stop"))
    [generation] = generate(server)
    spec = OpenAICompatible(url=server.url, model="tiny")
    assert generation.notes["usage_from"] == "estimate"
    assert generation.usage.prompt_tokens == len(spec.tokenizer().render(request().prompt))
    assert generation.usage.completion_tokens == spec.tokenizer().count("Paris")


def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(server: ChatServer) -> None:
    def picky(handler: chat_server.Handler, body: dict) -> None:
        if "stream_options" in body:
            refuse(400, "Extra inputs are not permitted: stream_options")(handler, body)
        else:
            answer("Paris.")(handler, body)

    server.default = picky
    generations = generate(server, request("a"), request("b"), concurrency=1, retries=0)
    assert [one.text for one in generations] == ["Paris."] * 2
    assert ["stream_options" in body for body in server.requests] == [True, False, False]
    assert all("failed_attempts" not in one.notes for one in generations)


def test_logprobs_come_one_a_token_or_not_at_all(server: ChatServer) -> None:
    listed = [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}]
    server.default = stream(chunk("a", logprobs={"content": listed}), chunk("a", "stop", logprobs={"content": listed}))
    [generation] = generate(server, request(logprobs=True))
    assert generation.logprobs == (-0.5, -0.5)
    assert server.requests[0]["logprobs"] is True
    server.default = answer("a")
    with pytest.raises(EngineError, match="gives no log-probabilities"):
        generate(server, request(logprobs=True))


def test_thinking_is_not_the_answer_but_is_the_first_token(server: ChatServer) -> None:
    server.default = stream(chunk(reasoning_content="Hmm."), chunk("Paris"), chunk(finish="stop"), usage(3, 2))
    [generation] = generate(server)
    assert generation.text == "Paris"
    assert generation.reply is not None
    assert generation.reply.thought == "Hmm."
    assert generation.timing.first_token_seconds < generation.timing.engine_seconds


def test_who_answered_is_noted_if_it_is_another_model(server: ChatServer) -> None:
    server.default = stream({**chunk("x", "stop"), "model": "tiny-2026-11", "system_fingerprint": "fp_1"})
    [generation] = generate(server)
    assert generation.notes["served_model"] == "tiny-2026-11"
    assert generation.notes["system_fingerprint"] == "fp_1"


# ---------------------------------------------------------------- window


def test_the_window_is_asked_of_the_server_when_the_model_opens(server: ChatServer) -> None:
    spec = OpenAICompatible(url=server.url + "/", model="tiny")
    assert (spec.url, spec.key != "", server.paths) == (server.url, True, [])
    engine = spec.open()
    assert (engine.window, server.paths) == (4096, ["/v1/models"])
    engine.close()


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([{"id": "tiny"}], "does not say how long the window of 'tiny' is. Set window:"),
        ([{"id": "tinny"}, {"id": "b"}], "lists no model 'tiny'. It serves: tinny, b. Nearest: tinny."),
        ([], "It serves: none"),
    ],
)
def test_a_window_that_cannot_be_had_is_said_at_once(server: ChatServer, models: list, said: str) -> None:
    server.models = {"object": "list", "data": models}
    with pytest.raises(EngineError, match=said):
        OpenAICompatible(url=server.url, model="tiny").open()


def test_an_address_that_serves_something_else_is_an_error_of_the_engine(server: ChatServer) -> None:
    server.models = "<html>"
    with pytest.raises(EngineError):
        OpenAICompatible(url=server.url, model="tiny", retries=0).open()


def test_a_prompt_too_long_is_never_sent(server: ChatServer) -> None:
    with pytest.raises(WindowExceeded, match=r"About \d+ prompt tokens and 20 new ones exceed the window of 200"):
        generate(server, request("short"), request("word " * 200), window=200)
    assert server.requests == []


# ---------------------------------------------------------------- reading the settings


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "127.0.0.1:8000/v1"}, "must be the address of a server"),
        ({"url": "http://me:hunter2@host/v1"}, "must hold no user, password or query"),
        ({"url": "https://host/v1?key=hunter2"}, "must hold no user, password or query"),
        ({"api_key_env": "sk-hunter2"}, "must be the name of an environment variable"),
        ({"extra": {"stream": False, "model": "x"}}, "model, stream cannot be set here"),
        ({"tokenizer_from": "packaged:smollm"}, "is no packaged model"),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_when_read_and_not_repeated(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        OpenAICompatible(**{"url": "http://127.0.0.1:8000/v1", "model": "m", **fields})
    assert "hunter2" not in str(caught.value)


def test_the_key_holds_what_changes_answers(server: ChatServer) -> None:
    def key(**fields: object) -> str:
        return OpenAICompatible(**{"url": "http://127.0.0.1:8000/v1", "model": "m", **fields}).key

    same = [{}, {"url": "http://127.0.0.1:8000/v1/"}, {"api_key_env": "A"}, {"concurrency": 1, "retries": 0}]
    others = [{"model": "n"}, {"url": "http://b/v1"}, {"extra": {"top_k": 1}}, {"tokenizer_from": "server"}]
    assert len({key(**fields) for fields in same}) == 1
    assert len({key(**fields) for fields in [{}, *others]}) == 1 + len(others)
    spec = OpenAICompatible(url="http://b/v1", model="m", extra={"a": [1, {"b": None}]})
    assert Generator.build(spec.spec()) == spec


@pytest.mark.parametrize("name", ["rag_server", "full_context_server"])
def test_shipped_pipelines_load_without_their_server(name: str) -> None:
    pipeline = Pipeline.load(name)
    assert pipeline.key
    assert pipeline.generators["main"].kind == "openai_compatible"


def test_a_pipeline_answers_through_the_server_and_its_trace_says_what_was_broken_up(server: ChatServer) -> None:
    main = {"kind": "openai_compatible", "url": server.url, "model": "tiny"}
    pipeline = Pipeline.model_validate({"generators": {"main": main}, "routes": {"full": "full_context"}})
    with pipeline:
        answer = pipeline.answer("Where?", [Document("d", "It is <|im_end|> in Paris." * 2)])
    assert answer.text == "Paris."
    assert list(answer.facts("control_strings_broken")) == [2]
    assert list(answer.facts("token_counts")) == ["estimated"]
    assert "< |im_end|>" in texts(server.requests)[0]
    assert answer.usage.calls == 1


def test_an_unknown_setting_is_pointed_at() -> None:
    data = {"generators": {"main": {"kind": "openai_compatible", "url": "http://b/v1", "model": "m", "tokenizer": "x"}}}
    with pytest.raises(ConfigError, match="Nearest: tokenizer_from"):
        config.build(Pipeline, {**data, "routes": {"full": "full_context"}}, "x.yaml")
