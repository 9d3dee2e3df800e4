"""Base class of routers that choose between retrieval and the full context."""

from __future__ import annotations

from collections.abc import Mapping

from ragvlc.core.families import Route, Router

__all__ = ["Two"]


class Two(Router):
    """A router between retrieval and the full context.

    Attributes:
        rag: name of the route that retrieves.
        full: name of the route that reads everything.
    """

    rag: str = "rag"
    full: str = "full"

    def targets(self, routes: Mapping[str, Route]) -> frozenset[str]:  # noqa: ARG002 - whatever else there is
        """Returns the retrieval route and the full-context route."""
        return frozenset({self.rag, self.full})
