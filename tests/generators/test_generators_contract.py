"""The contract of generators, on opened models: tiny weights, a server in a thread, a chat model of LangChain's own."""

from __future__ import annotations

from pathlib import Path

from chat_server import serving

from ragvlc.testing import Report, check

# What stands in for a real model here: it answers "Paris." whatever the limit.
UNTRIED = {"it gives no log-probabilities", "no stop was tried"}


def notes(report: Report) -> set[str]:
    return {note.partition(":")[0] for result in report.results for note in result.notes}


def test_transformers(tiny_model: Path) -> None:
    settings = {"model": str(tiny_model), "dtype": "float32", "device": "cpu"}
    assert notes(check("generators.transformers", **settings)) <= {"no stop was tried"}


def test_a_server() -> None:
    with serving() as server:
        assert notes(check("openai_compatible", url=server.url, model="tiny", window=4096)) <= UNTRIED
        assert server.most_at_once > 1


def test_langchain() -> None:
    chat_model = {"chat_model": "chat_models:Parrot", "window": 4096}
    assert notes(check("generators.langchain", **chat_model)) <= UNTRIED
