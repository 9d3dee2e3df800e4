"""From a sweep to its cells: pure, opens nothing, and says what is worth computing once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ragvlc import config
from ragvlc.core.component import Component
from ragvlc.core.data import content_key
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Chunker, Dataset, Retriever
from ragvlc.pipeline import Pipeline
from ragvlc.run import Models
from ragvlc.sweep.spec import Sweep

__all__ = ["Cell", "distinct_work", "plan"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One pipeline with one setting of every axis, over one data set, with one seed.

    Attributes:
        key: hash of what can change an answer; the folder's name.
        name: readable, unique within the sweep.
        pipeline_name: the name in the sweep's list.
        pipeline: with the settings applied.
        dataset: with the settings applied.
        settings: value by axis path, for the paths that this pipeline has.
        repeat: counts from 0.
        seed: of this repeat.
    """

    key: str
    name: str
    pipeline_name: str
    pipeline: Pipeline
    dataset: Dataset
    settings: Mapping[str, Any]
    repeat: int
    seed: int

    @property
    def control(self) -> bool:
        """Whether a route of this cell reads gold."""
        return bool(self.pipeline.controls)


def plan(sweep: Sweep) -> list[Cell]:
    """Returns the distinct cells of a sweep, in the order of its file.

    Parent axes apply before child axes, and a child that no longer exists is dropped for that cell; a pipeline that
    lacks a path is not multiplied along it; cells that come out equal are one cell; a cell with nothing random in it
    runs once whatever `repeats` says.

    Raises:
        ConfigError: for a path that no pipeline has, and for values that a pipeline refuses.
    """
    axes = [_choices(axis, values) for axis, values in sweep.axes.items()]
    cells: dict[str, Cell] = {}
    wrong: list[str] = []
    placed: set[str] = set()
    for name, pipeline in sweep.pipelines.items():
        for combination in itertools.product(*axes):
            settings = {path: value for choice in combination for path, value in choice.items()}
            try:
                changed, used = _with_settings(pipeline, settings, f"{sweep.name}: {name}")
                dataset, data_used = _with_data_settings(sweep, settings)
            except ConfigError as error:
                wrong += error.problems
                placed |= set(settings)
                continue
            placed |= set(used) | set(data_used)
            for cell in _repeats(sweep, name, changed, dataset, used | data_used):
                cells.setdefault(cell.key, cell)
    wrong += _unplaced(sweep, axes, placed)
    if wrong:
        raise ConfigError(list(dict.fromkeys(wrong)))
    return _named(list(cells.values()))


def distinct_work(cells: Sequence[Cell]) -> dict[str, int]:
    """Returns how many chunkings and rankings a question's documents need, as specs alone tell, each done once."""
    chunkings, rankings = set(), set()
    for cell in cells:
        models = Models(cell.pipeline.generators, cell.pipeline.embedders)
        for route in _every(cell.pipeline):
            parts = list(route.parts())
            for chunker in parts:
                if not isinstance(chunker, Chunker):
                    continue
                chunkings.add(content_key([cell.dataset.key, chunker.key]))
                rankings |= {
                    content_key([cell.dataset.key, chunker.key, models.key_of(retriever)])
                    for retriever in parts
                    if isinstance(retriever, Retriever)
                }
    return {"chunkings": len(chunkings), "rankings": len(rankings)}


def _every(part: Component) -> Iterator[Component]:
    yield part
    for child in part.parts():
        yield from _every(child)


def _choices(axis: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns a mapping of paths to values for each value of an axis; an axis without a dot may bring mappings."""
    if "." not in axis and axis != "dataset" and all(isinstance(value, Mapping) for value in values):
        return [dict(value) for value in values]
    return [{axis: value} for value in values]


def _unplaced(sweep: Sweep, axes: Sequence[Sequence[Mapping[str, Any]]], placed: set[str]) -> list[str]:
    specs: list[dict[str, Any]] = [pipeline.spec() for pipeline in sweep.pipelines.values()]
    known = [path for spec in [*specs, {"dataset": sweep.dataset.spec()}] for path in _paths(spec)]
    every = dict.fromkeys(path for axis in axes for choice in axis for path in choice)
    return [
        f"{sweep.name}: axes['{path}'] matches no pipeline.{nearest(path, known)}"
        for path in every
        if path not in placed
    ]


def _paths(spec: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in spec.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}.")


def _by_depth(settings: Mapping[str, Any], *, data: bool) -> list[list[str]]:
    """Returns the paths of the pipeline (or of the data set) in groups of equal depth, shallow ones first."""
    own = [path for path in settings if (path.split(".")[0] == "dataset") == data]
    depths = sorted({path.count(".") for path in own})
    return [[path for path in own if path.count(".") == depth] for depth in depths]


def _with_settings(pipeline: Pipeline, settings: Mapping[str, Any], source: str) -> tuple[Pipeline, dict[str, Any]]:
    """Returns the pipeline with the settings it has a place for, parents first, and which those were."""
    used: dict[str, Any] = {}
    for paths in _by_depth(settings, data=False):
        spec = pipeline.spec()
        here = {path: settings[path] for path in paths if _put(spec, path, settings[path])}
        if here:
            pipeline = config.build(Pipeline, spec, source)
            used |= here
    return pipeline, used


def _with_data_settings(sweep: Sweep, settings: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    dataset = sweep.dataset
    used: dict[str, Any] = {}
    for paths in _by_depth(settings, data=True):
        spec: dict[str, Any] = {"dataset": dataset.spec()}
        here = {path: settings[path] for path in paths if _put(spec, path, settings[path])}
        if here:
            dataset = config.build(_Data, spec, sweep.name).dataset
            used |= here
    return dataset, used


class _Data(Component):
    dataset: Dataset


def _put(spec: dict[str, Any], path: str, value: object) -> bool:
    """Sets `path` in `spec` if it exists there; returns whether it does."""
    *parents, last = path.split(".")
    place: Any = spec
    for step in parents:
        place = place.get(step) if isinstance(place, Mapping) else None
    if not isinstance(place, dict) or last not in place:
        return False
    place[last] = value
    return True


def _repeats(
    sweep: Sweep, name: str, pipeline: Pipeline, dataset: Dataset, settings: Mapping[str, Any]
) -> Iterator[Cell]:
    for repeat in range(sweep.repeats if pipeline.random else 1):
        seed = int(content_key([sweep.seed, repeat])[:8], 16) >> 1
        key = content_key([pipeline.key, dataset.key, seed if pipeline.random else 0])[:16]
        yield Cell(key, name, name, pipeline, dataset, settings, repeat, seed)


def _named(cells: list[Cell]) -> list[Cell]:
    """Returns the cells with names that tell them apart: pipeline, the settings that vary, and the repeat."""
    labels = _labels({path for cell in cells for path in cell.settings})
    varied = {}
    for name in {cell.pipeline_name for cell in cells}:
        own = [cell for cell in cells if cell.pipeline_name == name]
        values = {path: {json.dumps(cell.settings.get(path)) for cell in own} for path in labels}
        varied[name] = {path for path, seen in values.items() if len(seen) > 1}
    named = []
    for cell in cells:
        words = [cell.pipeline_name]
        words += [
            f"{labels[path]}={_short(value)}"
            for path, value in cell.settings.items()
            if path in varied[cell.pipeline_name]
        ]
        words += [f"#{cell.repeat + 1}"] if cell.repeat else []
        named.append(replace(cell, name=" ".join(words)))
    return named


def _labels(paths: set[str]) -> dict[str, str]:
    """Returns the shortest ending of each path that no other path has."""
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
    return str(value)
