"""Curves of cost against quality, and thresholds that are judged on other documents."""

from __future__ import annotations

import random

import pytest

from ragvlc.analysis.cascades import CascadePair, area, chosen, curve, estimated
from ragvlc.core.errors import ConfigError


def doubt(logprob: float | None, first: float, second: float, group: str = "d", cost=(1.0, 10.0)) -> CascadePair:
    deciles = () if logprob is None else (logprob,) * 11
    return CascadePair(group, deciles, (first, second), cost)


def many(n: int = 200, *, useful: bool = True, seed: int = 3) -> list[CascadePair]:
    """Second answers are right; first ones are right where the model was sure, or by chance."""
    draw = random.Random(seed)
    rows = []
    for place in range(n):
        logprob = -2 * draw.random()
        right = logprob > -1 if useful else draw.random() < 0.5
        rows.append(doubt(logprob, float(right), float(draw.random() < 0.8), f"d{place % 20}"))
    return rows


def test_every_point_is_what_its_threshold_makes_of_all():
    rows = [*many(30), doubt(None, 0.0, 1.0), doubt(-0.5, 1.0, 0.0), doubt(-0.5, 0.0, 1.0)]
    points = curve(rows, 0.3)
    for point in points:
        replaced = [row for row in rows if row.score(0.3) < point.threshold]
        kept = [row for row in rows if row not in replaced]
        assert point.share == pytest.approx(len(replaced) / len(rows))
        quality = sum(row.quality[1] for row in replaced) + sum(row.quality[0] for row in kept)
        assert point.quality == pytest.approx(quality / len(rows))
        assert point.cost == pytest.approx(1 + 10 * len(replaced) / len(rows))
    assert [point.share for point in points] == sorted({point.share for point in points})
    assert points[0].share == pytest.approx(1 / len(rows))  # the answer without tokens is never kept
    assert points[-1].share == 1


def test_the_certain_are_never_replaced():
    points = curve([doubt(0.0, 0, 1), doubt(-1.0, 0, 1)], 0.5)
    assert [(point.threshold, point.share) for point in points] == [(-1.0, 0.0), (-0.5, 0.5)]


def test_the_area_is_above_chance_where_doubt_tells():
    assert area(curve(many(), 0.0)) > 0.1
    assert abs(area(curve(many(useful=False), 0.0))) < 0.06
    known = [doubt(-2.0, 0, 1), doubt(-1.0, 1, 1)]  # up at once, then level: 7/8 of the square, chance has 3/4
    assert area(curve(known, 0.0)) == pytest.approx(1 / 8)
    assert area(curve([doubt(0.0, 1, 0)], 0.0)) == 0


def test_the_point_that_is_chosen():
    rows = many()
    points = [point for quantile in (0.0, 0.5, 1.0) for point in curve(rows, quantile)]
    best = chosen(rows)
    assert best.quality == pytest.approx(max(point.quality for point in points))
    cheap = chosen(rows, budget=3.0)
    assert cheap.cost <= 3.0 < best.cost
    assert cheap.quality == pytest.approx(max(point.quality for point in points if point.cost <= 3.0))
    assert chosen(rows, weight=1.0).share == 0
    assert chosen(rows, budget=0.5).share == 0  # nothing is within: the cheapest


def test_a_threshold_is_judged_on_documents_it_was_not_chosen_on():
    found = estimated(many())
    assert found.gain.low > 0
    assert found.quality > found.by_chance + 0.1
    assert (found.n, found.groups) == (200, 20)
    assert found.cost == pytest.approx(1 + 10 * found.share)
    draw = random.Random(4)
    noise = [doubt(-draw.random(), draw.randint(0, 1), draw.randint(0, 1), f"d{n % 10}") for n in range(40)]
    assert estimated(noise).quality < chosen(noise).quality  # what looks good where it was chosen
    with pytest.raises(ConfigError, match="at least 2 documents"):
        estimated([doubt(-1.0, 0, 1)])
