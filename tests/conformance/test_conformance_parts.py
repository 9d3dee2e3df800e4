"""What holds for every kind of every family: one class a file, found by its name, equal to its spec, with a key."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError

from ragvlc.core.component import Component, Execution, known_kinds
from ragvlc.core.data import content_key
from ragvlc.engines.batching import dtypes as _dtypes

# Settings that say where something lies: what is in it makes the key.
BY_CONTENT = {
    ("datasets", "jsonl", "path"),
    ("datasets", "jsonl", "documents"),
    ("datasets", "jsonl", "questions"),
    ("datasets", "folder", "path"),
    ("datasets", "longembed", "path"),
    ("datasets", "needle", "haystack"),
    ("datasets", "huggingface", "path"),
    ("datasets", "huggingface", "data_files"),
    ("generators", "transformers", "model"),
    ("generators", "vllm", "model"),
    ("generators", "openai_compatible", "tokenizer_from"),
    ("generators", "langchain", "tokenizer_from"),
    ("routers", "learned", "model"),
}


def public_classes(module) -> list[type]:
    return [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__
        and not member.__name__.startswith("_")
        and issubclass(member, Component)
    ]


def test_a_file_has_one_kind(any_kind):
    family, kind = any_kind
    assert len(public_classes(importlib.import_module(f"ragvlc.{family}.{kind}"))) == 1


def test_it_says_what_it_is(any_kind, build):
    part = type(build(*any_kind))
    assert (inspect.getmodule(part).__doc__ or "").strip()
    assert (part.__dict__.get("__doc__") or "").strip()
    for name, member in vars(part).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            assert (member.__doc__ or "").strip(), name


def test_every_setting_is_explained(any_kind, build):
    part = type(build(*any_kind))
    explained = "\n".join(ancestor.__doc__ or "" for ancestor in part.__mro__ if issubclass(ancestor, Component))
    missing = [name for name in part.model_fields if not re.search(rf"(?m)^\s*{name}:|`{name}`", explained)]
    assert missing == []


def test_its_spec_builds_it_again(any_kind, build):
    family, kind = any_kind
    part = build(family, kind)
    spec = json.loads(json.dumps(part.spec()))
    assert spec == part.spec()
    assert spec["kind"] == part.kind == kind
    again = build(family, **spec)
    assert again == part
    assert type(again) is type(part)
    assert again.key == part.key
    assert again.random is part.random


def test_its_key_is_its_own(any_kind, build):
    family, kind = any_kind
    part = build(family, kind)
    assert re.fullmatch("[0-9a-f]{64}", part.key)
    assert content_key(build(family, kind).key_facts()) == part.key
    assert all(build(family, other).key != part.key for other in known_kinds(family) if other != kind)


def test_a_field_too_many_is_refused(any_kind, build):
    with pytest.raises(Exception, match=r"no_such_field|[Ee]xtra inputs"):
        build(*any_kind, no_such_field=1)


def candidates(value: Any, annotation: Any) -> Iterator[Any]:  # noqa: PLR0911, PLR0912 - a list of cases
    """Yields other values that a setting might take."""
    for inner in (annotation, *get_args(annotation)):
        if get_origin(inner) is Literal:
            yield from (other for other in get_args(inner) if other != value)
        if value is None and isinstance(inner, type) and issubclass(inner, Component) and inner.family:
            yield from known_kinds(inner.family)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value / 2, value + 0.25, value - 1)
    elif isinstance(value, str):
        yield from ("packaged:smollm2-135m-instruct", "question", f"{value}x")
        yield "langchain_core.vectorstores.in_memory:InMemoryVectorStore"
    elif isinstance(value, Component):
        yield from (kind for kind in known_kinds(value.family) if kind != value.kind)
        for name, info in type(value).model_fields.items():
            if Execution not in info.metadata:
                others = candidates(getattr(value, name), info.annotation)
                yield from ({**value.spec(), name: other} for other in others)
    elif isinstance(value, Mapping):
        yield from ({**value, "name": "x"}, {**value, "name": 1}, {**value, "seed": None}, {**value, "title": "x"})
        yield from ({**value, "name": {"prompt": 1.0, "completion": 1.0}}, {**value, "name": ("x",)})
    elif isinstance(value, tuple):
        yield from ((*value, "x"), ("pass",), ("long",), value[:1])
    elif value is None:
        yield from (3, 8, 0.5, "x", "grouped", True, ("x",), (1, 2), "NAME", {"prompt": 1.0, "completion": 1.0})


@pytest.fixture(params=[{"avx2"}, {"avx2", "avx512_bf16"}], ids=["32-bit only", "16-bit"])
def processor(request, monkeypatch) -> None:
    """What this machine's processor says that it can: where it lacks 16-bit numbers, parts settle on other formats."""
    monkeypatch.setattr(_dtypes, "cpu_flags", lambda: frozenset(request.param))


@pytest.mark.usefixtures("processor")
def test_every_setting_is_in_the_key_unless_it_is_execution(any_kind, build):
    family, kind = any_kind
    part = build(family, kind)
    # What the part settled on its own stays as it is, so that each setting is changed alone.
    settled = {name: value for name, value in part.spec().items() if name != "kind"}
    for name, info in type(part).model_fields.items():
        if (family, kind, name) in BY_CONTENT:
            continue
        for value in candidates(getattr(part, name), info.annotation):
            try:
                changed = build(family, kind, **settled | {name: value})
            except (ValidationError, ValueError):
                continue
            if getattr(changed, name) != getattr(part, name):
                break
        else:
            pytest.fail(f"no other value found for {name}")
        assert (changed.key == part.key) == (Execution in info.metadata), name
