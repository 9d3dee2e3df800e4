"""The escalation rate of a wrapper: the share of questions that its second route also answers.

A dry run asks both routes of every wrapper, for fillers do not show which answers will do (see `stubs.StubWrapper`).
What the second one asked for then counts by the rate in stored answers of the experiment, or else for every question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ragvlc.core.answer import Answer, Step
from ragvlc.core.component import Component
from ragvlc.reading.escalation import Wrapper
from ragvlc.results.store import SweepStore
from ragvlc.sweep.plan import Cell

__all__ = ["EscalationRates", "Place", "weights"]

_ENOUGH = 10
"""The number of stored answers from which their share counts."""
_FIRST, _THEN = "first", "then"

Place = tuple[str, ...]
"""The place of a wrapper: the name of its route, then the side of each wrapper around it."""


@dataclass(slots=True)
class EscalationRates:
    """Escalation rates of wrappers, measured in stored answers of an experiment.

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
        """One sentence per wrapper on the escalation rate used in the estimate."""
        return [f"{name}: {_words(shares)}." for name, shares in self._taken.items()]

    def shares(self, cell: Cell) -> Mapping[Place, float]:
        """Returns the escalation rate of each wrapper; a wrapper without a rate escalates every question."""
        found = {}
        for place, wrapper in wrappers_in(cell.pipeline):
            escalated = self._escalated(cell, place, wrapper)
            if len(escalated) >= _ENOUGH:
                found[place] = sum(escalated) / len(escalated)
            self._taken.setdefault(f"{'.'.join(place)} ({wrapper.kind})", []).append(found.get(place))
        return found

    def _escalated(self, cell: Cell, place: Place, wrapper: Wrapper) -> Sequence[bool]:
        """Returns whether each stored question of this cell escalated; with too few, those of similar cells."""
        own = self._stored(cell).get(place, [])
        if len(own) >= _ENOUGH:
            return own
        alike = [
            other
            for other in self.cells
            if any(at == place and one.kind == wrapper.kind for at, one in wrappers_in(other.pipeline))
            and _models(other) == _models(cell)
        ]
        return [escalated for other in alike for escalated in self._stored(other).get(place, [])]

    def _stored(self, cell: Cell) -> Mapping[Place, list[bool]]:
        if cell.key not in self._counts:
            counts: dict[Place, list[bool]] = {}
            rows = self.store.cell(cell.key).load() if self.store is not None else {}
            for answer in (row.answer for row in rows.values() if row.answer is not None):
                for place, step in _walk((answer.route,), answer.trace):
                    if _side(step) == _FIRST and "escalate" in step.facts:
                        counts.setdefault(place, []).append(bool(step.facts["escalate"]))
            self._counts[cell.key] = counts
        return self._counts[cell.key]


def wrappers_in(pipeline: Component) -> Iterator[tuple[Place, Wrapper]]:
    """Yields every wrapper of a pipeline and its position among nested routes."""
    for name, route in getattr(pipeline, "routes", {}).items():
        yield from _wrappers((name,), route)


def weights(answer: Answer, shares: Mapping[Place, float]) -> list[float]:
    """Returns the weight of each call of an answer: the escalation rate for calls of second routes, 1 for others."""
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


def _walk(place: Place, steps: Sequence[Step]) -> Iterator[tuple[Place, Step]]:
    """Yields every step and the position of its route among nested routes."""
    for step in steps:
        yield place, step
        side = _side(step)
        yield from _walk((*place, side) if side else place, step.steps)


def _weights(place: Place, steps: Sequence[Step], weight: float, shares: Mapping[Place, float]) -> list[float]:
    found = []
    for step in steps:
        side = _side(step)
        own = weight * shares.get(place, 1.0) if side == _THEN else weight
        inner = _weights((*place, side) if side else place, step.steps, own, shares)
        found += [*inner, *[own] * (step.usage.calls - len(inner))]
    return found


def _side(step: Step) -> str:
    """Returns which route of a wrapper a step ran, `first` or `then`; empty for other steps."""
    return step.name if step.name in {_FIRST, _THEN} and "route" in step.facts else ""
