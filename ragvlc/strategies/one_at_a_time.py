"""One setting at a time: from the best cell so far, one axis is tried after the other.

The first cell of the plan is the start. Along each axis, pipelines first, the cells that differ from the best so far
only there are asked, and the best of them is the next start. It is a search: combinations off the path are never asked,
and settings that help only together are not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ragvlc.core.grids import Entrant, Grid, Look
from ragvlc.strategies._search import Search, SearchState, ids_of, ranked

__all__ = ["OneAtATime"]


class OneAtATime(Search):
    """Moves along one axis at a time from the best so far, and measures the winner on questions held back."""

    def looks(self, grid: Grid) -> Iterator[Look]:
        """Yields one look for each axis with something to try, one that measures the winner again, and the verdict."""
        found, whole = SearchState(), self.searched(grid)
        ids = ids_of(grid, 0, whole)
        best = grid.entries[0] if grid.entries else None
        asked: set[str] = set()
        for place, axis in enumerate([None, *grid.axes]):
            tried = [] if best is None else _along(grid.entries, best, axis)
            new = [entry for entry in tried if entry.key not in asked]
            if best is None or not new:
                continue
            controls = grid.controls if not asked else ()
            yield found.look(dict.fromkeys((*(entry.key for entry in new), *controls), ids))
            asked |= {entry.key for entry in new}
            found.block, found.clusters = found.block + 1, whole
            order = ranked(grid, [entry for entry in tried if entry.key not in found.ended], ids, found)
            best = order[0][1] if order else None
            along = "pipelines" if axis is None else ", ".join(sorted(axis))
            for mean, entry in order[1:]:
                reason = f"lower along {along} (step {place + 1}): {mean:.3f} against {order[0][0]:.3f}"
                found.end(entry.key, "pruned", whole, reason, order[0][1].name)
        for entry in grid.entries:
            if entry.key not in asked:
                found.end(entry.key, "pruned", 0, "not on the path of the search, never asked")
        yield from self.measured(grid, found, best.key if best is not None else "")


def _along(entries: Sequence[Entrant], best: Entrant, axis: frozenset[str] | None) -> list[Entrant]:
    """Returns the cells that differ from the best so far along this axis only, and itself; None for the pipelines."""
    if axis is not None:
        return [one for one in entries if one.pipeline == best.pipeline and _differs(one, best) <= axis]
    closest: dict[str, Entrant] = {}
    for one in entries:
        known = closest.get(one.pipeline)
        if known is None or len(_differs(one, best)) < len(_differs(known, best)):
            closest[one.pipeline] = one
    return [best if one.pipeline == best.pipeline else one for one in closest.values()]


def _differs(one: Entrant, other: Entrant) -> set[str]:
    paths = set(one.settings) | set(other.settings)
    return {path for path in paths if one.settings.get(path) != other.settings.get(path)}
