"""Seconds and money as text."""

from __future__ import annotations

__all__ = ["money_text", "seconds_text"]


def seconds_text(value: float) -> str:
    """Returns a duration in a unit of its size."""
    if value != value:  # noqa: PLR0124 - NaN, which is not known
        return "unknown"
    if value < 100:
        return f"{value:.2g} s" if 0 < value < 1 else f"{value:.1f} s"
    hours, minutes = divmod(round(value / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def money_text(value: float) -> str:
    """Returns an amount of money with two digits or more."""
    if value != value:  # noqa: PLR0124 - NaN, which is not known
        return "unknown"
    return f"{value:,.2f}" if value >= 0.01 or value == 0 else f"{value:.2g}"
