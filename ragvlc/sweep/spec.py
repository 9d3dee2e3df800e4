"""The specification of a sweep: pipelines, data, axes and metrics, as described by a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ragvlc import config
from ragvlc.core.budget import Budget
from ragvlc.core.component import Component, Execution, part
from ragvlc.core.decision import Decide
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Executor, Metric, Strategy, Tracker
from ragvlc.core.given_paths import path_of
from ragvlc.core.length_margin import LengthMargin
from ragvlc.core.names import FolderName
from ragvlc.core.paths import Base, Spot, placed_choices
from ragvlc.documents.dataset import Dataset
from ragvlc.pipeline import Pipeline

__all__ = ["AROUND", "Latency", "Sweep", "choices"]

Latency = Literal["warm", "cold"]
AROUND = ("dataset", "latency")
"""Fields that an axis may vary besides a pipeline."""


def choices(axis: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns, for each value of an axis, a mapping of paths to settings; values of a named axis are such mappings."""
    is_path = "." in axis or axis in AROUND or axis in Pipeline.model_fields
    if not is_path and all(isinstance(value, Mapping) for value in values):
        return [dict(value) for value in values]
    return [{axis: value} for value in values]


def _load_pipelines(value: object, info: ValidationInfo) -> object:
    """Loads pipelines by shipped name or path, and collects the problems of all files."""
    if isinstance(value, (list, tuple)):
        value = {Path(str(name)).stem: name for name in value}
    if not isinstance(value, Mapping):
        return value
    folder = (info.context or {}).get("folder")
    found: dict[str, object] = {}
    wrong: list[str] = []
    for name, given in value.items():
        found[str(name)] = given
        if isinstance(given, str):
            try:
                path = config.find_file(given, "pipelines", folder)
                found[str(name)] = config.build(Pipeline, config.read_yaml(path), str(path), path.parent)
            except ConfigError as error:
                wrong += [f"pipelines.{name}: {problem}" for problem in error.problems]
    if wrong:
        raise PydanticCustomError("files", "{text}", {"text": "; ".join(wrong), "sentences": tuple(wrong)})
    return found


def _placed_axes(axes: dict[str, list[Any]], info: ValidationInfo) -> dict[str, list[Any]]:
    """Resolves relative paths in the values of axes, as in other fields, so that planning works in any folder."""
    context = info.context or {}
    folder, bases = context.get("folder"), context.get("bases") or {}
    if not folder or not {"dataset", "pipelines"} <= set(info.data):  # made in Python, or refused already
        return axes
    roots = [Spot(pipeline, Pipeline) for pipeline in info.data["pipelines"].values()]
    roots += [Spot({"dataset": info.data["dataset"]}, Mapping[str, Dataset])]
    written = Base(Path(folder), Path.cwd())
    found = placed_choices(
        [choices(axis, values) for axis, values in axes.items()], roots, [bases.get(axis, written) for axis in axes]
    )
    return {
        axis: placed if choices(axis, axes[axis]) == axes[axis] else [choice[axis] for choice in placed]
        for axis, placed in zip(axes, found, strict=True)
    }


def _reads_all(pipeline: Pipeline) -> bool:
    return all(route.kind == "full_context" for route in pipeline.routes.values())


def _labelled(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    labels = [metric.label for metric in metrics]
    if not labels:  # not a minimum length of the field, which would also be reported for misspelt metrics
        raise ValueError("needs at least one metric")
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two metrics are called '{label}'")
    return metrics


class Sweep(Component):
    """A comparison of pipelines over a data set.

    Attributes:
        name: of the experiment; a file's stem by default.
        description: the question that it answers, in one or two sentences.
        dataset: the questions.
        pipelines: systems by name; in YAML a list of shipped names or of paths relative to the file.
        axes: dotted path into a pipeline (or `dataset.`) and its values; a custom name may have a list of mappings
            that set several paths together. One value is an override.
        metrics: that score the answers.
        baseline: the pipeline that the others are compared with; the first by default.
        repeats: number of runs of cells with random parts, each with its own seed.
        max_cells: a sweep of more combinations (pipelines times values of every axis times repeats) is refused before
            any is built.
        seed: from which every seed is derived.
        max_failures: a cell stops when more than this share of its questions failed.
        concurrency: number of questions that each process with models answers at the same time.
        decide: metrics with margins and a cost, for a decision which cell may replace the baseline.
        effective_length: metric and margin of the longest context at which a route is not worse than at the shortest.
        budget: limits on the pending work; `ragvlc run` does not start beyond them.
        latency: `cold` asks one question at a time, ranks and generates anew, and uses no prefix cache: the seconds
            of such a cell are those of a single question, with models loaded and indexes built. Latency tables have
            cold cells only. Also an axis: `latency: [warm, cold]` does both.
        strategy: which questions are asked of which cells: `all`; `race`, which stops asking cells that are shown to be
            worse than another; or a search, `one_at_a_time` or `halving`.
        cache: reuse rankings and greedy answers of earlier runs from disk, and store new ones for later runs.
        executor: that runs the questions.
        tracker: that results are sent to.
    """

    spec_folder: ClassVar[str] = "experiments"

    name: FolderName
    description: Annotated[str, Execution] = ""
    dataset: Dataset
    pipelines: Annotated[dict[str, Pipeline], BeforeValidator(_load_pipelines), Field(min_length=1)]
    axes: Annotated[dict[str, list[Any]], AfterValidator(_placed_axes)] = Field(default_factory=dict)
    metrics: Annotated[tuple[Metric, ...], AfterValidator(_labelled)]
    baseline: str = ""
    repeats: Annotated[int, Field(ge=1)] = 1
    max_cells: Annotated[int, Field(ge=1), Execution] = 100_000
    seed: int = 0
    max_failures: Annotated[float, Field(ge=0, le=1)] = 0.1
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    decide: Annotated[Decide | None, Execution] = None
    effective_length: Annotated[LengthMargin | None, Execution] = None
    budget: Annotated[Budget | None, Execution] = None
    latency: Latency = "warm"
    strategy: Annotated[Strategy, Execution] = part("all")
    cache: Annotated[bool, Execution] = True
    executor: Annotated[Executor, Execution] = part("local")
    tracker: Annotated[Tracker, Execution] = part("mlflow")

    @model_validator(mode="after")
    def _baseline_exists(self) -> Self:
        if self.baseline and self.baseline not in self.pipelines:
            known = ", ".join(self.pipelines)
            hint = nearest(self.baseline, self.pipelines)
            raise ValueError(f"baseline '{self.baseline}' is no pipeline of this sweep. Known: {known}.{hint}")
        for axis, values in self.axes.items():
            if not values:
                raise ValueError(f"axes['{axis}'] has no values")
        if self.decide is not None and (problem := self._undecidable(self.decide)):
            raise ValueError(f"decide.{problem}")
        if self.effective_length is not None and (problem := self._no_length(self.effective_length)):
            raise ValueError(f"effective_length.{problem}")
        return self

    def _undecidable(self, decide: Decide) -> str:
        """Returns what in `decide` does not fit the metrics and pipelines; empty if all does."""
        kinds = {metric.label: metric.kind for metric in self.metrics}
        for label, margin in decide.margins.items():
            if label not in kinds:
                return f"metric: '{label}' is no metric of this sweep. Known: {list(kinds)}.{nearest(label, kinds)}"
            if margin >= 1 and ":" not in kinds[label]:
                return f"margin: {margin:g} is all of {label}, which is from 0 to 1. Three hundredths are 0.03."
        return ""

    @property
    def replaceable(self) -> str:
        """Name of the pipeline or cell that a decision is about by default: see `Decide.baseline`."""
        reads_all = (name for name, one in self.pipelines.items() if _reads_all(one))
        return self.baseline or next(reads_all, next(iter(self.pipelines)))

    def _no_length(self, asked: LengthMargin) -> str:
        """Returns what in `effective_length` does not fit the metrics; empty if all does."""
        kinds = {metric.label: metric.kind for metric in self.metrics}
        if asked.metric not in kinds:
            hint = nearest(asked.metric, kinds)
            return f"metric: '{asked.metric}' is no metric of this sweep. Known: {', '.join(kinds)}.{hint}"
        if asked.margin >= 1 and ":" not in kinds[asked.metric]:
            return f"margin: {asked.margin:g} is all of {asked.metric}, which is from 0 to 1. Five hundredths are 0.05."
        return ""

    @classmethod
    def load(
        cls, name: str | Path, *, overrides: Mapping[str, Any] | None = None, folder: str | Path | None = None
    ) -> Self:
        """Returns the sweep in a YAML file, or the shipped sweep of that name.

        Args:
            name: a path or the name of a shipped experiment.
            overrides: dotted paths and values: of the sweep itself (`repeats`, `dataset.limit`), else one-value axes.
            folder: against which relative paths in `overrides` resolve; the working directory by default.
                Those in the file resolve against its folder.

        Raises:
            ConfigError: with every problem found.
        """
        path, given = config.find_file(str(name), "experiments"), dict(overrides or {})
        data: dict[str, Any] = {"name": path.stem, **config.read_yaml(path)}
        base = Base(Path(folder or "").absolute(), path.parent)
        if "pipelines" in given:
            given["pipelines"] = _pipelines_from(given["pipelines"], base, str(path))
        if anew := "axes" in given:
            data["axes"] = given.pop("axes")
        axes = data.get("axes") or {}
        brought = {place: [value] for place, value in given.items() if _is_axis(cls, axes, place)}
        if brought and isinstance(axes, Mapping):  # anything else is refused below
            data["axes"] = axes = {**axes, **brought}
        fields = {place: value for place, value in given.items() if place not in brought}
        config.override(cls, data, fields, base, str(path))
        bases = dict.fromkeys(axes if anew else given, base)
        return config.build(cls, data, str(path), path.parent, bases=bases)


def _pipelines_from(value: object, base: Base, source: str) -> object:
    """Returns the pipelines with their names and file names resolved to absolute paths."""
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        value = {Path(name).stem: name for name in value}
    if not isinstance(value, Mapping):
        return value
    shipped = config.shipped("pipelines")
    found: dict[str, object] = {}
    wrong = []
    for name, given in value.items():
        found[str(name)] = given
        if isinstance(given, str):
            try:
                is_name = given in shipped and not (base.folder / given).is_file()
                found[str(name)] = str(shipped[given]) if is_name else _file(given, base)
            except ValueError as error:
                wrong.append(f"{source}: pipelines.{name}: {error}")
    if wrong:
        raise ConfigError(wrong)
    return found


def _file(given: str, base: Base) -> str:
    """Returns the absolute path; if there is no such file, returns the path as given, for the error message."""
    whole = base.whole(given)
    return whole if Path(whole).is_file() or path_of(given).is_file() else given


def _is_axis(cls: type[Component], axes: object, place: str) -> bool:
    """Returns whether a setting becomes an axis with one value, because it is not a setting of the sweep itself."""
    first, _, rest = place.partition(".")
    if isinstance(axes, Mapping) and place in axes:
        return True
    if first in _PARTS and rest:
        return first == "dataset" and _replaces_dataset(axes)
    return first not in cls.model_fields or bool(rest)


_PARTS = ("dataset", "executor", "strategy", "tracker", "budget", "decide", "effective_length")


def _replaces_dataset(axes: object) -> bool:
    """Returns whether an axis replaces the data set, so that a setting must also apply to the axis's data sets."""
    if not isinstance(axes, dict):
        return False
    brought = [value for values in axes.values() if isinstance(values, list) for value in values]
    return "dataset" in axes or any(isinstance(value, dict) and "dataset" in value for value in brought)
