"""Changed copies of components, with settings replaced by dotted path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError

from ragvlc import config
from ragvlc.core.component import Component, fields_of
from ragvlc.core.errors import ConfigError
from ragvlc.core.paths import at

__all__ = ["Changer"]

_Tree = dict[str, Any]
"""Changes by name: a mapping of those inside, or a `_Value`."""

PartT = TypeVar("PartT", bound=Component)
AnyPartT = TypeVar("AnyPartT", bound=Component)


@dataclass(frozen=True, slots=True)
class _Value:
    """Marks the end of a path, because the value may be a mapping too."""

    new: Any


class Changer(Generic[PartT]):
    """Makes changed copies of components; unchanged inner components are reused, and equal changes are made once.

    Args:
        source: names the parts in errors.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._made: dict[tuple[int, str], tuple[Component, Component]] = {}
        self._places: dict[tuple[int, str], bool] = {}

    def change(self, part: PartT, settings: Mapping[str, Any]) -> tuple[PartT, set[str]]:
        """Returns a copy of the component with all settings that it has, and the paths of these settings.

        Raises:
            ConfigError: for a value that the part refuses.
        """
        used: set[str] = set()
        for depth in sorted({path.count(".") for path in settings}):
            here = [path for path in settings if path.count(".") == depth and self.has(part, path)]
            if here:
                part = self._changed(part, _tree(here, settings), "")
                used.update(here)
        return part, used

    def has(self, part: Component, path: str) -> bool:
        """Returns whether the component has a setting at this path."""
        key = id(part), path
        if key not in self._places:
            try:
                at(part, path)
            except KeyError:
                self._places[key] = False
            else:
                self._places[key] = True
        return self._places[key]

    def _changed(self, part: AnyPartT, changes: _Tree, place: str) -> AnyPartT:
        key = id(part), repr(changes)
        if key not in self._made:
            fields = self._fields({name: getattr(part, name) for name in fields_of(type(part))}, changes, place)
            try:
                made = type(part).model_validate(fields)
            except ValidationError as error:
                raise ConfigError(config.problems(error, type(part), self._source, place)) from None
            self._made[key] = made, part  # the original too: its id must stay its own
        return cast("AnyPartT", self._made[key][0])

    def _fields(self, fields: Mapping[str, Any], changes: _Tree, place: str) -> dict[str, Any]:
        """Returns the fields with the changes applied, including changes inside inner components."""
        found = dict(fields)
        for name, inner in changes.items():
            path = f"{place}.{name}" if place else name
            if isinstance(inner, _Value):
                found[name] = inner.new
            elif isinstance(found[name], Component):
                found[name] = self._changed(found[name], inner, path)
            else:
                found[name] = self._fields(found[name], inner, path)
        return found


def _tree(paths: Sequence[str], settings: Mapping[str, Any]) -> _Tree:
    """Returns the settings at these paths, which are of one depth: none lies inside another."""
    tree: _Tree = {}
    for path in paths:
        *outer, last = path.split(".")
        inside = tree
        for step in outer:
            inside = inside.setdefault(step, {})
        inside[last] = _Value(settings[path])
    return tree
