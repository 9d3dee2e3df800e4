"""Cost of speculative decoding in a dry run: the acceptance rate determines the number of rounds.

A dry run opens the sessions of a route that drafts with engines that count, so their prompts are those of a real run;
what fillers accept of each other means nothing. The rounds are therefore those of `analysis.speculation_break_even`:
of an answer of n tokens, n over `expected_tokens`; the drafter takes `gamma` steps in each, the target one pass over
`gamma + 1` tokens. Drafts that end early (`confidence`) are counted whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ragvlc.analysis.speculation_acceptance import Taken, taken
from ragvlc.analysis.speculation_break_even import expected_tokens
from ragvlc.core.component import Component
from ragvlc.estimate.counting import CountingPool
from ragvlc.estimate.history import History
from ragvlc.estimate.rates import Call
from ragvlc.hardware.roofline import Passes
from ragvlc.pipeline import Pipeline
from ragvlc.reading.speculation import Speculating

__all__ = ["Drafting", "speculating_in"]


def speculating_in(part: Component) -> Iterator[Speculating]:
    """Yields the speculatively decoding routes of a component, including itself, in the order of its fields."""
    if isinstance(part, Speculating):
        yield part
    for inner in part.parts():
        yield from speculating_in(inner)


@dataclass(slots=True)
class Drafting:
    """Replaces the plain decoding of paired target and drafter sessions by speculative rounds.

    Attributes:
        history: says what was accepted.
        given: acceptance to take in its place; None for what was measured, or else assumed.
        notes: what was taken, by route.
    """

    history: History
    given: float | None = None
    notes: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, str, str], Taken] = field(default_factory=dict)

    def settle(self, pipeline: Pipeline, route: str, pool: CountingPool) -> None:
        """Replaces plain decoding by speculative rounds in the sessions of the question that was just answered.

        Args:
            pipeline: that was asked.
            route: the name of the one that answered.
            pool: with the tally of that question.
        """
        routes = list(speculating_in(pipeline.routes[route]))
        opened = pool.tally.sessions
        # A drafter's session is opened right after its target's, with rows as wide as that one's.
        pairs = [(one.key, other.key) for one, other in pairwise(opened) if other.drafts and not one.drafts]
        for place, (target, draft) in enumerate(pairs[: len(routes)]):
            own = routes[place]
            found = self._acceptance(pipeline, own)
            self.notes[route] = f"{route}: {found.words[:1].lower()}{found.words[1:]}"
            pool.calls[target], pool.calls[draft] = _rounds(own, found, pool.calls[target], pool.calls[draft])

    def _acceptance(self, pipeline: Pipeline, route: Speculating) -> Taken:
        target, draft = (pipeline.generators[role] for role in (route.generator, route.draft))
        key = route.key, target.key, draft.key
        if key not in self._known:
            past = [] if self.given is not None else self.history.speculated(target, draft)
            self._known[key] = taken(route, past, self.given)
        return self._known[key]


def _rounds(route: Speculating, acceptance: Taken, target: Call, draft: Call) -> tuple[Call, Call]:
    """Returns the calls of target and drafter with the forward passes of their speculative rounds."""
    tokens, gamma = target.completion, route.gamma
    rounds = max(1.0, tokens / expected_tokens(gamma, acceptance.value)) if tokens else 0.0
    checks = [Passes(rounds, gamma + 1, target.prompt + tokens / 2)]
    if route.measure_plain:
        checks.append(Passes(tokens, 1, target.prompt + tokens / 2))
    steps = Passes(rounds * gamma, 1, draft.prompt + tokens / 2)
    drafted = replace(draft, completion=round(steps.number), most=draft.most * gamma, passes=(steps,))
    return replace(target, passes=tuple(checks)), drafted
