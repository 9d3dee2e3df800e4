"""Groups for comparing routers: fixed routes and routers over the same questions with the same model.

A *group* has comparable cells: over one data set, with equal settings except for how they read. In it, a cell is
*fixed* if it takes one route for every question, a *router* if it chooses, before answering or (a wrapper) after.
Controls, which read the gold evidence, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.breakdowns import THIRDS, document_lengths, document_position
from ragvlc.core.prices import Price, money, prices_of
from ragvlc.statistics.cross_fitting import best_on_other_folds

if TYPE_CHECKING:
    from ragvlc.core.answer import Answer, Prediction
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["Arm", "ArmOutcome", "RoutingGroup", "model_of", "only_route", "routing_groups"]

REFUSALS = "refusal_recall"
"""If a sweep has this metric, it scores the unanswerable questions."""
MOST_FIXED = 8
"""The most fixed cells in a group; with more, only the best of each route takes part."""
PARTS = ("task class", "length", "evidence scope", "position")


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """The result of one arm (a fixed route or a router) on one question.

    Attributes:
        quality: larger is better; None where the metric does not apply.
        prompt_tokens: read in all calls.
        cached_tokens: prompt tokens found in the prefix cache.
        completion_tokens: written in all calls.
        money: None without prices.
        seconds: search, reranking and engine; None if nothing was timed.
        taken: name of the route that answered.
        score: the router's score; larger values favour the route `favours`.
        favours: name of a route.
        place: of a wrapper's answer, `first` or `then`, which is charged for both; else empty.
    """

    quality: float | None
    prompt_tokens: float
    cached_tokens: float = 0.0
    completion_tokens: float = 0.0
    money: float | None = None
    seconds: float | None = None
    taken: str = ""
    score: float | None = None
    favours: str = ""
    place: str = ""


@dataclass(frozen=True)
class Arm:
    """One way of answering every question of a group: a fixed route or a router.

    Attributes:
        name: for tables.
        outcomes: by question.
        route: the one route of a fixed arm; empty for a router.
        sent: for a router, the fixed arm whose route it took, by question; questions without one are left out.
        favours: the fixed arm that larger scores of the router favour; empty if it has no scores.
        index_seconds: of building the indexes, over all questions.
        prices: of its models by role, as in a cell's facts.
    """

    name: str
    outcomes: Mapping[str, ArmOutcome]
    route: str = ""
    sent: Mapping[str, str] | None = None
    favours: str = ""
    index_seconds: float = 0.0
    prices: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def fixed(self) -> bool:
        """Whether the arm takes the same route for every question."""
        return bool(self.route)

    def mean(self, name: str, questions: Iterable[str]) -> float | None:
        """Returns the mean of a field of the outcomes over these questions; None if any value is missing."""
        found = [getattr(self.outcomes[one], name) for one in questions]
        return fmean(found) if found and all(value is not None for value in found) else None


@dataclass(frozen=True)
class RoutingGroup:
    """Arms (fixed routes and routers) that answered the same questions.

    Attributes:
        title: model, data set and other settings of the group.
        metric: that measures quality.
        fixed: arms with one route, the cheapest first.
        routers: arms that choose.
        questions: those that every fixed arm has a quality for, in the data set's order.
        clusters: by question.
        parts: for each way of breaking down, the part that a question belongs to.
        documents: hash of the documents, by question.
        characters: of a question's documents.
    """

    title: str
    metric: str
    fixed: tuple[Arm, ...]
    routers: tuple[Arm, ...]
    questions: tuple[str, ...]
    clusters: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    documents: Mapping[str, str]
    characters: Mapping[str, int]

    @property
    def cheap(self) -> Arm:
        """The fixed arm that reads the fewest prompt tokens."""
        return self.fixed[0]

    @property
    def dear(self) -> Arm:
        """The fixed arm that reads the most prompt tokens."""
        return self.fixed[-1]

    @property
    def best(self) -> Arm:
        """The best single route: the fixed arm with the highest mean quality, the cheapest one among equals."""
        return max(self.fixed, key=lambda arm: arm.mean("quality", self.questions) or 0.0)

    @cached_property
    def chosen(self) -> Mapping[str, Mapping[str, float]]:
        """How often each fixed arm is the best on the other folds of clusters, by question and name of the arm."""
        scores = {arm.name: [arm.outcomes[name].quality or 0.0 for name in self.questions] for arm in self.fixed}
        shares = best_on_other_folds(scores, [self.clusters[name] for name in self.questions])
        return {name: {arm: own[place] for arm, own in shares.items()} for place, name in enumerate(self.questions)}

    def of(self, arm: Arm) -> tuple[str, ...]:
        """Returns the questions of the group for which this arm has a quality score."""
        return tuple(
            name for name in self.questions if (one := arm.outcomes.get(name)) is not None and one.quality is not None
        )


def routing_groups(results: SweepResults, metric: str | None = None) -> list[RoutingGroup]:
    """Returns the groups of comparable cells that have at least two fixed routes.

    Quality is the first metric or the named one; unanswerable questions are scored by `refusal_recall`, if that is
    among the metrics. A metric of which smaller is better is negated.
    """
    chosen = results.metric(metric)
    found = []
    datasets = results.by_dataset()
    for dataset, cells in datasets.items():
        groups: dict[str, list[CellResult]] = {}
        for cell in cells:
            if not cell.control and cell.rows:
                groups.setdefault(model_of(cell), []).append(cell)
        for setting, members in groups.items():
            title = ", ".join(word for word in (setting, dataset) if word)
            group = _group(title, members, chosen)
            if group is not None:
                found.append(group)
    return found


def model_of(cell: CellResult) -> str:
    """Returns the settings of a cell as text, without data set, routes, router and embedding models."""
    words = []
    for path, value in cell.facts["settings"].items():
        if path.partition(".")[0] not in ("router", "routes", "dataset", "embedders"):
            words.append(str(value) if path == "model" else f"{path}={value}")
    return ", ".join(words)


def _group(title: str, cells: Sequence[CellResult], metric: str) -> RoutingGroup | None:
    fixed = [arm for cell in cells if (route := only_route(cell)) and (arm := _arm(cell, metric, route)) is not None]
    if len(fixed) > MOST_FIXED:
        fixed = _best_of_routes(fixed)
    if len({arm.route for arm in fixed}) < 2:
        return None
    facts = {name: one for cell in cells for name, one in cell.examples.items()}
    questions = tuple(name for name in facts if all(_scored(arm, name) for arm in fixed))
    if not questions:
        return None
    fixed.sort(key=lambda arm: arm.mean("prompt_tokens", questions) or 0.0)
    routers = [
        _with_fixed_arms(arm, fixed)
        for cell in cells
        if not only_route(cell) and (arm := _arm(cell, metric, "")) is not None
    ]
    characters = {name: sum(one.get("characters", ())) for name, one in facts.items()}
    return RoutingGroup(
        title,
        metric,
        tuple(fixed),
        tuple(routers),
        questions,
        {name: one["cluster"] for name, one in facts.items()},
        _parts(questions, facts, document_lengths(cells)),
        {name: str(one.get("group", name)) for name, one in facts.items()},
        characters,
    )


def _scored(arm: Arm, question: str) -> bool:
    return question in arm.outcomes and arm.outcomes[question].quality is not None


def _best_of_routes(fixed: Sequence[Arm]) -> list[Arm]:
    best: dict[str, Arm] = {}
    for arm in fixed:
        here = [name for name, one in arm.outcomes.items() if one.quality is not None]
        held = best.get(arm.route)
        if held is None or (arm.mean("quality", here) or 0.0) > (held.mean("quality", here) or 0.0):
            best[arm.route] = arm
    return list(best.values())


def only_route(cell: CellResult) -> str:
    """Returns the one route that a cell takes for every question; empty for a router or a wrapper."""
    routes = set()
    for row in cell.rows.values():
        if row.answer is not None:
            step = row.answer.trace[0] if row.answer.trace else None
            always = step is not None and step.name == "route" and step.facts.get("reason") == "always"
            if not always or any(one.name in ("first", "then") for one in row.answer.trace):
                return ""
            routes.add(row.answer.route)
    return routes.pop() if len(routes) == 1 else ""


def _arm(cell: CellResult, metric: str, route: str) -> Arm | None:
    """Returns an arm made from a cell; None if its answers do not record how the route was chosen."""
    answers = [row.answer for row in cell.rows.values() if row.answer is not None]
    if not any(answer.trace and answer.trace[0].name == "route" for answer in answers):
        return None
    timed = any(answer.timing.engine_seconds for answer in answers)
    sign = -1.0 if metric in cell.facts.get("smaller_is_better", ()) else 1.0
    prices = prices_of(cell.facts.get("prices"))
    outcomes = {
        name: _outcome(row, _quality(row, cell.examples[name], metric, sign), prices, timed=timed)
        for name, row in cell.rows.items()
    }
    indexes = {
        step.facts["index"]: step.facts["index_seconds"]
        for answer in answers
        for root in answer.trace
        for step in root.walk()
        if "index_seconds" in step.facts
    }
    return Arm(_shown(cell), outcomes, route, None, "", sum(indexes.values()), cell.facts.get("prices"))


def _shown(cell: CellResult) -> str:
    """Returns the name of a cell in tables: the name of its arm if it has one, otherwise the cell's own name."""
    return str(cell.facts.get("arm") or cell.name)


def _quality(row: Prediction, facts: Mapping[str, Any], metric: str, sign: float) -> float | None:
    if facts["unanswerable"] and (refusal := row.scores.get(REFUSALS)) is not None:
        return refusal
    score = row.scores.get(metric)
    return None if score is None else sign * score


def _outcome(row: Prediction, quality: float | None, prices: Mapping[str, Price], *, timed: bool) -> ArmOutcome:
    answer = row.answer
    if answer is None:
        return ArmOutcome(quality, 0.0, money=0.0 if prices else None, seconds=0.0 if timed else None)
    phases = sum(answer.timing.phases.get(name, 0.0) for name in ("search", "rerank"))
    signals = _signals(answer)
    score = signals.get("score")
    if score is None and "score" in signals and signals.get("escalate"):
        score = math.inf  # no score: the first to be escalated
    return ArmOutcome(
        quality,
        answer.usage.prompt_tokens,
        answer.usage.cached_tokens,
        answer.usage.completion_tokens,
        money(answer, prices),
        answer.timing.engine_seconds + phases if timed else None,
        _taken(answer),
        float(score) if isinstance(score, (int, float)) else None,
        str(signals.get("favours", "")),
        _place(answer),
    )


def _place(answer: Answer) -> str:
    """Returns which route of a wrapper ran last, `first` or `then`; empty for an answer without a wrapper."""
    names = [step.name for step in answer.trace]
    return next((place for place in ("then", "first") if place in names), "")


def _taken(answer: Answer) -> str:
    """Returns the name of the route that answered; for a wrapper, of the inner route that ran last."""
    place = _place(answer)
    return next((str(step.facts.get("route", place)) for step in answer.trace if step.name == place), answer.route)


def _signals(answer: Answer) -> Mapping[str, Any]:
    """Returns the signals that the router recorded or, for a wrapper, those of its verdict on the first answer."""
    for step in answer.trace:
        if step.name == "first" and "score" in step.facts:
            return {"favours": "then", **step.facts}
    found: Mapping[str, Any] = answer.trace[0].facts if answer.trace else {}
    return found


def _with_fixed_arms(router: Arm, fixed: Sequence[Arm]) -> Arm:
    """Returns a copy of the router in which each choice is matched to a fixed arm.

    Routes match by name; of several fixed arms with the name, the one that read the same tokens. A wrapper's first
    route is taken for the cheapest and its second for the most expensive if their names match nothing.
    """
    places = {"first": fixed[0].name, "then": fixed[-1].name}
    by_route: dict[str, list[Arm]] = {}
    for arm in fixed:
        by_route.setdefault(arm.route, []).append(arm)
    named: dict[str, str] = dict(places)
    for route in {one.taken for one in router.outcomes.values()} | {one.favours for one in router.outcomes.values()}:
        rivals = by_route.get(route, [])
        if rivals:
            named[route] = max(rivals, key=lambda arm: _alike(router, arm, route)).name
    chosen = {name: named.get(one.taken) or places.get(one.place) for name, one in router.outcomes.items()}
    sent = {name: arm for name, arm in chosen.items() if arm is not None}
    favoured = {named.get(one.favours, "") for one in router.outcomes.values() if one.score is not None}
    favours = favoured.pop() if len(favoured) == 1 else ""
    return Arm(router.name, router.outcomes, "", sent, favours, router.index_seconds, router.prices)


def _alike(router: Arm, arm: Arm, route: str) -> int:
    taken = [(name, one) for name, one in router.outcomes.items() if one.taken == route and name in arm.outcomes]
    return sum(arm.outcomes[name].prompt_tokens == one.prompt_tokens for name, one in taken)


def _parts(
    questions: Sequence[str], facts: Mapping[str, Mapping[str, Any]], lengths: Mapping[str, int]
) -> dict[str, dict[str, str]]:
    """Returns the subset that each question falls into, by task class, length, evidence scope and position.

    Parts stored in the results folder take precedence; the others are derived from tasks, lengths and spans.
    """
    thirds = _thirds({name: sum(facts[name].get("characters", ())) for name in questions})
    found: dict[str, dict[str, str]] = {by: {} for by in PARTS}
    for name in questions:
        one = facts[name]
        place = document_position(one, lengths) if one["evidence"] else None
        worked_out = {
            "task class": str(one["task"]),
            "length": thirds.get(name),
            "evidence scope": _scope(one),
            "position": None if place is None else THIRDS[min(int(place * 3), 2)],
        }
        for by, part in {**worked_out, **(one.get("parts") or {})}.items():
            if part is not None:
                found.setdefault(by, {})[name] = str(part)
    return {by: parts for by, parts in found.items() if len(set(parts.values())) > 1}


def _scope(facts: Mapping[str, Any]) -> str | None:
    if facts["unanswerable"]:
        return "nothing"
    count = len(facts["evidence"])
    return ("one passage" if count == 1 else "several passages") if count else None


def _thirds(lengths: Mapping[str, int]) -> dict[str, str]:
    """Returns each question's third by document length; empty if a length is unknown or fewer than three differ."""
    distinct = sorted(set(lengths.values()))
    if len(distinct) < 3 or not distinct[0]:
        return {}
    one, two = distinct[len(distinct) // 3], distinct[2 * len(distinct) // 3]
    names = (f"under {_thousands(one)}", f"{_thousands(one)} to {_thousands(two)}", f"from {_thousands(two)}")
    return {name: names[(length >= one) + (length >= two)] for name, length in lengths.items()}


def _thousands(characters: int) -> str:
    return f"{characters / 1000:,.0f}k chars" if characters >= 10_000 else f"{characters:,} chars"
