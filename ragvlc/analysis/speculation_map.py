"""A heat map of the speed-up of speculative decoding by context length and acceptance rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log2
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import INK, blank, label, look
from ragvlc.analysis.speculation_break_even import Speculator

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture

__all__ = ["draw", "speedups"]

_POWERS = range(12, 21)
CONTEXTS = tuple(2**power for power in _POWERS)
"""From 4,096 tokens to a million."""
ACCEPTANCES = tuple(step / 20 for step in range(6, 20))


def speedups(
    model: Speculator,
    contexts: Sequence[int] = CONTEXTS,
    acceptances: Sequence[float] = ACCEPTANCES,
    *,
    gamma: int | None = None,
) -> list[list[float]]:
    """Returns the speed-ups of speculative over plain decoding, indexed [acceptance][context].

    Args:
        model: whose acceptance is replaced.
        contexts: tokens that the target reads.
        acceptances: one for all places of a draft each.
        gamma: tokens drafted at a time; None for the best number at each point.
    """
    rows = []
    for share in acceptances:
        own = replace(model, acceptance=share)
        points = [own.best(context) if gamma is None else own.at(context, gamma) for context in contexts]
        rows.append([point.speedup for point in points])
    return rows


def draw(
    model: Speculator,
    contexts: Sequence[int] = CONTEXTS,
    acceptances: Sequence[float] = ACCEPTANCES,
    *,
    gamma: int | None = None,
    title: str = "",
) -> Picture:
    """Returns the heat map: each field shows its speed-up, and a line marks the break-even.

    Args:
        model: whose acceptance is replaced.
        contexts: tokens that the target reads, increasing; across, on a logarithmic scale.
        acceptances: increasing; upwards.
        gamma: tokens drafted at a time; None for the best number at each point.
        title: of the figure.
    """
    from matplotlib.colors import TwoSlopeNorm

    found = speedups(model, contexts, acceptances, gamma=gamma)
    rows = [[log2(one) for one in row] for row in found]
    widest = max(abs(one) for row in rows for one in row) or 1.0
    with look():
        figure = blank(0.55 * len(contexts) + 2.2, 0.28 * len(acceptances) + 1.4)
        axes = figure.add_subplot()
        axes.grid(visible=False)
        axes.imshow(rows, origin="lower", aspect="auto", cmap="RdBu", norm=TwoSlopeNorm(0.0, -widest, widest))
        for up, row in enumerate(found):
            for across, value in enumerate(row):
                dark = abs(rows[up][across]) > 0.6 * widest
                axes.text(across, up, f"{value:.2f}", ha="center", va="center", size=7, color="w" if dark else "k")
        if any(one > 0 for row in rows for one in row) and any(one < 0 for row in rows for one in row):
            axes.contour(rows, levels=[0.0], colors=[INK], linewidths=2)
        axes.set_xticks(range(len(contexts)), [_thousands(one) for one in contexts])
        axes.set_yticks(range(len(acceptances)), [f"{one:.2f}" for one in acceptances])
        axes.set_xlabel("tokens that the target reads")
        axes.set_ylabel("acceptance")
        drafts = "the best drafts" if gamma is None else f"drafts of {gamma}"
        axes.set_title(label(title or f"times as fast as plain decoding, {drafts}"))
    return figure


def _thousands(tokens: int) -> str:
    return f"{tokens // 1024}k" if tokens >= 1024 and tokens % 1024 == 0 else f"{tokens:,}"
