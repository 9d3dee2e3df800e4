"""JSON Schemas of pipeline, experiment and replay files, for editors: all components with explained settings.

`parts.json` defines each kind once, and the three schemas refer to it: the files belong in one folder. A setting that
several kinds inherit is defined once, at the class that declares it. Kinds refer to such settings one by one, because
`additionalProperties: false` would refuse those that a reference to a whole class brings.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from ragvlc.core.component import FAMILY_MARK, Component, find_kind, known_kinds
from ragvlc.families import FAMILIES
from ragvlc.pipeline import Pipeline
from ragvlc.replay.spec import Replay
from ragvlc.sweep.spec import Sweep

__all__ = ["PARTS", "explanations", "kinds_table", "schemas", "text_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PARTS = "parts.json"
HERE = "#/$defs/"
OUTSIDE = {"description": "A custom class, module:Class.", "type": "string", "pattern": r"^[\w.]+:\w+$"}
COLUMNS = 120
"""Width of a line in the files, except for closing braces."""
TABLES = ("$defs", "properties")
"""Tables of definitions or settings by name: each entry starts a line in the files."""

_Schema = dict[str, Any]
_Models = Mapping[type[Component], _Schema]


def schemas() -> dict[str, _Schema]:
    """Returns the JSON Schemas by file name: the shared definitions, and one schema for each type of YAML file."""
    kinds = [(name, cls, kind) for name, cls in FAMILIES.items() for kind in known_kinds(name)]
    classes = {f"{name}.{kind}": find_kind(cls, kind) for name, cls, kind in kinds}
    models, inner = _models([*_with_ancestors(classes.values()), Pipeline, Sweep, Replay])
    parts = _parts(classes, models)
    parts |= _reached(parts, inner)
    files = {
        "pipeline.json": ("A ragvlc pipeline: how a question is answered", models[Pipeline]),
        "experiment.json": ("A ragvlc experiment: what is compared", _experiment(models[Sweep])),
        "replay.json": ("A ragvlc replay: routers on stored answers", _without_name(models[Replay])),
    }
    title = "The parts of ragvlc, by family and kind"
    made = {PARTS: _linked({"$schema": DIALECT, "title": title, "$defs": dict(sorted(parts.items()))}, {})}
    elsewhere = {name: f"{PARTS}{HERE}{name}" for name in parts} | {Pipeline.__name__: "pipeline.json"}
    for file, (title, schema) in files.items():
        own = _reached(schema, {name: found for name, found in inner.items() if name not in elsewhere})
        whole = {"$schema": DIALECT, "title": title, **schema, **({"$defs": own} if own else {})}
        made[file] = _linked(whole, elsewhere)
    return made


def text_of(schema: _Schema) -> str:
    """Returns a schema as JSON text, with one line for each setting, or several for a long setting."""
    return _written(schema, 0, 0) + "\n"


def kinds_table() -> str:
    """Returns a Markdown table of all families and the names of their components."""
    rows = [f"| {name} | {' '.join(f'`{kind}`' for kind in known_kinds(name))} |" for name in sorted(FAMILIES)]
    return "\n".join(["| family | kinds |", "| --- | --- |", *rows])


def explanations(part: type[Any]) -> dict[str, str]:
    """Returns the explanation of each setting, from the docstrings of a component class and its ancestors."""
    found: dict[str, str] = {}
    for ancestor in reversed(part.__mro__):
        text = inspect.cleandoc(ancestor.__doc__ or "") if issubclass(ancestor, Component) else ""
        _, _, attributes = text.partition("Attributes:\n")
        for name, sentence in re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", attributes, flags=re.MULTILINE):
            found[name] = " ".join(sentence.split())
    return found


class _Explained(GenerateJsonSchema):
    """Schema generator that describes settings by their docstrings instead of titles made from their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's
        return False

    def sort(self, value: Any, parent_key: str | None = None) -> Any:  # noqa: ANN401, ARG002 - pydantic's
        return value

    def model_schema(self, schema: core_schema.ModelSchema) -> _Schema:
        part, given = schema["cls"], super().model_schema(schema)
        words = explanations(part)
        settings = given["properties"]
        for name, setting in settings.items():
            if name in words:
                setting["description"] = words[name]
            if len(json.dumps(setting.get("default"))) > COLUMNS:  # a prompt: what is said of it comes first
                setting["default"] = setting.pop("default")
        return {
            "description": inspect.cleandoc(part.__doc__ or "").partition("\n")[0],
            "type": "object",
            "required": given.get("required", []),
            "additionalProperties": False,
            "properties": settings,
        }


def _with_ancestors(classes: Iterable[type[Component]]) -> list[type[Component]]:
    """Returns the classes, followed by the ancestors that they inherit settings from, without repeats."""
    found = list(dict.fromkeys(classes))
    lines = [ancestor for cls in found for ancestor in cls.__mro__ if issubclass(ancestor, Component)]
    return list(dict.fromkeys([*found, *(ancestor for ancestor in lines if ancestor.model_fields)]))


def _models(classes: Iterable[type[Component]]) -> tuple[_Models, dict[str, _Schema]]:
    """Returns the schemas of the classes, and the schemas of all models inside them, keyed by their reference name."""
    # Pydantic takes a family for any of its kinds; a subclass shows the settings that it declares.
    asked = {
        cls: type(cls.__name__, (cls,), {"__module__": cls.__module__}) if cls.__dict__.get("family") else cls
        for cls in classes
    }
    places, made = models_json_schema([(cls, "validation") for cls in asked.values()], schema_generator=_Explained)
    inner: dict[str, _Schema] = made["$defs"]
    return {cls: inner[places[asked[cls], "validation"]["$ref"].removeprefix(HERE)] for cls in asked}, inner


def _parts(classes: Mapping[str, type[Component]], models: _Models) -> dict[str, _Schema]:
    """Returns the definitions of families, of components, and of the classes that components inherit settings from."""
    shared = [cls for cls in _with_ancestors(classes.values()) if cls not in classes.values()]
    names = {cls: name for name, cls in classes.items()} | {cls: f"{cls.family}.{cls.__name__}" for cls in shared}
    parts: dict[str, _Schema] = {"Outside": OUTSIDE}
    for cls in shared:
        settings = {name: _setting(cls, name, models, names) for name in models[cls]["properties"]}
        declared = {name: setting for name, setting in settings.items() if set(setting) != {"$ref"}}
        if declared:
            parts[names[cls]] = {"description": models[cls]["description"], "properties": declared}
    for name, cls in classes.items():
        parts[name] = {
            **models[cls],
            "required": ["kind", *models[cls]["required"]],
            "properties": {
                "kind": {"const": name.removeprefix(f"{cls.family}.")},
                **{setting: _setting(cls, setting, models, names) for setting in models[cls]["properties"]},
            },
        }
    for family in FAMILIES:
        own = {kind: parts[f"{family}.{kind}"] for kind in known_kinds(family)}
        parts[family] = _union(family, list(own), [kind for kind in own if own[kind]["required"] == ["kind"]])
    return parts


def _union(family: str, kinds: list[str], bare: list[str]) -> _Schema:
    """Returns the schema of a family's values: a mapping, or only a name if the component has no required settings."""
    outside = {"$ref": f"{HERE}Outside"}
    mapping: _Schema = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"anyOf": [{"enum": kinds}, outside]}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"{HERE}{family}.{kind}"}}
            for kind in kinds
        ],
    }
    return {"anyOf": [*([{"enum": bare}] if bare else []), outside, mapping]}


def _setting(part: type[Component], name: str, models: _Models, names: Mapping[type[Component], str]) -> _Schema:
    """Returns the schema of a setting; an inherited setting refers to the ancestor's schema and lists only changes."""
    own: _Schema = models[part]["properties"][name]
    ancestor = next((cls for cls in part.__mro__[1:] if cls in models and name in models[cls]["properties"]), None)
    if ancestor is None:
        return own
    base = models[ancestor]["properties"][name]
    other = {key: value for key, value in own.items() if key not in base or base[key] != value}
    if base.keys() - own.keys() or other.keys() - {"default", "description"}:  # it takes other values
        return own
    above = _setting(ancestor, name, models, names)
    place = above["$ref"] if set(above) == {"$ref"} else f"{HERE}{names[ancestor]}/properties/{name}"
    return {"$ref": place, **other}


def _without_name(schema: _Schema) -> _Schema:
    """Returns the schema with `name` made optional, because it defaults to the name of the file."""
    return {**schema, "required": [name for name in schema["required"] if name != "name"]}


def _experiment(schema: _Schema) -> _Schema:
    """Returns the schema of a sweep file, in which a pipeline may also be a name or a file path."""
    given: _Schema = schema["properties"]["pipelines"]
    named = {"type": "string", "description": "A shipped pipeline's name, or a path relative to this file."}
    pipelines = {
        "description": given["description"],
        "anyOf": [
            {"type": "array", "items": named, "minItems": 1},
            {
                "type": "object",
                "additionalProperties": {"anyOf": [named, given["additionalProperties"]]},
                "minProperties": 1,
            },
        ],
    }
    return {**_without_name(schema), "properties": {**schema["properties"], "pipelines": pipelines}}


def _reached(value: _Schema, inner: Mapping[str, _Schema]) -> dict[str, _Schema]:
    """Returns the definitions that a schema refers to, directly or through other definitions."""
    found: dict[str, _Schema] = {}
    wanted = _references(value)
    while new := {name: inner[name] for name in sorted(wanted) if name in inner and name not in found}:
        found |= new
        wanted = _references(new)
    return found


def _references(value: object) -> set[str]:
    return set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(value)))


def _linked(value: Any, elsewhere: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    """Replaces family marks in a schema by references, and links shared definitions to the file that contains them."""
    if isinstance(value, list):
        return [_linked(item, elsewhere) for item in value]
    if not isinstance(value, dict):
        return value
    linked = {}
    for key, item in value.items():
        if key in (FAMILY_MARK, "$ref"):
            name = item.removeprefix(HERE)
            linked["$ref"] = elsewhere.get(name, HERE + name)
        else:
            linked[key] = _linked(item, elsewhere)
    return linked


def _written(value: Any, indent: int, column: int, *, table: bool = False) -> str:  # noqa: ANN401 - JSON
    """Returns the value as JSON text that starts at `column`; strings are never split, so lines may be too long.

    The items of a list or a table have a line each; those of another object share lines.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or column + len(flat) < COLUMNS:
        return flat
    margin = "\n" + " " * (indent + 1)
    if isinstance(value, list):
        rows = [_written(item, indent + 1, indent + 1) for item in value]
        return f"[{margin}{f',{margin}'.join(rows)}\n{' ' * indent}]"
    if table:
        rows = [_item(key, item, indent + 1, indent + 1) for key, item in value.items()]
        return f"{{{margin}{f',{margin}'.join(rows)}\n{' ' * indent}}}"
    text, at = "{", column + 1
    for key, item in value.items():
        width = len(json.dumps({key: item}, ensure_ascii=False))
        between = f",{margin}" if indent + width < COLUMNS <= at + width else ", "  # no break that does not help
        between = "" if text == "{" else between
        at = indent + 1 if "\n" in between else at + len(between)
        row = _item(key, item, indent + 1, at)
        text += between + row
        at = len(row) - row.rindex("\n") - 1 if "\n" in row else at + len(row)
    return text + "}"


def _item(key: str, value: Any, indent: int, column: int) -> str:  # noqa: ANN401 - JSON
    lead = f"{json.dumps(key)}: "
    return lead + _written(value, indent, column + len(lead), table=key in TABLES)
