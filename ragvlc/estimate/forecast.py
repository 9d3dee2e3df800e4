"""Forecast of the speed-up of speculative decoding at a context length, compared with measured speed-ups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ragvlc.analysis.speculation_acceptance import acceptance_by_place, taken
from ragvlc.analysis.speculation_break_even import BreakEven, Point, Speculator
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Generator
from ragvlc.estimate.drafting import speculating_in
from ragvlc.estimate.history import History
from ragvlc.hardware.model_sizes import KNOWN, Shape, UnknownShape, config_of, shape_of
from ragvlc.hardware.placement import Machine, device_for, shape_for, window_for
from ragvlc.hardware.roofline import Device, replayed
from ragvlc.pipeline import Pipeline
from ragvlc.reading.speculation import Speculating
from ragvlc.results.speculation import Speculated, Speculation

__all__ = ["Compared", "Forecast", "Given", "forecasts", "speculating_routes"]


@dataclass(frozen=True, slots=True)
class Given:
    """Assumptions of a forecast: acceptance rate, model sizes and machine.

    Attributes:
        acceptance: of proposed tokens; None for what was measured, or else assumed.
        shapes: sizes in place of the models' own, by role: a name in `KNOWN`, a folder or a model of the local cache.
        machine: what computes.
    """

    acceptance: float | None = None
    shapes: Mapping[str, str] | None = None
    machine: Machine = Machine()


@dataclass(frozen=True, slots=True)
class Compared:
    """Measurements of a stored cell, and the prediction for the same contexts, draft length and acceptance rate.

    Attributes:
        name: of its sweep and cell.
        gamma: tokens drafted at a time.
        sums: measured.
        point: predicted.
    """

    name: str
    gamma: int
    sums: Speculation
    point: Point

    def to_json(self) -> dict[str, Any]:
        """Returns the measured and predicted figures as JSON values."""
        return {
            "cell": self.name,
            "answers": self.sums.answers,
            "acceptance": self.sums.token_acceptance,
            "tokens_a_second": self.sums.tokens_a_second,
            "plain_tokens_a_second": self.sums.plain_tokens_a_second,
            "speedup": self.sums.speedup,
            "predicted": _point_form(self.point),
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """The predicted speed-up and break-even point of one route with speculative decoding.

    Attributes:
        route: name.
        models: of target and drafter.
        asked: at the context asked for, with the route's own draft length.
        best: at that context, with the best draft length.
        own_break_even: from which context on the route's own draft length pays.
        break_even: from which on the best one does.
        table: contexts (rows) by draft lengths (columns).
        measured: stored cells of the same models.
        notes: what the figures rest on.
    """

    route: str
    models: str
    asked: Point
    best: Point
    own_break_even: BreakEven
    break_even: BreakEven
    table: tuple[tuple[Point, ...], ...]
    measured: tuple[Compared, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the whole forecast as JSON values; a break-even point of null means never."""
        return {
            "route": self.route,
            "models": self.models,
            "asked": _point_form(self.asked),
            "best": _point_form(self.best),
            "own_break_even": asdict(self.own_break_even),
            "break_even": asdict(self.break_even),
            "table": [_point_form(point) for row in self.table for point in row],
            "measured": [one.to_json() for one in self.measured],
            "notes": list(self.notes),
        }


def speculating_routes(pipeline: Pipeline) -> dict[str, Speculating]:
    """Returns the speculatively decoding routes by name; a nested route has the name of its outer route."""
    return {name: found for name, route in pipeline.routes.items() for found in speculating_in(route)}


def forecasts(pipeline: Pipeline, context: int, runs: str | Path = "runs", given: Given = Given()) -> list[Forecast]:
    """Returns a forecast for each speculatively decoding route of a pipeline, without loading a model.

    Args:
        pipeline: with at least one such route.
        context: tokens that the target reads.
        runs: folder of results that say what was accepted and how fast it was.
        given: what is taken to be so.

    Raises:
        ConfigError: no route speculates, or a size or the device is not known.
    """
    routes = speculating_routes(pipeline)
    if not routes:
        kinds = ", ".join(route.kind for route in pipeline.routes.values())
        raise ConfigError(f"no route of this pipeline decodes speculatively ({kinds}). Take one of kind: rapid.")
    unknown = sorted(set(given.shapes or ()) - set(pipeline.generators))
    if unknown:
        known = list(pipeline.generators)
        raise ConfigError(
            [f"--shape {role}: no such role. Known: {', '.join(known)}.{nearest(role, known)}" for role in unknown]
        )
    history = History(Path(runs))
    return [_forecast(name, route, pipeline, context, history, given) for name, route in routes.items()]


def _forecast(
    name: str, route: Speculating, pipeline: Pipeline, context: int, history: History, given: Given
) -> Forecast:
    notes: list[str] = []
    models = [pipeline.generators[role] for role in (route.generator, route.draft)]
    sized = [
        (given.shapes or {}).get(role) or str(model.spec().get("model", model.kind))
        for role, model in zip((route.generator, route.draft), models, strict=True)
    ]
    target, draft = (
        _shape(role, model, given) for role, model in zip((route.generator, route.draft), models, strict=True)
    )
    device = _device(models[0], given, (target, draft), notes)
    past = [] if given.shapes else history.speculated(models[0], models[1])
    acceptance = taken(route, past, given.acceptance)
    notes.append(acceptance.words)
    model = Speculator(target, draft, device, route.draft_reads, acceptance.value)
    best = model.best(context)
    gammas = sorted({1, 2, 4, 8, 16, route.gamma, best.gamma})
    contexts = [max(1, context * times // 16) for times in (1, 4, 16, 64, 256)]
    notes += _limits(model, context, [] if given.shapes else models)
    notes += ["Measured figures are those of the machines that the stored answers came from."] if past else []
    return Forecast(
        route=name,
        models=sized[0] if sized[0] == sized[1] else f"{sized[0]} from {sized[1]}",
        asked=model.at(context, route.gamma),
        best=best,
        own_break_even=model.break_even(route.gamma),
        break_even=model.break_even(),
        table=tuple(map(tuple, model.table(contexts, gammas))),
        measured=tuple(_compared(one, model) for one in past),
        notes=tuple(notes),
    )


def _shape(role: str, model: Generator, given: Given) -> Shape:
    named = (given.shapes or {}).get(role)
    if named is not None and named in KNOWN:
        return shape_of(KNOWN[named])
    if named is not None:
        try:
            return shape_of(config_of(named))
        except UnknownShape as error:
            known = ", ".join(KNOWN)
            raise ConfigError(
                f"--shape {role}={named}: {error}. Known: {known}, or a model's folder.{nearest(named, KNOWN)}"
            ) from error
    notes: list[str] = []
    found = shape_for(model, notes)
    if found is None:
        reason = notes[0] if notes else f"a generator of kind '{model.kind}' says nothing of its model's size"
        raise ConfigError(
            f"generators.{role}: {reason}. Give one with --shape {role}=NAME, such as {role}={next(iter(KNOWN))}."
        )
    return found


def _device(model: Generator, given: Given, shapes: Sequence[Shape], notes: list[str]) -> Device:
    device = device_for(model, given.machine)
    if device is None:
        raise ConfigError("what computes is not known here. Name it with --device, such as h200.")
    bandwidth = device.bandwidth * device.traffic_share / 1e9
    shares = f"({device.traffic_share:.0%} of its bandwidth), {device.compute_share:.0%} of its operations"
    notes.append(
        f"By bytes, arithmetic and launches on {device.name}: {bandwidth:,.0f} GB/s reached {shares}; "
        f"{_launches(device, shapes)}."
    )
    return device


def _launches(device: Device, shapes: Sequence[Shape]) -> str:
    """Returns the launch times per layer of target and drafter, as text."""
    words = []
    if device.recorded is not None and any(replayed(shape, device) for shape in shapes):
        one, several = (seconds * 1e6 for seconds in (device.recorded.row_seconds, device.recorded.rows_seconds))
        words.append(f"{one:.2g} µs more for a layer of a recorded step and {several:.2g} for one of a check")
    if device.launch_seconds and not all(replayed(shape, device) for shape in shapes):
        words.append(f"launches of {device.launch_seconds * 1e3:.2g} ms a layer at least")
    return ", ".join(words) or "no launches"


def _compared(one: Speculated, model: Speculator) -> Compared:
    sums, gamma = one.sums, int(one.route["gamma"])
    contexts = [max(1, round(tokens / sums.answers)) for tokens in (sums.target_tokens, sums.draft_tokens)]
    own = replace(model, reads=lambda _: contexts[1], acceptance=acceptance_by_place(sums))
    return Compared(one.name, gamma, sums, own.at(contexts[0], gamma))


def _limits(model: Speculator, context: int, models: Sequence[Generator]) -> Iterator[str]:
    """Yields warnings if this context exceeds the target's window or the device's memory."""
    for one in models[:1]:
        window = window_for(one, [])
        if context > window:
            yield f"The target's window is {window:,} tokens: figures beyond are for one that holds them."
    held = model.target.held_bytes(context) + model.target.parameters * model.target.weight_bytes
    if held > model.device.memory:
        yield f"Weights and cache of the target take {held / 1e9:,.0f} GB, more than {model.device.name} has."


def _point_form(point: Point) -> dict[str, float]:
    return {**asdict(point), "speedup": point.speedup}
