"""Builds components from YAML and reports every error in a file with its dotted path and the known choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from ragvlc.core.component import Component
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.given_paths import path_of, real_path
from ragvlc.core.paths import Base, place_field, put_field
from ragvlc.core.yaml_text import read_mapping as read_yaml

__all__ = ["build", "find_file", "override", "read_yaml", "shipped", "shipped_folder", "to_yaml"]

ComponentT = TypeVar("ComponentT", bound=Component)


def to_yaml(value: Mapping[str, Any]) -> str:
    """Returns a mapping of JSON values as YAML text, with the keys in their given order."""
    # libyaml writes the same, several times faster; a PyYAML built without it has no such class.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(dict(value), Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def shipped_folder(family: str) -> Path:
    """Returns the folder of the shipped `pipelines` or `experiments`, next to the package or inside the wheel."""
    package = Path(__file__).parent
    beside = package.parent / family
    return beside if (package.parent / "pyproject.toml").exists() and beside.is_dir() else package / "_shipped" / family


def shipped(family: str) -> dict[str, Path]:
    """Returns the paths of the shipped YAML files of `pipelines` or `experiments`, keyed by name."""
    folder = shipped_folder(family)
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.yaml"))}


def find_file(name: str, family: str, folder: Path | None = None) -> Path:
    """Returns the YAML file called `name`: a path (relative to `folder`), or a shipped file."""
    path = path_of(name)
    for candidate in ((folder / path) if folder else path, path):
        if candidate.is_file():
            return real_path(candidate)
    known = shipped(family)
    if name in known:
        return known[name]
    names = ", ".join(known) or "none"
    results = Path("runs", path)
    stored = family == "experiments" and (results / "sweep.yaml").is_file()
    hint = f" Its results are in {results}: name that folder." if stored else nearest(name, known)
    raise ConfigError(f"'{name}' is neither a file nor one of the shipped {family}: {names}.{hint}")


def build(
    cls: type[ComponentT],
    data: Mapping[str, Any],
    source: str,
    folder: Path | None = None,
    *,
    bases: Mapping[str, Base] | None = None,
) -> ComponentT:
    """Returns the component that `data` describes. Raises `ConfigError` with every problem found in `data`.

    Args:
        cls: what to build.
        data: its fields.
        source: the file's name for errors.
        folder: what relative paths in `data` are relative to.
        bases: what paths in some settings, by dotted path (axes, `by_model`), are relative to instead.
    """
    try:
        return cls.model_validate(dict(data), context={"folder": folder, "bases": bases or {}} if folder else None)
    except ValidationError as error:
        raise ConfigError(problems(error, cls, source)) from None


def override(cls: type[Component], data: dict[str, Any], values: Mapping[str, object], base: Base, source: str) -> None:
    """Overrides fields of `data` by dotted path, and resolves the relative file paths in their new values.

    Args:
        cls: what will be built.
        data: its fields; is changed.
        values: of the fields, by dotted path.
        base: what the file paths in them resolve against.
        source: the file's name for errors.

    Raises:
        ConfigError: with every value that has no place, or a file path that exists beside the YAML file alone.
    """
    wrong = []
    for path in sorted(values, key=lambda path: path.count(".")):
        try:
            put_field(data, cls, path, values[path])
        except ValueError as error:
            wrong.append(f"{source}: --set {path}: {error}")
    for path in () if wrong else values:  # once all are there: a kind may come after its settings
        try:
            place_field(data, cls, path, base)
        except ValueError as error:
            wrong.append(f"{source}: {path}: {error}")
    if wrong:
        raise ConfigError(wrong)


def problems(error: ValidationError, cls: type[Component], source: str, prefix: str = "") -> list[str]:
    """Returns one sentence for each validation problem, including problems in nested components and files."""
    found: list[str] = []
    listed = error.errors()
    places = {one["loc"][: len(one["loc"]) - 1] for one in listed}
    for one in listed:
        context: Mapping[str, Any] = one.get("ctx") or {}
        if one["type"] == "too_short" and one["loc"] in places:  # its elements are there, and wrong
            continue
        path = _dotted(one["loc"], prefix)
        if isinstance(context.get("nested"), ValidationError):
            found += problems(context["nested"], context["cls"], source, path)
        elif "sentences" in context:
            found += list(context["sentences"])
        else:
            place = f"{source}: {path}: " if path else f"{source}: "
            sentences = context.get("each") or (_sentence(one, cls, context),)
            found += [place + sentence for sentence in sentences]
    return found


def _sentence(one: Mapping[str, Any], cls: type[Component], context: Mapping[str, Any]) -> str:
    if one["type"] == "extra_forbidden":
        cls = _owner(cls, one["loc"])
        known = list(cls.model_fields)
        name = str(one["loc"][-1])
        owner = (
            f"{cls.family} kind '{_kind(cls)}'"
            if cls.family
            else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()
        )
        listing = ", ".join(known) or "none"
        return f"{owner} has no field '{name}'. Known: {listing}.{nearest(name, known)}"
    if one["type"] == "literal_error":
        words = re.findall(r"'[^']*'|-?\w+", str(context.get("expected", "")))  # such as: 1, 2, 'L' or 'Lsum'
        known = [word.strip("'") for word in words if word != "or"]
        return f"'{one['input']}' is not known. Known: {', '.join(known)}.{nearest(str(one['input']), known)}"
    if one["type"] == "missing":
        return "is missing."
    message = str(one["msg"]).removeprefix("Value error, ")
    given = "" if one["type"] in {"kind", "value_error", "part"} else f" (given: {one['input']!r})"
    return message[:1].lower() + message[1:] + given


def _owner(cls: type[Component], location: tuple[int | str, ...]) -> type[Component]:
    """Returns the component class, such as a sweep's pipeline, that has the field at `location`."""
    for step in location[:-1]:
        field = cls.model_fields.get(str(step))
        for inner in get_args(field.annotation) if field else ():
            if isinstance(inner, type) and issubclass(inner, Component):
                cls = inner
    return cls


def _kind(cls: type[Component]) -> str:
    from ragvlc.core.component import kind_of

    return kind_of(cls)


def _dotted(location: tuple[int | str, ...], prefix: str) -> str:
    path = prefix
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path
