"""`ragvlc check-kind`: a line for each clause, what to do about the broken ones, and the exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import Cli

ROUTE = '''"""A route. Source: none. Differences: none."""

from ragvlc.core.data import Span
from ragvlc.reading.asking import Reading


class Greedy(Reading):
    """Reads everything."""

    def answer(self, query, documents, run):
        """Returns the answer."""
        spans = [Span(document.id, 0, len(document.text)) for document in documents]
        return self.read(query, documents, run, spans=spans)


class Nameless(Greedy):
    """Reads everything."""

    words: int = 3

    def answer(self, query, documents, run):
        raise ValueError(f"no answer to {query.id}")
'''


@pytest.fixture
def module(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the current folder, where no command's path leads."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_routes", raising=False)
    Path("own_routes.py").write_text(ROUTE, encoding="utf-8")
    return "own_routes"


def test_a_kind_that_keeps_its_contract_is_status_0(ragvlc: Cli, module: str) -> None:
    said = ragvlc("check-kind", f"{module}:Greedy", "--set", "answer_tokens=5", "--set", "truncation=head")
    assert (said.code, said.err) == (0, "")
    first, *lines, last = said.out.splitlines()
    assert first == "own_routes:Greedy, one of routes"
    assert all(line.startswith("ok      ") for line in lines)
    assert last == f"All {len(lines)} clauses hold."


def test_a_broken_kind_is_status_1_with_what_to_do(ragvlc: Cli, module: str) -> None:
    said = ragvlc("check-kind", f"{module}:Nameless")
    assert (said.code, said.err) == (1, "")
    assert "BROKEN  Module, class and public methods have docstrings." in said.out
    assert "        Nameless.answer has no docstring. Say what it returns." in said.out
    assert "Nameless does not explain words. Add to its docstring, below `Attributes:`" in said.out
    assert said.out.count("It raises ValueError: no answer to toy-height (") == 1
    assert f"own_routes.py, line {1 + ROUTE[: ROUTE.index('raise')].count(chr(10))})." in said.out
    assert "        As above." in said.out
    assert said.out.splitlines()[-1].endswith("clauses are broken.")
    assert "Traceback" not in said.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere:Kind",), "'nowhere:Kind' cannot be imported: No module named 'nowhere', neither installed nor in"),
        (("own_routes:Greed",), "own_routes has no 'Greed'. Nearest: Greedy."),
        (("own_routes:Span",), "'own_routes:Span' is no subclass of a family. Families: Chunker (chunkers), "),
        (("retreive",), "'retreive' is no kind of any family. Nearest: retrieve."),
        (("openai_compatible",), "openai_compatible: url: is missing."),
        (("own_routes:Greedy", "--set", "answer_tokns=5"), "Nearest: answer_tokens."),
        (("own_routes:Greedy", "--set", "answer_tokens"), "--set answer_tokens: needs"),
    ],
)
def test_bad_input_is_status_2(ragvlc: Cli, module: str, words: tuple[str, ...], told: str) -> None:
    said = ragvlc("check-kind", *words)
    assert (said.code, said.out) == (2, "")
    assert all(line.startswith("error: ") for line in said.err.splitlines())
    assert told in said.err


def test_a_module_that_cannot_be_run_is_status_2_with_its_line(ragvlc: Cli, module: str) -> None:
    Path("own_broken.py").write_text("import json\n\njson.loads('')\n", encoding="utf-8")
    said = ragvlc("check-kind", "own_broken:Kind")
    assert said.code == 2
    assert "'own_broken:Kind' cannot be imported: JSONDecodeError: Expecting value" in said.err
    assert "own_broken.py, line 3)." in said.err
