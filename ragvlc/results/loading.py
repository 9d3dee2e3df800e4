"""Results loaded from disk as tables, for notebooks and reports. Loads no model and no data set."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragvlc.core.answer import Prediction
from ragvlc.core.errors import ConfigError, DerivedError, StoreError, nearest
from ragvlc.results.columns import CellColumns
from ragvlc.results.completeness import check_examples, is_finished
from ragvlc.results.frame import frame_rows
from ragvlc.results.questions import StoredQuestions
from ragvlc.results.races import CellRace, Examples, RaceNote, race_notes, raced_difference
from ragvlc.results.store import SweepStore
from ragvlc.results.stored import StoredRows, columns_for
from ragvlc.results.summary import summarise
from ragvlc.statistics.corrections import SETTLED, holm
from ragvlc.statistics.differences import Difference, flips_for, paired_difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CellResult", "Comparison", "SweepResults"]


@dataclass(frozen=True, eq=False)
class CellResult:
    """One cell's results as stored on disk; equal to itself alone.

    Attributes:
        facts: key, name, pipeline (and all `pipelines` that are equal to it), settings, dataset, repeat, seed, control,
            latency, labels of metrics where `smaller_is_better`.
        examples: the questions, by id.
        rows: the answers, by id; those on disk are read when they are looked up, one by one.
        complete: whether all questions have been answered.
        metrics: column labels.
        race: what a race or search says of it; None where every question is asked of every cell.
    """

    facts: Mapping[str, Any]
    examples: Examples
    rows: Mapping[str, Prediction]
    complete: bool
    metrics: tuple[str, ...]
    race: CellRace | None = None

    @property
    def name(self) -> str:
        """Readable name of the cell, unique within the sweep."""
        return str(self.facts["name"])

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """Summary of the cell: counts, means with intervals, tokens and seconds; see `results.summary` and `raced`."""
        facts, race = self.facts, self.raced
        priced = {"prices": facts.get("prices"), "skipped": facts.get("skipped")}
        questions, columns = list(self.examples.values()), self.columns
        if race is not None:
            columns = columns_for(race.figure_rows(self.rows, self.examples), questions, facts.get("prices"))
        found = summarise(questions, columns, self.metrics, **priced, cold=self.cold)
        return found if race is None else race.bounded(found, columns, self.examples)

    @cached_property
    def raced(self) -> CellRace | None:
        """What a race or search says of the cell, if its figures are of fewer questions than there are."""
        return self.race if self.race is not None and self.race.rules(self.rows, self.examples) else None

    @cached_property
    def columns(self) -> CellColumns:
        """Figures of the rows, as columns; see `results.columns`."""
        return columns_for(self.rows, list(self.examples.values()), self.facts.get("prices"))

    @cached_property
    def clusters(self) -> Mapping[str, str]:
        """Cluster of each question, by its id."""
        return {name: facts["cluster"] for name, facts in self.examples.items()}

    @cached_property
    def row_clusters(self) -> list[str]:
        """Cluster of each row's question, in the order of the columns."""
        return [self.examples[name]["cluster"] for name in self.columns.ids]

    @cached_property
    def memo(self) -> dict[Hashable, Any]:
        """What has been computed from this cell, for those who need it again."""
        return {}

    @property
    def cold(self) -> bool:
        """Whether the cell's seconds were measured on one question at a time, without cached answers."""
        return self.facts.get("latency") == "cold"

    @property
    def control(self) -> bool:
        """Whether the cell reads the gold; it is then a bound for other cells and is never recommended itself."""
        return bool(self.facts["control"])

    def scores(self, metric: str) -> dict[str, float | None]:
        """Returns a metric's scores, keyed by example id."""
        columns = self.columns
        return dict(zip(columns.ids, columns.scored(metric), strict=True))

    def mean(self, metric: str) -> float | None:
        """Returns a metric's mean; None if no question has a score."""
        found: float | None = self.summary["metrics"][metric]["mean"]
        return found

    def merit(self, metric: str) -> float | None:
        """Returns a metric's mean, negated if smaller values are better, so that larger is always better.

        A cell in which a model was asked and answered nothing has none: it is never the best.
        """
        if 0 < self.summary["answered"] <= self.summary["no_answer"]:
            return None
        mean = self.mean(metric)
        return -mean if mean is not None and metric in self.facts.get("smaller_is_better", ()) else mean


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cell compared with the baseline on one metric, over the questions for which both cells have a score.

    Attributes:
        cell: name.
        baseline: name of the cell compared with.
        metric: label.
        difference: mean of cell minus baseline.
        low: bound of the 95 % interval, by cluster; for this comparison alone.
        high: bound of the 95 % interval.
        p: two-sided sign-flip permutation test by cluster.
        p_holm: corrected for all comparisons of this metric.
        n: paired questions.
        clusters: among them.
        better: share of questions where the cell scores better: higher, or lower where smaller is better.
        worse: share where it scores worse.
        sequential: whether the bounds are sequential, of a race, and p is None.
    """

    cell: str
    baseline: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    n: int
    clusters: int
    better: float
    worse: float
    sequential: bool = False

    @property
    def settled(self) -> bool:
        """Whether the difference is significant after correction for multiple comparisons, or in a race for itself."""
        return self._excludes_0 if self.sequential else self.p_holm is not None and self.p_holm < SETTLED

    @property
    def unsettled(self) -> bool:
        """Whether the interval excludes 0, but the difference is not significant after correction."""
        return self._excludes_0 and not self.settled

    @property
    def _excludes_0(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class SweepResults:
    """The stored results of a sweep, as cells, tables and comparisons.

    Attributes:
        folder: of the results.
        cells: in the order of the plan.
    """

    def __init__(self, folder: Path, cells: Sequence[CellResult], baseline: str) -> None:
        self.folder = folder
        self.cells = tuple(cells)
        self._baseline = baseline
        self._comparisons: dict[str | None, list[Comparison]] = {}

    @classmethod
    def load(cls, folder: str | Path, *, only: Collection[str] = ()) -> Self:
        """Returns the results in `runs/<sweep>`.

        Args:
            folder: with the results.
            only: names of cells or pipelines; the rows of no other cells are read if each names one, over one data set.

        Raises:
            StoreError: there are none, or another version wrote them.
        """
        store = SweepStore(Path(folder))
        found = store.cells()
        try:
            names = dict.fromkeys(facts["examples"] for facts in found)
            files = {file: StoredQuestions(list(_by_id(store.examples(file)).values())) for file in names}
            check_examples(store.folder, found, files)
            notes = race_notes(store.folder)
            read = _named(found, only)
            cells = [_cell(store, facts, files[facts["examples"]], notes.get(facts["examples"])) for facts in read]
            baseline = found[-1]["baseline"] if found else ""
        except (KeyError, TypeError) as error:
            raise DerivedError(
                f"{store.folder}: written by another version of ragvlc ({error!r}). Run the experiment again."
            ) from error
        return cls(store.folder, cells, baseline)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.folder.resolve().name

    @property
    def metrics(self) -> tuple[str, ...]:
        """Labels of the sweep's metrics."""
        return self.cells[0].metrics if self.cells else ()

    @property
    def resolved(self) -> str:
        """The YAML text of the sweep as last run, with every default filled in. Raises `StoreError` if unreadable."""
        file = self.folder / "sweep.yaml"
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise StoreError(f"{file}: cannot be read: {error}") from error

    def metric(self, label: str | None = None) -> str:
        """Returns `label`, or the first metric's label for None. Raises `ConfigError` for an unknown label."""
        if label is None and self.metrics:
            return self.metrics[0]
        if label is None or label not in self.metrics:
            known = list(self.metrics)
            raise ConfigError(f"{self.name} has no metric '{label}'. Known: {known}.{nearest(label or '', known)}")
        return label

    def cell(self, name: str) -> CellResult:
        """Returns the cell called `name`, or that pipeline's only cell. Raises `ConfigError` for others."""
        own = [cell for cell in self.cells if cell.name == name]
        found = own or [cell for cell in self.cells if name in cell.facts["pipelines"]]
        if len(found) == 1:
            return found[0]
        known = [cell.name for cell in found or self.cells]
        problem = "is the pipeline of several cells" if found else f"is not a cell of {self.name}"
        raise ConfigError(f"'{name}' {problem}. Known: {known}.{'' if found else nearest(name, known)}")

    def by_dataset(self) -> dict[str, tuple[CellResult, ...]]:
        """Returns the cells on each data set, keyed by a unique name of the data set.

        Scores over different data sets are not comparable and should not be ranked together.
        """
        groups: dict[str, list[CellResult]] = {}
        for cell in self.cells:
            groups.setdefault(cell.facts["examples"], []).append(cell)
        named: dict[str, tuple[CellResult, ...]] = {}
        for cells in groups.values():
            label = name = _dataset_words(cells[0], alone=len(groups) == 1)
            number = 1
            while name in named:
                number += 1
                name = f"{label} ({number})"
            named[name] = tuple(cells)
        return named

    def frame(self) -> pd.DataFrame:
        """Returns a table with a row for each cell and question: settings, answer, scores, tokens, seconds, tags."""
        import pandas as pd

        parts = (frame_rows(cell.facts, cell.examples, cell.rows, cell.metrics) for cell in self.cells)
        return pd.DataFrame([row for part in parts for row in part])

    def table(self) -> pd.DataFrame:
        """Returns a table with a row for each cell: settings, means and bounds of metrics, tokens, seconds, counts."""
        import pandas as pd

        rows = []
        for cell in self.cells:
            row: dict[str, Any] = {"cell": cell.name, "pipeline": cell.facts["pipeline"], **cell.facts["settings"]}
            for label, figures in cell.summary["metrics"].items():
                row |= {label: figures["mean"], f"{label}_low": figures["low"], f"{label}_high": figures["high"]}
            rows.append(row | {name: value for name, value in cell.summary.items() if name != "metrics"})
        return pd.DataFrame(rows)

    def compare(self, baseline: str | None = None) -> pd.DataFrame:
        """Returns every cell's comparison with the baseline on every metric, as a table of `Comparison` fields."""
        import dataclasses

        import pandas as pd

        columns = [field.name for field in dataclasses.fields(Comparison)]
        return pd.DataFrame([dataclasses.asdict(one) for one in self.comparisons(baseline)], columns=columns)

    def comparisons(self, baseline: str | None = None) -> list[Comparison]:
        """Returns every cell's comparison with the baseline on every metric.

        Args:
            baseline: a pipeline's or a cell's name; the sweep's own baseline by default. Where the pipeline has
                several cells, each other cell is compared with the one whose data set and settings agree most with
                its own; where there are no others, or none of its questions, with the first one over the same data set.

        Raises:
            ConfigError: if nothing has that name.
        """
        if baseline not in self._comparisons:
            pairs = self.pairs(baseline)
            self._comparisons[baseline] = [one for metric in self.metrics for one in _compared(metric, pairs)]
        return list(self._comparisons[baseline])

    def pairs(self, baseline: str | None = None) -> list[tuple[CellResult, CellResult]]:
        """Returns every other cell with the baseline's cell that it is compared with; see `comparisons`."""
        wanted = baseline or self._baseline
        bases = [cell for cell in self.cells if wanted in (*cell.facts["pipelines"], cell.name)]
        if not bases:
            known = sorted({name for cell in self.cells for name in (*cell.facts["pipelines"], cell.name)})
            raise ConfigError(f"no cell of {self.name} is called '{wanted}'. Known: {known}.{nearest(wanted, known)}")
        others = [cell for cell in self.cells if cell not in bases]
        pairs = [(cell, _partner(bases, cell, self.cells)) for cell in others or bases]
        return [(cell, base) for cell, base in pairs if cell is not base]


def _by_id(examples: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {one["id"]: one for one in examples}


def _named(cells: Sequence[Mapping[str, Any]], names: Collection[str]) -> Sequence[Mapping[str, Any]]:
    """Returns the cells with these names or of these pipelines; all if one names none or several."""
    keys = set()
    for name in names if len({facts["examples"] for facts in cells}) == 1 else ():
        own = [one for one in cells if one["name"] == name] or [one for one in cells if name in one["pipelines"]]
        if len(own) != 1:
            return cells
        keys.add(own[0]["key"])
    return [facts for facts in cells if facts["key"] in keys] if keys else cells


def _cell(store: SweepStore, facts: Mapping[str, Any], questions: StoredQuestions, note: RaceNote | None) -> CellResult:
    cell = store.cell(facts["key"])
    how = {name: facts.get(name) for name in ("prices", "inapplicable")}
    rows = StoredRows(cell, questions, control=facts["control"], **how)
    summary = cell.summary()
    asked = len(questions) - facts.get("left_out", (summary or {}).get("left_out", 0))  # by a replay
    finished = summary is not None or is_finished(rows, asked, facts["metrics"], facts.get("max_failures"))
    complete = finished and len(rows) == asked
    race = None if note is None else note.of(facts["key"])
    return CellResult(facts, questions.by_id, rows, complete, tuple(facts["metrics"]), race)


def _dataset_words(cell: CellResult, *, alone: bool) -> str:
    """Returns a label for a data set: its name and, if there are several data sets, the settings that axes vary."""
    words = [str(cell.facts["dataset"])]
    if not alone:
        settings = cell.facts["settings"].items()
        words += [f"{path.removeprefix('dataset.')}={value}" for path, value in settings if path.startswith("dataset.")]
    return " ".join(words)


def _first(bases: Sequence[CellResult], cell: CellResult) -> CellResult:
    return next(base for base in bases if base.facts["examples"] == cell.facts["examples"])


def _partner(bases: Sequence[CellResult], cell: CellResult, cells: Sequence[CellResult]) -> CellResult:
    def agreement(base: CellResult) -> tuple[bool, int]:
        own, mine = base.facts, cell.facts
        same = sum(bool(own["settings"].get(path) == value) for path, value in mine["settings"].items())
        return own["examples"] == mine["examples"], 2 * same + int(own["repeat"] == mine["repeat"])

    shared = [base for base in bases if base.examples.keys() & cell.examples.keys()]
    return _first(bases, cell) if cell in bases else max(shared or [_first(cells, cell)], key=agreement)


def _compared(metric: str, pairs: Sequence[tuple[CellResult, CellResult]]) -> list[Comparison]:
    differences = []
    for cell, base in pairs:
        flips = flips_for(len(pairs))
        own, others = cell.scores(metric), base.scores(metric)
        if _raced(cell, base) and cell.race is not None and base.race is not None:
            differences.append(raced_difference(cell.race, base.race, metric, own, others, cell.examples))
        else:
            differences.append(paired_difference(own, others, cell.clusters, flips=flips))
    corrected = holm([difference.p for difference in differences])
    found = []
    for (cell, base), one, p_holm in zip(pairs, differences, corrected, strict=True):
        figures = (one.mean, one.low, one.high, one.p, p_holm, one.n, one.clusters)
        shares = _better_and_worse(cell, metric, one)
        found.append(Comparison(cell.name, base.name, metric, *figures, *shares, sequential=_raced(cell, base)))
    return found


def _raced(cell: CellResult, base: CellResult) -> bool:
    return cell.raced is not None or base.raced is not None


def _better_and_worse(cell: CellResult, metric: str, one: Difference) -> tuple[float, float]:
    smaller = metric in cell.facts.get("smaller_is_better", ())
    return (one.worse, one.better) if smaller else (one.better, one.worse)
