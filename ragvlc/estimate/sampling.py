"""Samples of a cell's questions: several about the same documents, so that the estimate includes shared work."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ragvlc.core.data import Example

__all__ = ["NO_SAMPLE", "Sample", "draw"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled questions, and the number of questions that each of them represents.

    A group's first question does what all of its group share, so it represents itself; the others represent the rest.

    Attributes:
        examples: drawn, in the order of the data set.
        weights: by example id, within the group.
        groups: of each example by id.
        sizes: questions of each group drawn.
        of: questions in all.
        group_count: groups in all.
    """

    examples: tuple[Example, ...]
    weights: Mapping[str, float]
    groups: Mapping[str, str]
    sizes: Mapping[str, int]
    of: int
    group_count: int

    @property
    def whole(self) -> bool:
        """Whether the sample contains every question."""
        return len(self.examples) == self.of

    @property
    def scale(self) -> float:
        """The number of all questions divided by the number of questions in the sampled groups."""
        return self.of / sum(self.sizes.values()) if self.sizes else 1.0

    def weight(self, example_id: str) -> float:
        """Returns the number of questions that this question represents."""
        return self.scale * self.weights[example_id]

    def spread(self, values: Mapping[str, float]) -> float:
        """Returns half the width of the 95 % interval of a total; `values` has the value of each sampled example.

        Two sources add up: which groups were drawn (ratio estimate of the total), and which questions within them.
        """
        if self.whole or not self.examples:
            return 0.0
        totals = dict.fromkeys(self.sizes, 0.0)
        members: dict[str, list[float]] = {group: [] for group in self.sizes}
        for name, group in self.groups.items():
            value = values.get(name, 0.0)
            totals[group] += self.weights[name] * value
            members[group].append(value)
        drawn = len(self.sizes)
        mean = sum(totals.values()) / sum(self.sizes.values())
        variance = 0.0
        if 1 < drawn < self.group_count:
            rest = sum((totals[group] - mean * size) ** 2 for group, size in self.sizes.items()) / (drawn - 1)
            variance += self.group_count**2 * (1 - drawn / self.group_count) * rest / drawn
        for group, size in self.sizes.items():
            own = members[group][1:]
            if len(own) > 1 and size > len(members[group]):
                middle = sum(own) / len(own)
                rest = sum((value - middle) ** 2 for value in own) / (len(own) - 1)
                variance += self.group_count / drawn * size**2 * (1 - len(own) / (size - 1)) * rest / len(own)
        return 1.96 * math.sqrt(variance)


NO_SAMPLE = Sample((), {}, {}, {}, 0, 0)
"""Of no questions."""


def draw(examples: Sequence[Example], group_of: Callable[[Example], str], most: int | None, seed: int = 0) -> Sample:
    """Returns all examples or, if there are more than `most`, a cluster sample: some from each drawn group.

    Cells with the same pending questions draw the same ones.
    """
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(group_of(example), []).append(example)
    chosen = groups
    if most is not None and len(examples) > most:
        chosen = _some(groups, most, random.Random(seed))  # noqa: S311 - a repeatable choice, not a secret
    weights: dict[str, float] = {}
    for group, own in chosen.items():
        rest = (len(groups[group]) - 1) / (len(own) - 1) if len(own) > 1 else float(len(groups[group]))
        weights |= {example.id: rest for example in own}
        if len(own) > 1:
            weights[own[0].id] = 1.0
    return Sample(
        examples=tuple(example for example in examples if example.id in weights),
        weights=weights,
        groups={example.id: group for group, own in chosen.items() for example in own},
        sizes={group: len(groups[group]) for group in chosen},
        of=len(examples),
        group_count=len(groups),
    )


def _some(groups: Mapping[str, Sequence[Example]], most: int, chance: random.Random) -> dict[str, list[Example]]:
    each = max(2, most // 10, math.ceil(most / len(groups)))
    names = list(groups)
    chance.shuffle(names)
    chosen: dict[str, list[Example]] = {}
    left = most
    for name in names:
        own = groups[name]
        take = min(len(own), each, left)
        if take == 0 or (take == 1 and len(own) > 1 and chosen):
            continue
        places = sorted(chance.sample(range(len(own)), take))
        chosen[name] = [own[place] for place in places]
        left -= take
    return {name: chosen[name] for name in groups if name in chosen}
