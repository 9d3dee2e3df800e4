r"""LooGLE's reordering scores: how far the order in the reply is from the right one (lower is better).

For questions that ask for events in the order of time. The functions of Li et al. (2024, arXiv 2311.04939),
`get_reorder_deviation.py`: the reply's order is its Roman numerals, `\b[IVXLCDM]+\b`, all of them, in a row; i is the
place of an item in the right order, p(i) that in the reply, n the number of items.

- `lsd`, location square deviation: mean of (p(i) - i)².
- `lmd`, location mean deviation: mean of |p(i) - i|.
- `sd`, swap deviation: n - number of cycles of p.
- `sdd`, swap distance deviation: total distance of greedily chosen swaps that restore the order.

Here each is divided by the largest value for n items (`get_max_deviation.py`), so that it is a share; a reply without
exactly the right numerals scores 1. The best greedy swap always brings two items nearer by its full length, so that
`sdd` is half the sum of |p(i) - i|, which is checked against their search; as shares, `sdd` and `lmd` are equal.

Differences: the published `reorder_eval.py` replaces every value by the largest one for n and cannot average over
replies that it cannot read, so that its figure says nothing; what its comments and the paper describe is computed. The
pronoun I, and C and D as letters, count as numerals there and here.

Reads `Example.scoring["order"]`: the numbers of the items in the right order, from 1; does not apply without it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example
from ragvlc.core.families import Metric

__all__ = ["LoogleReorder", "Measure", "deviation", "largest", "places_in"]

Measure = Literal["lsd", "lmd", "sd", "sdd"]
_NUMERAL = re.compile(r"\b[IVXLCDM]+\b")
_VALUES = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


class LoogleReorder(Metric):
    """Deviation of the reply's order from the right one as a share of the largest; lower is better.

    Attributes:
        measure: `lsd`, `lmd`, `sd` or `sdd`.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"answer"})
    smaller_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0
    measure: Measure = "lmd"

    @property
    def label(self) -> str:
        """The label, such as `loogle_reorder_lmd`."""
        return f"{self.kind}_{self.measure}"

    def score(self, answer: Answer, example: Example) -> float | None:
        """Returns a score from 0 to 1, or None if the example has no order."""
        order = example.scoring.get("order")
        if not order:
            return None
        places = places_in(answer.text, order)
        if places is None:
            return 1.0
        most = largest(len(order), self.measure)
        return deviation(places, self.measure) / most if most else 0.0

    def flags(self, answer: Answer, example: Example) -> tuple[str, ...]:
        """Returns `unparsed` if the reply does not hold exactly the right numerals."""
        order = example.scoring.get("order")
        return ("unparsed",) if order and places_in(answer.text, order) is None else ()


def places_in(reply: str, order: Sequence[int]) -> list[int] | None:
    """Returns the place in the reply of each item in the right order; None if it has other numerals than those."""
    found = _NUMERAL.findall(reply)
    wanted = [_roman(int(number)) for number in order]
    if len(found) != len(wanted) or set(found) != set(wanted):
        return None
    at = {numeral: place for place, numeral in enumerate(found)}
    return [at[numeral] for numeral in wanted]


def deviation(places: Sequence[int], measure: Measure) -> float:
    """Returns the deviation of an order from 0, 1, 2 ... by one of the four measures, in LooGLE's units."""
    distances = [abs(place - right) for right, place in enumerate(places)]
    if measure == "lsd":
        return sum(distance**2 for distance in distances) / len(places)
    if measure == "sd":
        return len(places) - _cycles(places)
    return sum(distances) / (len(places) if measure == "lmd" else 2)


def largest(items: int, measure: Measure) -> float:
    """Returns the largest deviation that an order of so many items can have: that of the reverse, or of one cycle."""
    return float(items - 1) if measure == "sd" else deviation(range(items - 1, -1, -1), measure)


def _cycles(places: Sequence[int]) -> int:
    seen: set[int] = set()
    cycles = 0
    for start in range(len(places)):
        cycles += start not in seen
        place = start
        while place not in seen:
            seen.add(place)
            place = places[place]
    return cycles


def _roman(number: int) -> str:
    text = ""
    for value, numeral in _VALUES:
        count, number = divmod(number, value)
        text += numeral * count
    return text
