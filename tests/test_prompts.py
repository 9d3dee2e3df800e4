"""Prompt templates are declared as data on the settings of a part, and checked in one place."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import ValidationError

from ragvlc.core.component import Component
from ragvlc.core.prompts import Template


class Asks(Component):
    """Declares its templates and has no validator."""

    own_fields: ClassVar[frozenset[str]] = frozenset({"text"})

    decline: str | None = None
    first: Annotated[str, Template({"question"}, knows={"count"}, needs_of="own_fields")] = "{text} {question}"
    second: Annotated[str, Template({"question"}, declines=True)] = "{question}{decline}"


class AsksMore(Asks):
    """Has another default and another class variable, and says no more of the template."""

    own_fields: ClassVar[frozenset[str]] = frozenset({"text", "notes"})
    first: str = "{text} {notes} {question}"


def problems(part, **settings):
    with pytest.raises(ValidationError) as caught:
        part(**settings)
    [error] = caught.value.errors()
    return list(error["ctx"]["each"])


def test_every_problem_of_every_template_comes_at_once():
    assert problems(Asks, first="{txt}", second="{count}", decline="none") == [
        "first must contain {question}.",
        "first must contain {text}.",
        "first has no field {txt}. Known: count, question, text. Nearest: text.",
        "second must contain {question}.",
        "second has no field {count}. Known: decline, question.",
        "second must contain {decline} where `decline` is set.",
    ]


def test_a_field_that_is_known_is_not_needed():
    assert Asks(first="{text} {question} {count}", second="{question}").decline is None


def test_a_subclass_that_gives_another_default_is_checked_too():
    assert AsksMore().first == "{text} {notes} {question}"
    assert problems(AsksMore, first="{text} {question}") == ["first must contain {notes}."]
