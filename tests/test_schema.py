"""The JSON Schemas take what loads, and refuse what does not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from ragvlc.core.component import find_kind, known_kinds
from ragvlc.core.families import Chunker, Retriever
from ragvlc.replay.spec import is_replay
from ragvlc.schema import experiment_schema, explanations, pipeline_schema, replay_schema

ROOT = Path(__file__).parents[1]
SCHEMAS = {"pipelines": pipeline_schema(), "experiments": experiment_schema(), "replays": replay_schema()}
FILES = sorted([*ROOT.glob("pipelines/**/*.yaml"), *ROOT.glob("experiments/**/*.yaml")])
RAG: dict[str, Any] = {
    "generators": {"main": "scripted"},
    "routes": {"rag": {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 64}, "order": "document"}},
}


def wrong(folder: str, data: object) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMAS[folder]).iter_errors(data)]


@pytest.mark.parametrize("folder", SCHEMAS)
def test_it_is_a_schema(folder: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[folder])
    names = set(SCHEMAS[folder]["$defs"])
    assert {"chunkers", "chunkers.tokens", "routes.retrieve", "metrics.contains"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_files_are_right_and_name_their_schema(path: Path) -> None:
    folder = "replays" if is_replay(path) else path.parent.name
    assert wrong(folder, yaml.safe_load(path.read_text(encoding="utf-8"))) == []
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../schema/{folder.removesuffix('s')}.json"


def changed(path: str, value: object) -> dict[str, Any]:
    data = copy.deepcopy(RAG)
    place: Any = data
    *steps, last = path.split(".")
    for step in steps:
        place = place[step]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "right"),
    [
        ("routes.rag.order", "reverse", True),
        ("routes.rag.order", "revers", False),
        ("routes.rag.order", "my_package.orders:Mine", True),
        ("routes.rag.order", {"kind": "my_package.orders:Mine", "anything": 1}, True),
        ("routes.rag.chunker.size", 0, False),
        ("routes.rag.chunker.size", "many", False),
        ("routes.rag.chunker.sise", 64, False),
        ("routes.rag.chunker", {"size": 64}, False),
        ("routes.rag.reranker", None, True),
        ("routes.rag.truncation", "midle", False),
        ("generators.main", {"kind": "scripted", "price": {"prompt": 1, "completion": 2}}, True),
        ("generators.main", {"kind": "scripted", "price": {"prompt": -1, "completion": 2}}, False),
        ("router", "always", True),
        ("descripton", "x", False),
    ],
)
def test_it_tells_right_from_wrong(path: str, value: object, right: bool) -> None:
    assert (wrong("pipelines", changed(path, value)) == []) is right


def test_an_experiment_takes_names_and_whole_pipelines() -> None:
    sweep: dict[str, Any] = {"dataset": "toy", "metrics": ["contains"]}
    assert wrong("experiments", sweep | {"pipelines": ["rag", "mine.yaml"]}) == []
    assert wrong("experiments", sweep | {"pipelines": {"a": RAG, "b": "rag"}}) == []
    assert wrong("experiments", sweep | {"pipelines": []})
    assert wrong("experiments", sweep | {"pipelines": {"a": changed("routes.rag.order", "revers")}})
    assert wrong("experiments", {"pipelines": ["rag"], "metrics": ["contains"]})


@pytest.mark.parametrize("folder", SCHEMAS)
def test_every_setting_is_explained(folder: str) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in SCHEMAS[folder]["$defs"].items()
        for field, facts in schema.get("properties", {}).items()
        if field != "kind" and "." in name and not facts.get("description")
    ]
    assert silent == []


def test_explanations_come_from_the_nearest_class() -> None:
    words = explanations(find_kind(Chunker, "tokens"))
    assert set(words) >= {"size", "overlap"}
    assert all("  " not in word for word in words.values())
    assert "candidates" in SCHEMAS["pipelines"]["$defs"]["retrievers.bm25"]["properties"]
    assert all(find_kind(Retriever, kind).model_fields["candidates"] for kind in known_kinds("retrievers"))
