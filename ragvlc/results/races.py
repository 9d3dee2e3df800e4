"""What a sweep that stops early knows, as stored beside its results, and the figures of cells without all questions.

runs/<sweep>/strategy.json    for each data set: the clusters in the order of the race, and how every cell ended

The file follows from the rows and can be made anew from them; `sweep.racing` does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ragvlc.core.grids import Ended
from ragvlc.results._writing import explained
from ragvlc.results.derived import remove_derived, write_derived
from ragvlc.statistics.differences import Difference, paired_difference
from ragvlc.statistics.races import Target
from ragvlc.statistics.sequential_bounds import sequential_bounds

if TYPE_CHECKING:
    from ragvlc.core.answer import Prediction
    from ragvlc.results.columns import CellColumns

__all__ = [
    "SEQUENTIAL",
    "CellRace",
    "Examples",
    "RaceNote",
    "cluster_name",
    "race_notes",
    "raced_difference",
    "write_notes",
]

log = logging.getLogger("ragvlc")

Examples = Mapping[str, Mapping[str, Any]]
"""Stored facts of questions, by id."""
FILE = "strategy.json"
SEQUENTIAL = "sequential"
"""Name, in a metric's figures, of the mark that their bounds are sequential."""


def cluster_name(cluster: str, example: str) -> str:
    """Returns the name of a question's cluster in a race; a question without one is a cluster of its own."""
    return f"cluster {cluster}" if cluster else f"question {example}"


@dataclass(frozen=True)
class RaceNote:
    """How a race or search on one data set went, so far or to its end.

    Attributes:
        strategy: its spec.
        searches: whether it promotes by scores alone.
        metric: that cells were raced by.
        spans: least and largest score of each metric; None where unknown.
        clusters: name and number of questions that the metric applies to, in the order of the race.
        block: the last one asked.
        asked: clusters asked by then.
        margin: of the metric; 0 for none.
        ended: by key, cells that got no more questions.
        names: of all cells that took part, by key.
        verdict: why nothing more is asked; empty if more is to be asked.
        winner: key of the cell that the verdict names; empty if there is none.
        measured: names of the clusters on which the winner of a search was measured again.
        left_out: questions without a score in some cell, which no cell was judged by.
        answers: number of answers asked for so far, of all cells that took part.
        grid: number of answers of the whole grid.
        by_size: whether clusters were drawn in proportion to their sizes.
    """

    strategy: Mapping[str, Any]
    searches: bool
    metric: str
    spans: Mapping[str, Sequence[float] | None]
    clusters: Sequence[tuple[str, int]]
    block: int
    asked: int
    margin: float
    ended: Mapping[str, Ended]
    names: Mapping[str, str]
    verdict: str
    winner: str
    measured: Sequence[str]
    left_out: int
    answers: int
    grid: int
    by_size: bool = False

    @property
    def target(self) -> Target:
        """What the verdict is about."""
        return cast("Target", self.strategy.get("target", "grid"))

    @property
    def over(self) -> bool:
        """Whether there is a verdict."""
        return bool(self.verdict)

    def of(self, key: str) -> CellRace:
        """Returns what the note says of one cell."""
        return CellRace(self, key)


@dataclass(frozen=True)
class CellRace:
    """What a race or search says of one cell, whose figures rest on the questions asked of it.

    Attributes:
        note: of the race.
        key: of the cell.
    """

    note: RaceNote
    key: str

    @property
    def ended(self) -> Ended | None:
        """How the cell ended; None if it is still asked."""
        return self.note.ended.get(self.key)

    @property
    def asked(self) -> int:
        """The number of clusters that were asked of the cell, in the order of the race."""
        return self.note.asked if self.ended is None else self.ended.clusters

    @property
    def ruled_out(self) -> bool:
        """Whether the cell ended before there was a verdict: it is never the best, whatever its mean."""
        return self.ended is not None and self.ended.status != "settled"

    @property
    def words(self) -> str:
        """How the race or search left the cell, in words: ruled out, best, or not told apart from others."""
        if self.ended is None:
            return "still in question"
        if self.ended.status != "settled":
            return self.ended.status
        if self.note.searches:
            return "won the search"
        if sum(one.status == "settled" for one in self.note.ended.values()) == 1:
            return "best"
        if self.note.winner:  # the margin: nothing says how much worse than the winner another one is
            return "equivalent within the margin" if self.key == self.note.winner else "not better by the margin"
        exact = self.note.target == "grid" and not self.note.margin and self.note.asked == len(self.note.clusters)
        return "level on all questions" if exact else "still in question"

    @property
    def mark(self) -> str:
        """Words for a cell without all questions, in a table's first column."""
        if self.ended is None:
            return "so far"
        if self.measured_again:
            return "measured again"
        if self.ended.status == "settled":
            return "asked until the verdict"
        return f"{self.ended.status} at block {self.ended.block}"

    @property
    def measured_again(self) -> bool:
        """Whether the cell won a search, so that its figures are those of questions that were held back."""
        return self.note.searches and self.key == self.note.winner and bool(self.note.measured)

    def questions(self, examples: Examples) -> list[str]:
        """Returns the ids of the questions that the cell's figures rest on."""
        wanted = self._clusters()
        return [name for name, facts in examples.items() if cluster_name(facts["cluster"], name) in wanted]

    def expected(self, examples: Examples) -> list[str]:
        """Returns the ids of the questions that must have a row; the others of a pruned cell are not missing."""
        wanted = {name for name, _ in self.note.clusters[: self.asked]}
        wanted |= set(self.note.measured) if self.measured_again else set()
        return [name for name, facts in examples.items() if cluster_name(facts["cluster"], name) in wanted]

    def unasked(self, examples: Examples) -> set[str]:
        """Returns the ids of questions without a row that no run will ask, as the cell or its race has ended."""
        reached = any(one.status == "settled" for one in self.note.ended.values())
        if self.ended is None and not reached:
            return set()
        return set(examples) - set(self.expected(examples))

    def _clusters(self) -> Collection[str]:
        if self.measured_again:
            return set(self.note.measured)
        return {name for name, _ in self.note.clusters[: self.asked]}

    def bounds(self, label: str, scores: Mapping[str, float | None], examples: Examples) -> tuple[float, float] | None:
        """Returns the sequential bounds of the mean score; None if unknown, as in a search."""
        span = self.note.spans.get(label)
        return (
            None if span is None else self._bounds(label, scores, examples, float(span[0]), float(span[1]), self.asked)
        )

    def difference_bounds(
        self, other: CellRace, label: str, differences: Mapping[str, float], examples: Examples
    ) -> tuple[float, float] | None:
        """Returns the sequential bounds of the mean difference to another cell, over the clusters asked of both."""
        span = self.note.spans.get(label)
        if span is None:
            return None
        wide, asked = float(span[1] - span[0]), min(self.asked, other.asked)
        return self._bounds(label, differences, examples, -wide, wide, asked)

    def _bounds(
        self,
        label: str,
        values: Mapping[str, float | None],
        examples: Examples,
        least: float,
        most: float,
        asked: int,
    ) -> tuple[float, float] | None:
        import numpy as np

        if self.note.searches or not asked:
            return None
        members: dict[str, list[str]] = {name: [] for name, _ in self.note.clusters}
        for name, facts in examples.items():
            members.setdefault(cluster_name(facts["cluster"], name), []).append(name)
        raced = label == self.note.metric
        sizes = [size if raced else len(members[name]) for name, size in self.note.clusters]
        sums, counts = [], []
        for name, _ in self.note.clusters[:asked]:
            found = [value for one in members[name] if (value := values.get(one)) is not None]
            sums.append(sum(found))
            counts.append(len(found))
        if counts != sizes[:asked]:  # a mean over some questions is no mean of the grid
            return None
        drawn = np.array([size if self.note.by_size else 1 for _, size in self.note.clusters], dtype=float)
        there = drawn > 0
        if np.array(sizes)[~there].any():  # never drawn, so that nothing is known of them
            return None
        reached = there[:asked]
        known = (np.array(sums)[reached], np.array(counts)[reached], np.array(sizes)[there])
        try:
            return sequential_bounds(*known, least=least, most=most, target=self.note.target, draws=drawn[there])
        except ValueError as error:
            log.warning("%s: no sequential bounds of %s: %s", self.note.names.get(self.key, self.key), label, error)
            return None

    def figure_rows(self, rows: Mapping[str, Prediction], examples: Examples) -> dict[str, Prediction]:
        """Returns the rows that the cell's figures rest on: of whole clusters, or of the questions held back."""
        wanted = set(self.questions(examples))
        return {name: row for name, row in rows.items() if name in wanted}

    def rules(self, rows: Mapping[str, Prediction], examples: Examples) -> bool:
        """Returns whether the cell's figures are those of a race or search: of fewer questions than there are."""
        return self.measured_again or len(rows) < len(examples)

    def bounded(self, summary: Mapping[str, Any], columns: CellColumns, examples: Examples) -> dict[str, Any]:
        """Returns a cell's summary with sequential bounds in place of those of a fixed number of questions."""
        if self.measured_again:
            return dict(summary)  # of questions held back, whose number was fixed
        metrics = {}
        for label, figures in summary["metrics"].items():
            scores = dict(zip(columns.ids, columns.scored(label), strict=True))
            low, high = self.bounds(label, scores, examples) or (None, None)
            metrics[label] = {**figures, "low": low, "high": high, SEQUENTIAL: True}
        return {**summary, "metrics": metrics}


def raced_difference(
    cell: CellRace,
    base: CellRace,
    metric: str,
    own: Mapping[str, float | None],
    others: Mapping[str, float | None],
    examples: Examples,
) -> Difference:
    """Returns the difference on questions asked of both cells, with sequential bounds and without a p-value.

    A test of a fixed number of questions says nothing here: the number depends on the scores.
    """
    both = set(cell.questions(examples)) & set(base.questions(examples))
    scores = {name: own[name] for name in examples if name in both and name in own}
    found = paired_difference(scores, others, {name: facts["cluster"] for name, facts in examples.items()}, flips=1)
    paired = {
        name: score - other
        for name, score in scores.items()
        if score is not None and (other := others.get(name)) is not None
    }
    low, high = cell.difference_bounds(base, metric, paired, examples) or (None, None)
    return replace(found, low=low, high=high, p=None)


def race_notes(folder: Path) -> dict[str, RaceNote]:
    """Returns the notes of a results folder by the name of the file of examples; empty if all questions are asked."""
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        if file.is_file():  # reading a pipe would wait for its writer
            return _form().validate_json(file.read_bytes(), strict=True)
        what = "is no file"
    except (OSError, ValueError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    log.warning("%s: cannot be read (%s): the next `ragvlc run` makes it anew", file, what)
    return {}


def write_notes(folder: Path, notes: Mapping[str, RaceNote]) -> None:
    """Writes the notes of a results folder, or removes the file if there are none. Raises `StoreError`."""
    file = folder / FILE
    with explained(file):
        if notes:
            found = {name: asdict(note) for name, note in notes.items()}
            write_derived(file, json.dumps(found, ensure_ascii=False).encode())
        else:
            remove_derived(file)


@lru_cache(maxsize=1)
def _form() -> TypeAdapter[dict[str, RaceNote]]:
    return TypeAdapter(dict[str, RaceNote], config=ConfigDict(allow_inf_nan=False))
