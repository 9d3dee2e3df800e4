"""The contract of components of any family: docstrings, a spec that builds an equal component, and a unique key."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from ragvlc.core.component import Component, Execution, PathMark, fields_of, known_kinds
from ragvlc.core.data import content_key
from ragvlc.families import FAMILIES
from ragvlc.schema import explanations
from ragvlc.testing.trial import Broken, Trial, require

__all__ = ["CLAUSES", "SHIPPED_CLAUSES", "module_text"]


def it_is_the_one_kind_of_its_file(trial: Trial) -> None:
    """A file in a family's folder has exactly one public class."""
    module = importlib.import_module(trial.part.__module__)
    public = [
        name
        for name, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and not name.startswith("_") and issubclass(member, Component)
    ]
    require(
        len(public) == 1,
        f"{module.__name__} has the public classes {', '.join(public)}: the file's name stands for one. Start the "
        "names of the others with an underscore, or move them.",
    )


def it_says_what_it_is(trial: Trial) -> None:
    """Module, class and public methods have docstrings."""
    part, module = trial.part, sys.modules.get(trial.part.__module__)
    require(
        not trial.shipped or (module and (module.__doc__ or "").strip()),
        f"{trial.part.__module__} has no docstring. Say at its head what the kind does, where it comes from and how it "
        "differs from its source.",
    )
    require((part.__dict__.get("__doc__") or "").strip(), f"{part.__name__} has no docstring. Say what it does.")
    for name, member in vars(part).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            require(
                (member.__doc__ or "").strip(),
                f"{part.__name__}.{name} has no docstring. Say what it returns.",
            )


def every_setting_is_explained(trial: Trial) -> None:
    """Every setting is explained in the class's docstring, for editors and readers."""
    missing = [name for name in fields_of(trial.part) if name not in explanations(trial.part)]
    listing = ", ".join(missing)
    example = f"`{missing[0]}: what it sets, with its unit.`" if missing else ""
    require(
        not missing,
        f"{trial.part.__name__} does not explain {listing}. Add to its docstring, below `Attributes:` and indented by "
        f"four blanks, {example}",
    )


def its_spec_builds_it_again(trial: Trial) -> None:
    """A component's spec consists of plain JSON values that build an equal component."""
    part: Component = trial.build()
    spec = part.spec()
    try:
        plain = json.loads(json.dumps(spec))
    except (TypeError, ValueError) as error:
        raise Broken(
            f"its spec is no JSON ({error}). Use texts, numbers, tuples, mappings and parts as settings."
        ) from None
    require(plain == spec, "its spec changes when it is written as JSON. Use tuples and texts as keys in settings.")
    require(spec["kind"] == part.kind == trial.kind, f"its spec says kind {spec['kind']!r}, it is {trial.kind!r}.")
    try:
        again = FAMILIES[part.family].build(spec)
    except PydanticCustomError as error:
        raise Broken(
            f"its spec does not build it again: {error} Define the class at the top of a module that can be imported, "
            "and let validators take what they return."
        ) from None
    require(
        type(again) is type(part) and again == part,
        "its spec builds another part. Let settings be what was given, and what validators make of it stable.",
    )
    require(again.key == part.key, "the part that its spec builds has another key. Let `identity` depend on settings.")
    require(again.random is part.random, "the part that its spec builds says something else of `random`.")


def its_key_is_its_own(trial: Trial) -> None:
    """Equal settings give equal keys, and no other component has the same key."""
    part: Component = trial.build()
    require(re.fullmatch("[0-9a-f]{64}", part.key), f"its key is {part.key!r}. Leave `key` as Component defines it.")
    again: Component = trial.build()
    require(
        content_key(again.key_facts()) == part.key,
        "its key is another one each time, so that no result would be found again. Let `identity` hold what the output "
        "depends on (hashes of files), not times, random numbers or places in memory.",
    )
    for kind in known_kinds(part.family):
        if kind == trial.kind:
            continue
        try:
            other = FAMILIES[part.family].build(kind)
        except PydanticCustomError:  # needs settings
            continue
        require(other.key != part.key, f"its key is that of kind '{kind}'. Leave `key_name` and `kind` as they are.")


def a_setting_too_many_is_refused(trial: Trial) -> None:
    """A misspelt setting is an error, and is not silently ignored."""
    try:
        trial.build(no_such_field=1)
    except (ValidationError, PydanticCustomError, ValueError):
        return
    raise Broken("it takes a setting that it does not have. Leave `model_config` with extra='forbid', as inherited.")


def every_setting_is_in_the_key_unless_it_is_execution(trial: Trial) -> None:
    """A different value of a setting gives a different key, unless the setting is marked `Execution`."""
    part: Component = trial.build()
    # What the part settled on its own stays as it is, so that each setting is changed alone.
    settled = {name: value for name, value in part.spec().items() if name != "kind"}
    for name, info in fields_of(trial.part).items():
        if _names_files(info.metadata, info.annotation):
            continue  # what is in them makes the key
        changed = _with_another(trial, part, settled, name, info)
        if changed is None:
            trial.notes.append(f"setting {name}: no other value was found to try. Give it some: Field(examples=[...]).")
        elif Execution in info.metadata:
            require(
                changed.key == part.key,
                f"{name} is marked Execution, and changes the key. Take it out of `identity`, or the mark off it.",
            )
        else:
            require(
                changed.key != part.key,
                f"{name} does not change the key: results of one value would be taken for another's. Mark it Execution "
                "if it cannot change the output, or leave `key_facts` as inherited.",
            )


def _with_another(
    trial: Trial, part: Component, settled: Mapping[str, Any], name: str, info: FieldInfo
) -> Component | None:
    """Returns the component with another value of one setting, or None if it accepts none that was tried."""
    for value in (*(info.examples or ()), *_other_values(getattr(part, name), info.annotation)):
        try:
            changed: Component = trial.part.model_validate({**settled, name: value})
        except (ValidationError, PydanticCustomError, ValueError):
            continue
        if getattr(changed, name) != getattr(part, name):
            return changed
    return None


def _names_files(metadata: list[Any], annotation: Any) -> bool:  # noqa: ANN401 - an annotation
    inner = get_args(annotation)
    return any(isinstance(mark, PathMark) for mark in (*metadata, *inner)) or any(
        _names_files([], one) for one in inner
    )


def _other_values(value: Any, annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a list of cases
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
    elif isinstance(value, Component):
        yield from (kind for kind in known_kinds(value.family) if kind != value.kind)
        for name, info in fields_of(type(value)).items():
            if Execution not in info.metadata:
                others = _other_values(getattr(value, name), info.annotation)
                yield from ({**value.spec(), name: other} for other in others)
    elif isinstance(value, Mapping):
        yield from ({**value, "name": "x"}, {**value, "name": 1}, {**value, "seed": None}, {**value, "title": "x"})
        yield from ({**value, "name": {"prompt": 1.0, "completion": 1.0}}, {**value, "name": ("x",)})
    elif isinstance(value, tuple):
        yield from ((*value, "x"), ("pass",), ("long",), value[:1])
    elif value is None:
        yield from (3, 8, 0.5, "x", "grouped", True, ("x",), (1, 2), "NAME", {"prompt": 1.0, "completion": 1.0})


def module_text(part: type[Component]) -> str:
    """Returns the docstrings of a component's module and class."""
    module = sys.modules.get(part.__module__)
    return f"{(module and module.__doc__) or ''}\n{part.__doc__ or ''}"


SHIPPED_CLAUSES = (it_is_the_one_kind_of_its_file,)
CLAUSES = (
    it_says_what_it_is,
    every_setting_is_explained,
    its_spec_builds_it_again,
    its_key_is_its_own,
    a_setting_too_many_is_refused,
    every_setting_is_in_the_key_unless_it_is_execution,
)
