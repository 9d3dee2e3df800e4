"""What is compared: pipelines, data, axes and metrics, as one YAML file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ragvlc import config
from ragvlc.core.budget import Budget
from ragvlc.core.component import Component, Execution, part
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Dataset, Executor, Metric, Tracker
from ragvlc.pipeline import Pipeline

__all__ = ["Latency", "Sweep"]

Latency = Literal["warm", "cold"]


def _load_pipelines(value: object, info: ValidationInfo) -> object:
    """Turns a list of shipped names and paths into pipelines by name; collects the problems of all files."""
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


def _labelled(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
    labels = [metric.label for metric in metrics]
    if not labels:  # not a length of the field: that would be told of metrics that are merely misspelt, too
        raise ValueError("needs at least one metric")
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two metrics are called '{label}'")
    return metrics


class Sweep(Component):
    """A comparison.

    Attributes:
        name: of the experiment; a file's stem by default.
        description: what it settles, in a sentence or two.
        dataset: the questions.
        pipelines: systems by name; in YAML a list of shipped names or of paths relative to the file.
        axes: dotted path into a pipeline (or `dataset.`) and the values it takes; a name of your own may stand for a
            list of mappings that set several paths together. One value is an override.
        metrics: how answers are scored.
        baseline: the pipeline that the others are compared with; the first by default.
        repeats: how often cells with anything random are run, each with its own seed.
        seed: from which every seed derives.
        max_failures: a cell stops when more than this share of its questions failed.
        concurrency: questions in work at the same time, for each process that holds models.
        budget: limits on the work still owed; `ragvlc run` does not start beyond them.
        latency: `cold` asks one question at a time, ranks and generates anew, and uses no cache of prefixes: the
            seconds of such a cell are those of a question that comes alone, once models are loaded and indexes made.
            Tables of latency are made of cold cells only. Also an axis: `latency: [warm, cold]` does both.
        cache: take rankings and greedy answers of earlier runs from disk, and leave them there for later ones.
        executor: where the work is done.
        tracker: where results are shown besides the disk.
    """

    spec_folder: ClassVar[str] = "experiments"

    name: Annotated[str, Field(pattern=r"^[\w][\w .+-]*$")]
    description: Annotated[str, Execution] = ""
    dataset: Dataset
    pipelines: Annotated[dict[str, Pipeline], BeforeValidator(_load_pipelines), Field(min_length=1)]
    axes: dict[str, list[Any]] = Field(default_factory=dict)
    metrics: Annotated[tuple[Metric, ...], AfterValidator(_labelled)]
    baseline: str = ""
    repeats: Annotated[int, Field(ge=1)] = 1
    seed: int = 0
    max_failures: Annotated[float, Field(ge=0, le=1)] = 0.1
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    budget: Annotated[Budget | None, Execution] = None
    latency: Latency = "warm"
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
        return self

    @classmethod
    def load(cls, name: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Self:
        """Returns the sweep in a YAML file, or the shipped one of that name.

        Args:
            name: a path or the name of a shipped experiment.
            overrides: dotted paths and values: of the sweep itself (`repeats`, `dataset.limit`), else one-value axes.

        Raises:
            ConfigError: with every problem found.
        """
        path = config.find_file(str(name), "experiments")
        data: dict[str, Any] = {"name": path.stem, **config.read_yaml(path)}
        for place, value in (overrides or {}).items():
            _override(cls, data, place, value)
        return config.build(cls, data, str(path), path.parent)


def _override(cls: type[Component], data: dict[str, Any], place: str, value: object) -> None:
    """Sets a field of the sweep or of its own parts in `data`; any other path becomes an axis of one value."""
    first, _, rest = place.partition(".")
    axes = data.get("axes") or {}
    if isinstance(axes, dict) and place in axes:
        data["axes"] = {**axes, place: [value]}
    elif first in _PARTS and rest and not (first == "dataset" and _replaces_dataset(axes)):
        part = data.get(first, cls.model_fields[first].default) or {}
        part = {"kind": part} if isinstance(part, str) else part
        if isinstance(part, dict):  # anything else is refused when the sweep is built
            data[first] = {**part, rest: value}
    elif first in cls.model_fields and not rest:
        data[first] = value
    elif isinstance(axes, dict):
        data["axes"] = {**axes, place: [value]}


_PARTS = ("dataset", "executor", "tracker", "budget")


def _replaces_dataset(axes: object) -> bool:
    """Whether an axis brings data sets of its own, so that a setting has to reach into those."""
    if not isinstance(axes, dict):
        return False
    brought = [value for values in axes.values() if isinstance(values, list) for value in values]
    return "dataset" in axes or any(isinstance(value, dict) and "dataset" in value for value in brought)
