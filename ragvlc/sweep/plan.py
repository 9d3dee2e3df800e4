"""Plans the cells of a sweep without loading any model or data set."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ragvlc.core.component import Component
from ragvlc.core.cycles import without_collection
from ragvlc.core.data import content_key
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Chunker, Generator, Retriever, Route
from ragvlc.core.paths import walk
from ragvlc.documents.dataset import Dataset
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.settings import Changer
from ragvlc.sweep.spec import AROUND, Latency, Sweep, choices

__all__ = ["Cell", "cell_key", "combinations", "distinct_work", "judges", "plan", "remarks"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One pipeline with one value for each axis, on one data set, with one seed.

    Attributes:
        key: hash of everything that can change an answer; name of the folder.
        name: readable, unique within the sweep.
        pipeline_name: name in the sweep.
        pipeline: with the settings applied.
        dataset: with the settings applied.
        settings: value by axis path, for the paths that this pipeline has.
        repeat: counts from 0.
        seed: of this repeat.
        pipelines: names of all pipelines that are equal in this cell.
        latency: `cold` for a cell whose seconds are measured; see `Sweep`.
    """

    key: str
    name: str
    pipeline_name: str
    pipeline: Pipeline
    dataset: Dataset
    settings: Mapping[str, Any]
    repeat: int
    seed: int
    pipelines: tuple[str, ...] = ()
    latency: Latency = "warm"

    @property
    def cold(self) -> bool:
        """Whether seconds are measured on one question at a time, with only models, chunks and indexes cached."""
        return self.latency == "cold"

    @property
    def control(self) -> bool:
        """Whether a route of this cell reads the gold."""
        return bool(self.pipeline.controls)


@without_collection()
def plan(sweep: Sweep) -> list[Cell]:
    """Returns the distinct cells of a sweep, in the order of its file.

    Parent axes apply before child axes, and a child that no longer exists is dropped for that cell; a pipeline that
    lacks a path is not multiplied along it; equal cells are merged; a cell with nothing random in it
    runs once regardless of `repeats`.

    Raises:
        ConfigError: for more combinations than `max_cells`, for a path that no pipeline has, and for values that a
            pipeline refuses.
    """
    _check_size(sweep)
    axes = [choices(axis, values) for axis, values in sweep.axes.items()]
    data_changer, original = Changer[_Around](sweep.name), _Around(dataset=sweep.dataset, latency=sweep.latency)
    cells: dict[str, Cell] = {}
    names: dict[str, list[str]] = {}
    wrong: list[str] = []
    placed: set[str] = set()
    for name, pipeline in sweep.pipelines.items():
        changer = Changer[Pipeline](f"{sweep.name}: {name}")
        planned: set[tuple[int, int]] = set()
        for combination in itertools.product(*axes):
            settings = {path: value for choice in combination for path, value in choice.items()}
            try:
                changed, used = changer.change(pipeline, _part_of(settings, data=False))
                data, data_used = data_changer.change(original, _part_of(settings, data=True))
            except ConfigError as error:
                wrong += error.problems
                placed |= {path for path in settings if changer.has(pipeline, path) or data_changer.has(original, path)}
                placed |= {path for path in settings if any(path.startswith(f"{other}.") for other in settings)}
                continue
            placed |= used | data_used
            if (id(changed), id(data)) in planned:  # settings that this pipeline has no place for
                continue
            planned.add((id(changed), id(data)))
            own = {path: value for path, value in settings.items() if path in used | data_used}
            for cell in _repeats(sweep, name, changed, data, own):
                cells.setdefault(cell.key, cell)
                names.setdefault(cell.key, []).append(name)
    wrong += _unplaced(sweep, axes, placed)
    wrong += _objections(sweep, list(cells.values()))
    if wrong:
        raise ConfigError(list(dict.fromkeys(wrong)))
    named = _named(cells, names)
    if sweep.decide is not None and (wanted := sweep.decide.baseline):
        known = list(dict.fromkeys([*sweep.pipelines, *(cell.name for cell in named)]))
        if wanted not in known:
            raise ConfigError(f"{sweep.name}: decide.baseline: '{wanted}' is none of {known}.{nearest(wanted, known)}")
    return named


def combinations(sweep: Sweep) -> int:
    """Returns the number of combinations of a sweep's pipelines, values and repeats; builds none of them."""
    return math.prod(_factors(sweep).values())


def _factors(sweep: Sweep) -> dict[str, int]:
    factors = {"pipelines": len(sweep.pipelines)} | {axis: len(values) for axis, values in sweep.axes.items()}
    if any(pipeline.random for pipeline in sweep.pipelines.values()):
        factors["repeats"] = sweep.repeats
    return factors


def _check_size(sweep: Sweep) -> None:
    """Raises `ConfigError` if the sweep has more combinations than it allows; builds none of them."""
    factors, number = _factors(sweep), combinations(sweep)
    if number > sweep.max_cells:
        sizes = " x ".join(f"{size:,} ({name})" for name, size in factors.items() if size > 1)
        raise ConfigError(
            f"{sweep.name}: {sizes} make {number:,} combinations, more than max_cells ({sweep.max_cells:,}). "
            f"Leave out values, or set max_cells to a larger number."
        )


class _Around(Component):
    """The settings outside a pipeline that an axis may vary: data set and latency."""

    dataset: Dataset
    latency: Latency = "warm"


def _part_of(settings: Mapping[str, Any], *, data: bool) -> dict[str, Any]:
    return {path: value for path, value in settings.items() if (path.partition(".")[0] in AROUND) == data}


def remarks(cells: Sequence[Cell]) -> list[str]:
    """Returns sentences to know about the models and data sets of these cells, each once."""
    found = [remark for _, part in _parts(cells) for remark in part.remarks()]
    datasets = {id(cell.dataset): cell.dataset for cell in cells}
    found += [remark for dataset in datasets.values() for remark in dataset.all_remarks()]
    found += [remark for cell in cells for remark in _of_prompts(cell)]
    return list(dict.fromkeys(found))


def remarks_of(cell: Cell) -> list[str]:
    """Returns sentences to know about a cell: of its models, its data set, and whose prompts are used."""
    return [*cell.pipeline.all_remarks(), *cell.dataset.all_remarks(), *_of_prompts(cell)]


def _of_prompts(cell: Cell) -> list[str]:
    found: list[str] = []
    if getattr(cell.dataset, "prompts", "") == "official":
        leaves = {
            path: part for path, part in walk(cell.pipeline) if isinstance(part, Route) and not _holds_route(part)
        }
        own = [path for path, part in leaves.items() if not (part.asks_officially or part.ranks_only)]
        closed = (
            [] if getattr(cell.dataset, "asks_closed", False) else [path for path in leaves if _is_closed(leaves[path])]
        )
        said = f"asks with the prompts of ragvlc, not with those of {cell.dataset.kind}'s authors"
        why = "only routes that read and ask in one call, and offer no word to decline with, use those."
        found += [f"{cell.pipeline_name}: {', '.join(own)} {said}: {why}"] if own else []
        none = "they have none for a question without documents."
        found += [f"{cell.pipeline_name}: {', '.join(closed)} {said}: {none}"] if closed else []
    return found


def _is_closed(route: Route) -> bool:
    """Returns whether a route that may use a benchmark's prompt sends no documents."""
    return route.asks_officially and "document" not in getattr(route, "answer_fields", ("document",))


def _holds_route(route: Route) -> bool:
    return any(isinstance(part, Route) for part in route.parts())


def judges(sweep: Sweep) -> list[str]:
    """Returns the labels of metrics that ask generators."""
    return [metric.label for metric in sweep.metrics if any(isinstance(part, Generator) for part in metric.parts())]


def distinct_work(cells: Sequence[Cell]) -> dict[str, int]:
    """Returns the numbers of distinct chunkings and rankings per question, computed only from the specs."""
    chunkings, rankings = set(), set()
    for cell, route in _parts(cells):
        parts = route.parts()
        for chunker in parts:
            if not isinstance(chunker, Chunker):
                continue
            chunkings.add((cell.dataset.key, chunker.key))
            rankings |= {
                (cell.dataset.key, chunker.key, retriever.key, *_models_of(retriever, cell.pipeline))
                for retriever in parts
                if isinstance(retriever, Retriever)
            }
    return {"chunkings": len(chunkings), "rankings": len(rankings)}


def _models_of(part: Component, pipeline: Pipeline) -> list[tuple[str, str, str]]:
    tables: dict[str, Mapping[str, Component]] = {"generators": pipeline.generators, "embedders": pipeline.embedders}
    return [(table, role, tables[table][role].key) for table, role, _ in sorted(part.roles())]


def _parts(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Component]]:
    """Yields every component of the cells with a cell that has it: once for all cells that share it.

    What a component means depends on the data set and on the models beside it: cells that differ in these are apart.
    """
    shared: dict[tuple[Any, ...], dict[int, Component]] = {}  # the components too, so that their ids are not reused
    for cell in cells:
        models = (*cell.pipeline.generators.values(), *cell.pipeline.embedders.values())
        seen = shared.setdefault((cell.pipeline_name, id(cell.dataset), *map(id, models)), {})
        waiting: list[Component] = [cell.pipeline]
        while waiting:
            part = waiting.pop()
            if id(part) not in seen:
                seen[id(part)] = part
                yield cell, part
                waiting += reversed(part.parts())


def _unplaced(sweep: Sweep, axes: Sequence[Sequence[Mapping[str, Any]]], placed: set[str]) -> list[str]:
    places = [*sweep.pipelines.values(), _Around(dataset=sweep.dataset)]
    known = dict.fromkeys(path for place in places for path, _ in walk(place))
    wrong = []
    for path in dict.fromkeys(path for axis in axes for choice in axis for path in choice if path not in placed):
        part, _, last = path.rpartition(".")
        hint = f" Vary '{part}' itself." if last == "kind" and part in known else nearest(path, known)
        wrong.append(f"{sweep.name}: axes['{path}'] matches no pipeline.{hint}")
    return wrong


def _objections(sweep: Sweep, cells: Sequence[Cell]) -> list[str]:
    """Returns the sentences on what must not run as it is set: models, metrics of answers, a cost without prices."""
    unpriced = [cell for cell in cells if all(one.price is None for one in cell.pipeline.generators.values())]
    wrong = []
    if sweep.decide is not None and sweep.decide.cost == "money" and unpriced:
        names = ", ".join(dict.fromkeys(cell.pipeline_name for cell in unpriced))
        wrong.append(
            f"{sweep.name}: decide.cost: money needs prices, and no generator of {names} has one. Add `price: "
            "{prompt: ..., completion: ...}` (money per million tokens), or take `cost: tokens`."
        )
    wrong += [
        f"{sweep.name}: pipelines.{cell.pipeline_name}: {refusal}"
        for cell, part in _parts(cells)
        for refusal in part.refusals()
    ]
    wrong += [
        f"{sweep.name}: metrics.{one.label}: {refusal}" for one in sweep.metrics for refusal in one.all_refusals()
    ]
    asked = {(cell.pipeline_name, *map(id, cell.pipeline.generators.values())): cell for cell in cells}
    return wrong + [
        f"{sweep.name}: metrics.{metric.label} and pipelines.{cell.pipeline_name}: {objection}"
        for cell in asked.values()
        for metric in sweep.metrics
        if (objection := metric.objection(tuple(cell.pipeline.generators.values())))
    ]


def _repeats(
    sweep: Sweep, name: str, pipeline: Pipeline, around: _Around, settings: Mapping[str, Any]
) -> Iterator[Cell]:
    random, dataset, latency = pipeline.random, around.dataset, around.latency
    for repeat in range(sweep.repeats if random else 1):
        seed = _seed(sweep.seed, repeat)
        key = cell_key(pipeline, dataset, seed, latency)
        yield Cell(key, name, name, pipeline, dataset, settings, repeat, seed, latency=latency)


@lru_cache(maxsize=1024)
def _seed(seed: int, repeat: int) -> int:
    return int(content_key([seed, repeat])[:8], 16) >> 1


def cell_key(pipeline: Pipeline, dataset: Dataset, seed: int, latency: Latency) -> str:
    """Returns the hash of everything that can change an answer of a cell."""
    facts = [pipeline.key, dataset.key, seed if pipeline.random else 0, *(["cold"] if latency == "cold" else [])]
    return content_key(facts)[:16]


def _named(found: Mapping[str, Cell], pipelines: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Returns the cells with their pipelines and unique names.

    A name is made of the pipeline, the settings that vary, and the number of the repeat.
    """
    cells = list(found.values())
    labels = _labels({path for cell in cells for path in cell.settings})
    seen: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        for path in labels:
            seen.setdefault((cell.pipeline_name, path), set()).add(repr(cell.settings.get(path)))
    named = []
    taken: Counter[str] = Counter()
    for cell in cells:
        own = {path: value for path, value in cell.settings.items() if len(seen[cell.pipeline_name, path]) > 1}
        words = [cell.pipeline_name, *(f"{labels[path]}={_short(value)}" for path, value in own.items())]
        words += [f"#{cell.repeat + 1}"] if cell.repeat else []
        name = " ".join(words)
        taken[name] += 1  # long values may look alike once they are cut short
        unique = name if taken[name] == 1 else f"{name} ({taken[name]})"
        named.append(replace(cell, name=unique, pipelines=tuple(dict.fromkeys(pipelines[cell.key]))))
    return named


def _labels(paths: set[str]) -> dict[str, str]:
    """Returns, for each path, the shortest suffix that no other path has."""
    found = {}
    for path in paths:
        words = path.split(".")
        endings = [".".join(words[-length:]) for length in range(1, len(words) + 1)]
        others = [other for other in paths if other != path]
        found[path] = next(
            ending for ending in endings if not any(f".{other}".endswith(f".{ending}") for other in others)
        )
    return found


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        inner = ",".join(f"{name}={_short(item)}" for name, item in value.items() if name != "kind")
        return f"{value.get('kind', '')}({inner})" if inner else str(value.get("kind", ""))
    text = " ".join(str(value).split())
    if len(text) <= 32:
        return text
    return f"…{text[-31:]}" if Path(text).is_absolute() else f"{text[:31]}…"  # paths differ at their ends
