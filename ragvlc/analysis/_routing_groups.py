"""Groups for comparing routers: fixed routes and routers over the same questions with the same model.

A *group* has comparable cells: over one data set, with equal settings except for how they read. In it, a cell is
*fixed* if it takes one route for every question, a *router* if it chooses, before answering or (a wrapper) after.
Controls, which read the gold evidence, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.breakdowns import THIRDS, document_lengths, document_position
from ragvlc.analysis.cell_costs import question_readings
from ragvlc.results.columns import known
from ragvlc.statistics.cross_fitting import best_on_other_folds

if TYPE_CHECKING:
    from ragvlc.analysis.document_costs import ModelCost
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
        readings: returns what each question had models read and write, by question; see `question_readings`.
        gap: seconds between two questions about a document.
    """

    name: str
    outcomes: Mapping[str, ArmOutcome]
    route: str = ""
    sent: Mapping[str, str] | None = None
    favours: str = ""
    index_seconds: float = 0.0
    readings: Callable[..., Mapping[str, Sequence[ModelCost]]] = dict
    gap: float = 0.0

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
    among the metrics. A metric of which smaller is better is negated. Cells of a race without all questions are left
    out.
    """
    chosen = results.metric(metric)
    found = []
    datasets = results.by_dataset()
    for dataset, cells in datasets.items():
        groups: dict[str, list[CellResult]] = {}
        for cell in cells:
            if not cell.control and cell.rows and cell.raced is None:  # its questions are not those of the others
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
    columns = cell.columns
    if columns.marks["always"] != columns.marks["answered"] or any(columns.words["wrapped"]):
        return ""
    routes = set(columns.named("route"))
    return routes.pop() if len(routes) == 1 else ""


def _arm(cell: CellResult, metric: str, route: str) -> Arm | None:
    """Returns an arm made from a cell; None if its answers do not record how the route was chosen."""
    columns = cell.columns
    if not columns.marked("routed"):
        return None
    indexes = columns.index_seconds()
    return Arm(
        _shown(cell),
        _outcomes(cell, metric),
        route,
        index_seconds=sum(indexes.values()),
        readings=partial(question_readings, cell),
        gap=cell.facts.get("gap", 0.0),
    )


def _shown(cell: CellResult) -> str:
    """Returns the name of a cell in tables: the name of its arm if it has one, otherwise the cell's own name."""
    return str(cell.facts.get("arm") or cell.name)


def _qualities(cell: CellResult, metric: str) -> list[float | None]:
    sign = -1.0 if metric in cell.facts.get("smaller_is_better", ()) else 1.0
    columns = cell.columns
    found = [None if score is None else sign * score for score in columns.scored(metric)]
    for place, refusal in enumerate(columns.scored(REFUSALS)):
        if refusal is not None and cell.examples[columns.ids[place]]["unanswerable"]:
            found[place] = refusal
    return found


def _outcomes(cell: CellResult, metric: str) -> dict[str, ArmOutcome]:
    columns, numbers, words = cell.columns, cell.columns.numbers, cell.columns.words
    timed, priced = any(columns.of("engine_seconds")), bool(cell.facts.get("prices"))
    money, signals = known(numbers["money"]), known(numbers["signal"])
    whole = iter(columns.whole_seconds())
    found = {}
    for place, (name, quality) in enumerate(zip(columns.ids, _qualities(cell, metric), strict=True)):
        if not columns.marks["answered"][place]:
            found[name] = ArmOutcome(quality, 0.0, money=0.0 if priced else None, seconds=0.0 if timed else None)
            continue
        seconds = next(whole)
        found[name] = ArmOutcome(
            quality,
            numbers["prompt_tokens"][place],
            numbers["cached_tokens"][place],
            numbers["completion_tokens"][place],
            money[place],
            seconds if timed else None,
            words["taken"][place],
            signals[place],
            words["favours"][place],
            words["wrapped"][place],
        )
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
    return replace(router, sent=sent, favours=favours)


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
