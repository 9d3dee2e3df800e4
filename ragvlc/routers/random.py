"""By chance: the baseline for any router that sends the same shares of questions to the same routes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import field_validator

from ragvlc.core.data import Document, Query
from ragvlc.core.families import Choice, Route, Router
from ragvlc.core.run import Run


class Random(Router):
    """Draws a random route for each question.

    Attributes:
        shares: weight by route name; empty draws from all routes that are no controls, each alike.
    """

    version: ClassVar[int] = 1
    shares: Mapping[str, float] = {}

    @field_validator("shares")
    @classmethod
    def _some_weight(cls, shares: Mapping[str, float]) -> Mapping[str, float]:
        if any(not 0 <= share < float("inf") for share in shares.values()) or (shares and not sum(shares.values())):
            raise ValueError("shares must be numbers from 0 on, not all 0")
        return shares

    @property
    def random(self) -> bool:
        """Whether the choice is random, i.e. more than one route has weight."""
        return not self.shares or sum(share > 0 for share in self.shares.values()) > 1

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:
        """Returns the routes with a weight above 0."""
        return frozenset(self._weights(routes))

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns a route drawn with the seed of the run."""
        weights = self._weights(routes)
        draw = random.Random(run.seed_for("router"))  # noqa: S311 - repeatable on purpose
        [route] = draw.choices(sorted(weights), [weights[name] for name in sorted(weights)])
        return Choice(route, "drawn", {"share": weights[route] / sum(weights.values())})

    def _weights(self, routes: Mapping[str, Route]) -> Mapping[str, float]:
        given = self.shares or {name: 1.0 for name, route in routes.items() if not route.uses_gold}
        return {name: share for name, share in given.items() if share > 0}
