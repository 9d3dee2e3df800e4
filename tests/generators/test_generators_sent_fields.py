"""What is sent to a server: fields left out or renamed, by hand and by preset, and what a refusal says to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chat_server import ChatServer, Handler, answer, chunk, refuse, stream, usage
from pydantic import ValidationError

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import EngineError
from ragvlc.engines.remote.server_presets import PRESETS
from ragvlc.generators.langchain import LangChainGenerator
from ragvlc.generators.openai_compatible import OpenAICompatible


def spec(server: ChatServer, /, **fields: object) -> OpenAICompatible:
    return OpenAICompatible(**{"url": server.url, "model": "tiny", "window": 4096, "retries": 0, **fields})


def generate(server: ChatServer, asked: dict[str, Any] | None = None, /, **fields: object) -> Generation:
    engine = spec(server, **fields).open()
    try:
        return engine.generate([Request(Prompt("Where?"), **{"max_tokens": 20, **(asked or {})})])[0]
    finally:
        engine.close()


FULL = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "stop": ("x",)}


@pytest.mark.parametrize("off", [None, False])
@pytest.mark.parametrize("field", ["max_tokens", "temperature", "top_p", "seed", "stop", "stream_options"])
def test_any_field_can_be_left_out(server: ChatServer, field: str, off: object) -> None:
    assert generate(server, FULL, send={field: off}).text == "Paris."
    [body] = server.requests
    sent = {"max_tokens", "temperature", "top_p", "seed", "stop", "stream_options"}
    assert sent & set(body) == sent - {field}


def test_any_field_can_be_renamed(server: ChatServer) -> None:
    names = {"max_tokens": "num_predict", "temperature": "temp", "top_p": "p", "seed": "random_seed", "stop": "ends"}
    server.default = stream(
        chunk("Paris.", logprobs={"content": [{"token": "Paris.", "logprob": -0.5}]}), chunk(finish="stop")
    )
    found = generate(server, {**FULL, "logprobs": True}, send={**names, "logprobs": "return_logprobs"})
    [body] = server.requests
    assert (body["num_predict"], body["temp"], body["p"], body["random_seed"]) == (20, 0.5, 0.9, 7)
    assert (body["ends"], body["return_logprobs"], found.logprobs) == (["x"], True, (-0.5,))
    assert not set(names) & set(body)


def test_a_server_that_does_not_stream_is_asked_for_whole_json(server: ChatServer) -> None:
    message = {
        "choices": [{"message": {"content": "Paris."}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3},
    }
    server.default = lambda handler, body: handler.send_json(200, message)
    found = generate(server, send={"stream": None})
    assert (found.text, found.finish, found.usage.prompt_tokens) == ("Paris.", "length", 3)
    assert found.timing.first_token_seconds is None
    [body] = server.requests
    assert not {"stream", "stream_options"} & set(body)


def test_presets_set_names_and_the_file_wins(server: ChatServer) -> None:
    generate(server, {"stop": ("x",), "seed": 9}, server="openai_reasoning")
    generate(server, FULL, server="mistral")
    generate(server, {"stop": ("x",)}, server="openai_reasoning", send={"stop": True, "max_tokens": "max_tokens"})
    generate(server, server="openai_reasoning", extra={"reasoning_effort": "minimal"})
    reasoning, mistral, own, effort = server.requests
    assert reasoning["max_completion_tokens"] == 20
    assert not {"temperature", "top_p", "stop", "max_tokens", "logprobs"} & set(reasoning)
    assert (mistral["random_seed"], mistral["temperature"]) == (7, 0.5)
    assert not {"seed", "stream_options"} & set(mistral)
    assert (own["stop"], own["max_tokens"]) == (["x"], 20)
    assert effort["reasoning_effort"] == "minimal"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_can_be_used_and_says_where_it_comes_from(server: ChatServer, name: str) -> None:
    assert generate(server, server=name).text == "Paris."
    preset = PRESETS[name]
    assert all(re.fullmatch(r"https://\S+", one) for one in preset.source.split(", "))
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", preset.read)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"server": "olama"}, "'olama' is no known server. Known: openai, .* Nearest: ollama"),
        ({"send": {"temprature": None}}, "'temprature' cannot be left out or renamed.*Nearest: temperature"),
        ({"send": {"messages": None}}, "messages and model are always sent"),
        ({"send": {"stream": "flow"}}, "stream: must be true or null"),
        ({"send": {"seed": 7}}, "seed: must be the server's name for it"),
        ({"send": {"seed": "top_k"}, "extra": {"top_k": 1}}, r"extra: top_k \(seed\) is sent already"),
        ({"send": {"temperature": None}, "temperature": 0.7}, "0.7 would not be sent: send leaves temperature out"),
        (
            {"server": "anthropic", "top_p": 0.9},
            "0.9 would not be sent: server: anthropic leaves top_p out.*top_p: true",
        ),
        ({"extra": {"seed": 1}}, "seed cannot be set here"),
    ],
)
def test_what_cannot_be_sent_is_said_when_the_file_loads(server: ChatServer, fields: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(server, **fields)


def test_keys_of_stored_results_stay_and_leaving_out_a_field_makes_another(server: ChatServer) -> None:
    plain = spec(server)
    assert not {"send", "server", "thinking", "thinking_tokens"} & set(plain.key_facts()["fields"])
    assert "unsent" not in plain.key_facts()["identity"]
    unsent = spec(server, send={"temperature": None})
    assert unsent.key != plain.key
    assert unsent.key == spec(server, send={"temperature": False}).key
    reasoning = spec(server, server="openai_reasoning")
    assert reasoning.key != plain.key
    assert reasoning.key_facts()["identity"]["unsent"] == ["temperature", "top_p"]
    again = OpenAICompatible.build(spec(server, server="mistral", send={"seed": None}).spec())
    assert again == spec(server, server="mistral", send={"seed": None})


def test_without_a_temperature_answers_are_samples(server: ChatServer) -> None:
    plain, unsent = spec(server), spec(server, send={"temperature": None})
    assert (plain.random, plain.lasting, plain.greedy) == (False, True, True)
    assert (unsent.random, unsent.lasting, unsent.greedy) == (True, False, False)
    found = generate(server, {"seed": 5}, send={"temperature": None})
    assert found.notes["temperature_unsent"] is True
    assert server.requests[-1]["seed"] == 5  # a sample that the server may be able to repeat
    assert "temperature_unsent" not in generate(server).notes
    lang = LangChainGenerator(chat_model="m:M", names={"temperature": None})
    assert (lang.random, lang.lasting) == (True, False)


def gpt5(handler: Handler, body: dict) -> None:
    def unsupported(field: str, words: str) -> None:
        error = {"message": words, "type": "invalid_request_error", "param": field, "code": "unsupported_parameter"}
        refuse(400, {"error": error})(handler, body)

    if body.get("temperature", 1) != 1:
        unsupported("temperature", "Unsupported value: 'temperature' does not support 0 with this model.")
    elif "max_tokens" in body:
        words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        unsupported("max_tokens", words)
    elif "stop" in body:
        unsupported("stop", "Unsupported parameter: 'stop' is not supported with this model.")
    else:
        answer("Paris.")(handler, body)


def test_a_refused_field_is_named_with_the_line_that_leaves_it_out(server: ChatServer) -> None:
    server.default = gpt5
    send: dict[str, str | None] = {}
    for line, add in (
        ("`send: {temperature: null}`", {"temperature": None}),
        ("`send: {max_tokens: max_completion_tokens}`", {"max_tokens": "max_completion_tokens"}),
        ("`send: {stop: null}`", {"stop": None}),
    ):
        with pytest.raises(EngineError, match="HTTP 400: Unsupported") as caught:
            generate(server, {"stop": ("x",)}, send=send)
        assert line in str(caught.value)
        assert "`server: openai_reasoning`" in str(caught.value)
        assert not caught.value.transient
        send |= add
    assert generate(server, {"stop": ("x",)}, send=send).text == "Paris."
    assert generate(server, {"stop": ("x",)}, server="openai_reasoning").text == "Paris."


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"error": {"message": "`temperature` and `top_p` cannot both be specified for this model."}}, "{top_p: null}"),
        ({"error": {"message": "`temperature` is deprecated for this model."}}, "{temperature: null}"),
        (
            [{"error": {"code": 400, "message": 'Invalid JSON payload. Unknown name "seed": Cannot find field.'}}],
            "seed",
        ),
        (
            {"message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}},
            "seed",
        ),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "Extra inputs are not permitted"}]}, "{top_p: null}"),
        ({"error": "`top_p` must be > 0.0 and < 1.0"}, "{top_p: null}"),
        ({"error": {"message": "Unrecognized request argument supplied: top_k"}}, "Remove top_k from extra"),
        ({"code": "invalid argument", "error": "Argument not supported on this model: seed"}, "{seed: null}"),
        ({"message": "extraneous key [top_p] is not permitted, please reformat your input"}, "{top_p: null}"),
        ({"error": {"message": "Streaming is not supported for this model"}}, "{stream: null}"),
        (
            {"error": {"message": "Your organization must be verified.", "param": "stream", "code": "x"}},
            "{stream: null}",
        ),
        ({"error": {"message": "Unsupported parameter"}}, "It was sent max_tokens, seed, stream"),
    ],
)
def test_siblings_of_a_refused_field(server: ChatServer, body: object, advice: str) -> None:
    server.default = refuse(422, body)
    with pytest.raises(EngineError) as caught:
        generate(server, {"temperature": 0.5, "seed": 1}, extra={"top_k": 4})
    assert advice in str(caught.value)


def test_a_failure_of_another_kind_gets_no_advice_on_fields(server: ChatServer) -> None:
    for status, words in (
        (401, "invalid key for temperature"),
        (400, "the model is gone"),
        (429, "stop it"),
        (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"),
        (422, "temperature must be between 0 and 1"),
    ):
        server.default = refuse(status, words)
        with pytest.raises(EngineError) as caught:
            generate(server)
        assert "send:" not in str(caught.value)


def test_a_stream_option_that_is_refused_is_left_out_at_once(server: ChatServer) -> None:
    def picky(handler: Handler, body: dict) -> None:
        if "stream_options" in body:
            refuse(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs"}]})(handler, body)
        else:
            stream(chunk("Paris."), chunk(finish="stop"), usage(3, 1))(handler, body)

    server.default = picky
    assert generate(server).usage.prompt_tokens == 3


def test_log_probabilities_that_are_not_sent_for_are_an_error_at_once(server: ChatServer) -> None:
    with pytest.raises(EngineError, match=r"logprobs is not sent. Write send: \{logprobs: true\}"):
        generate(server, {"logprobs": True}, server="groq")
    assert server.requests == []
