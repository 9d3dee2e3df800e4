"""A decision with a margin in sentences, first what to ship, how sure and at what cost, and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.analysis.decisions import CellDecision, Rival
from ragvlc.analysis.front import front_tables
from ragvlc.analysis.tables import Entry, Table, bounds, plain, probability, title
from ragvlc.statistics.decisions import MarginVerdict, MetricDecision
from ragvlc.statistics.few_clusters import FEW_CLUSTERS

if TYPE_CHECKING:
    from ragvlc.results.loading import SweepResults

__all__ = ["decision_lines", "decision_table", "decision_tables", "headline", "rounded_up", "sentences"]

SHARES = tuple(
    f"one {part}" for part in ("half", "third", "quarter", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
)
"""Ratios of 1 / 2, 1 / 3 and so on, in words."""
COSTS = {
    "tokens": "the tokens",
    "money": "the money",
    "seconds": "the seconds",
    "first_token": "the time to the first token",
}
NOTE = (
    "Differences to {baseline}, question by question, with 95 % intervals by cluster; cost: ratio to that of "
    "{baseline}. Not worse: the whole interval is above minus the margin. Better: above 0. Worse: below 0; where it is "
    "above minus the margin as well: lower, by less than the margin. p: of a cell worse by the margin or more, "
    f"corrected for the number of cells (Holm). Fewer than {FEW_CLUSTERS} clusters settle nothing."
)


def headline(decision: CellDecision) -> str:
    """Returns the decision in one sentence: which cell, how sure, at what cost."""
    if not decision.rivals:
        return f"No decision: there is no other cell to compare with {decision.baseline}."
    if decision.ship:
        own = decision.rival(decision.ship)
        return f"{own.name} {_against(own, decision)} (95 %), {_at_cost(own, decision)}: ship {own.name}."
    best = _best_dearer(decision)
    if best is not None:
        return f"{best.name} {_against(best, decision)} (95 %), {_at_cost(best, decision)}: {_worth(best)}."
    return _keep(decision)


def _keep(decision: CellDecision) -> str:
    """Returns the headline where no cell is recommended."""
    passed = [one for one in decision.rivals if one.verdict.passed]
    if passed:
        saved = f"not shown to save {COSTS[decision.spec.cost].removeprefix('the ')}"
        unknown = all(one.cost.mean is None for one in passed)
        but = _no_cost(decision) if unknown else saved
        claims: dict[str, list[str]] = {}
        for one in passed:
            claims.setdefault(_against(one, decision), []).append(one.name)
        said = [
            f"{_listed(names)} {claim if len(names) == 1 else claim.replace('is', 'are', 1)}"
            for claim, names in claims.items()
        ]
        return f"Keep {decision.baseline}: {', and '.join(said)} (95 %), but {but}."
    if all(one.verdict is MarginVerdict.WORSE for one in decision.rivals):
        every = "the other cell is" if len(decision.rivals) == 1 else "every other cell is"
        return f"Keep {decision.baseline}: {every} worse in {_worse_in(decision)} (95 %)."
    margins = _margins(decision)
    return (
        f"Not settled: no cell is shown to be not worse than {decision.baseline} by more than {margins} (95 %): keep "
        f"{decision.baseline} for now."
    )


def _worse_in(decision: CellDecision) -> str:
    """Returns the metrics in which cells are worse: joined by `and` where every cell is in all of them, else `or`."""
    found = [
        [one.metric for one in rival.decision.metrics if one.verdict is MarginVerdict.WORSE]
        for rival in decision.rivals
        if rival.verdict is MarginVerdict.WORSE
    ]
    labels = [label for label in decision.spec.margins if any(label in own for own in found)]
    return _listed(labels) if all(len(own) == len(labels) for own in found) else " or ".join(labels)


def sentences(decision: CellDecision) -> tuple[str, ...]:
    """Returns the decision in sentences: the headline, its figures, and the other cells."""
    found = [headline(decision)]
    if not decision.rivals:
        return tuple(found)
    shown = decision.ship or (best.name if (best := _best_dearer(decision)) else "")
    if shown:
        found.append(_figures(decision.rival(shown), decision))
    found += _others(decision, shown)
    if decision.afterwards:
        found.append(
            "The margin was given after the run: it counts as evidence only if the results did not suggest it."
        )
    return tuple(found)


def decision_lines(decisions: Sequence[CellDecision]) -> list[str]:
    """Returns the headline of each decision, with its data set where there are several."""
    return [f"{one.dataset}: {headline(one)}" if len(decisions) > 1 else headline(one) for one in decisions]


def decision_tables(results: SweepResults, decisions: Sequence[CellDecision]) -> list[Table]:
    """Returns the tables of the decisions and of the cost-quality fronts that they choose from."""
    found = []
    for one in decisions:
        table = decision_table(one)
        found += [replace(table, title=f"{table.title}, {one.dataset}" if len(decisions) > 1 else table.title)]
    spec = decisions[0].spec if decisions else None
    fronts = [] if spec is None else front_tables(results, spec.cost, next(iter(spec.margins)))
    return [*(table for table in found if table.rows), *fronts]


def decision_table(decision: CellDecision) -> Table:
    """Returns a table with a row for each cell compared with the baseline."""
    labels = list(decision.spec.margins)
    heads = [f"{label}\nmargin {margin:g}" for label, margin in decision.spec.margins.items()]
    rows = []
    for one in decision.rivals:
        differences = [Entry(*_shown(found, decision), 3, "+", score=True) for found in one.decision.metrics]
        ratio = Entry(one.cost.mean, one.cost.low, one.cost.high, 2 if (one.cost.mean or 1) >= 0.1 else 3)
        p = Entry(one.decision.p_holm, digits=3)
        rows.append((title(one.cell), (Entry(word=_verdict(one, decision)), *differences, p, ratio)))
    note = NOTE.format(baseline=decision.baseline)
    turned = [label for label in labels if _smaller(decision, label)]
    note += f" {', '.join(turned)}: smaller is better, and the interval must be below the margin." if turned else ""
    words = f"ratio of\n{COSTS[decision.spec.cost].removeprefix('the ')}"
    return Table(f"Decision against {decision.baseline}", ("verdict", *heads, "p", words), tuple(rows), note)


def rounded_up(value: float) -> int:
    """Returns a number rounded up to two significant digits."""
    step = 10.0 ** max(0, math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * int(step)


def _shown(one: MetricDecision, decision: CellDecision) -> tuple[float | None, float | None, float | None]:
    """Returns a difference and its bounds as scores differ: where smaller is better, a rise is above 0."""
    found = one.difference
    if not _smaller(decision, one.metric):
        return found.mean, found.low, found.high
    mean, low, high = (None if value is None else -value for value in (found.mean, found.high, found.low))
    return mean, low, high


def _against(own: Rival, decision: CellDecision) -> str:
    """Returns the verdict on a cell as a clause, such as `is not worse than full_context by more than 0.03 in f1`."""
    base = own.baseline.name
    if own.verdict is MarginVerdict.BETTER:
        return f"is better than {base} {_on(decision)}"
    behind = _behind(own, decision)
    if behind and len(decision.spec.margins) == 1:
        return f"is {behind.partition(' ')[0]} than {base}, by less than the margin of {_margins(decision)}"
    return f"is not worse than {base} by more than {_margins(decision)}{f', though {behind}' if behind else ''}"


def _behind(own: Rival, decision: CellDecision) -> str:
    """Returns where a cell is shown to be worse within the margin, such as `lower in f1`; empty if nowhere."""
    found: dict[str, list[str]] = {}
    for one in own.decision.metrics if own.verdict is MarginVerdict.LOWER else ():
        if one.verdict is MarginVerdict.LOWER:
            found.setdefault("higher" if _smaller(decision, one.metric) else "lower", []).append(one.metric)
    return " and ".join(f"{way} in {_listed(labels)}" for way, labels in found.items())


def _verdict(one: Rival, decision: CellDecision) -> str:
    """Returns the verdict on a cell as a table entry."""
    behind, single = _behind(one, decision), len(decision.spec.margins) == 1
    if behind:
        text = f"{behind.partition(' ')[0]}, by less than the margin" if single else f"not worse, though {behind}"
    else:
        text = one.verdict.value
    return text + (f", dominated by {one.dominated_by}" if one.dominated_by else "")


def _on(decision: CellDecision) -> str:
    return f"in {_listed(list(decision.spec.margins))}"


def _margins(decision: CellDecision) -> str:
    margins = decision.spec.margins
    if len(set(margins.values())) == 1:
        return f"{next(iter(margins.values())):g} {_on(decision)}"
    return _listed([f"{margin:g} in {label}" for label, margin in margins.items()])


def _at_cost(own: Rival, decision: CellDecision) -> str:
    if not own.cost.mean:
        return f"but {_no_cost(decision)}"
    return f"at {_share(own.cost.mean)} {_of(own.cost.mean)}{COSTS[decision.spec.cost]}"


def _share(ratio: float | None) -> str:
    """Returns a ratio in words, such as `one ninth`, `37 %` or `2.1 times`."""
    if not ratio:
        return "an unknown share"
    parts = round(1 / ratio)
    if ratio < 0.6 and 2 <= parts < len(SHARES) + 2 and abs(1 / ratio - parts) < 0.06 * parts:
        return SHARES[parts - 2] if parts > 2 else "half"
    if ratio < 0.995:
        return f"{100 * ratio:.2g} %"
    return f"{ratio:.2g} times" if ratio >= 1.005 else "the same"


def _of(ratio: float | None) -> str:
    return "of " if ratio and ratio < 0.995 else ""


def _no_cost(decision: CellDecision) -> str:
    why = {"money": "no price is stored for its models", "first_token": "its generator does not report it"}
    reason = why.get(decision.spec.cost, "no answer reports it")
    return f"its cost in {COSTS[decision.spec.cost].removeprefix('the ')} is not known ({reason})"


def _worth(own: Rival) -> str:
    gain = own.decision.metrics[0].difference.mean or 0.0
    label = own.decision.metrics[0].metric
    return f"ship {own.name} if {plain(gain, 3)} of {label} is worth that"


def _best_dearer(decision: CellDecision) -> Rival | None:
    """Returns the best of the cells that are better without being cheaper; None if there is none."""
    found = [one for one in decision.rivals if one.verdict is MarginVerdict.BETTER and not one.cheaper]
    return max(found, key=lambda one: one.decision.metrics[0].difference.mean or 0.0, default=None)


def _figures(own: Rival, decision: CellDecision) -> str:
    words = []
    for one in own.decision.metrics:
        mean, low, high = _shown(one, decision)
        interval = "" if low is None or high is None else f" {bounds(low, high)}"
        smaller = ", smaller is better" if _smaller(decision, one.metric) else ""
        words.append(f"{one.metric} {plain(mean or 0.0, 3, '+')}{interval}{smaller}")
    ratio, nothing = own.cost, "not known"
    digits = 2 if (ratio.mean or 1) >= 0.1 else 3
    cost = nothing if ratio.mean is None else f"{plain(ratio.mean, digits)} times"
    if ratio.low is not None and ratio.high is not None:
        cost += f" [{plain(ratio.low, digits)}, {plain(ratio.high, digits)}]"
    several = f", corrected for {len(decision.rivals)} cells" if len(decision.rivals) > 1 else ""
    p = own.decision.p_holm
    sure = "" if p is None else f" ({probability(p)} of being worse by the margin{several})"
    metric = own.decision.metrics[0].difference
    asked = f"{metric.n:,} questions in {own.decision.clusters:,} clusters"
    missing = len(own.cell.examples) - metric.n
    unpaired = f"; {missing:,} of {len(own.cell.examples):,} have no score in both" if missing else ""
    spent = COSTS[decision.spec.cost].removeprefix("the ")
    return f"Against {own.baseline.name}: {'; '.join(words)}{sure}; {spent} {cost}. From {asked}{unpaired}."


def _others(decision: CellDecision, shown: str) -> list[str]:
    """Returns a sentence on each group of the other cells: also not worse, worse, not settled and why."""
    rest = [one for one in decision.rivals if one.name != shown]
    found = []
    passed = [one for one in rest if one.verdict.passed]
    if passed and shown:
        for verdict in dict.fromkeys(one.verdict for one in passed):
            named = [f"{one.name} ({_ratio(one)})" for one in passed if one.verdict is verdict]
            found.append(f"Also {verdict.value}: {_listed(named)}.")
    worse = [one.name for one in rest if one.verdict is MarginVerdict.WORSE]
    if worse and len(worse) < len(decision.rivals):
        found.append(f"Worse: {_listed(worse)}.")
    open_ = [one for one in rest if one.verdict is MarginVerdict.NOT_SETTLED]
    if open_:
        reasons: dict[str, list[str]] = {}
        for one in open_:
            reasons.setdefault(_why(one), []).append(one.name)
        groups = ". ".join(f"{why}: {_listed(names)}" for why, names in reasons.items())
        found.append(f"Not settled. {groups}.{_wanted(open_)}")
    dominated = [f"{one.name} by {one.dominated_by}" for one in decision.rivals if one.dominated_by]
    if dominated:
        found.append(f"Dominated with confidence, worse and no cheaper: {_listed(dominated)}.")
    return found


def _ratio(one: Rival) -> str:
    return "cost not known" if one.cost.mean is None else f"{plain(one.cost.mean, 2)} times the cost"


def _why(one: Rival) -> str:
    """Returns why a decision on a cell is not settled."""
    if one.obstacle:
        return f"Not complete ({one.obstacle})"
    widest = max(one.decision.metrics, key=lambda found: found.p or 0.0)
    found = widest.difference
    if not found.n:
        return f"No question has a score in {widest.metric} from both"
    if found.clusters < FEW_CLUSTERS:
        return f"{found.clusters} clusters, fewer than {FEW_CLUSTERS}"
    alone = found.low is not None and found.low > -widest.margin
    if alone:
        return "Not worse alone, but not after correction for several cells"
    return "Interval reaches beyond the margin"


def _wanted(open_: Sequence[Rival]) -> str:
    """Returns a sentence on how many questions would show level cells to be not worse; empty if none would."""
    counts = sorted(rounded_up(one.needed) for one in open_ if one.needed)
    if not counts:
        return ""
    span = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
    return f" If level, about {span} questions like these would show it, four times in five."


def _smaller(decision: CellDecision, label: str) -> bool:
    return any(label in one.cell.facts.get("smaller_is_better", ()) for one in decision.rivals)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
