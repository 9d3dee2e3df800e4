"""Which models a sweep needs for what it still has to do, so that each is tried before the first question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ragvlc.core.answer import Usage
from ragvlc.core.component import Component
from ragvlc.core.errors import SetupError
from ragvlc.core.families import Embedder, Generator, Metric, Reranker
from ragvlc.core.jobs import Job, Setup, SetupResult
from ragvlc.core.paths import walk
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.pending import Pending
from ragvlc.trials import has_model

__all__ = ["check_trials", "metric_setups", "pipeline_models", "pipeline_setups", "usage_of"]


def pipeline_setups(jobs: Sequence[Job], missing: Mapping[str, str]) -> list[Setup]:
    """Returns the models to try for jobs, in the order in which they are needed.

    Args:
        jobs: in the order of the run.
        missing: by cell, the stage at which its first question without a stored answer needs a model. Where that is
            the generation, the rankings are stored, and no embedder or reranker is tried.
    """
    found: dict[str, Setup] = {}
    first = jobs[0].stage if jobs else 0
    seen: set[str] = set()
    for job in jobs:
        if job.cell in seen or not isinstance(job.pipeline, Pipeline):
            continue
        seen.add(job.cell)
        for part in pipeline_models(job.pipeline):
            if missing.get(job.cell) != "generate" or isinstance(part, Generator):
                found.setdefault(part.key, Setup(part, stays_open=job.stage == first))
    return list(found.values())


def pipeline_models(pipeline: Pipeline) -> Iterator[Component]:
    """Yields the models that a pipeline's routes and router use: generators and embedders by role, and rerankers."""
    tables: dict[str, Mapping[str, Component]]
    tables = {"generators": pipeline.generators, "embedders": pipeline.embedders}
    for table, role, _ in sorted(pipeline.router.roles().union(*(route.roles() for route in pipeline.routes.values()))):
        yield tables[table][role]
    for _, part in walk(pipeline):
        if isinstance(part, Reranker) and has_model(part):
            yield part


def metric_setups(metrics: Iterable[Metric], pending: Sequence[Pending], *, stored_only: bool = False) -> list[Setup]:
    """Returns the models of metrics that still have answers to score: stored ones, and others still to come."""
    found: dict[str, Setup] = {}
    for metric in metrics:
        models = [part for part in metric.parts() if isinstance(part, Generator | Embedder)]
        if models and any(one.needs(metric.label, stored_only=stored_only) for one in pending):
            found |= {part.key: Setup(part) for part in models}
    return list(found.values())


def check_trials(trials: Sequence[SetupResult]) -> None:
    """Raises `SetupError` with a line for each model that does not work."""
    problems = list(dict.fromkeys(one.problem for one in trials if one.problem))
    if problems:
        raise SetupError(problems)


def usage_of(trials: Iterable[SetupResult]) -> Usage:
    """Returns the usage of the questions asked in trials."""
    return sum((one.usage for one in trials), Usage())
