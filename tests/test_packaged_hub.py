"""Hub ids: looked up once and briefly, so that a mistyped one or a machine without network fails within seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ragvlc import packaged
from ragvlc.core.errors import EngineError
from ragvlc.packaged import hub


class Hub(BaseHTTPRequestHandler):
    """Answers by the model's name; the paths asked for are in `asked`."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        name = self.path.removeprefix("/").partition("/resolve/")[0]
        if "hang" in name:
            time.sleep(20)
        status, code = {
            "owner/there": (200, ""),
            "owner/without-config": (404, "EntryNotFound"),
            "owner/gated": (403, "GatedRepo"),
            "owner/broken": (500, ""),
            "sentence-transformers/short": (200, ""),
        }.get(name, (401, "RepoNotFound"))
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A model hub on this machine; yields the paths asked for."""
    from huggingface_hub import constants

    paths: list[str] = []
    Hub.asked = paths
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        hub.model_on_hub.cache_clear()
        yield paths
        hub.model_on_hub.cache_clear()
        server.shutdown()


@pytest.mark.parametrize("model", ["owner/there", "owner/without-config", "owner/broken", "short"])
def test_a_model_on_the_hub_passes_through_and_is_looked_up_once(asked: list[str], model: str) -> None:
    assert packaged.resolve(model) == model
    count = len(asked)
    assert packaged.resolve(model) == model
    assert len(asked) == count <= 2


def test_a_mistyped_name_is_refused_with_the_nearest_name(asked: list[str]) -> None:
    with pytest.raises(EngineError, match=r"no such model .*HTTP 401.*Nearest: packaged:smollm2-135m-instruct\.$"):
        packaged.resolve("HuggingFaceTB/SmolLM2-135M-Instrukt")
    assert len(asked) == 1


def test_models_in_the_local_cache_are_guessed_too(asked: list[str], tmp_path: Path) -> None:  # noqa: ARG001
    (tmp_path / "hub" / "models--owner--BigModel-7B" / "snapshots" / "1").mkdir(parents=True)
    with pytest.raises(EngineError, match=r"Nearest: owner/BigModel-7B\.$"):
        packaged.resolve("owner/BigModel-8B")


def test_a_gated_model_says_what_to_do(asked: list[str]) -> None:  # noqa: ARG001
    with pytest.raises(EngineError, match="accepted its licence and set HF_TOKEN"):
        packaged.resolve("owner/gated")


def test_a_hub_that_hangs_takes_seconds(asked: list[str]) -> None:  # noqa: ARG001
    start = time.monotonic()
    with pytest.raises(EngineError, match="cannot be reached|does not answer within"):
        packaged.resolve("owner/hang")
    assert time.monotonic() - start < 8


def test_without_network_the_local_cache_answers(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    snapshot = tmp_path / "hub" / "models--owner--there" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    assert packaged.resolve("owner/there") == str(snapshot)
    with pytest.raises(EngineError, match="offline mode"):
        packaged.resolve("owner/not-there")
    assert asked == []


@pytest.mark.parametrize("model", ["a/b/c", "no such folder/model", "/nowhere/model", "./nowhere"])
def test_what_can_be_no_hub_id_is_no_folder(asked: list[str], model: str) -> None:
    with pytest.raises(EngineError, match="is no folder on this machine"):
        packaged.resolve(model)
    assert asked == []
