"""How many questions go on to the second route of a wrapper: as in stored answers of the experiment, or at most all.

A dry run asks both routes of every wrapper, for fillers do not tell which answers will do (see `stand_ins.Both`). What
the second one asked for then counts by the share of the questions that went on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ragvlc.core.answer import Answer, Step
from ragvlc.core.component import Component
from ragvlc.reading.escalation import Wrapper
from ragvlc.results.store import SweepStore
from ragvlc.sweep.plan import Cell

__all__ = ["EscalationRates", "Place", "weights"]

_ENOUGH = 10
"""Stored answers from which on their share counts."""
_FIRST, _THEN = "first", "then"

Place = tuple[str, ...]
"""Where a wrapper stands: the name of its route, then the side of each wrapper around it."""


@dataclass(slots=True)
class EscalationRates:
    """Looks at what stands of an experiment.

    Attributes:
        cells: of the experiment.
        store: of its results; None where there is none.
    """

    cells: Sequence[Cell] = ()
    store: SweepStore | None = None
    _counts: dict[str, dict[Place, list[bool]]] = field(default_factory=dict)
    _taken: dict[str, list[float | None]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What was taken, in a sentence for each wrapper."""
        return [f"{name}: {_words(shares)}." for name, shares in self._taken.items()]

    def shares(self, cell: Cell) -> Mapping[Place, float]:
        """Returns the share of the questions of each wrapper that go on; a wrapper that is left out sends on all."""
        found = {}
        for place, wrapper in wrappers_in(cell.pipeline):
            went = self._went_on(cell, place, wrapper)
            if len(went) >= _ENOUGH:
                found[place] = sum(went) / len(went)
            self._taken.setdefault(f"{'.'.join(place)} ({wrapper.kind})", []).append(found.get(place))
        return found

    def _went_on(self, cell: Cell, place: Place, wrapper: Wrapper) -> Sequence[bool]:
        """Returns whether each stored question went on: of this cell, or else of those with the same wrapper."""
        own = self._stored(cell).get(place, [])
        if len(own) >= _ENOUGH:
            return own
        alike = [
            other
            for other in self.cells
            if any(at == place and one.kind == wrapper.kind for at, one in wrappers_in(other.pipeline))
            and _models(other) == _models(cell)
        ]
        return [went for other in alike for went in self._stored(other).get(place, [])]

    def _stored(self, cell: Cell) -> Mapping[Place, list[bool]]:
        if cell.key not in self._counts:
            counts: dict[Place, list[bool]] = {}
            rows = self.store.cell(cell.key).load() if self.store is not None else {}
            for place, went in _verdicts(row.answer for row in rows.values() if row.answer is not None):
                counts.setdefault(place, []).append(went)
            self._counts[cell.key] = counts
        return self._counts[cell.key]


def wrappers_in(pipeline: Component) -> Iterator[tuple[Place, Wrapper]]:
    """Yields the wrappers of a pipeline, those inside others included."""
    for name, route in getattr(pipeline, "routes", {}).items():
        yield from _wrappers((name,), route)


def weights(answer: Answer, shares: Mapping[Place, float]) -> list[float]:
    """Returns what each call of an answer counts, in order: less than 1 for those behind wrappers that keep answers."""
    return _weights((answer.route,), answer.trace, 1.0, shares)


def _words(shares: Sequence[float | None]) -> str:
    known = sorted(share for share in shares if share is not None)
    at_most = "counted as if every question went to both routes, so its figures are at most"
    if not known:
        return at_most
    many = f"{known[0]:.0%}" if known[0] == known[-1] else f"{known[0]:.0%} to {known[-1]:.0%}"
    stored = f"{many} of the questions go on to the second route, as in stored answers of this experiment"
    return stored if len(known) == len(shares) else f"{stored}; in other cells {at_most}"


def _wrappers(place: Place, route: Component) -> Iterator[tuple[Place, Wrapper]]:
    if isinstance(route, Wrapper):
        yield place, route
        yield from _wrappers((*place, _FIRST), route.first)
        yield from _wrappers((*place, _THEN), route.then)


def _models(cell: Cell) -> dict[str, str]:
    return {role: generator.key for role, generator in cell.pipeline.generators.items()}


def _verdicts(answers: Iterable[Answer]) -> Iterator[tuple[Place, bool]]:
    for answer in answers:
        yield from _verdicts_in((answer.route,), answer.trace)


def _verdicts_in(place: Place, steps: Sequence[Step]) -> Iterator[tuple[Place, bool]]:
    for step in steps:
        side = _side(step)
        if side == _FIRST and "escalate" in step.facts:
            yield place, bool(step.facts["escalate"])
        yield from _verdicts_in((*place, side) if side else place, step.steps)


def _weights(place: Place, steps: Sequence[Step], weight: float, shares: Mapping[Place, float]) -> list[float]:
    found = []
    for step in steps:
        side = _side(step)
        own = weight * shares.get(place, 1.0) if side == _THEN else weight
        inner = _weights((*place, side) if side else place, step.steps, own, shares)
        found += [*inner, *[own] * (step.usage.calls - len(inner))]
    return found


def _side(step: Step) -> str:
    """Returns which side of a wrapper a step is, or nothing."""
    return step.name if step.name in {_FIRST, _THEN} and "route" in step.facts else ""
