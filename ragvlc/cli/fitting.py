"""Command `fit-router`: learns routers and chooses thresholds from stored results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragvlc.cli.app import RUNS, ResultsArg, RunsOption, SetOption, app, out, results_folder, settings_of
from ragvlc.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from ragvlc.analysis.learning import Charge, Pairs
    from ragvlc.analysis.results import Results
    from ragvlc.core.component import Component
    from ragvlc.routing.fitting import FitSettings, Fitted
    from ragvlc.sweep.plan import Cell

__all__ = ["fit_router"]

_UNITS = ("tokens", "seconds", "money")
_SETTINGS = ("chunker", "retriever")

RouteOption = Annotated[
    list[str],
    typer.Option(
        "--route", metavar="NAME=CELL", help="Name of a route, and the cell with its answers; give this option twice."
    ),
]
CostOption = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT=WEIGHT",
        help="Weight of the cost: quality gain required per 1,000 tokens, per second, or per unit of money.",
    ),
]
BudgetOption = Annotated[float | None, typer.Option(min=0, help="With --cascade: largest mean cost per question.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="FIELD", help="Numeric field of the documents' metadata to learn from."),
]


@app.command("fit-router")
def fit_router(  # noqa: PLR0913, PLR0917 - the options of a command
    results: ResultsArg,
    route: RouteOption,
    to: Annotated[Path, typer.Option("--out", help="File of the learned router.")] = Path("learned_router.json"),
    metric: Annotated[str | None, typer.Option(help="Quality metric; the first metric by default.")] = None,
    cost: CostOption = None,
    metadata: MetadataOption = None,
    folds: Annotated[int, typer.Option(min=2, help="Number of cross-validation folds, split by document.")] = 5,
    seed: Annotated[int, typer.Option(help="Random seed for splitting the documents.")] = 0,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced", help="Balance the classes in training: each route's questions get the same total weight."
        ),
    ] = False,
    cascade: Annotated[
        bool,
        typer.Option("--cascade", help="Choose the confidence threshold of a cascade instead of learning a router."),
    ] = False,
    budget: BudgetOption = None,
    settings: SetOption = None,
    runs: RunsOption = RUNS,
) -> None:
    """Learn a router between two routes, or choose the confidence threshold of a cascade, from stored results."""
    from ragvlc.analysis.cascades import cascade_pairs
    from ragvlc.analysis.learning import paired
    from ragvlc.analysis.learning_report import cascade_report, learned_report, pairs_report
    from ragvlc.sweep.derived import load_results

    loaded = load_results(results_folder(results, runs))
    cells, charge = _cells(route), _charge(cost, budget)
    pairs = paired(loaded, cells, loaded.metric(metric), charge)
    out().print(pairs_report(pairs, loaded.metric(metric)))
    if cascade:
        for part in cascade_report(cascade_pairs(pairs), charge, budget=budget, seed=seed):
            out().print(part)
        return
    if budget is not None:
        raise ConfigError("--budget: belongs to --cascade. A learned router weighs costs: --cost tokens=0.01.")
    from ragvlc.routing.fitting import FitSettings

    retrieval = {**_retrieval_parts(settings), "metadata": _declared(metadata)}
    fitted = _learned(pairs, _planned(loaded, cells), FitSettings(folds, seed, balanced=balanced), retrieval)
    made = {"results": loaded.name, "cells": cells, "metric": loaded.metric(metric), "left_out": dict(pairs.left_out)}
    made |= {"cost": {"unit": charge.unit, "weight": charge.weight}}
    rule = fitted.rule.model_copy(update={"made": {**made, **fitted.rule.made}})
    try:
        rule.save(to)
    except OSError as error:
        raise ConfigError(f"{to}: cannot be written: {error.strerror or error}.") from error
    for part in learned_report(fitted):
        out().print(part)
    out().print(f"\nrouter: {{kind: learned, model: {to.resolve()}}}")


def _cells(given: list[str]) -> dict[str, str]:
    """Returns the cell names given by `--route NAME=CELL`, keyed by route name."""
    found: dict[str, str] = {}
    for one in given:
        name, separator, cell = one.partition("=")
        if not separator or not name.strip() or not cell.strip():
            raise ConfigError(f"--route {one}: needs NAME=CELL, such as rag=rag.")
        found[name.strip()] = cell.strip()
    if len(found) != 2:
        raise ConfigError(f"--route: must be given twice, with two names; given: {', '.join(given)}.")
    return found


def _charge(cost: str | None, budget: float | None) -> Charge:
    from ragvlc.analysis.learning import Charge

    if cost is None:
        return Charge()
    unit, separator, weight = cost.partition("=")
    try:
        if unit not in _UNITS:
            raise ConfigError(f"--cost {cost}: no unit '{unit}'. Known: {', '.join(_UNITS)}.{nearest(unit, _UNITS)}")
        value = float(weight) if separator else 0.0
    except ValueError as error:
        raise ConfigError(f"--cost {cost}: '{weight}' is not a number.") from error
    if not 0 <= value < float("inf") or (not separator and budget is None):
        raise ConfigError(f"--cost {cost}: needs {unit}=WEIGHT, with a number of at least 0.")
    return Charge(unit, value)  # type: ignore[arg-type] # one of the units


def _retrieval_parts(settings: list[str] | None) -> dict[str, Any]:
    """Returns the chunker and retriever given by `--set`. Raises `ConfigError` for other paths and invalid values."""
    from ragvlc.core.families import Chunker, Retriever

    families: dict[str, type[Component]] = {"chunker": Chunker, "retriever": Retriever}
    found: dict[str, Any] = {}
    for path, value in settings_of(settings).items():
        if path not in families:
            raise ConfigError(f"--set {path}: not known. Known: {', '.join(families)}.{nearest(path, families)}")
        try:
            found[path] = families[path].build(value, {"folder": Path.cwd()})
        except ValueError as error:
            raise ConfigError(f"--set {path}: {error}") from error
    return found


def _declared(metadata: list[str] | None) -> tuple[str, ...]:
    from ragvlc.routing.declared_metadata import refuse_gold

    try:
        refuse_gold(metadata or ())
    except ValueError as error:
        raise ConfigError(f"--metadata: {error}") from error
    return tuple(metadata or ())


def _learned(pairs: Pairs, cells: Mapping[str, Cell], settings: FitSettings, retrieval: Mapping[str, Any]) -> Fitted:
    from ragvlc.analysis.learning import FeatureExtractor, learned
    from ragvlc.documents.dataset import loaded
    from ragvlc.pool import EnginePool
    from ragvlc.roles import Models

    retrieving = _retrieving(cells)
    pipeline = cells[retrieving.name].pipeline
    models = Models(pipeline.generators, pipeline.embedders)
    datasets = {cell.dataset.key: cell.dataset for cell in cells.values()}
    examples = loaded(datasets)[cells[retrieving.name].dataset.key]
    with EnginePool() as pool:
        extractor = FeatureExtractor(models, pool, role=retrieving.role, **{**retrieving.parts, **retrieval})
        with _progress() as seen:
            return learned(pairs, examples, extractor, settings, seen=seen)


def _planned(results: Results, cells: Mapping[str, str]) -> dict[str, Cell]:
    """Returns each route's cell from the sweep's plan. Raises `ConfigError` if the plan no longer contains the cell."""
    from ragvlc.sweep.plan import plan
    from ragvlc.sweep.spec import Sweep

    planned = {cell.key: cell for cell in plan(Sweep.load(results.folder / "sweep.yaml"))}
    found: dict[str, Cell] = {}
    for route, name in cells.items():
        key = str(results.cell(name).facts["key"])
        if key not in planned:
            raise ConfigError(
                f"{route}: {name} was run by another version or with other files. Run the experiment again."
            )
        found[route] = planned[key]
    return found


@dataclass(frozen=True, slots=True)
class _Retrieving:
    name: str
    parts: Mapping[str, Any]
    role: str


def _retrieving(cells: Mapping[str, Cell]) -> _Retrieving:
    """Returns the cell whose chunker and retriever the learned router will use; BM25 if no cell retrieves."""
    from ragvlc.core.families import Chunker, Retriever

    for name, cell in cells.items():
        for route in cell.pipeline.routes.values():
            parts = {part: getattr(route, part, None) for part in _SETTINGS}
            if all(parts.values()):
                return _Retrieving(name, parts, str(getattr(route, "generator", "main")))
    name = next(iter(cells))
    parts = {"chunker": Chunker.build("tokens"), "retriever": Retriever.build("bm25")}
    return _Retrieving(name, parts, next(iter(cells[name].pipeline.generators)))


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("computing features", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
