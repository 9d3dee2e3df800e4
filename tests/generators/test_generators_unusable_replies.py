"""Replies that are no answer, streams without an end, redirects and certificates: one clear sentence for each."""

from __future__ import annotations

import re
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chat_server import ChatServer, chunk, cut_off, refuse, serving, stream, usage

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import ConnectionFailed, EngineError, WindowExceeded
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.reading.confidence import FACT, Confiding

PYTHON = re.compile(
    r"Traceback|NoneType|TypeError|KeyError|AttributeError|JSONDecodeError|object has no|Expecting value"
)
PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>"


def generate(server: ChatServer, /, *, logprobs: bool = False, **fields: object) -> Generation:
    spec = OpenAICompatible(**{"url": server.url, "model": "tiny", "window": 4096, "retries": 1, **fields})
    engine = spec.open()
    try:
        return engine.generate([Request(Prompt("Where?"), max_tokens=20, logprobs=logprobs)])[0]
    finally:
        engine.close()


def send(body: object):
    return lambda handler, _: handler.send_json(200, body)


@pytest.mark.parametrize(
    ("reply", "said", "transient"),
    [
        (send(PAGE), "the reply is no answer: it sent a web page titled 'Sign in': Welcome. Is url:", False),
        (send("hello there"), "it sent text that is no JSON: 'hello there'", False),
        (send({"id": "x"}), "it sent other JSON", False),
        (send({"message": "moved to v2"}), "it sent other JSON: moved to v2", False),
        (send(["a"]), "the reply is no answer", False),
        (send("null"), "the reply is no answer", False),
        (send({"choices": "none"}), "the reply is no answer", False),
        (send({"choices": [None]}), "the reply is no answer", False),
        (send({"choices": [{"message": "text"}]}), "the reply is no answer", False),
        (send({"choices": []}), "the reply has no choices", True),
        (send({"choices": None}), "the reply has no choices", True),
        (send({"choices": [{"message": None}]}), "the reply has no message", True),
        (send('{"choices": [{"mess'), "cut in the middle of its JSON", True),
        (send(""), "the reply is empty", True),
        (send({"error": {"message": "no funds", "code": 402}}), "HTTP 402: no funds", False),
        (send({"error": {"message": "worker died", "code": 503}}), "HTTP 503: worker died", True),
        (send([{"error": {"code": 400, "message": "bad"}}]), "HTTP 400: bad", False),
        (send({"object": "error", "message": "bad", "code": 400}), "HTTP 400: bad", False),
        (stream("null"), "a part of its stream is not of OpenAI's protocol: null", False),
        (stream("[1, 2]"), "a part of its stream is not of OpenAI's protocol", False),
        (stream({"choices": [{"delta": "text"}]}), "a part of its stream is not of OpenAI's protocol", False),
        (stream({"choices": "x"}), "a part of its stream is not of OpenAI's protocol", False),
        (stream("hello"), "a part of the stream is no JSON: 'hello'", True),
        (stream(chunk("a"), {"error": "out of memory"}), "out of memory", True),
        (stream(chunk("a"), {"error": {"message": "bad", "code": "400"}}), "HTTP 400: bad", False),
        # An error within a choice, in whole JSON and in a stream, after a part of the answer.
        (
            send({"choices": [{"message": {"content": "a"}, "error": {"code": 502, "message": "died"}}]}),
            "502: died",
            True,
        ),
        (
            stream({"choices": [{"delta": {"content": "a"}, "error": {"code": 400, "message": "bad"}}]}),
            "400: bad",
            False,
        ),
        (send({"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}}), "login fail", True),
        (refuse(400, '"bad words"'), "HTTP 400: bad words", False),
        (stream(chunk("a"), chunk(finish="error")), "broke off its answer: its finish reason is 'error'", True),
        (stream(chunk("a"), chunk(finish="abort")), "its finish reason is 'abort'", True),
        (stream(chunk("a"), chunk(finish="insufficient_system_resource")), "insufficient_system_resource", True),
        (refuse(502, PAGE), "HTTP 502: a web page titled 'Sign in'", True),
        (refuse(500, ""), "HTTP 500: Internal Server Error, without a message", True),
        (refuse(404, ""), "HTTP 404: Not Found, without a message", False),
        (lambda handler, _: handler.send_json(503, ""), "HTTP 503: Service Unavailable, without a message", True),
        (refuse(400, ["bad"]), "HTTP 400: bad", False),
    ],
)
def test_what_is_no_answer_is_said_with_the_server_and_never_in_pythons_words(
    server: ChatServer, pauses: list[float], reply, said: str, transient: bool
) -> None:
    server.default = reply
    with pytest.raises(EngineError) as caught:
        generate(server)
    message = str(caught.value)
    assert message.startswith(f"'tiny' at {server.url}")
    assert said in message
    assert not PYTHON.search(message)
    assert caught.value.transient == transient
    assert len(server.requests) == (2 if transient else 1)


def test_events_are_read_whatever_the_content_type_and_the_ends_of_lines(server: ChatServer) -> None:
    text = (
        ": hello\r\n\r\nid: 1\r\nevent: message\r\n"
        'data: {"choices": [{"delta":\r\ndata:  {"content": "Par\u2028is\u0085"}}]}'
        '\r\n\r\ndata:{"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'
    )
    server.default = send(text)  # as application/json
    assert generate(server).text == "Par\u2028is\u0085"
    server.default = send('data: {"choices": [{"delta": {"content": "Paris"}, "finish_reason": "stop"}]}')
    assert generate(server).text == "Paris"
    server.default = send('event: error\ndata: {"message": "overloaded"}\n\n')
    with pytest.raises(EngineError, match="overloaded"):
        generate(server, retries=0)


def test_whole_json_where_a_stream_was_asked_for_is_an_answer(server: ChatServer) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}
    server.default = send({"model": "tiny", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    found = generate(server)
    assert (found.text, found.finish, found.usage.prompt_tokens) == ("Paris.", "stop", 3)
    assert found.timing.first_token_seconds is None
    assert found.timing.phases == {"decode": found.timing.engine_seconds}
    server.default = send({"choices": [{"message": {"content": "Paris."}}]})
    found = generate(server)
    assert (found.text, found.finish) == ("Paris.", "none")


@pytest.mark.parametrize(
    "reply",
    [
        refuse(400, {"error": {"message": "bad \ud83d", "param": "to\ud83dp", "code": "x\ud83d"}}),
        send({"error": "bad \ud83d"}),
        send({"odd": "bad \ud83d"}),
        stream(["bad \ud83d"]),
    ],
)
def test_half_a_character_in_an_error_is_replaced(server: ChatServer, pauses: list[float], reply) -> None:
    server.default = reply
    with pytest.raises(EngineError) as caught:
        generate(server)
    assert "bad \ufffd" in str(caught.value)


def test_half_a_character_in_the_names_of_model_and_server_is_replaced(server: ChatServer) -> None:
    server.default = stream({**chunk("Rome", finish="stop"), "model": "t\ud83d", "system_fingerprint": "f\ud83d"})
    notes = generate(server).notes
    assert (notes["served_model"], notes["system_fingerprint"]) == ("t\ufffd", "f\ufffd")


@pytest.mark.parametrize(
    "choices",
    [
        [{"index": 0, "text": "Rome", "finish_reason": "stop"}],
        [{"index": 0, "message": {"content": "Rome"}, "finish_reason": "stop"}],
        [
            {"index": 0, "delta": {"content": "Rome"}, "finish_reason": "stop"},
            {"index": 1, "delta": {"content": "Paris"}, "finish_reason": "stop"},
        ],
    ],
)
def test_the_first_choice_is_the_answer_under_any_name(server: ChatServer, choices: list) -> None:
    server.default = stream({"choices": choices})
    assert generate(server).text == "Rome"
    if "delta" not in choices[0]:
        server.default = send({"choices": choices})
        assert generate(server).text == "Rome"


@pytest.mark.parametrize(
    ("counts", "tokens", "thought"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 7, "reasoning_tokens": 5}, 7, 5),
        ({"prompt_tokens": 9, "completion_tokens": "7", "completion_tokens_details": {"reasoning_tokens": 5}}, 7, 5),
        ({"prompt_tokens": 9, "completion_tokens": 7, "completion_tokens_details": []}, 7, 0),
        ({"prompt_tokens": -1, "completion_tokens": "many"}, 1, 0),
        ([1], 1, 0),
        ("none", 1, 0),
    ],
)
def test_counts_in_any_form_are_numbers_or_counted_here(
    server: ChatServer, counts: object, tokens: int, thought: int
) -> None:
    server.default = stream(chunk("Rome"), chunk(finish="stop"), {"choices": [], "usage": counts})
    found = generate(server).usage
    assert (found.completion_tokens, found.thought_tokens) == (tokens, thought)


def test_a_stream_without_a_finish_reason_is_an_answer_only_by_a_setting(
    server: ChatServer, pauses: list[float]
) -> None:
    for whole in (
        stream(chunk("Par"), chunk("is"), usage(3, 2)),
        stream(chunk("Par"), chunk("is")),
        stream(chunk("Par"), chunk("is"), usage(3, 2), done=False),
    ):
        server.default = whole
        with pytest.raises(EngineError, match="without a finish reason.*missing_finish: accept") as caught:
            generate(server)
        assert not caught.value.transient
        found = generate(server, missing_finish="accept")
        assert (found.text, found.finish) == ("Paris", "none")


def test_a_stream_that_is_plainly_cut_is_never_an_answer(server: ChatServer, pauses: list[float]) -> None:
    counted = {**chunk("Par"), "usage": {"prompt_tokens": 3, "completion_tokens": 1}}  # counts in every chunk
    for cut in (stream(chunk("Par"), done=False), stream(counted, done=False), cut_off(chunk("Par"))):
        server.default = cut
        with pytest.raises(EngineError, match="after 2 attempts") as caught:
            generate(server, missing_finish="accept")
        assert caught.value.transient


@pytest.mark.parametrize("missing", [None, -9999, -9999.0, "-Infinity", "NaN", "absent"])
def test_log_probabilities_that_are_none_are_missing_values(server: ChatServer, missing: object) -> None:
    tokens = [{"token": "Par", "logprob": -0.5}, {"token": "is", "logprob": missing}]
    if missing == "absent":
        del tokens[1]["logprob"]
    elif isinstance(missing, str):
        tokens[1]["logprob"] = float(missing)
    server.default = stream(chunk("Paris", logprobs={"content": tokens}), chunk(finish="stop"))
    found = generate(server, logprobs=True)
    assert found.logprobs == (-0.5, None)

    class Asks(Confiding):
        def answer(self, query, documents, run):  # noqa: ANN001, ANN202
            raise NotImplementedError

    facts = Asks(logprobs=True).noted(found)
    assert facts[FACT] == [-0.5] * 11
    assert facts["logprobs_missing"] == 1
    server.default = stream(chunk("Paris", logprobs={"content": tokens[1:]}), chunk(finish="stop"))
    with pytest.raises(EngineError, match="gives no log-probabilities"):
        generate(server, logprobs=True)


@pytest.mark.parametrize("status", [400, 413, 422, 500, 503])
def test_a_window_error_is_one_with_any_status_and_is_not_tried_again(server: ChatServer, status: int) -> None:
    server.default = refuse(
        status, [{"error": {"message": "input token count (9) exceeds the maximum", "code": status}}]
    )
    with pytest.raises(WindowExceeded, match="input token count"):
        generate(server)
    assert len(server.requests) == 1
    server.default = stream(chunk("a"), {"error": {"message": "Context size has been exceeded."}})
    with pytest.raises(WindowExceeded, match="Context size"):
        generate(server)


def test_the_wait_of_a_body_is_waited(server: ChatServer, pauses: list[float]) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
    google = [{"error": {"code": 429, "message": "quota exceeded, retry in 31.2s", "details": [info]}}]
    server.script = [refuse(429, google)]
    assert generate(server, timeout_seconds=60).text == "Paris."
    assert 31 < pauses[0] < 42


def test_a_wait_of_zero_still_spreads_the_clients(server: ChatServer, pauses: list[float]) -> None:
    server.script = [refuse(429, Retry_After="0")]
    generate(server)
    assert pauses[0] >= 0.25


# ---------------------------------------------------------------- the list of models


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (PAGE, "its list of models is none: it sent a web page titled 'Sign in'"),
        ({"data": None}, "its list of models is none"),
        ({"detail": "Not here"}, "its list of models is none: it sent other JSON: Not here"),
        ("", "its list of models is none: it sent nothing"),
        ({"data": [None, {"object": "model"}]}, "lists no model 'tiny'. It serves: none"),
    ],
)
def test_a_list_of_models_that_is_none_is_said(server: ChatServer, models: object, said: str) -> None:
    server.models = models
    with pytest.raises(EngineError) as caught:
        generate(server, window=None)
    assert said in str(caught.value)
    assert "window:" in str(caught.value)
    assert not PYTHON.search(str(caught.value))


# ---------------------------------------------------------------- redirects


def redirect(status: int, to: str):
    return lambda handler, _: handler.send_json(status, "", Location=to)


def test_a_redirect_on_the_same_server_is_followed_and_a_circle_ends(server: ChatServer) -> None:
    server.script = [redirect(307, "/v1/chat/completions")]
    assert generate(server).text == "Paris."
    server.default = redirect(308, server.url + "/chat/completions")
    asked = len(server.requests)
    with pytest.raises(
        EngineError, match="the server redirects in a circle. Write its final address in url:"
    ) as caught:
        generate(server)
    assert not caught.value.transient
    assert len(server.requests) - asked < 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_neither_prompt_nor_key_goes_to_another_server(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("MY_SERVER_KEY", "sk-hunter2")
    with serving() as other:
        server.default = redirect(status, other.url + "/chat/completions")
        with pytest.raises(EngineError) as caught:
            generate(server, api_key_env="MY_SERVER_KEY")
        assert f"redirects to {other.url}/chat/completions, another server" in str(caught.value)
        assert f"write url: {other.url}" in str(caught.value)
        assert "sk-hunter2" not in str(caught.value)
        assert other.paths == []
    assert len(server.requests) == 1


def test_a_redirect_that_drops_the_prompt_is_an_error(server: ChatServer) -> None:
    server.default = redirect(302, "/v2/chat/completions")
    with pytest.raises(EngineError, match="which would drop the prompt. Write url: http://.*/v2"):
        generate(server)
    assert len(server.paths) == 1


# ---------------------------------------------------------------- https


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that no authority signed."""
    pytest.importorskip("cryptography")
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "own.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(secret + made.public_bytes(pem))
    return file


def test_a_certificate_of_ones_own_is_refused_with_what_to_do(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    with ChatServer() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        url = server.url.replace("http:", "https:")
        with pytest.raises(EngineError, match="certificate of the server cannot be verified.*SSL_CERT_FILE") as caught:
            generate(server, url=url)
        assert not caught.value.transient
        assert not isinstance(caught.value, ConnectionFailed)  # waiting for the server would not help
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert generate(server, url=url).text == "Paris."
        server.shutdown()
        thread.join()
    assert pauses == []


def test_https_to_a_server_that_speaks_http_is_said(server: ChatServer, pauses: list[float]) -> None:
    with pytest.raises(EngineError, match="does not speak https at this address. Write http:// in url:"):
        generate(server, url=server.url.replace("http:", "https:"))
    assert pauses == []
