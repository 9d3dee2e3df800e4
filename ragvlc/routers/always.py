"""Always: the same route for every question, for pipelines with one way of answering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragvlc.core.data import Document, Query
from ragvlc.core.families import Choice, Route, Router
from ragvlc.core.run import Run


class Always(Router):
    """Takes the same route for every question.

    Attributes:
        route: its name; may be left out when the pipeline has only one.
    """

    route: str = ""

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:
        """Returns the one route that can be taken."""
        if self.route or len(routes) == 1:
            return frozenset({self.route or next(iter(routes))})
        message = f"router: needs a route, since the pipeline has several: {', '.join(routes)}."
        raise ValueError(message)

    def choose(self, query: Query, documents: Sequence[Document], routes: Mapping[str, Route], run: Run) -> Choice:  # noqa: ARG002
        """Returns the same route for every question."""
        return Choice(next(iter(self.targets(routes))), "always")
