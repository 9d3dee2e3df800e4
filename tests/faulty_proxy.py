"""A proxy on this machine that fails a share of the calls it passes on, in every way in which calls fail.

    with serving(upstream_port, share=0.3) as proxy:
        ...                                    # calls to http://127.0.0.1:{proxy.port}
        proxy.failed                           # {"reset before": 12, "reset after": 9, "503": ...}

The server has handled a call whose reply is lost ("after"), cut or late; of "before" and of a status it has seen
nothing, except where a status comes "after": a gateway that gave up. Faults are drawn with a seed, each kind as often.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = (
    "reset before",
    "reset after",
    "500",
    "502",
    "503",
    "504",
    "500 after",
    "504 after",
    "late before",
    "late after",
    "cut",
    "cut in silence",
)
"""Kinds of fault. "cut" says a longer length than comes; "in silence" says none, as a proxy that closes early."""

_OWN = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "expect", "date", "server"}


class Proxy(ThreadingHTTPServer):
    """The proxy.

    Args:
        upstream: port of the server.
        share: of the calls that fail, from 0 to 1.
        faults: kinds to draw from; also a status alone, such as "401".
        late: seconds that a late call takes: more than the client waits.
        seed: of the draws.

    Attributes:
        calls: number of calls.
        failed: number of failed calls by kind.
        spared: parts of paths whose calls pass.
        down: whether every connection is closed without a word.
    """

    daemon_threads = True

    def __init__(
        self, upstream: int, *, share: float = 0.3, faults: Sequence[str] = FAULTS, late: float = 3.0, seed: int = 0
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.share = share
        self.faults = tuple(faults)
        self.late = late
        self.calls = 0
        self.failed: Counter[str] = Counter()
        self.down = False
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._drawn: list[str] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def draw(self) -> str:
        """Returns the fault of the next call, or an empty string."""
        with self._lock:
            self.calls += 1
            if self.down:
                kind = "reset before"
            elif self._random.random() >= self.share:
                return ""
            else:
                if not self._drawn:  # each kind as often
                    self._drawn = self._random.sample(self.faults, len(self.faults))
                kind = self._drawn.pop()
            self.failed[kind] += 1
            return kind

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: clients that give up are part of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _passed(self) -> None:
        body = self._body()
        kind, _, when = self.server.draw().partition(" ")
        reply = self._upstream(body) if when in {"after", "in silence"} or kind in {"", "cut"} else None
        if kind == "late":
            time.sleep(self.server.late)
        if kind.isdigit():
            self._refused(int(kind))
        elif kind == "reset" or reply is None:
            self._reset()
        else:
            self._answer(*reply, cut=kind == "cut", silent=when == "in silence")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _passed  # noqa: N815 - names of the base class

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            found = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)) as connection:
            try:
                connection.request(self.command, self.path, body, headers)
                reply = connection.getresponse()
                return reply.status, reply.getheaders(), reply.read()
            except OSError:
                return 502, [], b"<html>no server</html>"

    def _answer(
        self, status: int, headers: list[tuple[str, str]], reply: bytes, *, cut: bool = False, silent: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _OWN:
                self.send_header(name, value)
        if cut and silent:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(reply) + (1 if cut and not reply else 0)))
        self.end_headers()
        self.wfile.write(reply[: len(reply) // 2] if cut else reply)
        self.close_connection = self.close_connection or cut

    def _refused(self, status: int) -> None:
        self._answer(status, [("Content-Type", "text/html")], f"<html>{status} of the proxy</html>".encode())

    def _reset(self) -> None:
        """Ends the connection with a reset, not an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


@contextmanager
def serving(upstream: int, **settings: object) -> Iterator[Proxy]:
    """Runs a proxy in a thread; the settings are those of `Proxy`."""
    with Proxy(upstream, **settings) as proxy:  # type: ignore[arg-type]
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
