"""Money for a number of questions about one document, with and without the provider's prefix cache.

Full context sends the whole document with every question. With a prefix cache, the first question writes it and
further questions read it, as long as they come within the cache's lifetime; this is also called cache-augmented
generation (CAG). Retrieval sends other passages with every question, and has nothing to find in a cache. So the money
for N questions is a straight line for each route, and two lines cross at the break-even: the first question of full
context costs more, and each further one may cost less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ragvlc.analysis.drawing import INK, hover, label, legend, look, mark, numbers, panels, tie
from ragvlc.core.prices import CACHED_FROM, Price, Rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ragvlc.analysis.pictures import Picture

__all__ = ["PRICE_ADVICE", "DocumentCost", "ModelCost", "break_even", "break_even_sentences", "draw_money"]

NO_LIFETIME = (
    "a price has no `lifetime`, so that a cache is taken never to expire. Add the provider's, such as lifetime: 300."
)
PRICE_ADVICE = "Add `price: {{prompt: ..., completion: ...}}` (money per million tokens) to {role}"
STEPS = 60
"""Of a drawn line."""
FARTHEST = 1e7
"""No break-even is looked for beyond so many questions."""


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What a question about one document has a model read and write.

    Attributes:
        price: of the model.
        shared: prompt tokens with which every question about the document begins.
        own: further prompt tokens of a question.
        completion: new tokens of a question.
        calls: of the model for a question; each is taken to be as long as the others.
        cached: whether the shared tokens are put into the provider's prefix cache.
        weight: share of the documents that are read so; further ones of the same route differ in length or price.
        share: of the questions about a document that are answered so, by chance, where a router chooses.
    """

    price: Price
    shared: float
    own: float
    completion: float
    calls: float = 1.0
    cached: bool = True
    weight: float = 1.0
    share: float = 1.0

    @property
    def caches(self) -> bool:
        """Whether the shared tokens are many enough for a provider's prefix cache."""
        return self.cached and self.shared / max(1.0, self.calls) >= CACHED_FROM

    @property
    def long(self) -> bool:
        """Whether the calls are charged at the prices of long prompts."""
        return self.rates is not self.price

    @property
    def rates(self) -> Rates:
        """The prices that calls of this length are charged at."""
        return self.price.rates((self.shared + self.own) / max(1.0, self.calls))

    def money(self, questions: float, gap: float = 0.0) -> float:
        """Returns the expected money of questions about a document; only `share` of them are answered so."""
        writes = 1.0 - float((1.0 - self.share) ** questions)
        further = self.further(gap / self.share)
        return self.weight * (writes * (self.first() - further) + questions * self.share * further)

    def first(self) -> float:
        """Returns the money of the first question about a document."""
        if not self.caches:
            return self._question()
        return self._question(written=self.shared) + self._storage(self.price.lifetime or 0.0)

    def further(self, gap: float = 0.0) -> float:
        """Returns the money of each further question, `gap` seconds after the one before it."""
        if not self.caches:
            return self._question()
        lifetime = self.price.lifetime
        if lifetime is not None and gap > lifetime:
            return self._question(written=self.shared) + self._storage(lifetime)
        return self._question(read=self.shared) + self._storage(gap)

    def _storage(self, seconds: float) -> float:
        return self.shared / 1e6 * self.price.storage * seconds / 3600

    def _question(self, *, written: float = 0.0, read: float = 0.0) -> float:
        fresh = self.shared + self.own - read - written
        return self.rates.charge(fresh, self.completion, read=read, written=written)


@dataclass(frozen=True, slots=True)
class DocumentCost:
    """Money for questions about one document, answered by one route.

    Attributes:
        name: of the route or cell.
        readings: one for each model that it asks.
        once: money for the document itself, such as embedding its chunks.
    """

    name: str
    readings: tuple[ModelCost, ...]
    once: float = 0.0

    def first(self) -> float:
        """Returns the money of the first question, with what the document costs once."""
        return self.money(1)

    def further(self, gap: float = 0.0) -> float:
        """Returns the money of each further question, `gap` seconds after the one before it, once all is cached."""
        return sum(one.weight * one.share * one.further(gap / one.share) for one in self.readings)

    def money(self, questions: float, gap: float = 0.0, *, batch: bool = False) -> float:
        """Returns the money of all questions.

        Args:
            questions: number about the document.
            gap: seconds between two questions.
            batch: whether they are sent as a batch, at the prices' `batch_factor`.
        """
        factors = (one.price.batch_factor if batch else 1.0 for one in self.readings)
        return self.once + sum(
            factor * one.money(questions, gap) for factor, one in zip(factors, self.readings, strict=True)
        )


def break_even(dear: DocumentCost, cheap: DocumentCost, gap: float = 0.0) -> float | None:
    """Returns the number of questions from which on `dear`, whose first question costs more, costs no more in all.

    1 where its first question costs no more; None where it never pays.
    """
    more = dear.first() - cheap.first()
    if more <= 0:
        return 1.0
    less = cheap.further(gap) - dear.further(gap)
    if less <= 0:
        return None
    if all(one.share == 1 for cost in (dear, cheap) for one in cost.readings):
        return 1 + more / less
    low, high = 1.0, 2.0
    while dear.money(high, gap) > cheap.money(high, gap):
        if high > FARTHEST:
            return None
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if dear.money(middle, gap) <= cheap.money(middle, gap) else (middle, high)
    return high


def break_even_sentences(costs: Sequence[DocumentCost], gap: float = 0.0) -> list[str]:
    """Returns a sentence for each two routes, the dearest first question first."""
    ordered = sorted(costs, key=DocumentCost.first, reverse=True)
    found = []
    for place, dear in enumerate(ordered):
        for cheap in ordered[place + 1 :]:
            level = break_even(dear, cheap, gap)
            if level is None:
                found.append(f"{dear.name} costs more than {cheap.name} for any number of questions a document.")
            elif level > 1:
                found.append(
                    f"{dear.name} costs no more than {cheap.name} from {ceil(level):,} questions a document on."
                )
    return found


def draw_money(costs: Mapping[str, Sequence[DocumentCost]], questions: int, gap: float = 0.0) -> Picture:
    """Returns a figure of the mean money a question against the number of questions a document, with break-evens.

    Args:
        costs: of the routes, by data set: a panel for each.
        questions: the most that are drawn; break-evens up to ten times as many widen the figure.
        gap: seconds between two questions.
    """
    apart = f", {gap:g} s apart" if gap else ""
    with look():
        figure, places = panels(list(costs), f"Money by questions about one document{apart}")
        names = list(dict.fromkeys(one.name for own in costs.values() for one in own))
        for axes, own in zip(places, costs.values(), strict=True):
            _panel(axes, {names.index(one.name): one for one in own}, questions, gap)
        legend(figure, places)
    return figure


def _panel(axes: Axes, costs: Mapping[int, DocumentCost], questions: int, gap: float) -> None:
    """Draws the lines of one data set; the numbers say which colour and marker they have in all panels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    levels = [(level, height) for level, height in _crossings([*costs.values()], gap) if level <= 10 * questions]
    last = max([questions, *(int(1.3 * level) + 1 for level, _ in levels)])
    asked = [last ** (step / STEPS) for step in range(STEPS + 1)]
    for place, one in costs.items():
        colour, marker = mark(place)
        tie(place, axes.plot(
            asked, [one.money(n, gap) / n for n in asked],
            color=colour, marker=marker, markersize=5, markevery=(place % 3, STEPS // 4), label=label(one.name),
        ))  # fmt: skip
        for n in sorted({round(one) for one in asked}):
            each, total = one.money(n, gap) / n, one.money(n, gap)
            hover(axes, (n, each), one.name, f"{n:,} questions: {each:,.4g} each, {total:,.4g} in all", series=place)
    for place, (level, height) in enumerate(sorted(levels)):
        axes.plot([level], [height], "o", color="none", markeredgecolor=INK, markersize=10)
        # Above a crossing the falling line is on the left, below on the right; neighbours are on different sides.
        (aside, up), side = ((7, 7), "left") if place % 2 == 0 else ((-7, -15), "right")
        words = f"from {ceil(level):,}"
        axes.annotate(words, (level, height), xytext=(aside, up), textcoords="offset points", fontsize=8.5, ha=side)
        hover(axes, (level, height), f"break-even {words} questions about one document", f"{height:,.4g} each")
    numbers(axes, asked, few=False)
    lines = [float(value) for line in axes.lines for value in line.get_ydata()]  # type: ignore[arg-type, union-attr]
    low, high = min(lines), max(lines)
    if low > 0:
        beyond = max(1.2, (high / low) ** 0.15)  # for labels
        axes.set_yscale("log")
        axes.set_ylim(low / beyond, high * beyond)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlabel("questions about one document")
    axes.set_ylabel("money a question, on average")


def _crossings(costs: Sequence[DocumentCost], gap: float) -> list[tuple[float, float]]:
    """Returns questions and mean money at each break-even; of more than three routes, where the cheapest changes."""
    ordered = sorted(costs, key=DocumentCost.first, reverse=True)
    found = []
    for place, dear in enumerate(ordered):
        for cheap in ordered[place + 1 :]:
            level = break_even(dear, cheap, gap)
            if level is not None and level > 1:
                height = dear.money(level, gap)
                if len(costs) <= 3 or height <= 1.0001 * min(one.money(level, gap) for one in costs):
                    found.append((level, height / level))
    return found
