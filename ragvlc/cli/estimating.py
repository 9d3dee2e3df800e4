"""Command `estimate`: the cost of an experiment, or of a pipeline over documents of a given length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragvlc.cli.amounts import money_text, seconds_text
from ragvlc.cli.app import (
    RUNS,
    LimitOption,
    RunsOption,
    SetOption,
    app,
    is_results,
    load_sweep,
    out,
    runs_folder,
    settings_of,
)
from ragvlc.cli.document_costs import (
    DocumentCosts,
    DrawOption,
    GapOption,
    document_costs,
    print_document_costs,
    refuse_document_costs,
)
from ragvlc.cli.forecasting import print_forecast
from ragvlc.cli.power import (
    CorrelationOption,
    DeviationOption,
    DifferenceOption,
    MetricOption,
    PerClusterOption,
    PilotOption,
    PowerOptions,
    power_plans,
    print_power,
)
from ragvlc.core.errors import ConfigError
from ragvlc.core.given_paths import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragvlc.estimate.estimate import Options
    from ragvlc.estimate.figures import CellEstimate, Estimate
    from ragvlc.estimate.forecast import Forecast
    from ragvlc.estimate.power import PowerPlan
    from ragvlc.estimate.races import StrategyShare
    from ragvlc.pipeline import Pipeline
    from ragvlc.sweep.spec import Sweep

_SAMPLE = 50
_AcceptanceOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="For speculative decoding: acceptance rate of drafted tokens.")
]
_ShapeOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=NAME", help="For speculative decoding: model size, such as main=llama-3.1-8b."),
]


@app.command()
def estimate(  # noqa: PLR0913, PLR0917 - options of a command are parameters
    target: Annotated[str, typer.Argument(help="An experiment, a results folder, or a pipeline with --context.")],
    settings: SetOption = None,
    limit: LimitOption = None,
    runs: RunsOption = RUNS,
    everything: Annotated[bool, typer.Option("--all", help="Count all questions, not only the pending ones.")] = False,
    sample: Annotated[int, typer.Option(min=0, help="Number of questions counted per cell; 0 counts all.")] = _SAMPLE,
    device: Annotated[
        str, typer.Option(help="Estimate seconds for this device, such as h200, ignoring measured seconds.")
    ] = "",
    devices: Annotated[int, typer.Option(min=1, help="Number of such devices, used with tensor parallelism.")] = 1,
    context: Annotated[int | None, typer.Option(min=1, help="For a pipeline: document length in tokens.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="For a pipeline: number of questions about the document.")
    ] = None,
    gap: GapOption = None,
    draw: DrawOption = None,
    new_tokens: Annotated[int | None, typer.Option(min=1, help="Number of generated tokens per answer.")] = None,
    acceptance: _AcceptanceOption = None,
    shape: _ShapeOption = None,
    difference: DifferenceOption = None,
    pilot: PilotOption = None,
    metric: MetricOption = None,
    deviation: DeviationOption = None,
    correlation: CorrelationOption = None,
    per_cluster: PerClusterOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimate calls, tokens, seconds and money of the pending questions, without loading weights or calling a server.

    With --difference, or with `decide` in an experiment that was run: the number of questions that would settle it, and
    their cost. For a pipeline with speculative decoding (rapid), also the context length from which it pays, and the
    best drafts; with prices, the money of each route by the number of questions about one document, as if a provider's
    prefix cache were used (cache-augmented generation, CAG).
    """
    from ragvlc.estimate.estimate import Options
    from ragvlc.hardware.placement import Machine

    options = Options(sample or None, everything, Machine(device, devices), new_tokens, acceptance)
    if device:
        from ragvlc.hardware.devices import device_named

        device_named(device)  # reports a misspelt one at once
    asked = PowerOptions(difference, pilot, metric, deviation, correlation, per_cluster)
    if not _is_pipeline(target, asked=context is not None or questions is not None):
        _refuse(target, {"--context": context, "--questions": questions, "--shape": shape})
        refuse_document_costs(target, gap, draw)
        sweep = load_sweep(target, settings, limit)
        found, strategy = _of_sweep(sweep, runs_folder(target, runs), options)
        plans = power_plans(sweep, target, runs, options, asked)
        _print(found, plans=plans, strategy=strategy, as_json=as_json)
        return
    context = _context_of(target, context, limit, asked)
    pipeline = _pipeline(target, settings)
    foretold, unknown = _foretold(pipeline, context, runs, options, (acceptance, shape))
    found = _of_pipeline(target, pipeline, runs, (context, questions or 1), options)
    costs = document_costs(pipeline, (context, questions, gap, draw), runs, options)
    _print(found, foretold=foretold, unknown=unknown, costs=costs, as_json=as_json)


def _of_sweep(sweep: Sweep, runs: Path, options: Options) -> tuple[Estimate, tuple[list[StrategyShare], list[str]]]:
    """Returns the estimate of all questions, the shares that a strategy is expected to ask, and known verdicts."""
    from ragvlc.estimate.estimate import workings
    from ragvlc.estimate.races import strategy_shares, verdicts_known
    from ragvlc.results.store import SweepStore

    work = workings(sweep, runs, options)
    cells = [one.cell for one in work.sampled]
    store = SweepStore(Path(runs) / sweep.name)
    known = {} if options.everything else verdicts_known(sweep, cells, work.asked, store)
    shares = strategy_shares(sweep, cells, work.asked)
    return work.estimate, ([one for one in shares if one.dataset not in known], list(known.values()))


def _refuse(target: str, given: Mapping[str, object]) -> None:
    """Raises `ConfigError` for options of pipelines that were given for an experiment."""
    if given["--context"] is not None or given["--questions"] is not None:
        raise ConfigError(f"--context and --questions are for pipelines; '{target}' is an experiment. Use --limit.")
    if given["--shape"]:
        raise ConfigError(f"--shape is for pipelines; '{target}' is an experiment.")


def _context_of(target: str, context: int | None, limit: int | None, asked: PowerOptions) -> int:
    """Returns the length of a pipeline's document; raises `ConfigError` without one, or for options of experiments."""
    if asked.given:
        raise ConfigError(f"'{target}' is a pipeline: --difference and its options are for experiments.")
    if limit is not None:
        raise ConfigError("--limit is for experiments. Give a pipeline --questions.")
    if context is None:
        raise ConfigError(f"'{target}' is a pipeline: give --context TOKENS, the length of the document.")
    return context


def _print(
    found: Estimate,
    *,
    foretold: Sequence[Forecast] = (),
    unknown: str = "",
    plans: Sequence[PowerPlan] = (),
    costs: DocumentCosts | None = None,
    strategy: tuple[Sequence[StrategyShare], Sequence[str]] = ((), ()),
    as_json: bool,
) -> None:
    shares, known = strategy
    if as_json:
        more: dict[str, object] = {"strategy": [one.to_json() for one in shares]} if shares else {}
        more |= {"verdicts": list(known)} if known else {}
        _print_json(found, foretold, unknown, plans, costs, more)
    else:
        _print_all(found, foretold, unknown, plans)
        _print_shares(shares, known)
        if costs is not None:
            print_document_costs(costs)


def _print_json(
    found: Estimate,
    foretold: Sequence[Forecast],
    unknown: str,
    plans: Sequence[PowerPlan],
    costs: DocumentCosts | None,
    more: Mapping[str, object],
) -> None:
    values = found.to_json() | dict(more) | ({"speculation": [one.to_json() for one in foretold]} if foretold else {})
    values |= {"power": [one.to_json() for one in plans]} if plans else {}
    values |= {"document_costs": costs.to_json()} if costs is not None else {}
    values["notes"] += [unknown] if unknown else []
    out().print(json.dumps(values, indent=1), soft_wrap=True)


def _print_all(found: Estimate, foretold: Sequence[Forecast], unknown: str, plans: Sequence[PowerPlan]) -> None:
    _print_table(found)
    for one in foretold:
        print_forecast(one)
    if unknown:
        out().print(unknown)
    for plan in plans:
        print_power(plan)


def _print_shares(shares: Sequence[StrategyShare], known: Sequence[str]) -> None:
    if shares or known:
        out().print("The table is for every question and cell; the strategy of this experiment asks less of them:")
    for sentence in (*known, *(one.sentence() for one in shares)):
        out().print(f"- {sentence}", soft_wrap=True)


def _is_pipeline(target: str, *, asked: bool) -> bool:
    """Returns whether the target is a pipeline; if an experiment has the same name, the options decide."""
    from ragvlc import config

    path = path_of(target)
    if is_results(path):
        return False
    if path.is_file():
        return "routes" in config.read_yaml(path)
    return target in config.shipped("pipelines") and (asked or target not in config.shipped("experiments"))


def _pipeline(target: str, settings: list[str] | None) -> Pipeline:
    from ragvlc import config
    from ragvlc.core.paths import Base, Spot, placed_choices
    from ragvlc.pipeline import Pipeline
    from ragvlc.sweep.settings import Changer

    pipeline, name = Pipeline.load(target), Path(target).stem
    given = settings_of(settings)
    base = Base(Path.cwd(), config.find_file(target, "pipelines").parent)
    try:
        [[given]] = placed_choices([[given]], [Spot(pipeline, Pipeline)], [base])
    except ValueError as error:
        raise ConfigError(f"{name}: --set: {error}") from error
    pipeline, used = Changer[Pipeline](name).change(pipeline, given)
    if missing := sorted(set(given) - used):
        raise ConfigError([f"--set {path}: {name} has no such setting." for path in missing])
    return pipeline


def _of_pipeline(target: str, pipeline: Pipeline, runs: Path, asked: tuple[int, int], options: Options) -> Estimate:
    from ragvlc.estimate.estimate import estimate_pipeline

    context, questions = asked
    return estimate_pipeline(pipeline, context, runs, name=Path(target).stem, questions=questions, options=options)


def _foretold(
    pipeline: Pipeline, context: int, runs: Path, options: Options, given: tuple[float | None, list[str] | None]
) -> tuple[list[Forecast], str]:
    """Returns the forecasts of speculative decoding and any error message; both are empty for other pipelines."""
    from ragvlc.estimate.forecast import Given, forecasts, speculating_routes

    acceptance, shapes = given
    asked = acceptance is not None or bool(shapes)
    if not asked and not speculating_routes(pipeline):
        return [], ""
    try:
        return forecasts(pipeline, context, runs, Given(acceptance, _by_role(shapes), options.machine)), ""
    except ConfigError as error:
        if asked:
            raise
        return [], f"The context length from which speculation pays is not known: {error}"


def _by_role(shapes: list[str] | None) -> dict[str, str]:
    found = {}
    for one in shapes or ():
        role, separator, name = one.partition("=")
        if not separator:
            raise ConfigError(f"--shape {one}: needs ROLE=NAME, such as main=llama-3.1-8b.")
        found[role.strip()] = name.strip()
    return found


def _print_table(found: Estimate) -> None:
    from rich.table import Table

    screen, total = out(), found.total
    shows = "pending questions" if found.pending else "all questions, as if nothing were stored"
    heads = ["questions", "calls", "prompt\ntokens", "cached", "new\ntokens", "at most", "seconds"]
    money = any(total[name] != 0 for name in ("money", "money_most"))
    heads += ["money", "at most"] if money else []
    table = Table("cell", title=f"{found.name}: {shows}", title_justify="left", box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right")
    for cell in (*found.cells, *([total] if len(found.cells) > 1 else [])):
        if cell is total or len(found.cells) == 1:
            table.add_row(cell.name, *_row(cell, money=money), style="bold")
        else:
            table.add_row(cell.name, *_row(cell, money=money))
    screen.print(table)
    if found.answered:
        screen.print(f"{found.answered:,} questions are answered already (--all counts them, too).")
    screen.print(_sharing(total))
    if total.spread:
        counted = f"{total.sampled:,} of {total['questions']:,.0f} questions were counted"
        screen.print(
            f"{counted}; with 95 % confidence the prompt tokens are right to {total.spread:.1%} (--sample 0: all)."
        )
    if len(found.models) > 1:
        for name, figures in found.models.items():
            tokens = f"{figures['prompt_tokens']:,.0f} prompt and {figures['completion_tokens']:,.0f} new tokens"
            screen.print(f"{name}: {figures['calls']:,.0f} calls, {tokens}, {seconds_text(figures['seconds'])}")
    for sentence in (*found.notes, *found.problems):
        screen.print(sentence)


def _row(cell: CellEstimate, *, money: bool) -> list[str]:
    counts = ("questions", "calls", "prompt_tokens", "cached_tokens", "completion_tokens", "completion_tokens_most")
    row = [f"{cell[name]:,.0f}" for name in counts]
    row.append(seconds_text(cell["seconds"]))
    return row + ([money_text(cell["money"]), money_text(cell["money_most"])] if money else [])


def _sharing(total: CellEstimate) -> str:
    """Returns a sentence that compares the requested work with the work that remains after caching."""
    asked, stored = total["calls_asked"], total["calls_stored"]
    parts = [f"{asked:,.0f} prompts of {total['prompt_tokens_asked']:,.0f} tokens, {total['calls']:,.0f} to compute"]
    parts[0] += f" ({stored:,.0f} stored on disk)" if stored else ""
    words = ("chunkings", "indexes", "rankings", "rerankings")
    parts += [
        f"{total[f'{word}_asked']:,.0f} {word}, {total[word]:,.0f} to compute"
        for word in words
        if total[f"{word}_asked"]
    ]
    if total["texts_embedded_asked"] or total["texts_embedded"]:
        embedded = f"{total['texts_embedded']:,.0f} to compute ({total['tokens_embedded']:,.0f} tokens)"
        parts.append(f"{total['texts_embedded_asked']:,.0f} texts to embed, {embedded}")
    if total["tokens_reranked"]:
        parts.append(f"about {total['tokens_reranked']:,.0f} tokens for rerankers to read")
    if total["rescored"]:
        parts.append(f"{total['rescored']:,.0f} stored answers to score")
    return "Requested: " + "; ".join(parts) + "."
