"""The router report: gain, regret and costs of routers per model and length, in tables and sentences.

Nothing is pooled over models or data sets: one model that fails on long texts can make the whole difference between two
routes (as in LaRA, Li et al. 2025, arXiv 2502.09977). Definitions are in `_routing_measures` and `_routing_break_even`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

from ragvlc.analysis._routing_break_even import (
    RouteBreakEven,
    bracketed,
    break_even,
    break_even_sentences,
    excludes_zero,
)
from ragvlc.analysis._routing_curves import COSTS, DeferralCurve, Mixing, mixing, mixing_sentence
from ragvlc.analysis._routing_groups import Arm, RoutingGroup, model_of, only_route, routing_groups
from ragvlc.analysis._routing_measures import (
    SINGLE,
    Measures,
    measures,
    question_oracle,
    single_route,
    task_oracle,
)
from ragvlc.analysis.breakdowns import THIRDS
from ragvlc.analysis.tables import UNSETTLED, Entry, Table, plain
from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.cross_fitting import DIVISIONS, FOLDS
from ragvlc.statistics.differences import Difference
from ragvlc.statistics.few_clusters import warning
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
    "Quality: {metric}{refusals}, with its 95 % interval. *: the best single route on these questions; the gain of the "
    "other one is against it. Single, other folds: for each fold of documents the route that is best on the other "
    f"folds ({FOLDS} folds, {DIVISIONS} divisions); where routes are level it may lie below each. The gain of routers "
    "and oracles is against that, question by question, so that no route profits from having been chosen by the "
    "questions that judge it; its interval allows for the choice. Regret: by how much the question oracle, which knows "
    "the best route of each question, is better. "
    "Of possible: the share of the question oracle's gain that was achieved. Right: how often the best route was "
    "taken, where routes differ. Oracles know the right answers: bounds, not candidates. Tokens: read and written."
)
REFUSALS = " (of unanswerable questions: refusal_recall)"
CURVES = (
    "Quality over that of sending questions to the cheapest and to the dearest route at random, at the same cost. At "
    "its tokens: for what the router spends. Area: over all shares sent, in the order of the router's score, between "
    "its curve of quality over cost and the straight line of random mixing (cost: 0 is the cheapest route alone, 1 the "
    "dearest alone); possible: the same for the best order. By share: cost is the share of questions sent. Point: a "
    "router without a score, whose curve is drawn through its single point."
)
UNCURVED = "No curve of {names}: for one, a router needs to choose between {cheap} and {dear} alone."
SAME_MONEY = "At equal money the same to three digits."
PARTS = "Quality by {by}, with 95 % intervals in brackets; few questions make them wide."
SENT = "Share of the questions sent to {dear}, in per cent."


@dataclass(frozen=True)
class RoutingReport:
    """The router report on one group of comparable cells, in tables and sentences.

    Attributes:
        group: that is reported.
        rows: measures of the fixed routes, the routers, the single route of the other folds, and the two oracles.
        mixings: the routers beside random mixing, with their curves.
        level: break-even points of the routes.
    """

    group: RoutingGroup
    rows: tuple[Measures, ...]
    mixings: tuple[Mixing, ...]
    level: RouteBreakEven

    @property
    def curves(self) -> tuple[DeferralCurve, ...]:
        """The deferral curves of the routers that have one."""
        return tuple(one.curve for one in self.mixings if one.curve is not None)

    @cached_property
    def corrected(self) -> dict[str, float | None]:
        """The p of each gain by name, corrected by Holm for the routers, or for the fixed routes; oracles have none."""
        found: dict[str, float | None] = {}
        for arms in (self.group.routers, self.group.fixed):
            own = [row for row in self.rows if row.arm in arms and row.arm.name != self.group.best.name]
            found |= dict(zip([row.arm.name for row in own], holm([row.gain.p for row in own]), strict=True))
        return found

    def unsettled(self, row: Measures) -> bool:
        """Whether the interval of a gain excludes 0 although the gain is not settled after correction by Holm."""
        p = self.corrected.get(row.arm.name)
        return excludes_zero(row.gain) and p is not None and p >= SETTLED

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
            figures = [*shares, *_figures(row, self)]
            figures += [Entry(None if row.money is None else 1000 * row.money, digits=2)] * money
            figures += [Entry(row.seconds, digits=2)] * seconds
            rows.append((_title(row.arm, group), tuple(figures)))
        refusals = REFUSALS if "unanswerable" not in group.metric and _has_refusals(group) else ""
        note = NOTE.format(metric=group.metric, refusals=refusals)
        note += f" {UNSETTLED}" if any(map(self.unsettled, self.rows)) else ""
        return Table(f"Routing: {group.title} ({len(group.questions)} questions)", tuple(heads), tuple(rows), note)

    @property
    def curve_table(self) -> Table | None:
        """The table of routers against random mixing of two routes; None if there are no routers."""
        if not self.mixings:
            return None
        curves = [one.curve for one in self.mixings]
        columns: dict[str, list[Entry]] = {}
        for unit in COSTS:
            columns[f"at its\n{unit}"] = _compared([one.gains.get(unit) for one in self.mixings])
            found = [None if one is None else one.costs.get(unit) for one in curves]
            columns[f"area at\nequal {unit}"] = _compared([None if one is None else one.over_random for one in found])
            possible = [None if one is None else one.possible for one in found]
            columns[f"possible,\n{unit}"] = [Entry(one, digits=3, sign="+", score=True) for one in possible]
        columns["area by\nshare sent"] = _compared([None if one is None else one.over_line for one in curves])
        note = [] if all(curves) else [self._uncurved()]
        money = [head for head in columns if head.endswith("money")]
        if _texts(columns, money) == _texts(columns, [head.replace("money", "tokens") for head in money]):
            columns = {head: own for head, own in columns.items() if head not in money}
            note.append(SAME_MONEY)
        shown = {head: own for head, own in columns.items() if any(entry.value is not None for entry in own)}
        titles = [one.arm.name + (" (point)" if one.curve and not one.curve.scored else "") for one in self.mixings]
        rows = tuple(zip(titles, zip(*shown.values(), strict=True), strict=True)) if shown else ()
        return Table(f"Against random mixing: {self.group.title}", tuple(shown), rows, " ".join(note)) if rows else None

    def _uncurved(self) -> str:
        names = ", ".join(one.arm.name for one in self.mixings if one.curve is None)
        return UNCURVED.format(names=names, cheap=self.group.cheap.name, dear=self.group.dear.name)

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
        best = max(self._routers, key=lambda row: row.gain.mean or 0.0, default=None)
        mixed = [one for one in self.mixings if best is not None and one.arm.name == best.arm.name]
        mixing_words = [words for one in mixed if (words := mixing_sentence(self.group, one))]
        return (_gain_sentence(self, best), *mixing_words, *break_even_sentences(self.group, self.level))

    @property
    def _routers(self) -> list[Measures]:
        return [row for row in self.rows if row.arm in self.group.routers and row.gain.mean is not None]


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
    routers = [arm for arm in group.routers if group.of(arm)]
    arms = [*group.fixed, *routers, single_route(group), task_oracle(group), question_oracle(group)]
    mixings = tuple(mixing(group, arm) for arm in routers)
    return RoutingReport(group, tuple(measures(group, arm) for arm in arms), mixings, break_even(group))


def routing_tables(reports: Sequence[RoutingReport]) -> list[Table]:
    """Returns the tables of all groups with findings as notes; explanations follow the last table of each type."""
    found: list[Table] = []
    for report in reports:
        how = f" {report.table.note}" if report is reports[-1] else ""
        found.append(replace(report.table, note=" ".join(report.sentences) + how))
    curves = [table for report in reports if (table := report.curve_table) is not None]
    if curves:
        marked = any(entry.unsettled for table in curves for _, entries in table.rows for entry in entries)
        words = [curves[-1].note, CURVES, UNSETTLED if marked else ""]
        curves[-1] = replace(curves[-1], note=" ".join(filter(None, words)))
    return found + curves


def routing_frame(reports: Sequence[RoutingReport]) -> pd.DataFrame:
    """Returns the figures of all tables as a data frame for notebooks, with one row per group and arm.

    CellColumns: `group`, `arm`, `kind` (fixed, router, single: the best single route of the other folds, oracle), `n`
    questions in `clusters`; `quality` with `low` and `high`; `gain` over the single route with `gain_low`, `gain_high`,
    `p` and `p_holm`; `regret`; `of_possible`, the share of the oracle's gain that was achieved, with `of_possible_low`
    and `of_possible_high`; `right`; `tokens`, `money` and `seconds` of a question; the share `to` each fixed route. Of
    routers, for tokens and money: `over_random_at_its_tokens` and `area_over_random_tokens` with `_low`, `_high`, `_p`.
    """
    import pandas as pd

    rows = []
    for report in reports:
        mixings = {one.arm.name: one for one in report.mixings}
        for row in report.rows:
            kind = {**dict.fromkeys(_ORACLES, "oracle"), SINGLE: "single"}.get(row.arm.name, "router")
            figures: dict[str, object] = {"group": report.group.title, "arm": row.arm.name, "n": row.quality.n}
            figures |= {"clusters": row.quality.clusters, "kind": "fixed" if row.arm.fixed else kind}
            figures |= {"quality": row.quality.mean, "low": row.quality.low, "high": row.quality.high}
            figures |= {"gain": row.gain.mean, "gain_low": row.gain.low, "gain_high": row.gain.high, "p": row.gain.p}
            figures |= {"p_holm": report.corrected.get(row.arm.name), "regret": row.regret.mean}
            figures |= {"of_possible": row.normalised.mean, "of_possible_low": row.normalised.low}
            figures |= {"of_possible_high": row.normalised.high}
            figures |= {"right": row.right.mean if row.right else None, "tokens": row.tokens}
            figures |= {"money": row.money, "seconds": row.seconds}
            figures |= {f"to {arm.name}": row.shares.get(arm.name, 0.0) for arm in report.group.fixed}
            mixed = mixings.get(row.arm.name)
            rows.append(figures | (mixed.figures if mixed is not None else {}))
    return pd.DataFrame(rows)


_ORACLES = ("task oracle", "question oracle")


def _title(arm: Arm, group: RoutingGroup) -> str:
    covered = len(group.of(arm))
    part = "" if covered == len(group.questions) else f" ({covered} of {len(group.questions)})"
    return f"{arm.name} *{part}" if arm.name == group.best.name else f"{arm.name}{part}"


def _has_refusals(group: RoutingGroup) -> bool:
    return "nothing" in group.parts.get("evidence scope", {}).values()


def _figures(row: Measures, report: RoutingReport) -> list[Entry]:
    quality, gain, possible = row.quality, row.gain, row.normalised
    nothing = row.arm.name in (report.group.best.name, SINGLE)
    bounded = not (row.arm.fixed or row.arm.name in (SINGLE, _ORACLES[1]))
    right = row.right.mean if row.right is not None and row.arm.name not in _ORACLES else None
    best = row.arm.name == report.group.best.name
    gained = Entry(gain.mean, gain.low, gain.high, 3, "+", score=True, unsettled=report.unsettled(row))
    return [
        Entry(quality.mean, quality.low, quality.high, 3, best=best, score=True),
        Entry() if nothing else gained,
        Entry(row.regret.mean, digits=3, score=True),
        _bounded(possible, 2) if bounded else Entry(),
        Entry(None if right is None else 100 * right),
        Entry(row.tokens),
    ]


def _texts(columns: Mapping[str, Sequence[Entry]], heads: Sequence[str]) -> list[tuple[str, str]]:
    return [(entry.text, entry.interval) for head in heads for entry in columns[head]]


def _compared(found: Sequence[Difference | None]) -> list[Entry]:
    """Returns a column of differences; those whose intervals exclude 0 without being settled by Holm are marked."""
    corrected = holm([None if one is None else one.p for one in found])
    return [
        Entry()
        if one is None
        else Entry(
            one.mean, one.low, one.high, 3, "+", score=True,
            unsettled=excludes_zero(one) and p is not None and p >= SETTLED,
        )
        for one, p in zip(found, corrected, strict=True)
    ]  # fmt: skip


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


def _gain_sentence(report: RoutingReport, best: Measures | None) -> str:
    """Returns a sentence on whether any router beats the best single route, and on the largest possible gain."""
    group = report.group
    best_row = next(row for row in report.rows if row.arm.name == group.best.name)
    possible = f"knowing the best route of each question would gain {plain(best_row.regret.mean or 0.0, 3, '+')}"
    start = f"The best single route is {group.best.name}; {possible}."
    few = warning(best_row.quality.clusters)
    start += f" {few}" if few else ""
    if best is None:
        return start
    gain = best.gain
    if only := next((name for name, share in best.shares.items() if share == 1), ""):
        return f"{start} The best router, {best.arm.name}, takes {only} for every question."
    over = f"{plain(gain.mean or 0.0, 3, '+')}{bracketed(gain)} over {_rival(best, group)}{_closed(best)}"
    summary = f"{start} The best router, {best.arm.name}, gains {over}."
    if (report.corrected[best.arm.name] or 0.0) >= SETTLED or gain.p is None:
        return f"{summary} These questions do not settle it."
    if len(report.mixings) > 1 and (gain.mean or 0.0) > 0:
        return f"{summary} The best of several is overestimated: test it on other questions."
    return summary


def _rival(row: Measures, group: RoutingGroup) -> str:
    """Returns what a gain is over, in words; where other folds choose another route, also the gain over the best."""
    if len({group.clusters[name] or name for name in group.questions}) == 1:
        return "it (chosen by the same questions, as all are of one cluster)"
    share = fmean(own[group.best.name] for own in group.chosen.values())
    if share == 1:
        return "it"
    best = (group.best.mean("quality", group.of(row.arm)) or 0.0, group.best.name)
    more = plain((row.quality.mean or 0.0) - best[0], 3, "+")
    return (
        f"the route that is best on other documents ({best[1]} for {100 * share:.0f} % of the questions; {more} over "
        f"{best[1]} throughout)"
    )


def _closed(row: Measures) -> str:
    """Returns a router's share of the oracle's gain in words; empty for a router that gains nothing."""
    one = row.normalised
    if one.mean is None or one.mean < 0.005:
        return ""
    ends = "" if one.low is None or one.high is None else f" [{100 * one.low:.0f}, {100 * one.high:.0f}]"
    return f" and closes {100 * one.mean:.0f} %{ends} of the oracle's gap"
