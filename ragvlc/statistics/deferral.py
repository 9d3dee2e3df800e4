"""Quality of a router over that of sending questions at random to one of two routes, at the same cost.

A router sends questions to the dearer route in the order of its score. The more it sends, the more it costs, from the
cheaper route alone to the dearer one alone: its curve of quality over cost. Random mixing of the two routes gives the
straight line between them. Results are returned as one value for each question, whose mean is the figure and whose
spread is that of its linearisation (influence values), so that intervals and tests are those of paired differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragvlc.statistics.differences import PairedSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["area_over_random", "best_order", "over_random_at_own_cost"]


def area_over_random(
    gains: Sequence[float],
    order: Sequence[float],
    clusters: Sequence[str],
    *,
    steps: Sequence[float] | None = None,
    spans: Sequence[float] | None = None,
    extra: Sequence[float] | None = None,
) -> PairedSample | None:
    """Returns the area between a router's curve and random mixing; None where the dearer route costs no more.

    Cost is measured from the cheaper route (0) to the dearer one (1); beyond 1, random mixing has the dearer route's
    quality. Questions with equal scores are sent together. Without costs, cost is the share of questions sent.

    Args:
        gains: quality of the dearer route minus that of the cheaper one, by question.
        order: score of the router; the largest is sent to the dearer route first.
        clusters: of the questions.
        steps: what sending the question adds to the cost.
        spans: cost of the dearer route minus that of the cheaper one.
        extra: cost of the router itself, which it has before it sends any question.
    """
    import numpy as np

    ones = np.ones(len(gains))
    gain, step, span = (ones if one is None else np.asarray(one, dtype=np.float64) for one in (gains, steps, spans))
    own = 0 * ones if extra is None else np.asarray(extra, dtype=np.float64)
    unit = span.mean()
    if unit <= 0:
        return None
    _, level = np.unique(np.asarray(order, dtype=np.float64), return_inverse=True)

    def before(what: Floats, *, above: bool) -> Floats:
        """Returns, by question, the mean of what comes before its level, and half of its level."""
        sums = np.bincount(level, weights=what)
        total = np.cumsum(sums[::-1])[::-1] if above else np.cumsum(sums)
        found: Floats = (total - sums / 2)[level] / len(what)
        return found

    place, below = before(step, above=True), before(gain, above=False)
    mean, length, offset, product = gain.mean(), step.mean(), own.mean(), (gain * place).mean()
    start, end = offset / unit, (offset + length) / unit
    line = _line_area(end) - _line_area(start)
    area = (mean * length - product) / unit - mean * line
    # The change of every mean by one question, and from these the change of the area.
    of_product = gain * place + step * below - 2 * product
    of_start = ((own - offset) - start * (span - unit)) / unit
    of_end = ((own + step - offset - length) - end * (span - unit)) / unit
    of_line = min(end, 1.0) * of_end - min(start, 1.0) * of_start
    of_curve = (gain - mean) * length + mean * (step - length) - of_product
    change = of_curve / unit - (mean * length - product) / unit**2 * (span - unit)
    change -= (gain - mean) * line + mean * of_line
    return PairedSample(tuple(float(one) for one in area + change), tuple(clusters))


def best_order(gains: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Returns scores that send questions in the best order: by what they gain for their cost."""
    import numpy as np

    # The angle orders like gain / cost, also where a cost is 0 or below.
    return [float(one) for one in np.arctan2(np.asarray(gains, dtype=np.float64), np.asarray(steps, dtype=np.float64))]


def over_random_at_own_cost(
    quality: Sequence[float],
    cheap: Sequence[float],
    dear: Sequence[float],
    clusters: Sequence[str],
    *,
    costs: Sequence[float],
    cheap_costs: Sequence[float],
    dear_costs: Sequence[float],
) -> PairedSample | None:
    """Returns a router's quality minus that of random mixing of two routes at the router's own mean cost.

    None where the dearer route costs no more. A router that costs less than the cheaper route is compared with that
    one, and a router that costs more than the dearer route with that one.
    """
    import numpy as np

    own, low, high = (np.asarray(one, dtype=np.float64) for one in (quality, cheap, dear))
    paid, least, most = (np.asarray(one, dtype=np.float64) for one in (costs, cheap_costs, dear_costs))
    unit = (most - least).mean()
    if unit <= 0:
        return None
    share = float((paid - least).mean() / unit)
    of_share = ((paid - least) - share * (most - least)) / unit
    if not 0 <= share <= 1:
        share, of_share = min(max(share, 0.0), 1.0), 0 * of_share
    found = own - low - share * (high - low) - (high - low).mean() * of_share
    return PairedSample(tuple(float(one) for one in found), tuple(clusters))


def _line_area(cost: float) -> float:
    """Returns the area from 0 to a cost under the line that rises by 1 up to a cost of 1, and no further."""
    return float(cost * cost / 2 if cost <= 1 else cost - 0.5)
