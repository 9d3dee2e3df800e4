"""Retrieval scores by document length, with averages over several tasks as in LongEmbed.

Zhu et al. 2024 (LongEmbed, arXiv 2404.12096): a question ranks documents of one length; a task with lengths scores the
mean over its lengths of nDCG@1, a task without them nDCG@10; the benchmark's figure is the mean over its tasks.

A question's length is the tag `length`, which the data sets `passkey`, `needle`, `longembed` and JSON Lines sets with
`meta.length` give it, so it may come from one set of several lengths or from a sweep over `dataset.length`.

Differences: each length counts the same in a task's mean, however many questions it has; means have intervals
by cluster: the same question at several lengths counts as one.

In a race a system that was pruned has fewer questions. Its row is marked and never the best, and a row of the best
system has the scores on the same questions, for comparison. Means of systems without all questions have no brackets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.drawing import label as written
from ragvlc.analysis.drawing import legend, line, look, numbers, panels, spoken, within
from ragvlc.analysis.tables import Entry, Table, left
from ragvlc.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from ragvlc.analysis.pictures import Picture
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["CAPTION", "System", "Task", "draw", "length_tables", "long_tasks", "tasks"]

WITH_LENGTHS, WITHOUT = "ndcg_at_1", "ndcg_at_10"
NOTE = (
    "Mean score of the questions of each length, in tokens or in words as the data set counts; mean: over the lengths, "
    "each counting the same, and in brackets its 95 % interval."
)
RACED = (
    "Systems that a race stopped early have the mean of the questions asked of them and no brackets; compare a pruned "
    "one with the row of the best system on the same questions, at the end."
)
CAPTION = (
    "Mean score of the questions over documents of each length; hollow: controls; broken lines: systems that a race "
    "stopped early, on the questions asked of them."
)
MOST_PANELS = 6
STYLES: tuple[str | tuple[int, tuple[float, float]], ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)))
OVERALL = (
    "As in LongEmbed: nDCG@1, averaged over the lengths, for tasks with lengths ({with_lengths}), else nDCG@10; mean: "
    "over the tasks; - where answers are pending."
)


@dataclass(frozen=True)
class System:
    """A scored system: a pipeline with its settings, except those of the data set.

    Attributes:
        label: pipeline and the settings that distinguish its systems.
        control: whether it reads gold.
        cells: one for each length, or one over all lengths; with repeats, several.
        only: by data set, questions that its figures are limited to; None for all that it was asked.
    """

    label: str
    control: bool
    cells: tuple[CellResult, ...]
    only: Mapping[str, frozenset[str]] | None = None

    @property
    def complete(self) -> bool:
        """Whether every question of the system's cells has been answered."""
        return all(cell.complete for cell in self.cells)

    @property
    def stopped(self) -> str:
        """How a race or search left a system without all questions, in words; empty if it has them all."""
        marks = {cell.raced.mark for cell in self.cells if cell.raced is not None}
        return "; ".join(sorted(marks))

    @property
    def left(self) -> bool:
        """Whether the system may be the best: it is no control, and no race has ruled out one of its cells."""
        return all(left(cell) for cell in self.cells)

    @property
    def whole(self) -> bool:
        """Whether nothing more is to be asked of the system: it has every question, or all that a race asked of it."""
        return all(cell.complete or (cell.raced is not None and cell.raced.note.over) for cell in self.cells)

    def on_questions_of(self, other: System) -> System:
        """Returns the system with the questions of another one only."""
        names = {str(cell.facts["examples"]): frozenset(other._names(cell)) for cell in other.cells}
        return replace(self, only=names)

    def points(self, metric: str) -> dict[float, Interval]:
        """Returns the mean score over the questions of each length; repeats of a question are averaged."""
        return {length: self._interval(*_values(found)) for length, found in self.scores(metric).items()}

    def mean(self, metric: str, *, over_lengths: bool) -> Interval:
        """Returns the mean score, in which either all lengths or all questions have equal weight."""
        found = self.scores(metric) if over_lengths else {0.0: self._all(metric)}
        found = {length: own for length, own in found.items() if own}
        values: list[float | None] = []
        clusters: list[str] = []
        weights: list[float] = []
        for own in found.values():
            # With these weights, the mean of all values is the mean of the lengths' means.
            weights += [1 / len(own)] * len(own)
            values += [score for score, _ in own.values()]
            clusters += [cluster for _, cluster in own.values()]
        return self._interval(values, clusters, weights)

    def _interval(
        self, values: list[float | None], clusters: list[str], weights: list[float] | None = None
    ) -> Interval:
        found = mean_interval(values, clusters, weights=weights)
        return replace(found, low=None, high=None) if self.stopped else found

    def scores(self, metric: str) -> dict[float, dict[str, tuple[float, str]]]:
        """Returns the score and the cluster of each question, by length; repeats of a question are averaged."""
        found: dict[float, dict[str, tuple[float, str]]] = {}
        for length in sorted({length for cell in self.cells for length in _lengths(cell).values()}):
            own_names = [self._names(cell) for cell in self.cells]
            names = [
                {name for name, own in _lengths(cell).items() if own == length and name in wanted}
                for cell, wanted in zip(self.cells, own_names, strict=True)
            ]
            found[length] = _pooled([(cell, own) for cell, own in zip(self.cells, names, strict=True) if own], metric)
        return found

    def _all(self, metric: str) -> dict[str, tuple[float, str]]:
        return _pooled([(cell, self._names(cell)) for cell in self.cells], metric)

    def _names(self, cell: CellResult) -> set[str]:
        """Returns the questions that a cell's figures rest on."""
        names = set(cell.examples) if cell.raced is None else set(cell.raced.questions(cell.examples))
        return names if self.only is None else names & self.only.get(str(cell.facts["examples"]), frozenset())


@dataclass(frozen=True)
class Task:
    """A data set with all its document lengths, and the systems scored on it.

    Attributes:
        name: of the data set, with its settings but the length.
        systems: in the order of the sweep.
    """

    name: str
    systems: tuple[System, ...]

    @cached_property
    def lengths(self) -> tuple[float, ...]:
        """Document lengths in ascending order; empty if questions have no length."""
        cells = [cell for system in self.systems for cell in system.cells]
        return tuple(sorted({length for cell in cells for length in _lengths(cell).values()}))

    def measure(self, metrics: Sequence[str]) -> str | None:
        """Returns the metric that LongEmbed uses for this task; None if it is not among `metrics`."""
        wanted = WITH_LENGTHS if self.lengths else WITHOUT
        return wanted if wanted in metrics else None


def tasks(results: SweepResults) -> list[Task]:
    """Returns the data sets with their scored systems; cells that differ only in document length form one system."""
    names = [_named(cell.facts) for cell in results.cells]
    labels = _labels(results.cells)
    found = []
    for name in dict.fromkeys(names):
        groups: dict[str, list[CellResult]] = {}
        for cell, own, label in zip(results.cells, names, labels, strict=True):
            if own == name:
                groups.setdefault(label, []).append(cell)
        systems = tuple(System(label, any(c.control for c in cells), tuple(cells)) for label, cells in groups.items())
        found.append(Task(name, systems))
    return found


def length_tables(results: SweepResults) -> list[Table]:
    """Returns tables of scores by length: one per data set with several lengths and, if possible, one over all."""
    found = tasks(results)
    metric = WITH_LENGTHS if WITH_LENGTHS in results.metrics else results.metric()
    tables = [_by_length(task, metric) for task in found if len(task.lengths) > 1]
    measured = {task.name: measure for task in found if (measure := task.measure(results.metrics))}
    if len(found) > 1 and len(measured) == len(found) and any(task.lengths for task in found):
        tables.append(_overall(found, measured))
    return tables


def long_tasks(results: SweepResults) -> list[Task]:
    """Returns the data sets with several document lengths."""
    return [task for task in tasks(results) if len(task.lengths) > 1]


def draw(found: Sequence[Task], metric: str) -> Picture:
    """Returns a figure of scores over document length, with a panel for each data set and a line for each system."""
    labels = list(dict.fromkeys(system.label for task in found for system in task.systems))
    with look():
        drawn, places = panels([task.name for task in found[:MOST_PANELS]], f"{metric} by length")
        for place, task in zip(places, found, strict=False):
            for system in task.systems:
                at = labels.index(system.label)
                line(
                    place, at, _title(system),
                    [
                        (length, one, (f"length {length:,.10g}", spoken(one, metric)))
                        for length, one in system.points(metric).items()
                    ],
                    hollow=system.control or bool(system.stopped),
                    style="dashed" if system.stopped else STYLES[at // 7 % len(STYLES)],
                )  # fmt: skip
            numbers(place, task.lengths, few=True)
            place.tick_params(axis="x", labelrotation=45)
            place.set_xlabel("length of the documents (in tokens or words, as the data set counts)")
            place.set_ylabel(written(f"{metric} (mean)"))
            within(place)
        legend(drawn, places)
    return drawn


def _by_length(task: Task, metric: str) -> Table:
    heads = (*(f"{length:,.10g}" for length in task.lengths), "mean")
    means = {one.label: one.mean(metric, over_lengths=True).mean for one in task.systems if one.whole and one.left}
    best = _best(list(means.values()))
    rows = [_row(task, system, metric, best) for system in task.systems]
    leader = next((one for one in task.systems if best is not None and means.get(one.label) == best), None)
    pruned: dict[str, System] = {}
    for one in task.systems:
        if one.stopped and not one.left and not one.control:
            pruned.setdefault(one.stopped, one)
    if leader is not None:
        for stopped, one in pruned.items():
            _, entries = _row(task, leader.on_questions_of(one), metric, None)
            rows.append((f"{leader.label} on the questions of those {stopped}", entries))
    note = f"{NOTE} {RACED}" if any(system.stopped for system in task.systems) else NOTE
    return Table(f"{metric} by length: {task.name}", heads, tuple(rows), note)


def _row(task: Task, system: System, metric: str, best: float | None) -> tuple[str, tuple[Entry, ...]]:
    points = {length: one for length, one in system.points(metric).items() if one.mean is not None}
    entries = [
        Entry(points[length].mean, digits=2, score=True) if length in points else Entry() for length in task.lengths
    ]
    mean = system.mean(metric, over_lengths=True)
    top = mean.mean is not None and mean.mean == best and system.left
    whole = system.whole and len(points) == len(task.lengths)
    entries.append(Entry(mean.mean, mean.low, mean.high, 2, best=top, score=True) if whole else Entry())
    return _title(system), tuple(entries)


def _overall(found: Sequence[Task], measured: Mapping[str, str]) -> Table:
    scores: dict[str, dict[str, float]] = {}
    titles: dict[str, str] = {}
    for task in found:
        for system in task.systems:
            mean = system.mean(measured[task.name], over_lengths=bool(task.lengths)).mean
            stopped = system.stopped and "stopped early"
            marks = ", ".join(filter(None, (stopped, "control" if system.control else "")))
            if marks or system.label not in titles:
                titles[system.label] = f"{system.label} ({marks})" if marks else system.label
            scores.setdefault(system.label, {})
            if mean is not None and system.whole and set(system.points(measured[task.name])) >= set(task.lengths):
                scores[system.label][task.name] = mean
    out = {system.label for task in found for system in task.systems if not system.left}
    rivals = set(titles) - out
    means = {label: fmean(own.values()) for label, own in scores.items() if len(own) == len(found)}
    best = _best([mean for label, mean in means.items() if label in rivals])
    rows = []
    for label, own in scores.items():
        entries = [Entry(own.get(task.name), digits=2, score=True) for task in found]
        mean = means.get(label)
        entries.append(Entry(mean, digits=2, best=mean is not None and mean == best and label in rivals, score=True))
        rows.append((titles[label], tuple(entries)))
    with_lengths = ", ".join(task.name for task in found if task.lengths)
    heads = (*(task.name for task in found), "mean")
    return Table("Over the tasks", heads, tuple(rows), OVERALL.format(with_lengths=with_lengths))


def _title(system: System) -> str:
    marks = ["control"] * system.control + (
        [system.stopped] if system.stopped else ["not complete"] * (not system.whole)
    )
    return f"{system.label} ({', '.join(marks)})" if marks else system.label


def _best(means: Sequence[float | None]) -> float | None:
    return max((mean for mean in means if mean is not None), default=None)


@lru_cache(maxsize=64)
def _lengths(cell: CellResult) -> Mapping[str, float]:
    """Returns the document length of each question that has a numeric tag `length`."""
    given = {name: facts["tags"].get("length") for name, facts in cell.examples.items()}
    return {
        name: float(value)
        for name, value in given.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _pooled(cells: Sequence[tuple[CellResult, set[str]]], metric: str) -> dict[str, tuple[float, str]]:
    """Returns the score and the cluster of each given question that has a score; repeats are averaged."""
    scores: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for cell, names in cells:
        for name, score in cell.scores(metric).items():
            if name in names and score is not None:
                scores.setdefault(name, []).append(score)
                clusters[name] = cell.clusters[name] or name
    return {name: (fmean(own), clusters[name]) for name, own in scores.items()}


def _values(found: Mapping[str, tuple[float, str]]) -> tuple[list[float | None], list[str]]:
    return [score for score, _ in found.values()], [cluster for _, cluster in found.values()]


def _named(facts: Mapping[str, Any]) -> str:
    """Returns the name of a data set with the settings that the sweep varies, except the length."""
    words = [str(facts["dataset"])]
    for path, value in facts["settings"].items():
        inner = path.removeprefix("dataset.")
        if path.startswith("dataset.") and inner not in ("length", "kind", "task") and str(value) not in words[0]:
            words.append(f"{inner}={value}")
    return " ".join(words)


def _labels(cells: Sequence[CellResult]) -> list[str]:
    """Returns a label for each cell: its pipeline and the settings that distinguish the pipeline's systems."""
    seen: dict[tuple[str, str], set[str]] = {}
    own = [_own_settings(cell.facts) for cell in cells]
    for cell, settings in zip(cells, own, strict=True):
        for path, value in settings.items():
            seen.setdefault((cell.facts["pipeline"], path), set()).add(value)
    labels = []
    for cell, settings in zip(cells, own, strict=True):
        pipeline = str(cell.facts["pipeline"])
        varying = {path: value for path, value in settings.items() if len(seen[pipeline, path]) > 1}
        lasts = [path.rpartition(".")[2] for path in varying]
        words = [
            f"{last if lasts.count(last) == 1 else path}={value}"
            for last, (path, value) in zip(lasts, varying.items(), strict=True)
        ]
        labels.append(" ".join([pipeline, *words]))
    return labels


def _own_settings(facts: Mapping[str, Any]) -> dict[str, str]:
    return {path: str(value) for path, value in facts["settings"].items() if path.partition(".")[0] != "dataset"}
