"""The router report: gain, regret and costs of routers per model and length, in tables and sentences.

Nothing is pooled over models or data sets: one model that fails on long texts can make the whole difference between two
routes (as in LaRA, Li et al. 2025, arXiv 2502.09977). Definitions are in `_routing_measures` and `_routing_break_even`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from ragvlc.analysis._routing_break_even import RouteBreakEven, break_even
from ragvlc.analysis._routing_groups import Arm, RoutingGroup, model_of, only_route, routing_groups
from ragvlc.analysis._routing_measures import (
    DeferralCurve,
    Measures,
    curve,
    measures,
    question_oracle,
    task_oracle,
)
from ragvlc.analysis.breakdowns import THIRDS
from ragvlc.analysis.tables import Entry, Table, bounds, plain
from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.differences import Difference
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from ragvlc.results.loading import SweepResults

__all__ = [
    "RoutingReport",
    "model_of",
    "only_route",
    "routing_frame",
    "routing_groups",
    "routing_reports",
    "routing_tables",
]

NOTE = (
    "Quality: {metric}{refusals}, with its 95 % interval. Gain: against the best single route (*), question by "
    "question. Regret: by how much the question oracle, which knows the best route of each question, is better. Of "
    "possible: the share of the question oracle's gain that was achieved. Right: how often the best route was taken, "
    "where routes differ. Oracles know the right answers: bounds, not candidates. Tokens: read and written."
)
REFUSALS = " (of unanswerable questions: refusal_recall)"
CURVES = (
    "Questions are sent to the most expensive route in the order of the router's score. Area: mean quality over all "
    "shares sent. Over the line: gain in area over sending questions at random; possible: the same for the best order. "
    "Point: a router without a score, whose curve is drawn through its single point."
)
PARTS = "Quality by {by}, with 95 % intervals in brackets; few questions make them wide."
SENT = "Share of the questions sent to {dear}, in per cent."


@dataclass(frozen=True)
class RoutingReport:
    """The router report on one group of comparable cells, in tables and sentences.

    Attributes:
        group: that is reported.
        rows: measures of the fixed routes, the routers and the two oracles.
        curves: deferral curves of the routers that have one.
        level: break-even points of the routes.
    """

    group: RoutingGroup
    rows: tuple[Measures, ...]
    curves: tuple[DeferralCurve, ...]
    level: RouteBreakEven

    @property
    def table(self) -> Table:
        """The table of shares, quality, gain, regret and costs of every arm."""
        group = self.group
        money = any(row.money is not None for row in self.rows)
        seconds = any(row.seconds is not None for row in self.rows)
        heads = [f"to\n{arm.name} %" for arm in group.fixed] if len(group.fixed) <= 4 else []
        heads += ["quality", "gain", "regret", "of\npossible", "right\n%", "tokens"]
        heads += ["money\nper 1000"] * money + ["seconds"] * seconds
        rows = []
        for row in self.rows:
            shares = (
                [Entry(100 * row.shares.get(arm.name, 0.0)) for arm in group.fixed] if len(group.fixed) <= 4 else []
            )
            figures = [*shares, *_figures(row, group)]
            figures += [Entry(None if row.money is None else 1000 * row.money, digits=2)] * money
            figures += [Entry(row.seconds, digits=2)] * seconds
            rows.append((_title(row.arm, group), tuple(figures)))
        refusals = REFUSALS if "unanswerable" not in group.metric and _has_refusals(group) else ""
        note = NOTE.format(metric=group.metric, refusals=refusals)
        return Table(f"Routing: {group.title} ({len(group.questions)} questions)", tuple(heads), tuple(rows), note)

    @property
    def curve_table(self) -> Table | None:
        """The table of areas under the deferral curves; None if there are no curves."""
        if not self.curves:
            return None
        rows = []
        for one in self.curves:
            over = one.over_line
            line = Entry(over.mean, over.low, over.high, 3, "+", score=True)
            entries = (Entry(one.area, digits=3, score=True), line, Entry(one.possible, digits=3, sign="+", score=True))
            rows.append((one.arm.name + ("" if one.scored else " (point)"), entries))
        heads = ("area", "over the line", "possible")
        return Table(f"Deferral curves: {self.group.title}", heads, tuple(rows), CURVES)

    @property
    def parts(self) -> tuple[Table, ...]:
        """Tables of quality, and of shares sent to the most expensive route, for each breakdown of the questions."""
        found: list[Table] = []
        for by, of in self.group.parts.items():
            parts = _ordered(self.group, of)
            members = {part: [name for name in self.group.questions if of.get(name) == part] for part in parts}
            heads = tuple(f"{part}\nn = {len(members[part])}" for part in parts)
            rows = [
                (_title(row.arm, self.group), tuple(_part(self.group, row.arm, members[part]) for part in parts))
                for row in self.rows
            ]
            title = f"Routing by {by}: {self.group.title}"
            found.append(Table(title, heads, tuple(rows), PARTS.format(by=by)))
            sent = [
                (arm.name, tuple(_sent(self.group, arm, members[part]) for part in parts))
                for arm in self.group.routers
                if arm.sent
            ]
            if sent:
                found.append(Table(f"Sent by {by}: {self.group.title}", heads, tuple(sent), self._sent_note()))
        return tuple(found)

    def _sent_note(self) -> str:
        return SENT.format(dear=self.group.dear.name)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings as sentences, including the break-even points of the routes."""
        return (_gain_sentence(self), *_break_even_sentences(self.group, self.level))


def routing_reports(
    results: SweepResults, metric: str | None = None, *, chosen: bool = False
) -> tuple[RoutingReport, ...]:
    """Returns a report for each group of cells with at least two fixed routes.

    Args:
        results: to report.
        metric: of quality; the first by default.
        chosen: only groups with a router or a wrapper.

    Raises:
        ConfigError: there is no such metric.
    """
    return _reports(results, results.metric(metric), chosen=chosen) if results.metrics else ()


@lru_cache(maxsize=4)  # shared by the tables, parts and figures of one page
def _reports(results: SweepResults, metric: str, *, chosen: bool) -> tuple[RoutingReport, ...]:
    groups = routing_groups(results, metric)
    return tuple(routing_report(group) for group in groups if group.routers or not chosen)


def routing_report(group: RoutingGroup) -> RoutingReport:
    """Returns the router report on one group."""
    arms = [*group.fixed, *(arm for arm in group.routers if group.of(arm)), task_oracle(group), question_oracle(group)]
    curves = [found for arm in group.routers if (found := curve(group, arm)) is not None]
    return RoutingReport(group, tuple(measures(group, arm) for arm in arms), tuple(curves), break_even(group))


def routing_tables(reports: Sequence[RoutingReport]) -> list[Table]:
    """Returns the tables of all groups with findings as notes; explanations follow the last table of each type."""
    found: list[Table] = []
    for report in reports:
        how = f" {report.table.note}" if report is reports[-1] else ""
        found.append(replace(report.table, note=" ".join(report.sentences) + how))
    curves = [table for report in reports if (table := report.curve_table) is not None]
    return found + [replace(table, note="") for table in curves[:-1]] + curves[-1:]


def routing_frame(reports: Sequence[RoutingReport]) -> pd.DataFrame:
    """Returns the figures of all tables as a data frame for notebooks, with one row per group and arm."""
    import pandas as pd

    rows = []
    for report in reports:
        for row in report.rows:
            figures: dict[str, object] = {"group": report.group.title, "arm": row.arm.name, "n": row.quality.n}
            figures["kind"] = "fixed" if row.arm.fixed else "oracle" if row.arm.name in _ORACLES else "router"
            figures |= {"quality": row.quality.mean, "low": row.quality.low, "high": row.quality.high}
            figures |= {"gain": row.gain.mean, "gain_low": row.gain.low, "gain_high": row.gain.high, "p": row.gain.p}
            figures |= {"regret": row.regret.mean, "of_possible": row.normalised.mean}
            figures |= {"right": row.right.mean if row.right else None, "tokens": row.tokens}
            figures |= {"money": row.money, "seconds": row.seconds}
            figures |= {f"to {arm.name}": row.shares.get(arm.name, 0.0) for arm in report.group.fixed}
            rows.append(figures)
    return pd.DataFrame(rows)


_ORACLES = ("task oracle", "question oracle")


def _title(arm: Arm, group: RoutingGroup) -> str:
    covered = len(group.of(arm))
    part = "" if covered == len(group.questions) else f" ({covered} of {len(group.questions)})"
    return f"{arm.name} *{part}" if arm.name == group.best.name else f"{arm.name}{part}"


def _has_refusals(group: RoutingGroup) -> bool:
    return "nothing" in group.parts.get("evidence scope", {}).values()


def _figures(row: Measures, group: RoutingGroup) -> list[Entry]:
    quality, gain, possible = row.quality, row.gain, row.normalised
    same = row.arm.name == group.best.name
    normalised = Entry() if row.arm.fixed or row.arm.name in _ORACLES[1:] else _bounded(possible, 2)
    right = row.right.mean if row.right is not None and row.arm.name not in _ORACLES else None
    return [
        Entry(quality.mean, quality.low, quality.high, 3, best=same, score=True),
        Entry() if same else Entry(gain.mean, gain.low, gain.high, 3, "+", score=True),
        Entry(row.regret.mean, digits=3, score=True),
        normalised,
        Entry(None if right is None else 100 * right),
        Entry(row.tokens),
    ]


def _bounded(interval: Interval, digits: int) -> Entry:
    return Entry(interval.mean, interval.low, interval.high, digits, "+", score=True)


def _ordered(group: RoutingGroup, of: Mapping[str, str]) -> list[str]:
    """Returns the parts in display order: thirds from the first, lengths from the shortest, others by name."""
    parts = sorted(set(of.values()))
    if set(parts) <= set(THIRDS):
        return [part for part in THIRDS if part in parts]
    if of is group.parts.get("length"):
        return sorted(parts, key=lambda part: min(group.characters[name] for name, own in of.items() if own == part))
    return parts


def _part(group: RoutingGroup, arm: Arm, members: Sequence[str]) -> Entry:
    names = [name for name in members if (one := arm.outcomes.get(name)) is not None and one.quality is not None]
    found = mean_interval([arm.outcomes[name].quality for name in names], [group.clusters[name] for name in names])
    return Entry(found.mean, found.low, found.high, 2, score=True)


def _sent(group: RoutingGroup, arm: Arm, members: Sequence[str]) -> Entry:
    taken = [(arm.sent or {})[name] for name in members if name in (arm.sent or {})]
    return Entry(100 * fmean(one == group.dear.name for one in taken)) if taken else Entry()


def _gain_sentence(report: RoutingReport) -> str:
    """Returns a sentence on whether any router beats the best single route, and on the largest possible gain."""
    group = report.group
    oracle = report.rows[-1]
    possible = f"knowing the best route of each question would gain {plain(oracle.gain.mean or 0.0, 3, '+')}"
    routers = [row for row in report.rows if row.arm in group.routers and row.gain.mean is not None]
    best = max(routers, key=lambda row: row.gain.mean or 0.0, default=None)
    start = f"The best single route is {group.best.name}; {possible}."
    if best is None:
        return start
    gain = best.gain
    over = f"{plain(gain.mean or 0.0, 3, '+')}{_interval(gain)} over it"
    summary = f"{start} The best router, {best.arm.name}, gains {over}."
    p_values = dict(zip([row.arm.name for row in routers], holm([row.gain.p for row in routers]), strict=True))
    if (p_values[best.arm.name] or 0.0) >= SETTLED or gain.p is None:
        return f"{summary} These questions do not settle it."
    if len(routers) > 1 and (gain.mean or 0.0) > 0:
        return f"{summary} The best of several is overestimated: test it on other questions."
    return summary


def _excludes_zero(one: Interval) -> bool:
    return one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)


def _interval(one: Interval | Difference) -> str:
    return "" if one.low is None or one.high is None else f" {bounds(one.low, one.high)}"


def _break_even_sentences(group: RoutingGroup, level: RouteBreakEven) -> list[str]:
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
        change = f"{plain(one.mean or 0.0, 3, '+')}{_interval(one)}"
        said = f"With each doubling of the document length, the quality of {dear} minus {cheap} changes by {change}"
        if _excludes_zero(one) and level.crossing is not None:
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
    bounds = ""
    if interval is not None and interval.low is not None and interval.high is not None:
        bounds = f" [{interval.low:.1f}, {interval.high:.1f}]"
    return f"{mean:.1f}{bounds} questions per document in {unit}"


def _length(characters: float, level: RouteBreakEven) -> str:
    return f"{characters:,.0f} characters ({characters * level.tokens_per_character:,.0f} tokens)"
