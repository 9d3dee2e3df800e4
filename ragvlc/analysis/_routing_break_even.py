"""Break-even points of two routes, by document length and by the number of questions per document.

- Length by cost: a straight line is fitted to each route's cost over the characters of the documents; where the two
  meet, both cost the same. Below, the whole document is the cheaper reading.
- Length by quality: how much the difference of the two routes changes when documents are twice as long (least squares
  over the logarithm of the length, by cluster), and where it changes sign, if among the lengths asked.
- Questions for each document: with a prefix cache a document is paid in full by its first question only, and an index
  is built once. With first and further costs F and L of a question, and an index I, the dearer route (d) costs no more
  than the cheaper (c) from n = 1 + (Fd - Fc - I) / (Lc - Ld) questions on. In money, F and L are those of
  `document_costs` (cache writes and reads, long prompts, storage, expiry), of each question's bill and shared prefix;
  an index has no price. In tokens, further questions are measured where answers record prefix-cache hits; else, if the
  dearer route reads the same text of a document for every question, the shared prefix is assumed to be free. The
  cheaper one, which reads other passages for each question, is assumed to have no cache hits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ragvlc.analysis._routing_groups import Arm, RoutingGroup
from ragvlc.analysis.cell_costs import SAME
from ragvlc.analysis.tables import bounds, plain
from ragvlc.statistics.differences import Difference
from ragvlc.statistics.intervals import Interval
from ragvlc.statistics.ratios import ratio_interval, slope_interval

__all__ = ["RouteBreakEven", "bracketed", "break_even", "break_even_sentences", "excludes_zero"]


@dataclass(frozen=True, slots=True)
class RouteBreakEven:
    """Break-even points between the cheapest and the most expensive fixed route.

    Attributes:
        tokens_length: characters of the documents at which both use the same number of tokens; None: never.
        money_length: characters at which both cost the same money.
        tokens_per_character: of the dearer route's prompts.
        doubling: change of the quality of the dearer route against the cheaper when documents are twice as long.
        crossing: characters at which that difference changes sign; None where it does not, among the lengths asked.
        questions_tokens: number for each document from which the dearer route needs no more uncached tokens; None:
            never.
        questions_money: the same for money; None: never, or no prices.
        questions_seconds: the same for seconds, the index included; None: never, or not measured.
        asked: mean number of questions for each document.
    """

    tokens_length: float | None
    money_length: float | None
    tokens_per_character: float
    doubling: Interval
    crossing: float | None
    questions_tokens: Interval
    questions_money: Interval
    questions_seconds: float | None
    asked: float


def break_even(group: RoutingGroup) -> RouteBreakEven:
    """Returns the break-even points between the cheapest and the most expensive fixed route of a group."""
    names = group.questions
    lengths = [float(group.characters[name]) for name in names]
    read = [group.dear.outcomes[name].prompt_tokens for name in names]
    per_character = sum(read) / sum(lengths) if sum(lengths) else 0.0
    doubling, crossing = _by_length(group, lengths)
    return RouteBreakEven(
        _level(lengths, _tokens(group.cheap, names), _tokens(group.dear, names)),
        _level(lengths, _money(group.cheap, names), _money(group.dear, names)),
        per_character,
        doubling,
        crossing,
        _questions(group, money=False),
        _questions(group, money=True),
        _questions_by_seconds(group),
        len(names) / len({group.documents[name] for name in names}),
    )


def _tokens(arm: Arm, names: Sequence[str]) -> list[float] | None:
    return [arm.outcomes[name].prompt_tokens + arm.outcomes[name].completion_tokens for name in names]


def _money(arm: Arm, names: Sequence[str]) -> list[float] | None:
    found = [money for name in names if (money := arm.outcomes[name].money) is not None]
    return found if len(found) == len(names) else None


def _level(lengths: Sequence[float], cheap: Sequence[float] | None, dear: Sequence[float] | None) -> float | None:
    """Returns the length at which two linear cost curves cross; None if they do not cross or lengths do not vary."""
    import numpy as np

    if cheap is None or dear is None or len(set(lengths)) < 2 or not all(lengths):
        return None
    slope_c, start_c = np.polyfit(lengths, cheap, 1)
    slope_d, start_d = np.polyfit(lengths, dear, 1)
    if slope_d <= slope_c:
        return None
    found = float((start_c - start_d) / (slope_d - slope_c))
    return found if found > 0 else None


def _by_length(group: RoutingGroup, lengths: Sequence[float]) -> tuple[Interval, float | None]:
    """Returns how the quality difference changes per doubling of the length, and the length at which it is 0."""
    if len(set(lengths)) < 2 or not all(lengths):
        return Interval(None, None, None, 0, 0), None
    names = group.questions
    x = [math.log2(length) for length in lengths]
    y = [(group.dear.outcomes[n].quality or 0.0) - (group.cheap.outcomes[n].quality or 0.0) for n in names]
    found = slope_interval(x, y, [group.clusters[name] for name in names])
    if found.mean is None:
        return found, None
    start = fmean(y) - found.mean * fmean(x)
    at = 2.0 ** (-start / found.mean) if found.mean and abs(start / found.mean) < 60 else math.inf
    return found, at if min(lengths) <= at <= max(lengths) else None


def _questions(group: RoutingGroup, *, money: bool) -> Interval:
    """Returns the number of questions per document from which the dearer route costs less; the mean may be None."""
    names = group.questions
    costs = [_money_lines(group, arm) if money else _token_lines(group, arm) for arm in (group.dear, group.cheap)]
    none = Interval(None, None, None, 0, 0)
    if any(one is None for one in costs):
        return none
    (dear, later_dear), (cheap, later_cheap) = (one or ([], []) for one in costs)
    more = [d - c for d, c in zip(dear, cheap, strict=True)]
    less = [c - d for d, c in zip(later_dear, later_cheap, strict=True)]
    if fmean(more) <= 0:
        return Interval(1.0, None, None, len(names), 0)
    found = ratio_interval(more, less, [group.clusters[name] for name in names])
    if found.mean is None:
        return none
    low, high = (None if bound is None else 1 + bound for bound in (found.low, found.high))
    return Interval(1 + found.mean, low, high, found.n, found.clusters)


Lines = tuple[list[float], list[float]]
"""Costs of each question if it is the first about its documents, and if it is a further one."""


def _token_lines(group: RoutingGroup, arm: Arm) -> Lines:
    read = [arm.outcomes[name].prompt_tokens for name in group.questions]
    return read, [tokens - shared for tokens, shared in zip(read, _shared_tokens(group, arm), strict=True)]


def _money_lines(group: RoutingGroup, arm: Arm) -> Lines | None:
    """Returns the money of each question; None where it is not known of some."""
    readings = arm.readings(by_length=arm is group.dear)
    found = [parts for name in group.questions if (parts := readings.get(name)) is not None]
    if len(found) < len(group.questions) or not any(found):
        return None
    first = [sum(one.first() for one in parts) for parts in found]
    return first, [sum(one.further(arm.gap) for one in parts) for parts in found]


def _shared_tokens(group: RoutingGroup, arm: Arm) -> list[float]:
    """Returns how many prompt tokens of each question are in the prefix cache if its documents were read before."""
    names = group.questions
    cached = [arm.outcomes[name].cached_tokens for name in names]
    if any(cached):
        held = [tokens for tokens in cached if tokens]
        return [fmean(held)] * len(names)
    if arm is not group.dear:
        return [0.0] * len(names)
    shortest: dict[str, float] = {}
    longest: dict[str, float] = {}
    for name in names:
        tokens, place = arm.outcomes[name].prompt_tokens, group.documents[name]
        shortest[place] = min(tokens, shortest.get(place, tokens))
        longest[place] = max(tokens, longest.get(place, tokens))
    same = all(longest[place] - least <= SAME * longest[place] for place, least in shortest.items())
    return [shortest[group.documents[name]] if same else 0.0 for name in names]


def _questions_by_seconds(group: RoutingGroup) -> float | None:
    costs = {}
    for arm in (group.cheap, group.dear):
        timed = [arm.outcomes[name] for name in group.questions]
        first = [one.seconds for one in timed if one.seconds is not None and not one.cached_tokens]
        later = [one.seconds for one in timed if one.seconds is not None and one.cached_tokens]
        if not first:
            return None
        costs[arm.name] = fmean(first), fmean(later) if later else fmean(first)
    documents = len({group.documents[name] for name in group.questions})
    (first_c, later_c), (first_d, later_d) = costs[group.cheap.name], costs[group.dear.name]
    more = first_d - first_c - (group.cheap.index_seconds - group.dear.index_seconds) / documents
    if more <= 0:
        return 1.0
    return 1 + more / (later_c - later_d) if later_c > later_d else None


def break_even_sentences(group: RoutingGroup, level: RouteBreakEven) -> list[str]:
    """Returns sentences on the break-even points between the cheapest and the most expensive route."""
    cheap, dear = group.cheap.name, group.dear.name
    found = []
    lengths = [("tokens", level.tokens_length), ("money", level.money_length)]
    summary = [f"{_length(value, level)} in {unit}" for unit, value in lengths if value is not None]
    if summary:
        found.append(
            f"{dear} costs as much as {cheap} for documents of {', and '.join(summary)}; beyond, {cheap} costs less."
        )
    if level.doubling.mean is not None:
        one = level.doubling
        change = f"{plain(one.mean or 0.0, 3, '+')}{bracketed(one)}"
        said = f"With each doubling of the document length, the quality of {dear} minus {cheap} changes by {change}"
        if excludes_zero(one) and level.crossing is not None:
            said += f"; by the fitted line they are equal at about {_length(level.crossing, level)}"
        found.append(f"{said}.")
    questions = [
        ("uncached tokens", level.questions_tokens.mean, level.questions_tokens),
        ("money", level.questions_money.mean, level.questions_money),
        ("seconds", level.questions_seconds, None),
    ]
    several = [_from(unit, mean, interval) for unit, mean, interval in questions if mean is not None and mean > 1]
    if several:
        found.append(
            f"With a prefix cache, {dear} costs no more than {cheap} from {'; from '.join(several)} on; "
            f"here there were {level.asked:.1f} questions per document."
        )
    return found


def _from(unit: str, mean: float, interval: Interval | None) -> str:
    ends = ""
    if interval is not None and interval.low is not None and interval.high is not None:
        ends = f" [{interval.low:.1f}, {interval.high:.1f}]"
    return f"{mean:.1f}{ends} questions per document in {unit}"


def _length(characters: float, level: RouteBreakEven) -> str:
    return f"{characters:,.0f} characters ({characters * level.tokens_per_character:,.0f} tokens)"


def excludes_zero(one: Interval | Difference) -> bool:
    """Returns whether there are bounds, and 0 is outside of them."""
    return one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)


def bracketed(one: Interval | Difference) -> str:
    """Returns the bounds of a difference in brackets after a blank; empty without bounds."""
    return "" if one.low is None or one.high is None else f" {bounds(one.low, one.high)}"
