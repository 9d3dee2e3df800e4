"""The strategy of a sweep over its data sets: what to ask next, how cells ended, and the note on disk.

All state follows from the rows: an interrupted sweep goes through the same looks again and reaches the same decisions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ragvlc.core.data import Example, content_key
from ragvlc.core.errors import ConfigError, nearest
from ragvlc.core.families import Metric
from ragvlc.core.grids import Ended, Entrant, Grid, Look, QuestionCluster
from ragvlc.results.applicable import inapplicable
from ragvlc.results.costs import question_costs
from ragvlc.results.loading import CellResult
from ragvlc.results.races import CellRace, RaceNote, cluster_name, write_notes
from ragvlc.results.store import SweepStore
from ragvlc.results.stored import StoredRows
from ragvlc.statistics.races import size_order
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.planned import prices, stored_rows
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.spec import Sweep, choices

__all__ = ["Racing", "check_strategy", "clusters_of", "nothing_stored", "raced_metric", "stored_racing"]

Rows = Callable[[str], StoredRows]
"""Returns the rows of a cell as they are on disk by now, by its key."""
MOST_CELLS = 2000
DIGITS = 12


def nothing_stored(key: str) -> StoredRows:
    """Raises `LookupError`: for plans and estimates, which look no row up."""
    raise LookupError(key)


def check_strategy(sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, Sequence[Example]]) -> None:
    """Raises `ConfigError` if the strategy cannot decide anything on these cells and questions, by data set key."""
    if not sweep.strategy.stops:
        return
    if wrong := [*_wrong_cells(sweep, cells), *_wrong_questions(sweep, cells, asked)]:
        raise ConfigError([f"{sweep.name}: strategy {sweep.strategy.kind}: {one}" for one in wrong])


def raced_metric(sweep: Sweep) -> Metric:
    """Returns the metric that cells are raced by. Raises `ConfigError` if it is unknown or ambiguous."""
    if not sweep.strategy.stops:
        return sweep.metrics[0]
    labels = {metric.label: metric for metric in sweep.metrics}
    wanted = sweep.strategy.metric
    if not wanted and sweep.decide is not None:
        if len(sweep.decide.margins) > 1:
            raise ConfigError(
                f"{sweep.name}: strategy {sweep.strategy.kind}: goes by one metric, and decide names "
                f"{', '.join(sweep.decide.margins)}. Choose one: strategy: {{kind: {sweep.strategy.kind}, metric: "
                f"{next(iter(sweep.decide.margins))}}}."
            )
        wanted = next(iter(sweep.decide.margins))
    wanted = wanted or sweep.metrics[0].label
    if wanted not in labels:
        raise ConfigError(
            f"{sweep.name}: strategy.metric: '{wanted}' is no metric of this sweep. Known: {', '.join(labels)}."
            f"{nearest(wanted, labels)}"
        )
    return labels[wanted]


def _wrong_cells(sweep: Sweep, cells: Sequence[Cell]) -> Iterator[str]:
    metric = raced_metric(sweep)
    if metric.span is None and not sweep.strategy.searches:
        yield (
            f"the range of {metric.label} is unknown, and how much one cluster can change is what the guarantee rests "
            f"on. Give the class a property `span` that returns (least, most), or take another metric or strategy: all."
        )
    elif metric.span is not None and not _is_range(metric.span):
        yield f"{metric.label} has the span {metric.span}. It must be two finite numbers, (least, most), least first."
        return
    margin = 0.0 if sweep.decide is None else sweep.decide.margins.get(metric.label, 0.0)
    if metric.span is not None and margin >= (width := metric.span[1] - metric.span[0]):
        yield f"a margin of {margin:g} is all of {metric.label}, whose range is {width:g} wide. Take a smaller one."
    if len({cell.latency for cell in cells}) > 1:
        yield "a cold cell has the scores of its warm one, so they can never be told apart. Measure latency on its own."
    if any(cell.repeat for cell in cells):
        yield "repeats of one cell would race each other. Set repeats: 1, and repeat the cells that are left."
    for cell in cells:
        if not cell.control and any(inapplicable(cell.pipeline.routes, [metric]).values()):
            yield f"{metric.label} does not apply to {cell.pipeline_name}. Race by another metric, or leave it out."
            break


def _is_range(span: tuple[float, float]) -> bool:
    return all(map(math.isfinite, span)) and span[0] < span[1]


def _wrong_questions(sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, Sequence[Example]]) -> Iterator[str]:
    metric = raced_metric(sweep)
    for key in dict.fromkeys(cell.dataset.key for cell in cells):
        own = [cell for cell in cells if cell.dataset.key == key]
        clusters = sum(one.size > 0 for one in clusters_of(asked[key], metric, sweep.seed))
        if problem := sweep.strategy.refusal(clusters):
            yield (
                f"{own[0].dataset.name} has {clusters} clusters of questions with {metric.label} (questions that share "
                f"documents are one), {problem}"
            )
        if sum(not cell.control for cell in own) < 2:
            yield f"there is one cell on {own[0].dataset.name}, and nothing to choose from. Take strategy: all."
        if len(own) > MOST_CELLS:
            yield f"{len(own):,} cells are more than {MOST_CELLS:,}. Leave out values of axes."


def clusters_of(
    asked: Sequence[Example], metric: Metric | None, seed: int, *, by_size: bool = False
) -> tuple[QuestionCluster, ...]:
    """Returns the clusters of the questions in seeded random order; their sizes count what the metric applies to.

    Args:
        asked: the questions.
        metric: that sizes count the questions of; None for all questions.
        seed: of the order.
        by_size: whether each cluster is drawn in proportion to its size; the order of equal ones is the same.
    """
    members: dict[str, list[str]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for example in asked:
        name = cluster_name(example.cluster, example.id)
        members[name].append(example.id)
        sizes[name] += metric is None or metric.applies(example)
    order = sorted(members, key=lambda name: content_key([seed, "order of clusters", name]))
    if by_size:
        keys = [content_key([seed, "order of clusters", name]) for name in order]
        uniform = [int(key[:DIGITS], 16) / 16**DIGITS for key in keys]
        arrivals = size_order(uniform, [sizes[name] for name in order])
        order = [name for _, name in sorted(zip(arrivals, order, strict=True), key=lambda pair: pair[0])]
    return tuple(QuestionCluster(name, tuple(members[name]), sizes[name]) for name in order)


@dataclass
class _Course:
    """The looks at one data set.

    Attributes:
        cells: on it, controls too.
        grid: the strategy's view of them.
        looks: of the strategy.
        look: the last one.
        answers: ids asked for before the last look, by cell.
        stopped: why it ended without a verdict; empty if it did not.
    """

    cells: Sequence[Cell]
    grid: Grid
    looks: Iterator[Look]
    look: Look
    answers: dict[str, set[str]]
    stopped: str = ""

    @property
    def over(self) -> bool:
        return bool(self.look.verdict)


class Racing:
    """The strategy of a sweep, over all of its data sets.

    Args:
        sweep: with its strategy.
        cells: of the plan.
        asked: questions by data set key.
        rows: of each cell, whatever is stored by now.

    Raises:
        ConfigError: the strategy cannot decide anything on these cells and questions.
    """

    def __init__(self, sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, QuestionSet], rows: Rows) -> None:
        check_strategy(sweep, cells, {key: own.examples for key, own in asked.items()})
        self._sweep, self._asked, self._rows = sweep, asked, rows
        self._metric = raced_metric(sweep)
        self._prices = {cell.key: prices(cell) for cell in cells}
        by_dataset: dict[str, list[Cell]] = defaultdict(list)
        for cell in cells:
            by_dataset[cell.dataset.key].append(cell)
        self._courses = {key: self._course(key, own) for key, own in by_dataset.items()}

    def _course(self, key: str, cells: Sequence[Cell]) -> _Course:
        grid = self._grid(key, cells)
        return _Course(cells, grid, self._sweep.strategy.looks(grid), Look({}, 0, 0), defaultdict(set))

    def _grid(self, key: str, cells: Sequence[Cell]) -> Grid:
        sweep, asked = self._sweep, self._asked[key]
        low, high = self._metric.span or (0.0, 1.0)
        margin = 0.0
        if sweep.decide is not None and sweep.strategy.stops:
            margin = sweep.decide.margins.get(self._metric.label, 0.0) / (high - low)
        facts = asked.questions.by_id

        def costs(cell: str) -> Mapping[str, float | None]:
            if sweep.decide is None:
                return {}
            stored = CellResult({"prices": self._prices[cell]}, facts, self._rows(cell), False, ())
            return question_costs(stored, sweep.decide.cost)

        return Grid(
            entries=tuple(
                Entrant(cell.key, cell.name, cell.pipeline_name, cell.settings) for cell in cells if not cell.control
            ),
            clusters=clusters_of(
                asked.examples,
                self._metric if sweep.strategy.stops else None,
                sweep.seed,
                by_size=sweep.strategy.by_size,
            ),
            merits=lambda cell: self._merits(cell, low, high),
            costs=costs,
            controls=tuple(cell.key for cell in cells if cell.control),
            axes=tuple(
                frozenset(path for choice in choices(axis, values) for path in choice)
                for axis, values in sweep.axes.items()
            ),
            margin=margin,
        )

    def _merits(self, cell: str, low: float, high: float) -> dict[str, float | None]:
        label, smaller = self._metric.label, self._metric.smaller_is_better
        columns = self._rows(cell).columns
        scores: list[float | None] = columns.scored(label)
        if not columns.answers:  # all failed
            scores = [self._metric.worst] * len(columns.ids)
        found: dict[str, float | None] = {}
        for name, score in zip(columns.ids, scores, strict=True):
            if score is None:
                found[name] = None
                continue
            if self._sweep.strategy.stops and self._metric.span is not None and not low <= score <= high:
                raise ConfigError(
                    f"{self._sweep.name}: strategy {self._sweep.strategy.kind}: {label} scored question '{name}' with "
                    f"{score:g}, which is outside its range from {low:g} to {high:g}. Mend its `span`."
                )
            merit = (score - low) / (high - low)
            found[name] = 1 - merit if smaller else merit
        return found

    def next(self) -> dict[str, set[str]] | None:
        """Returns the ids that must have rows before the next call, by cell; None at the end of all data sets."""
        wanted: dict[str, set[str]] = {}
        for course in self._courses.values():
            if not course.over:
                if self._sweep.strategy.stops:
                    for key, ids in course.look.ask.items():
                        course.answers[key] |= set(ids)
                course.look = next(course.looks)
                for key, ids in course.look.ask.items():
                    wanted.setdefault(key, set()).update(ids)
        return None if all(course.over for course in self._courses.values()) else wanted

    @property
    def kind(self) -> str:
        """Kind of the strategy."""
        return self._sweep.strategy.kind

    def answers_if_level(self, key: str) -> int:
        """Returns the number of answers that the strategy would ask for on a data set where all scores are equal."""
        grid = self._courses[key].grid
        level = {name: 0.0 for cluster in grid.clusters for name in cluster.ids}
        looks = self._sweep.strategy.looks(replace(grid, merits=lambda _: level))
        return sum(len(ids) for look in looks for ids in look.ask.values())

    def stop(self, reason: str) -> None:
        """Ends all data sets that have no verdict yet, such as at the budget; what was just wanted is not asked."""
        for course in self._courses.values():
            if not course.over:
                course.stopped = reason

    @property
    def ended(self) -> dict[str, Ended]:
        """Cells that get no more questions, by key."""
        return {key: one for course in self._courses.values() for key, one in course.look.ended.items()}

    @property
    def block(self) -> int:
        """The largest block so far."""
        return max(course.look.block for course in self._courses.values())

    def asking(self) -> dict[str, int]:
        """Returns the number of cells that are still asked, by data set."""
        return {
            course.cells[0].dataset.name: len(course.look.ask) for course in self._courses.values() if not course.over
        }

    def of(self, cell: Cell) -> CellRace | None:
        """Returns what is known of a cell; None if every question is asked of every cell."""
        return self.note(cell.dataset.key).of(cell.key) if self._sweep.strategy.stops else None

    def note(self, key: str) -> RaceNote:
        """Returns the note on a data set."""
        course = self._courses[key]
        look, grid, strategy = course.look, course.grid, self._sweep.strategy
        return RaceNote(
            strategy=strategy.spec(),
            searches=strategy.searches,
            metric=self._metric.label,
            spans={one.label: one.span if one.span and _is_range(one.span) else None for one in self._sweep.metrics},
            clusters=[(one.name, one.size) for one in grid.clusters],
            block=look.block,
            asked=look.clusters,
            margin=grid.margin,
            ended=look.ended,
            names={cell.key: cell.name for cell in course.cells},
            verdict=look.verdict or course.stopped,
            winner=look.winner,
            by_size=strategy.by_size,
            measured=[grid.clusters[place].name for place in look.measured],
            left_out=look.left_out,
            answers=sum(len(ids) for ids in course.answers.values()),
            grid=len(course.cells) * len(self._asked[key].examples),
        )

    def write(self, store: SweepStore) -> None:
        """Writes the notes beside the results, or removes old ones if every question is asked. Raises `StoreError`."""
        notes = {f"examples-{key[:16]}.jsonl": self.note(key) for key in self._courses}
        write_notes(store.folder, notes if self._sweep.strategy.stops else {})


def stored_racing(sweep: Sweep, cells: Sequence[Cell], asked: Mapping[str, QuestionSet], store: SweepStore) -> Racing:
    """Returns the strategy as far as the stored rows lead it; the last look may want rows that are not there."""
    if not sweep.strategy.stops:
        return Racing(sweep, cells, asked, nothing_stored)
    rows = {cell.key: stored_rows(cell, store.cell(cell.key), asked[cell.dataset.key]) for cell in cells}
    racing = Racing(sweep, cells, asked, rows.__getitem__)
    while (wanted := racing.next()) is not None:
        if any(not ids <= set(rows[key]) for key, ids in wanted.items()):
            break
    return racing
