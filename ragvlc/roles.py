"""The models of a pipeline by role, and the keys of components that refer to roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragvlc.core.component import Component
from ragvlc.core.data import content_key
from ragvlc.core.families import Embedder, Generator

__all__ = ["Models"]


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a pipeline by role."""

    generators: Mapping[str, Generator]
    embedders: Mapping[str, Embedder]
    _keys: dict[tuple[int, str], tuple[str, Component]] = field(default_factory=dict, repr=False, compare=False)

    def key_of(self, part: Component, *, leaving_out: str = "") -> str:
        """Returns the hash of a component and the models that it uses; the field named `leaving_out` is excluded."""
        place = id(part), leaving_out
        if place not in self._keys:
            self._keys[place] = self._key_of(part, leaving_out), part  # the part too, so that its id is not reused
        return self._keys[place][0]

    def _key_of(self, part: Component, leaving_out: str) -> str:
        facts = part.key_facts()
        facts["fields"].pop(leaving_out, None)
        tables: dict[str, Mapping[str, Component]] = {"generators": self.generators, "embedders": self.embedders}
        models = {f"{table}.{name}": tables[table][name].key for table, name, _ in sorted(part.roles())}
        return content_key([facts, models])
