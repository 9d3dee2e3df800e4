"""Money of each route of a pipeline by the number of questions about one document, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ragvlc.analysis.document_costs import PRICE_ADVICE, DocumentCost, ModelCost
from ragvlc.core.data import content_key
from ragvlc.core.families import Generator
from ragvlc.core.prices import Price
from ragvlc.estimate.counting import CountingPool
from ragvlc.estimate.drafting import Drafting
from ragvlc.estimate.dry_run import DryRun, SampledCell
from ragvlc.estimate.escalation_rates import EscalationRates
from ragvlc.estimate.estimate import MadeUp, Options, Workings
from ragvlc.estimate.figures import added
from ragvlc.estimate.history import History
from ragvlc.estimate.prefix_reuse import Blocks
from ragvlc.estimate.rates import EngineFacts, facts_of
from ragvlc.estimate.sampling import draw
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import QuestionSet

__all__ = ["route_costs"]


def route_costs(
    pipeline: Pipeline,
    context: int,
    runs: str | Path = "runs",
    options: Options = Options(),  # noqa: B008 - frozen
) -> tuple[list[DocumentCost], list[str]]:
    """Returns what questions about one made-up document cost by each route, and why a route has no figure.

    Two questions are asked by each route without running a model. What both prompts begin with can be in a provider's
    prefix cache; the router's own calls are not counted.

    Args:
        pipeline: whose routes are compared.
        context: tokens of the document, by the first generator's tokenizer.
        runs: folder of results that say how long answers are.
        options: how to estimate.
    """
    found, missing = [], []
    for name, route in pipeline.routes.items():
        alone = Pipeline(generators=pipeline.generators, embedders=pipeline.embedders, routes={name: route})
        first, second, problem = _two_questions(alone, context, Path(runs), options)
        prices = {one.key: one.price for one in pipeline.generators.values()}
        roles = [role for role, one in pipeline.generators.items() if one.key in first and one.price is None]
        unpriced = " and ".join(f"generators.{role}" for role in roles)
        if problem:
            missing.append(f"{name}: {problem}")
        elif unpriced:
            missing.append(f"{name}: no price of {unpriced}. {PRICE_ADVICE.format(role=unpriced)}.")
        elif first:
            readings = [_reading(prices[key], first[key], second.get(key, {})) for key in first]
            found.append(DocumentCost(name, tuple(one for one in readings if one is not None)))
    return found, missing


def _reading(price: Price | None, first: Mapping[str, float], second: Mapping[str, float]) -> ModelCost | None:
    if price is None:
        return None
    shared = max(0.0, second.get("cached_tokens", 0.0))
    own = max(0.0, first["prompt_tokens"] - shared)
    return ModelCost(price, shared, own, first["completion_tokens"], first["calls"])


Figures = dict[str, dict[str, float]]


def _two_questions(pipeline: Pipeline, context: int, runs: Path, options: Options) -> tuple[Figures, Figures, str]:
    """Returns the figures of the first and of the second question, by generator key, and a problem if there is one."""
    history = History(runs)

    def facts(generator: Generator) -> EngineFacts:
        own = facts_of(generator, history.of(generator), options.machine, concurrency=1, new_tokens=options.new_tokens)
        return replace(own, reuse=Blocks(1))

    pool = CountingPool(facts, stored=False)
    dataset = MadeUp(context=context, questions=2)
    dataset.write(pool.tokenizer(next(iter(pipeline.generators.values()))))
    [name] = pipeline.routes
    cell = Cell(content_key([pipeline.key, dataset.key])[:16], name, name, pipeline, dataset, {}, 0, 0, (name,))
    asked = QuestionSet(dataset.load(), ())
    sampled = [SampledCell(cell, draw(asked.examples, asked.group, None))]
    dry_run = DryRun(pool, Drafting(history, options.acceptance), EscalationRates())
    workings = Workings(name, sampled, {dataset.key: asked}, dry_run, options)
    [one, other] = (example.id for example in asked.examples)
    alone = dry_run.figures(sampled, workings.prices, {dataset.key: {one}})[cell.key]
    both = dry_run.figures(sampled, workings.prices, {dataset.key: {one, other}})[cell.key]
    if both.problems:
        return {}, {}, next(iter(both.problems))
    rest = {
        key: added([figures, {name: -value for name, value in alone.models.get(key, {}).items()}])
        for key, figures in both.models.items()
    }
    return alone.models, rest, ""
