"""The JSON Schemas take what loads, and refuse what does not."""

from __future__ import annotations

import copy
import difflib
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

import pytest
import yaml
from command_line import Cli
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ragvlc import routes, schema
from ragvlc.core.component import Component, find_kind, known_kinds
from ragvlc.families import FAMILIES, Chunker, Retriever, Route
from ragvlc.replay.spec import is_replay
from ragvlc.schema import PARTS, explanations, schemas, text_of

ROOT = Path(__file__).parents[1]
SCHEMAS = schemas()
FOLDER = Registry().with_resources((name, DRAFT202012.create_resource(made)) for name, made in SCHEMAS.items())
DEFINED = SCHEMAS[PARTS]["$defs"]
WORDS = {"pipelines": "pipeline", "experiments": "experiment", "replays": "replay"}
FILES = sorted([*ROOT.glob("pipelines/**/*.yaml"), *ROOT.glob("experiments/**/*.yaml")])
RAG: dict[str, Any] = {
    "generators": {"main": "scripted"},
    "routes": {"rag": {"kind": "retrieve", "chunker": {"kind": "tokens", "size": 64}, "order": "document"}},
}


def wrong(folder: str, data: object) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[f"{WORDS[folder]}.json"], registry=FOLDER)
    return [error.message for error in validator.iter_errors(data)]


def looked_up(place: str, file: str) -> Any:
    return FOLDER.resolver(file).lookup(place).contents


@pytest.mark.parametrize("file", SCHEMAS)
def test_it_is_a_schema_whose_references_lead_somewhere(file: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[file])
    places = re.findall(r'"\$ref": "(.*?)"', text_of(SCHEMAS[file]))
    assert places
    for place in places:
        looked_up(place, file)
    assert json.loads(text_of(SCHEMAS[file])) == SCHEMAS[file]


def test_kinds_are_defined_once_for_all_files() -> None:
    assert {"chunkers", "chunkers.tokens", "routes.retrieve", "metrics.contains"} <= set(DEFINED)
    for file in set(SCHEMAS) - {PARTS}:
        assert not set(SCHEMAS[file].get("$defs", {})) & set(DEFINED)
        assert len(text_of(SCHEMAS[file]).splitlines()) < 120


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


def test_the_command_writes_files_that_find_each_other(ragvlc: Cli, tmp_path: Path) -> None:
    def read(uri: str) -> Resource[Any]:
        path = Path(url2pathname(uri.removeprefix("file:")))
        return Resource.from_contents(json.loads(path.read_text(encoding="utf-8")))

    said = ragvlc("schema", str(tmp_path / "my schemas"))
    assert said.code == 0, said.err
    assert {path.name for path in tmp_path.glob("*/*")} == set(SCHEMAS)
    sweep = (tmp_path / "my schemas" / "experiment.json").as_uri()
    validator = Draft202012Validator({"$ref": sweep}, registry=Registry(retrieve=read))
    data: dict[str, Any] = {"dataset": "toy", "metrics": ["contains"], "pipelines": {"a": RAG}}
    assert validator.is_valid(data)
    assert not validator.is_valid(data | {"pipelines": {"a": changed("routes.rag.order", "revers")}})
    assert ragvlc("schema", str(tmp_path / "my schemas" / PARTS)).code == 2


def described(setting: dict[str, Any], file: str) -> str:
    """Returns what an editor says of a setting: its own words, or those of the setting that it refers to."""
    while "description" not in setting and "$ref" in setting:
        place = setting["$ref"]
        file = place.partition("#")[0] or file
        setting = looked_up(place, file)
    return str(setting.get("description", ""))


@pytest.mark.parametrize("file", SCHEMAS)
def test_every_setting_is_explained(file: str) -> None:
    whole = {"": SCHEMAS[file], **SCHEMAS[file].get("$defs", {})}
    silent = [
        f"{name}.{field}"
        for name, made in whole.items()
        for field, facts in made.get("properties", {}).items()
        if field != "kind" and not described(facts, file)
    ]
    assert silent == []


def test_explanations_come_from_the_nearest_class() -> None:
    words = explanations(find_kind(Chunker, "tokens"))
    assert set(words) >= {"size", "overlap"}
    assert all("  " not in word for word in words.values())
    assert described(DEFINED["routes.refine"]["properties"]["generator"], PARTS).startswith("as `worker`")
    assert described(DEFINED["routes.retrieve"]["properties"]["generator"], PARTS).startswith("role of the model")
    assert "candidates" in DEFINED["retrievers.bm25"]["properties"]
    assert all(find_kind(Retriever, kind).model_fields["candidates"] for kind in known_kinds("retrievers"))


def test_what_kinds_inherit_is_defined_where_it_is_declared() -> None:
    place = "#/$defs/routes.Asking/properties/answer_tokens"
    settings = {name: DEFINED[f"routes.{name}"]["properties"]["answer_tokens"] for name in ("rapid", "retrieve")}
    assert settings == {"rapid": {"$ref": place}, "retrieve": {"$ref": place}}
    assert looked_up(place, PARTS)["default"] == find_kind(Route, "rapid").model_fields["answer_tokens"].default
    own = DEFINED["routes.rapid"]["properties"]["chunker"]
    assert own == {
        "$ref": "#/$defs/routes.Retrieving/properties/chunker",
        "default": {"kind": "recursive", "size": 512},
    }


def test_classes_that_kinds_inherit_from_differ_in_name() -> None:
    kinds = {find_kind(cls, kind) for family, cls in FAMILIES.items() for kind in known_kinds(family)}
    above = {cls for kind in kinds for cls in kind.__mro__ if issubclass(cls, Component)} - kinds
    names = [(cls.family, cls.__name__) for cls in above]
    assert len(set(names)) == len(names)


def added(before: str, after: str) -> int:
    """Returns the number of lines of `after` that a diff shows as added."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return sum(line.startswith("+") for line in lines) - 1  # the first names the file


@pytest.mark.parametrize("route", known_kinds("routes"))
def test_a_route_adds_few_lines(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {family: known_kinds(family) for family in FAMILIES}
    kinds["routes"] = tuple(kind for kind in kinds["routes"] if kind != route)
    monkeypatch.setattr(schema, "known_kinds", kinds.__getitem__)
    before = schemas()
    assert f"routes.{route}" not in before[PARTS]["$defs"]
    assert {name for name in SCHEMAS if before[name] != SCHEMAS[name]} == {PARTS}
    assert 5 < added(text_of(before[PARTS]), text_of(SCHEMAS[PARTS])) < 40


@pytest.fixture
def parts_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Returns the parts as they are with `mine.py` among the routes."""

    def make(source: str) -> dict[str, Any]:
        (tmp_path / "mine.py").write_text(source, encoding="utf-8")
        monkeypatch.setattr(routes, "__path__", [*routes.__path__, str(tmp_path)])
        known_kinds.cache_clear()
        importlib.invalidate_caches()
        return schemas()[PARTS]

    yield make
    known_kinds.cache_clear()
    sys.modules.pop("ragvlc.routes.mine", None)


def test_the_route_of_the_readme_adds_few_lines(parts_with: Callable[[str], dict[str, Any]]) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    [source] = [block for block in blocks if "class FirstWords" in block]
    parts = parts_with(source)
    assert "characters" in parts["$defs"]["routes.mine"]["properties"]
    assert added(text_of(SCHEMAS[PARTS]), text_of(parts)) < 20


def test_settings_that_take_other_values_than_the_inherited_are_defined_anew(
    parts_with: Callable[[str], dict[str, Any]],
) -> None:
    parts = parts_with(
        "from typing import Annotated\n"
        "from pydantic import Field\n"
        "from ragvlc.routes.full_context import FullContext\n"
        "class Mine(FullContext):\n"
        "    answer_tokens: Annotated[int, Field(ge=8)] = 16\n"
        "    generator: str\n"
        "    decline: str | None = 'no'\n"
    )
    own = parts["$defs"]["routes.mine"]
    words = {name: facts["description"] for name, facts in DEFINED["routes.Asking"]["properties"].items()}
    assert own["required"] == ["kind", "generator"]
    assert own["properties"]["generator"] == {"type": "string", "description": words["generator"]}
    assert own["properties"]["answer_tokens"] == {
        "type": "integer",
        "minimum": 8,
        "default": 16,
        "description": words["answer_tokens"],
    }
    assert own["properties"]["decline"] == {"$ref": "#/$defs/routes.Asking/properties/decline", "default": "no"}
