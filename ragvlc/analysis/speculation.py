"""Results of speculative decoding: acceptance by draft position, seconds per phase, and speed-up.

Figures of a cell are ratios of sums over its answers, so that a long answer counts for its length: tokens a second are
all tokens over all seconds, acceptance at a position is accepted drafts over drafts that reached it. Seconds are
those of decoding, without prefill.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import INK, hover, label, legend, look, mark, panels, tie
from ragvlc.analysis.tables import Entry, Table, title
from ragvlc.results.speculation import Speculation

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = [
    "CAPTION",
    "acceptance_by_place",
    "draw",
    "speculating",
    "speculation",
    "speculation_tables",
]

HEADS = (
    *("rounds", "drafted", "accepted", "acceptance", "tokens\na round", "tokens\na second"),
    *(
        "plain\ntokens\na second",
        "speed-up",
        "draft\nseconds",
        "verify\nseconds",
        "prefill\nseconds",
        "drafter's\nprefill",
    ),
)
NOTE = (
    "Rounds, drafted and accepted tokens and seconds: mean of a question. Acceptance: share of the drafted tokens. "
    "Tokens a round: including the target's own. Tokens a second: of decoding, without prompts. Plain: the same model "
    "one token at a time after the same prompt, if that was measured; the speed-up is relative to it."
)
PLACES = (
    "Share of the drafts with a token at this position that was accepted: the third only if the first two are too. In "
    "brackets the number of drafts."
)
MOST_LINES = 8
CAPTION = (
    "Above: share of the drafts in which the token at this position and those before it were accepted. Below: speed-up "
    "in tokens a second over plain decoding on the same engine, if it was measured."
)


def speculation_tables(results: SweepResults) -> list[Table]:
    """Returns the available tables on speculative decoding."""
    return [table for table in (speculation(results), acceptance_by_place(results)) if table is not None]


def speculation(results: SweepResults) -> Table | None:
    """Returns the table of cells with speculative decoding; None if there are no such cells."""
    rows = tuple((title(cell), _entries(found)) for cell, found in speculating(results))
    return Table("Speculation", HEADS, rows, NOTE) if rows else None


def acceptance_by_place(results: SweepResults) -> Table | None:
    """Returns the table of acceptance by draft position, with the number of drafts; None without drafts."""
    cells = [(cell, found) for cell, found in speculating(results) if found.by_place]
    places = max((len(found.by_place) for _, found in cells), default=0)
    rows = tuple((title(cell), tuple(_at(found, place) for place in range(places))) for cell, found in cells)
    heads = tuple(f"at {place}" for place in range(1, places + 1))
    return Table("Acceptance by position in the draft", heads, rows, PLACES) if rows else None


def speculating(results: SweepResults) -> list[tuple[CellResult, Speculation]]:
    """Returns the cells with speculative decoding and their summed statistics, in the order of the plan."""
    found = [
        (cell, [cell.columns.speculation[place] for place in sorted(cell.columns.speculation)])
        for cell in results.cells
    ]
    return [(cell, sum(sums, Speculation())) for cell, sums in found if sums]


def draw(cells: Sequence[tuple[CellResult, Speculation]]) -> Picture:
    """Returns a figure of acceptance by draft position and, if plain decoding was measured, of speed-ups."""
    shown = list(cells)[:MOST_LINES]
    compared = [(at, cell, found.speedup) for at, (cell, found) in enumerate(shown) if found.speedup is not None]
    with look():
        names = ["by position in the draft", "speed-up"] if compared else [""]
        figure, places = panels(names, "acceptance" if not compared else "speculation")
        above = places[0]
        for at, (cell, found) in enumerate(shown):
            colour, marker = mark(at)
            xs = range(1, len(found.by_place) + 1)
            drawn = above.plot(xs, found.by_place, color=colour, marker=marker, markersize=5, label=label(cell.name))
            tie(at, drawn)
            for x, accepted, tried in zip(xs, found.by_place, found.tried, strict=False):
                hover(above, (x, accepted), cell.name, f"accepted at {x}: {accepted:.3f}, n = {tried:,}", series=at)
        above.set_ylim(0.0, 1.03)
        above.set_xticks(range(1, 1 + max((len(found.by_place) for _, found in shown), default=1)))
        above.set_xlabel("position in the draft (tokens)")
        above.set_ylabel("accepted (share of drafted tokens)")
        if compared:
            below = places[1]
            for row, (at, _, gain) in enumerate(compared):
                tie(at, below.barh([row], [gain], color=mark(at)[0], height=0.6))
                below.annotate(f" {gain:.2f}", (gain, row), va="center")
            below.axvline(1.0, color=INK, linestyle=(0, (4, 3)), linewidth=1)
            below.set_yticks([])
            below.invert_yaxis()
            below.set_xlabel("speed-up over plain decoding (1: no gain)")
            below.set_xlim(0, 1.15 * max(1.0, *(gain for _, _, gain in compared)))
        legend(figure, [above])
    return figure


def _entries(found: Speculation) -> tuple[Entry, ...]:
    n = found.answers
    return (
        Entry(found.rounds / n, digits=1),
        Entry(sum(found.tried) / n, digits=1),
        Entry(sum(found.accepted) / n, digits=1),
        Entry(found.acceptance, digits=2),
        Entry(found.tokens_a_round, digits=2),
        Entry(found.tokens_a_second, digits=1),
        Entry(found.plain_tokens_a_second, digits=1),
        Entry(found.speedup, digits=2),
        Entry(found.draft_seconds / n, digits=3),
        Entry(found.verify_seconds / n, digits=3),
        Entry(found.prefill_seconds / n, digits=3),
        Entry(found.draft_prefill_seconds / n, digits=3),
    )


def _at(found: Speculation, place: int) -> Entry:
    if place >= len(found.by_place):
        return Entry()
    return Entry(word=f"{found.by_place[place]:.2f} ({found.tried[place]:,})")
