"""A real HTTP server in a thread that speaks OpenAI's chat protocol by a script, and counts who is in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler", dict[str, Any]], None]
Tokenize = Callable[[dict[str, Any]], dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    """One connection. Replies are made by the server's script, then by its default."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_GET(self) -> None:
        self.server.seen(self.path, None, dict(self.headers))
        self.send_json(200, self.server.models)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen(self.path, body, dict(self.headers))
        if self.path == "/tokenize":
            self.send_json(200, self.server.tokenize(body))
            return
        with self.server.inside():
            self.server.next_reply()(self, body)

    def send_json(self, status: int, body: object, **headers: str) -> None:
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def open_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, data: object) -> None:
        text = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def cut(self) -> None:
        """Breaks the connection off in the middle of the stream."""
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Says nothing."""


class ChatServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        requests: bodies of the chat requests, in the order of arrival.
        paths: every path asked for.
        headers: those of every request, names in small letters.
        most_at_once: largest number of chat requests in work at the same time.
        script: replies to the next chat requests; when it is used up `default` answers.
        models: answer to `/v1/models`.
        tokenize: answers `/tokenize`.
        ended: set when the server ends, so that replies which hang can end too.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.script: list[Reply] = []
        self.default: Reply = answer("Paris.")
        self.models: object = {"object": "list", "data": [{"id": "tiny", "object": "model", "max_model_len": 4096}]}
        self.tokenize: Tokenize = lambda body: {}
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._within = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def seen(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> None:
        with self._lock:
            self.paths.append(path)
            self.headers.append({name.lower(): value for name, value in headers.items()})
            if path.endswith("/chat/completions") and body is not None:
                self.requests.append(body)

    def next_reply(self) -> Reply:
        with self._lock:
            return self.script.pop(0) if self.script else self.default

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._lock:
            self._within += 1
            self.most_at_once = max(self.most_at_once, self._within)
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left early is no error here."""


def chunk(text: str | None = None, finish: str | None = None, **fields: object) -> dict[str, Any]:
    """One chunk of a stream."""
    delta: dict[str, Any] = {} if text is None else {"content": text}
    logprobs = fields.pop("logprobs", None)
    thought = fields.pop("reasoning_content", None)
    if thought is not None:
        delta["reasoning_content"] = thought
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return {"id": "x", "object": "chat.completion.chunk", "model": "tiny", "choices": [choice], **fields}


def part(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk of a stream with any delta, such as a content of parts or a thought in a field of its own."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "model": "tiny", "choices": [choice]}


def usage(prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    """The last chunk, with the usage."""
    counted: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}
    if cached is not None:
        counted["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"id": "x", "object": "chat.completion.chunk", "model": "tiny", "choices": [], "usage": counted}


def stream(*events: object, done: bool = True) -> Reply:
    """A reply of these events."""

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        for event in events:
            handler.event(event)
        if done:
            handler.event("[DONE]")
        handler.end_stream()

    return reply


def answer(*pieces: str, finish: str = "stop", **extra: Any) -> Reply:
    """An answer in pieces, with usage if the request asks for it."""

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        counted = [usage(11, len(pieces), **extra)] if body.get("stream_options", {}).get("include_usage") else []
        events = [chunk(""), *(chunk(piece) for piece in pieces), chunk(finish=finish), *counted]
        stream(*events)(handler, body)

    return reply


def refuse(status: int, message: object = "no", **headers: str) -> Reply:
    """An error; `message` is the whole body if it is no string."""
    body = {"error": {"message": message}} if isinstance(message, str) else message
    return lambda handler, _: handler.send_json(status, body, **headers)


def cut_off(*events: object) -> Reply:
    """A stream whose connection breaks off."""

    def reply(handler: Handler, body: dict[str, Any]) -> None:
        handler.open_stream()
        for event in events:
            handler.event(event)
        handler.cut()

    return reply


def echo(handler: Handler, body: dict[str, Any]) -> None:
    """Answers with the last word of the message."""
    answer(body["messages"][-1]["content"].rsplit(maxsplit=1)[-1])(handler, body)


@contextmanager
def serving(port: int = 0) -> Iterator[ChatServer]:
    """Runs a server for as long as the block lasts."""
    with ChatServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def texts(requests: Sequence[dict[str, Any]]) -> list[str]:
    """What the users' messages said."""
    return [body["messages"][-1]["content"] for body in requests]
