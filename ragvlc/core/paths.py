"""Gets and sets values of components and mappings by dotted path, and resolves file paths in such values.

A part resolves the relative file paths of its YAML file as it is built. Values that come from elsewhere (a command
line, an axis) belong to another folder, or to no field until a cell is planned: `Spot` finds the types of their fields,
and resolves them beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticUndefined

from ragvlc.core.component import Component, PathMark, fields_of, find_kind
from ragvlc.core.given_paths import path_of, path_problem, real_path

__all__ = ["Base", "Spot", "at", "place_field", "placed_choices", "put_field", "walk"]


def walk(place: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every dotted path into a component or mapping with the value there, outer paths before inner ones."""
    for name, value in _inside(place).items():
        yield f"{prefix}{name}", value
        if not isinstance(value, (str, int, float)):  # most are
            yield from walk(value, f"{prefix}{name}.")


def at(place: object, path: str) -> Any:  # noqa: ANN401 - whatever it leads to
    """Returns the value at a dotted path into a component or mapping. Raises `KeyError` if there is no such path."""
    for step in path.split("."):
        place = _inside(place)[step]
    return place


def _inside(place: object) -> Mapping[str, Any]:
    if isinstance(place, Component):
        return {name: getattr(place, name) for name in fields_of(type(place))}
    return place if isinstance(place, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Base:
    """The folder that relative file paths resolve against.

    Attributes:
        folder: the folder.
        other: another that a reader may have in mind: what is there, and not in `folder`, is refused, not guessed.
    """

    folder: Path
    other: Path | None = None

    def whole(self, value: str) -> str:
        """Returns the absolute path. Raises `ValueError` if the path exists relative to `other` but not to `folder`."""
        if problem := path_problem(value):
            raise ValueError(f"'{value[:60]}': {problem}")
        path = path_of(value)
        if path.is_absolute() or not value:
            return str(path) if value else value
        found = real_path(self.folder / path)
        elsewhere = real_path(self.other / path) if self.other else found
        if not found.exists() and elsewhere.exists():
            message = (
                f"'{value}' is seen from {self.folder}, and {found} does not exist; seen from {self.other} it would "
                f"be {elsewhere}. Write it as seen from {self.folder}, or in full."
            )
            raise ValueError(message)
        return str(found)


@dataclass(frozen=True, slots=True)
class Spot:
    """A position in nested settings, with its value and the type that its field expects.

    Attributes:
        value: what is there: a part, or plain values not built yet.
        expected: the annotation of its field.
        marks: what else the annotation says.
    """

    value: object
    expected: Any
    marks: tuple[Any, ...] = ()

    def branches(self) -> Iterator[Spot]:
        """Yields this position once for each type that its annotation allows."""
        origin, inner = get_origin(self.expected), get_args(self.expected)
        if origin is Annotated:
            yield from Spot(self.value, inner[0], (*self.marks, *inner[1:])).branches()
        elif origin in (Union, UnionType):
            for one in inner:
                yield from Spot(self.value, one, self.marks).branches()
        else:
            yield self

    def inside(self, name: str) -> Spot | None:
        """Returns the position of the setting `name` inside this one, or None if there is no such setting."""
        for one in self.branches():
            if part := one.part():
                if name in fields_of(part):
                    return _field(self.value, fields_of(part)[name], name)
            elif isinstance(self.value, Mapping) and name in self.value and one.is_mapping():
                return Spot(self.value[name], get_args(one.expected)[1])
        return None

    def part(self) -> type[Component] | None:
        """Returns the class of the component at this position, built or not; None if the value is no component."""
        if isinstance(self.value, Component):
            return type(self.value)
        if not _family(self.expected):
            return self.expected if _is_part(self.expected) else None
        kind = self.value.get("kind") if isinstance(self.value, Mapping) else self.value
        try:
            return find_kind(self.expected, kind) if isinstance(kind, str) else None
        except PydanticCustomError:  # no such kind: told when the part is built
            return None

    def settings(self) -> dict[str, Any] | None:
        """Returns the settings at this position as a mapping, empty if none are set; None if it cannot have any."""
        if self.value in (None, PydanticUndefined):
            return {}
        if isinstance(self.value, Component):
            return self.value.spec()
        if isinstance(self.value, str) and any(_family(one.expected) for one in self.branches()):
            return {"kind": self.value}
        return dict(self.value) if isinstance(self.value, Mapping) else None

    def is_mapping(self) -> bool:
        """Returns whether the field expects a mapping of names to values of one type."""
        origin = get_origin(self.expected)
        return isinstance(origin, type) and issubclass(origin, Mapping) and len(get_args(self.expected)) == 2

    def placed(self, base: Base) -> Any:  # noqa: ANN401 - whatever stands here
        """Returns the value with its relative file paths made absolute by `Base`, which may raise `ValueError`."""
        value: Any = self.value
        for one in self.branches():
            value = _placed_as_one(Spot(value, one.expected, one.marks), base)
        return value


def _placed_as_one(spot: Spot, base: Base) -> Any:  # noqa: ANN401 - whatever stands there
    """Returns the value with its relative file paths made absolute, for a position with a single expected type."""
    value: Any = spot.value
    if isinstance(value, str):
        mark = next((mark for mark in spot.marks if isinstance(mark, PathMark)), None)
        return base.whole(value) if mark and mark.takes(value) else value
    if isinstance(value, Mapping):
        inner = {name: spot.inside(name) for name in value if isinstance(name, str)}
        return {name: one.placed(base) if (one := inner.get(name)) else item for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        types = _item_types(spot.expected, len(value))
        return [Spot(item, one).placed(base) for item, one in zip(value, types, strict=True)]
    return value


def put_field(data: dict[str, Any], part: type[Component], path: str, value: object) -> None:
    """Sets one field of `data`, the settings of a component not built yet; kind names on the path become mappings.

    Args:
        data: is changed; what is inside it is not.
        part: what will be built of it.
        path: leads to the field.
        value: not checked here.

    Raises:
        ValueError: if something on the way has no settings.
    """
    spot = Spot(data, part)
    *outer, last = path.split(".")
    for step in outer:
        spot = spot.inside(step) or Spot(data.get(step), Any)
        settings = spot.settings()
        if settings is None:
            message = f"'{step}' has no settings of its own here."
            raise ValueError(message)
        data[step] = settings
        data, spot = settings, Spot(settings, spot.expected, spot.marks)
    data[last] = value


def place_field(data: dict[str, Any], part: type[Component], path: str, base: Base) -> None:
    """Resolves the relative file paths in one field of `data`, the settings of a component not built yet.

    Args:
        data: is changed; the field must be there.
        part: what will be built of it.
        path: leads to the field.
        base: what they resolve against.

    Raises:
        ValueError: see `Base`.
    """
    spot: Spot | None = Spot(data, part)
    outer, _, last = path.rpartition(".")
    for step in path.split("."):
        spot = spot.inside(step) if spot else None
    if spot:
        (at(data, outer) if outer else data)[last] = spot.placed(base)


def placed_choices(
    axes: Sequence[Sequence[Mapping[str, Any]]], roots: Sequence[Spot], bases: Sequence[Base]
) -> list[list[dict[str, Any]]]:
    """Returns each axis's settings by dotted path, with the relative file paths in their values made absolute.

    Args:
        axes: of each axis the settings to choose from: they apply together with one of every other axis.
        roots: where the dotted paths begin.
        bases: of each axis, what its relative paths resolve against.

    Raises:
        ValueError: see `Base`; or a value is a path to one root or kind, and a name to another.
    """
    brought: dict[str, list[object]] = {}
    for path, value in (item for choices in axes for choice in choices for item in choice.items()):
        brought.setdefault(path, []).append(value)
    always = {path for choices in axes for path in brought if all(path in choice for choice in choices)}
    found = []
    for choices, base in zip(axes, bases, strict=True):
        placed = [
            {path: _agreed(value, _spots(roots, path, brought, always), base) for path, value in choice.items()}
            for choice in choices
        ]
        found.append(placed)
    return found


def _spots(
    roots: Iterable[Spot], path: str, brought: Mapping[str, Sequence[object]], always: set[str]
) -> Iterator[Spot]:
    """Yields every position that a dotted path can refer to, including those in components that other axes set."""
    *outer, last = str(path).split(".")  # in YAML, a number may stand where a path should: told when cells are planned
    for root in roots:
        here = [root]
        for depth, step in enumerate(outer, start=1):
            here = [inner for spot in here if (inner := spot.inside(step))]
            above = ".".join(outer[:depth])
            others = [Spot(value, here[0].expected, here[0].marks) for value in brought.get(above, ()) if here]
            here = others if above in always else here + others
        yield from (inner for spot in here if (inner := spot.inside(last)))


def _agreed(value: object, spots: Iterable[Spot], base: Base) -> object:
    readings: list[object] = []
    for spot in spots:
        reading = Spot(value, spot.expected, spot.marks).placed(base)
        if reading not in readings:
            readings.append(reading)
    if len(readings) > 1:
        message = f"'{value}' is a path to some and a name to others. Write a path with ./ before it, or in full."
        raise ValueError(message)
    return readings[0] if readings else value


def _is_part(expected: Any) -> bool:  # noqa: ANN401 - an annotation
    return isinstance(expected, type) and issubclass(expected, Component)


def _family(expected: Any) -> str:  # noqa: ANN401 - an annotation
    """Returns the family of a field's annotation; empty if the annotation is not the class of a family."""
    return str(expected.__dict__.get("family", "")) if _is_part(expected) else ""


def _field(holder: object, info: FieldInfo, name: str) -> Spot:
    if isinstance(holder, Component):
        value = getattr(holder, name)
    else:
        value = holder.get(name, info.default) if isinstance(holder, Mapping) else info.default
    return Spot(value, info.annotation, tuple(info.metadata))


def _item_types(expected: Any, count: int) -> list[Any]:  # noqa: ANN401 - an annotation
    inner = get_args(expected)
    if len(inner) == 1 or (len(inner) == 2 and inner[1] is Ellipsis):
        return [inner[0]] * count
    return list(inner) if len(inner) == count else [Any] * count
