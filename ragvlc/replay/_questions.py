"""Questions divided into groups that are reported separately, with breakdowns within each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragvlc.core.data import Example
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.replay.spec import Part, Replay
from ragvlc.results.summary import example_facts

__all__ = ["Group", "grouped"]

THIRDS = ("first third", "middle third", "last third")


@dataclass(frozen=True)
class Group:
    """Questions that are reported together.

    Attributes:
        title: the tags that set them apart, in words; empty where nothing does.
        settings: the same, as settings of a cell.
        examples: in their order.
        facts: what a results folder keeps of each, with its `parts`.
    """

    title: str
    settings: Mapping[str, Any]
    examples: tuple[Example, ...]
    facts: Mapping[str, Mapping[str, Any]]


def grouped(examples: Sequence[Example], replay: Replay) -> list[Group]:
    """Returns the groups in the order of their first questions. Raises `ConfigError` for a tag that no question has."""
    known = {tag for example in examples for tag in example.tags}
    listed = ", ".join(sorted(known))
    wrong = [
        f"{replay.name}: {place}: no question has the tag '{tag}'. Known: {listed}.{nearest(tag, known)}"
        for place, tag in [
            *(("groups", tag) for tag in replay.groups),
            *((f"breakdowns.{by}", part.tag) for by, part in replay.breakdowns.items()),
        ]
        if tag not in known
    ]
    if wrong:
        raise ConfigError(wrong)
    parts = {by: _parts(part, examples) for by, part in replay.breakdowns.items()}
    members: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        place = tuple(str(example.tags.get(tag, "other")) for tag in replay.groups)
        members.setdefault(place, []).append(example)
    found = []
    for place, own in members.items():
        settings = {f"dataset.{tag}": value for tag, value in zip(replay.groups, place, strict=True)}
        title = " ".join(f"{tag}={value}" for tag, value in zip(replay.groups, place, strict=True))
        facts = {
            example.id: {
                **example_facts(example),
                "parts": {by: named.get(example.id) for by, named in parts.items()},
            }
            for example in own
        }
        found.append(Group(title, settings, tuple(own), facts))
    return found


def _parts(part: Part, examples: Sequence[Example]) -> dict[str, str]:
    """Returns the part of a breakdown that each question belongs to; questions without a part are left out."""
    values = {example.id: example.tags[part.tag] for example in examples if part.tag in example.tags}
    if part.thirds:
        last: dict[str, int] = {}
        clusters = {example.id: example.cluster for example in examples}
        places = {name: value for name, value in values.items() if type(value) is int and value >= 0}
        for name, value in places.items():
            last[clusters[name]] = max(value, last.get(clusters[name], 0))
        return {
            name: THIRDS[min(3 * value // (last[clusters[name]] + 1), 2)]
            for name, value in places.items()
            if last[clusters[name]] >= 2
        }
    named = {name: str(value) for name, value in values.items()}
    if part.values:
        named = {name: part.values[value] for name, value in named.items() if value in part.values}
    return named
