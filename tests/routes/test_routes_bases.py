"""The examples in the docstrings of the bases that routes build on: they run, and do what they say."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import types

import pytest

from ragvlc.reading import asking, escalation, retrieving
from ragvlc.testing.clauses.routes import ROUTE_CLAUSES, it_names_its_source_and_how_it_differs
from ragvlc.testing.contract import tried
from ragvlc.testing.trial import Trial

HEAD = """
from collections.abc import Sequence
from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Query, Span
from ragvlc.core.run import Run
from ragvlc.reading.asking import Asking, Reading
from ragvlc.reading.escalation import Verdict, Wrapper
from ragvlc.reading.retrieving import Retrieving
"""
BASES = {
    asking.Asking: {},
    asking.Reading: {},
    retrieving.Retrieving: {},
    escalation.Wrapper: {"first": "closed_book", "then": "full_context"},
}


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type:
    """The class of a base's docstring, in a module of its own."""
    lines = inspect.cleandoc(request.param.__doc__).splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("    class "))
    end = next(place for place, line in enumerate(lines) if place > start and re.match(r"\S", line))
    module = types.ModuleType(f"example_of_{request.param.__name__}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(HEAD + textwrap.dedent("\n".join(lines[start:end])), module.__dict__)  # the package's own docstring
    [found] = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return found


@pytest.mark.parametrize("example", BASES, indirect=True, ids=lambda base: base.__name__)
def test_the_example_of_a_base_is_a_route_that_keeps_its_contract(example: type) -> None:
    base = next(base for base in BASES if issubclass(example, base) and example.__bases__[0] is base)
    for clause in ROUTE_CLAUSES:
        if clause is not it_names_its_source_and_how_it_differs:
            with Trial(example, BASES[base]) as trial:
                assert tried(clause, trial).problem == ""
