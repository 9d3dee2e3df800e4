"""Pages of the reference that are made from the code: kinds by family, YAML files, and the command line."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from typer.testing import CliRunner

from ragvlc import families
from ragvlc.cli.main import app
from ragvlc.core.component import Component, find_kind, known_kinds
from ragvlc.schema import PARTS, schemas

Schema = Mapping[str, Any]
FILES = {"pipeline.json": "pipelines", "experiment.json": "experiments", "replay.json": "replays"}
MEANINGS = {
    "chunkers": "Divide documents into chunks.",
    "datasets": "Give documents and questions, with references and evidence where there are any.",
    "embedders": "Turn texts into vectors.",
    "executors": "Decide where questions are answered: in this process, or on workers.",
    "generators": "Open language models.",
    "metrics": "Score answers, or the ranking and the context behind them.",
    "orders": "Put retrieved passages in an order for the prompt.",
    "rerankers": "Rank candidates of a retriever again.",
    "retrievers": "Rank chunks for a question.",
    "routers": "Choose a route before anything is answered.",
    "routes": "Answer a question over documents in one way.",
    "selectors": "Say how many of the ranked passages are read.",
    "strategies": "Say which questions are asked of which cells.",
    "trackers": "Send results to another place.",
}


def pages() -> Iterator[tuple[str, str]]:
    """Yields the path and the text of each page."""
    found = schemas()
    for family in sorted(MEANINGS):
        yield f"reference/{family}.md", "\n".join(_family(family, found[PARTS]["$defs"]))
    yield "reference/kinds.md", "\n".join(_kinds())
    yield "reference/yaml.md", "\n".join(_files(found))
    yield "reference/command_line.md", "\n".join(_commands())


def family_names() -> list[str]:
    """Returns the names of all families."""
    return sorted(getattr(part, "family", "") for part in vars(families).values() if getattr(part, "family", ""))


def _kinds() -> Iterator[str]:
    yield "# All kinds"
    yield ""
    yield "A kind is a value of `kind:` in YAML. `module:Class` takes a kind of your own ([how](../extending.md))."
    yield ""
    yield "| family | does | kinds |"
    yield "| --- | --- | --- |"
    for family in sorted(MEANINGS):
        kinds = ", ".join(f"[`{kind}`]({family}.md#{kind})" for kind in known_kinds(family))
        yield f"| [{family}]({family}.md) | {MEANINGS[family]} | {kinds} |"


def _family(family: str, parts: Mapping[str, Schema]) -> Iterator[str]:
    base = next(part for part in vars(families).values() if getattr(part, "family", "") == family)
    yield f"# {family.capitalize()}"
    yield ""
    yield MEANINGS[family]
    yield ""
    kinds = known_kinds(family)
    for kind in kinds:
        yield from _kind(kind, find_kind(base, kind), parts)
    for name in _values([parts[f"{family}.{kind}"] for kind in kinds], parts):
        yield f"## {name} {{ #{name.lower()} }}"
        yield ""
        yield str(parts[name].get("description", ""))
        yield ""
        yield from _settings(parts[name])
        yield ""


def _kind(kind: str, part: type[Component], parts: Mapping[str, Schema]) -> Iterator[str]:
    module = inspect.cleandoc(importlib.import_module(part.__module__).__doc__ or "")
    yield f"## `{kind}` {{ #{kind} }}"
    yield ""
    yield _markdown(module)
    yield ""
    settings = parts[f"{part.family}.{kind}"]["properties"]
    if settings.keys() - {"kind"}:
        yield from _settings(
            {
                "properties": {n: _resolved(one, parts) for n, one in settings.items() if n != "kind"},
                "required": parts[f"{part.family}.{kind}"]["required"],
            }
        )
    yield ""
    yield f"Module `{part.__module__}`, class `{part.__name__}`, version {part.version}."
    yield ""


def _values(schemas: Iterable[Schema], parts: Mapping[str, Schema]) -> list[str]:
    """Returns the names of mappings that settings take as values, and those inside of these."""
    found: dict[str, None] = {}
    texts = [json.dumps([_resolved(one, parts) for one in schema["properties"].values()]) for schema in schemas]
    while texts:
        for place in re.findall(r'"(?:parts\.json)?#/\$defs/([^"/]+)"', texts.pop(0)):
            if place not in found and "properties" in parts.get(place, {}):
                found[place] = None
                texts.append(json.dumps(parts[place]))
    return sorted(found)


def _resolved(setting: Schema, parts: Mapping[str, Schema]) -> Schema:
    """Returns a setting with what it inherits from the class that declares it."""
    place = str(setting.get("$ref", ""))
    if "/properties/" not in place:
        return setting
    owner, _, name = place.removeprefix("#/$defs/").partition("/properties/")
    own = {key: value for key, value in setting.items() if key != "$ref"}
    return {**_resolved(parts[owner]["properties"][name], parts), **own}


def _default(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) > 60 or "\n" in text:
        return "a text" if isinstance(value, str) else "see the module"
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _markdown(text: str) -> str:
    """Returns a docstring as Markdown: it is nearly that already; addresses become links, bare angles are escaped."""
    text = re.sub(r"(?<![\[(<`])(https?://[^\s,;)>]+[^\s,;)>.])", r"<\1>", text)
    return re.sub(r"(?<!\n)\n(- )", r"\n\n\1", text, count=1) if "\n\n- " not in text else text


def _files(found: Mapping[str, Schema]) -> Iterator[str]:
    yield "# YAML files"
    yield ""
    yield (
        "Four kinds of mappings. Every setting of a part is on the page of its [family](kinds.md). `ragvlc schema "
        "FOLDER` writes JSON Schemas, so that editors complete and check these files."
    )
    for name, folder in FILES.items():
        schema = found[name]
        yield ""
        yield f"## {name.partition('.')[0].capitalize()} {{ #{name.partition('.')[0]} }}"
        yield ""
        yield (
            f"{schema['description']} Shipped ones are in `{folder}/`."
            if folder != "replays"
            else str(schema["description"])
        )
        yield ""
        yield from _settings(schema)
        for inner, one in sorted(schema.get("$defs", {}).items()):
            if "properties" in one:
                yield ""
                yield f"### {inner} {{ #{inner.lower()} }}"
                yield ""
                yield str(one.get("description", ""))
                yield ""
                yield from _settings(one)


def _settings(schema: Schema) -> Iterator[str]:
    yield "| key | takes | default | |"
    yield "| --- | --- | --- | --- |"
    for name, one in schema["properties"].items():
        required = name in schema.get("required", ())
        default = "required" if required else _default(one["default"]) if "default" in one else "-"
        yield f"| `{name}` | {_takes(one)} | {default} | {_cell(str(one.get('description', '')))} |"


WORDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
NAMED = {
    "pipeline.json": "a [pipeline](yaml.md#pipeline)",
    "Outside": "`module:Class`",
    "JsonValue": "anything",
    "Price": "[Price](generators.md#price)",
}


def _takes(schema: Schema) -> str:
    """Returns what a schema takes, in few words."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    kind = str(schema.get("type", "anything"))
    if name:
        said = f"[{name}]({name}.md)" if name in MEANINGS else NAMED.get(name, f"[{name}](#{name.lower()})")
    elif "enum" in schema or "const" in schema:
        said = " ".join(f"`{one}`" for one in schema.get("enum", [schema.get("const")]))
    elif "anyOf" in schema:
        said = " or ".join(dict.fromkeys(_takes(one) for one in schema["anyOf"]))
    elif kind == "array":
        said = f"a list of {_takes(schema.get('items', {}))}"
    elif kind == "object":
        other = schema.get("additionalProperties")
        said = f"a mapping to {_takes(other)}" if isinstance(other, dict) else "a mapping"
    else:
        said = WORDS.get(kind, kind)
    return ", ".join([said, *(f"{sign} {schema[bound]}" for bound, sign in BOUNDS.items() if bound in schema)])


def _commands() -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield _help([])
    yield ""
    for name in sorted(_names()):
        yield f"## ragvlc {name} {{ #{name} }}"
        yield ""
        yield _help([name])
        yield ""


def _names() -> list[str]:
    """Returns the names of all commands."""
    return [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]


def _help(words: list[str]) -> str:
    found = CliRunner().invoke(app, [*words, "--help"], prog_name="ragvlc", env={"COLUMNS": "100", "NO_COLOR": "1"})
    return f"```text\n{found.output.strip()}\n```"
