"""Training data for routers: questions that two cells have answered, with quality and cost of each answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ragvlc.core.answer import Answer, Prediction
from ragvlc.core.data import Example
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Chunker, Retriever
from ragvlc.core.prices import money, prices_of
from ragvlc.pool import EnginePool
from ragvlc.roles import Models
from ragvlc.routing.features import measured
from ragvlc.routing.fitting import FitSettings, Fitted, TrainingRow, fit
from ragvlc.routing.ranking_signals import look, metadata_numbers
from ragvlc.run import LiveRun

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["Charge", "FeatureExtractor", "Pair", "Pairs", "learned", "paired"]

Unit = Literal["tokens", "seconds", "money"]


@dataclass(frozen=True, slots=True)
class Charge:
    """The unit of an answer's cost, and the weight of cost against quality.

    Attributes:
        unit: thousands of tokens (prompts and replies), seconds of engine and search, or money at the cells' prices.
        weight: quality that one unit must bring; 0 looks at quality alone.
    """

    unit: Unit = "tokens"
    weight: float = 0.0

    def of(self, answer: Answer, cell: CellResult) -> float:
        """Returns the cost of an answer. Raises `ConfigError` if prices are needed and a generator has none."""
        if self.unit == "tokens":
            return (answer.usage.prompt_tokens + answer.usage.completion_tokens) / 1000
        if self.unit == "seconds":
            phases = answer.timing.phases
            return answer.timing.engine_seconds + phases.get("search", 0.0) + phases.get("rerank", 0.0)
        prices = cell.facts.get("prices") or {}
        if missing := [role for role in answer.bills if role not in prices]:
            raise ConfigError(f"{cell.name}: generators.{missing[0]} has no price, so its cost in money is unknown.")
        found = money(answer, prices_of(prices))
        if found is None:
            raise ConfigError(
                f"{cell.name}: what a call with a long prompt costs was not known when it ran; run it again."
            )
        return found


@dataclass(frozen=True, slots=True)
class Pair:
    """A question that both routes answered, with quality and cost of each answer.

    Attributes:
        id: of the example.
        key: of the question.
        group: unit of cross-validation: the document.
        quality: by route; more is better.
        cost: by route, in the unit of the charge.
        answers: by route.
    """

    id: str
    key: str
    group: str
    quality: Mapping[str, float]
    cost: Mapping[str, float]
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The questions for training a router, and the numbers of questions left out.

    Attributes:
        routes: names, in the order given.
        pairs: in the order of the data set.
        left_out: number of questions by reason.
        charge: of their costs.
    """

    routes: tuple[str, str]
    pairs: tuple[Pair, ...]
    left_out: Mapping[str, int]
    charge: Charge


def paired(results: SweepResults, cells: Mapping[str, str], metric: str, charge: Charge) -> Pairs:
    """Returns the questions with answers and scores from the cells of both routes.

    Args:
        results: of one sweep.
        cells: name of the cell by the name that its route is to have.
        metric: label of the quality.
        charge: of the cost.

    Raises:
        ConfigError: for unknown cells, controls, cells over different questions, and where no question is left.
    """
    found = {route: results.cell(name) for route, name in cells.items()}
    names = list(found)
    if len(names) != 2:
        raise ConfigError(f"needs two routes, as NAME=CELL; has {len(names)}.")
    for route, cell in found.items():
        if cell.control:
            raise ConfigError(f"{route}: {cell.name} reads the gold; it can be a bound, never a route to choose.")
    first, second = found.values()
    if first.facts["examples"] != second.facts["examples"]:
        raise ConfigError(f"{first.name} and {second.name} were asked different questions.")
    sign = -1.0 if metric in first.facts.get("smaller_is_better", ()) else 1.0
    left: Counter[str] = Counter()
    pairs: list[Pair] = []
    for name, facts in first.examples.items():
        rows = {route: cell.rows.get(name) for route, cell in found.items()}
        reason = _left_out(list(rows.values()), metric)
        if reason:
            left[reason] += 1
            continue
        answers = {route: row.answer for route, row in rows.items() if row and row.answer}
        quality = {route: sign * float(row.scores[metric] or 0.0) for route, row in rows.items() if row}
        cost = {route: charge.of(answer, found[route]) for route, answer in answers.items()}
        pairs.append(Pair(name, str(facts["key"]), str(facts["cluster"] or name), quality, cost, answers))
    if not pairs:
        raise ConfigError(f"no question has answers of both routes with a score in {metric}: {dict(left)}.")
    return Pairs((names[0], names[1]), tuple(pairs), dict(left), charge)


def _left_out(rows: Sequence[Prediction | None], metric: str) -> str:
    if any(row is None for row in rows):
        return "not asked in both"
    if any(row is not None and row.failure is not None for row in rows):
        return "failed in one"
    if any(row is not None and row.scores.get(metric) is None for row in rows):
        return f"without {metric}"
    return ""


@dataclass(frozen=True, slots=True)
class FeatureExtractor:
    """Computes the features of questions exactly as the learned router does.

    Attributes:
        models: of the pipeline that retrieves: its tokenizer measures chunks, its embedders rank.
        pool: opened models and shared computations.
        chunker: cuts the documents.
        retriever: ranks the chunks.
        role: of the generator whose tokens measure chunks.
        metadata: fields of the documents' metadata among the features.
    """

    models: Models
    pool: EnginePool
    chunker: Chunker
    retriever: Retriever
    role: str = "main"
    metadata: tuple[str, ...] = ()

    def features(self, example: Example) -> dict[str, float]:
        """Returns the features of a question, without reading its gold answers or evidence."""
        run, documents = LiveRun(self.models, self.pool, example), example.documents
        chunks, ranking = look(self.chunker, self.retriever, example.query, documents, run, role=self.role)
        found = measured(example.query, documents, ranking, len(chunks))
        return found | metadata_numbers(documents, self.metadata)


def learned(
    pairs: Pairs,
    examples: Sequence[Example],
    extractor: FeatureExtractor,
    settings: FitSettings,
    *,
    seen: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Returns the routing rule learned from the pairs, with its estimated gain on held-out documents.

    Args:
        pairs: what was answered.
        examples: the questions with their documents; those that have changed since are left out.
        extractor: computes the features.
        settings: of training.
        seen: called after each question with the number done and the total.

    Raises:
        ConfigError: if there are too few questions.
    """
    known = {example.id: example for example in examples}
    unchanged = [pair for pair in pairs.pairs if pair.id in known and known[pair.id].key == pair.key]
    weight, rows = pairs.charge.weight, []
    for place, pair in enumerate(unchanged, start=1):
        values = {route: pair.quality[route] - weight * pair.cost[route] for route in pairs.routes}
        rows.append(TrainingRow(extractor.features(known[pair.id]), pair.group, values))
        if seen is not None:
            seen(place, len(unchanged))
    if not rows:
        raise ConfigError("every question has changed since it was answered. Run the experiment again.")
    return fit(
        rows,
        pairs.routes,
        chunker=extractor.chunker,
        retriever=extractor.retriever,
        metadata=extractor.metadata,
        settings=settings,
    )
