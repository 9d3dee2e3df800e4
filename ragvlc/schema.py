"""JSON Schemas of pipeline, experiment and replay files, for editors: every kind with its settings and explanations."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from ragvlc.core import families
from ragvlc.core.component import FAMILY_MARK, Component, find_kind, known_kinds
from ragvlc.pipeline import Pipeline
from ragvlc.replay.spec import Replay
from ragvlc.sweep.spec import Sweep

__all__ = ["experiment_schema", "explanations", "kinds_table", "pipeline_schema", "replay_schema", "text_of"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUTSIDE = r"^[\w.]+:\w+$"

_Schema = dict[str, Any]


def pipeline_schema() -> _Schema:
    """Returns the JSON Schema of a file in `pipelines/`."""
    return _whole("A ragvlc pipeline: how a question is answered", Pipeline)


def experiment_schema() -> _Schema:
    """Returns the JSON Schema of a file in `experiments/`."""
    schema = _whole("A ragvlc experiment: what is compared", Sweep)
    inline = _of(Pipeline)
    named = {"type": "string", "description": "A shipped pipeline's name, or a path seen from this file."}
    schema["$defs"]["pipeline"] = inline
    schema["properties"]["pipelines"] |= {
        "anyOf": [
            {"type": "array", "items": named, "minItems": 1},
            {
                "type": "object",
                "additionalProperties": {"anyOf": [named, {"$ref": "#/$defs/pipeline"}]},
                "minProperties": 1,
            },
        ]
    }
    schema["properties"]["pipelines"].pop("type", None)
    schema["properties"]["pipelines"].pop("additionalProperties", None)
    schema["properties"]["pipelines"].pop("minProperties", None)
    schema["required"].remove("name")  # the file's own by default
    return schema


def replay_schema() -> _Schema:
    """Returns the JSON Schema of a file in `experiments/` that replays stored answers."""
    schema = _whole("A ragvlc replay: routers on stored answers", Replay)
    schema["required"].remove("name")  # the file's own by default
    return schema


def text_of(schema: _Schema) -> str:
    """Returns a schema as the text of its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def kinds_table() -> str:
    """Returns a Markdown table of all families and their kinds."""
    rows = [f"| {name} | {' '.join(f'`{kind}`' for kind in known_kinds(name))} |" for name in sorted(_families())]
    return "\n".join(["| family | kinds |", "| --- | --- |", *rows])


def explanations(part: type[Component]) -> dict[str, str]:
    """Returns what the docstrings of a part and its ancestors say of each setting."""
    found: dict[str, str] = {}
    for ancestor in reversed(part.__mro__):
        text = inspect.cleandoc(ancestor.__doc__ or "") if issubclass(ancestor, Component) else ""
        _, _, attributes = text.partition("Attributes:\n")
        for name, sentence in re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", attributes, flags=re.MULTILINE):
            found[name] = " ".join(sentence.split())
    return found


def _whole(title: str, part: type[Component]) -> _Schema:
    kinds = {f"{name}.{kind}": _kind(cls, kind) for name, cls in _families().items() for kind in known_kinds(name)}
    unions = {name: _union(name, kinds) for name in _families()}
    return {"$schema": DIALECT, "title": title, **_of(part), "$defs": unions | kinds}


def _families() -> dict[str, type[Component]]:
    members = inspect.getmembers(families, inspect.isclass)
    return {cls.family: cls for _, cls in members if issubclass(cls, Component) and cls.__dict__.get("family")}


def _kind(family: type[Component], kind: str) -> _Schema:
    part = find_kind(family, kind)
    schema = _of(part)
    first, _, _ = inspect.cleandoc(part.__doc__ or "").partition("\n")
    schema["description"] = first
    schema["properties"] = {"kind": {"const": kind}, **schema["properties"]}
    schema["required"] = ["kind", *schema["required"]]
    return schema


def _union(family: str, kinds: dict[str, _Schema]) -> _Schema:
    """Returns what may stand where a part of this family is wanted: a bare kind, or a mapping that names one."""
    own = {name.partition(".")[2]: schema for name, schema in kinds.items() if name.startswith(f"{family}.")}
    bare = [kind for kind, schema in own.items() if schema["required"] == ["kind"]]
    outside = {"type": "string", "pattern": OUTSIDE, "description": "A class of your own, module:Class."}
    mapping: _Schema = {
        "type": "object",
        "properties": {"kind": {"anyOf": [{"enum": list(own)}, outside]}},
        "required": ["kind"],
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{family}.{kind}"}}
            for kind in own
        ],
    }
    return {"anyOf": [*([{"enum": bare}] if bare else []), outside, mapping]}


def _of(part: type[Component]) -> _Schema:
    """Returns the schema of a part's settings, families as references, inner definitions put in place."""
    given = part.model_json_schema(mode="validation")
    inner = given.pop("$defs", {})
    schema: _Schema = _resolved(given, inner)
    words = explanations(part)
    for name, field in schema["properties"].items():
        field.pop("title", None)
        if name in words:
            field["description"] = words[name]
    return {
        "type": "object",
        "properties": schema["properties"],
        "required": list(schema.get("required", ())),
        "additionalProperties": False,
    }


def _resolved(value: Any, inner: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_resolved(item, inner) for item in value]
    if not isinstance(value, dict):
        return value
    if FAMILY_MARK in value:
        rest = {name: item for name, item in value.items() if name != FAMILY_MARK}
        return {"$ref": f"#/$defs/{value[FAMILY_MARK]}", **rest}
    if str(value.get("$ref", "")).startswith("#/$defs/"):
        rest = {name: item for name, item in value.items() if name != "$ref"}
        return {**_resolved(inner[value["$ref"].removeprefix("#/$defs/")], inner), **rest}
    return {name: _resolved(item, inner) for name, item in value.items()}
