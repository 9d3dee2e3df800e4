"""The part of `estimate` on speculative decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragvlc.cli.app import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table as RichTable

    from ragvlc.analysis.speculation_break_even import Point
    from ragvlc.estimate.forecast import Compared, Forecast

__all__ = ["print_forecast"]


def print_forecast(found: Forecast) -> None:
    """Prints from which context on speculative decoding pays, its speed-ups, and what was measured."""
    from rich.table import Table

    screen, asked, best = out(), found.asked, found.best
    screen.print(f"\nSpeculative decoding, route '{found.route}' ({found.models}), after {asked.context:,} tokens:")
    screen.print(f"plain decoding {_each(asked.plain_seconds)}")
    screen.print(f"drafts of {asked.gamma}, as set: {_gain(asked)}; pays {found.own_break_even.words}")
    screen.print(
        f"drafts of {best.gamma}, the best here: {_gain(best)}; with the best drafts it pays {found.break_even.words}"
    )
    table = Table("context", "drafter's", title="speed-up by drafts of", title_justify="left", box=None, pad_edge=False)
    for point in found.table[0]:
        table.add_column(str(point.gamma), justify="right")
    for row in found.table:
        style = "bold" if row[0].context == asked.context else ""
        figures = [f"{point.speedup:.2f}" for point in row]
        table.add_row(f"{row[0].context:,}", f"{row[0].draft_context:,}", *figures, style=style)
    screen.print(table)
    if found.measured:
        screen.print(_measured(found.measured))
    for sentence in found.notes:
        screen.print(sentence)
    screen.print("Decoding only, without prompts: one text at a time, both models alternating on that device.")


def _measured(cells: Sequence[Compared]) -> RichTable:
    from rich.table import Table

    table = Table("measured, and (by the model)", title_justify="left", box=None, pad_edge=False)
    for head in ("context", "drafter's", "drafts", "accepted", "tokens\na second", "plain", "speed-up"):
        table.add_column(head, justify="right")
    for one in cells:
        point, sums = one.point, one.sums
        table.add_row(
            one.name,
            f"{point.context:,}",
            f"{point.draft_context:,}",
            str(one.gamma),
            _figure(sums.token_acceptance, 2),
            f"{_figure(sums.tokens_a_second, 1)} ({1 / point.seconds:.1f})",
            f"{_figure(sums.plain_tokens_a_second, 1)} ({1 / point.plain_seconds:.1f})",
            f"{_figure(sums.speedup, 2)} ({point.speedup:.2f})",
        )
    return table


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _gain(point: Point) -> str:
    words = (
        f"{point.speedup:.2f} times as fast" if point.speedup > 1 else f"slower, {point.speedup:.2f} times the speed"
    )
    return f"{_each(point.seconds)}, {words}, {point.tokens_a_round:.2f} tokens a round"


def _each(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms a token"
