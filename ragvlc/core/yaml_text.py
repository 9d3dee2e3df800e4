"""Reads YAML within limits: of size, of depth, of aliases and of what these expand to.

The limits are checked on the parser's events, before anything is built: building is recursive, and a few hundred bytes
of aliases can stand for billions of values.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from stat import S_ISREG
from typing import Any

import yaml

from ragvlc.core.errors import ConfigError
from ragvlc.core.limits import YAML_ALIASES, YAML_BYTES, YAML_DEPTH, YAML_NODES, Limit

__all__ = ["parse_mapping", "parse_value", "read_mapping"]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a PyYAML built without libyaml has no such class

_TYPES = {list: "a list", set: "a set", str: "a text", bool: "true or false", int: "a number", float: "a number"}


class _StrictLoader(_Loader):  # type: ignore[misc]
    """A YAML loader that rejects duplicate keys, where PyYAML would silently use the last one.

    Names are texts: `on: 2026-11-01` has the name `on`, which YAML 1.1 reads as true.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.tag == "tag:yaml.org,2002:bool":
                key_node.tag = "tag:yaml.org,2002:str"
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, f"{key} cannot be a name", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", key_node.start_mark)
            seen.add(key)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


def read_mapping(path: Path) -> dict[str, Any]:
    """Returns the mapping in a YAML file. Raises `ConfigError`, with line and column, if the file cannot be read."""
    try:
        facts = path.stat()
        if not S_ISREG(facts.st_mode):
            raise ConfigError(f"{path}: is no regular file.")
        if facts.st_size > YAML_BYTES.value:
            raise ConfigError(f"{path}: has {facts.st_size:,} bytes. {YAML_BYTES.advice()}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, source: str) -> dict[str, Any]:
    """Returns the mapping in a YAML text; `source` names the text in errors."""
    data = parse_value(text, source)
    if not isinstance(data, dict):
        given = _TYPES.get(type(data), "a single value") if data is not None else "nothing"
        raise ConfigError(f"{source}: needs a mapping of names to values, not {given}.")
    return data


def parse_value(text: str, source: str) -> object:
    """Returns the value in a YAML text. Raises `ConfigError` for what is no YAML, and for what exceeds a limit."""
    try:
        _check_limits(text, source)
        found: object = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}:{_sentence(text, error)}") from error
    except (ValueError, TypeError, AttributeError) as error:  # PyYAML on values such as 0o9, 2026-13-45 or !!binary é
        raise ConfigError(f"{source}: holds a value that YAML cannot read: {error}") from error
    return found


def _sentence(text: str, error: yaml.YAMLError) -> str:
    """Returns place and problem, in the words of PyYAML's own parser, which say more than libyaml's."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as plainer:
        error = plainer
    return f"{_place(getattr(error, 'problem_mark', None))} {getattr(error, 'problem', None) or error}"


def _place(mark: Any) -> str:  # noqa: ANN401 - a mark of PyYAML or of libyaml
    return f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""


def _check_limits(text: str, source: str) -> None:
    """Raises `ConfigError` if the text exceeds a limit, or if a value contains itself."""
    depth_limit, alias_limit, node_limit = YAML_DEPTH.value, YAML_ALIASES.value, YAML_NODES.value
    sizes: list[int] = [0]  # of each open collection, in values, with aliases replaced; the first is the document
    open_anchors: list[str | None] = [None]
    anchored: dict[str, int] = {}
    aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        name = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
            if name in open_anchors:
                raise ConfigError(f"{source}:{_place(event.start_mark)} the value '{name}' contains itself.")
            sizes[-1] += anchored.get(event.anchor or "", 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            open_anchors.append(name)
        elif isinstance(event, yaml.CollectionEndEvent):
            size, ended = sizes.pop(), open_anchors.pop()
            sizes[-1] += size
            if ended is not None:
                anchored[ended] = size
        elif isinstance(event, yaml.ScalarEvent):
            sizes[-1] += 1
            if name is not None:
                anchored[name] = 1
        _refuse(len(sizes) - 1 > depth_limit, "is nested too deeply", YAML_DEPTH, event, source)
        _refuse(aliases > alias_limit, "uses too many aliases", YAML_ALIASES, event, source)
        _refuse(sizes[-1] > node_limit, "stands for too many values", YAML_NODES, event, source)


def _refuse(over: bool, what: str, limit: Limit, event: yaml.Event, source: str) -> None:
    if over:
        raise ConfigError(f"{source}:{_place(event.start_mark)} {what}. {limit.advice()}")
