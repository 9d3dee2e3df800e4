"""All families of components: the abstract classes, one per family, that components subclass.

A kind in the package is a file in its family's folder; your own is a class of your own module, named `module:Class` in
YAML. `ragvlc.testing.check` says whether it keeps its family's contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType

from pydantic_core import PydanticCustomError

from ragvlc.core.component import Component, find_kind, kind_of, known_kinds
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import (
    Choice,
    Chunker,
    Embedder,
    Executor,
    Generator,
    Metric,
    Order,
    Price,
    Reranker,
    Retriever,
    Route,
    Router,
    Score,
    Selector,
    Strategy,
    TrackedSweep,
    Tracker,
)
from ragvlc.core.outside import imported
from ragvlc.documents.dataset import Dataset, Examples

__all__ = [
    "FAMILIES",
    "Choice",
    "Chunker",
    "Dataset",
    "Embedder",
    "Examples",
    "Executor",
    "Generator",
    "Metric",
    "Order",
    "Price",
    "Reranker",
    "Retriever",
    "Route",
    "Router",
    "Score",
    "Selector",
    "Strategy",
    "TrackedSweep",
    "Tracker",
    "find",
]

_CLASSES: tuple[type[Component], ...] = (
    Chunker,
    Dataset,
    Embedder,
    Executor,
    Generator,
    Metric,
    Order,
    Reranker,
    Retriever,
    Route,
    Router,
    Selector,
    Strategy,
    Tracker,
)

FAMILIES: Mapping[str, type[Component]] = MappingProxyType({cls.family: cls for cls in _CLASSES})
"""The abstract class of each family by the name of its folder."""


def find(kind: str | type[Component]) -> type[Component]:
    """Returns the component class named by `module:Class`, `family.kind` or the kind alone; accepts a class too.

    Raises:
        ConfigError: there is none, there are several, or it is no kind of any family.
    """
    if isinstance(kind, str) and ":" not in kind:
        return _shipped(kind)
    try:
        part = imported(kind) if isinstance(kind, str) else kind
        name = kind if isinstance(kind, str) else kind_of(kind)
        family = next((cls for cls in _CLASSES if inspect.isclass(part) and issubclass(part, cls)), None)
        if family is None or part is family:
            listing = ", ".join(f"{cls.__name__} ({folder})" for folder, cls in FAMILIES.items())
            near = nearest(getattr(part, "__name__", ""), [cls.__name__ for cls in _CLASSES])
            raise ConfigError(f"'{name}' is no subclass of a family. Families: {listing}.{near}")
        return find_kind(family, name) if isinstance(kind, str) else kind
    except PydanticCustomError as error:
        raise ConfigError(str(error)) from None


def _shipped(kind: str) -> type[Component]:
    wanted, _, name = kind.rpartition(".")
    if wanted and wanted not in FAMILIES:
        raise ConfigError(f"'{wanted}' is no family. Known: {', '.join(FAMILIES)}.{nearest(wanted, FAMILIES)}")
    places = {f"{family}.{name}": cls for family, cls in FAMILIES.items() if name in known_kinds(family)}
    found = {place: cls for place, cls in places.items() if not wanted or place == kind}
    if not found:
        known = [one for family in FAMILIES if wanted in ("", family) for one in known_kinds(family)]
        listing = f" Known: {', '.join(known)}." if wanted else ""
        raise ConfigError(
            f"'{kind}' is no kind of {wanted or 'any family'}.{listing}{nearest(name, known)} Your own is module:Class."
        )
    if len(found) > 1:
        raise ConfigError(f"'{kind}' is a kind of several families. Choose: {', '.join(found)}.")
    [cls] = found.values()
    return find_kind(cls, name)
