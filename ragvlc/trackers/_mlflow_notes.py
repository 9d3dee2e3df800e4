"""Notes on MLflow's pages about a sweep and its cells. Does not import MLflow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ragvlc.core.data import content_key
from ragvlc.core.records import CellRecord, SweepRecord, bound_name, score_name
from ragvlc.trackers._mlflow_values import tag_text

__all__ = ["Best", "best", "cell_note", "experiment_note", "note_tags", "sweep_note"]

NOTE_TAG = "mlflow.note.content"
OURS_TAG = "ragvlc.note"
"""Hash of the note that ragvlc wrote last: a note edited by a user is not overwritten."""


@dataclass(frozen=True, slots=True)
class Best:
    """The cells with the best mean on one data set.

    Attributes:
        keys: of the cells; several where means are equal, in the order of the plan.
        name: of the first.
        score: its mean.
        metric: label.
        dataset: name; empty if the sweep has only one.
        cells: number of cells compared.
    """

    keys: tuple[str, ...]
    name: str
    score: float
    metric: str
    dataset: str
    cells: int

    @property
    def others(self) -> str:
        """The number of other cells with the same mean, such as `2 others`; empty if there are none."""
        count = len(self.keys) - 1
        return f"{count} other{'s' if count > 1 else ''}" if count else ""

    @property
    def words(self) -> str:
        """A short description of the best cell, for a table column."""
        others = f", shared with {self.others}" if self.others else ""
        return f"{self.dataset + ': ' if self.dataset else ''}{self.name} ({self.score:.3f}{others})"


def best(
    metric: str,
    scores: Mapping[str, float],
    names: Mapping[str, str],
    datasets: Mapping[str, str],
    *,
    smaller: bool,
    out: Collection[str] = (),
) -> list[Best]:
    """Returns the best cell on each data set; scores on different data sets are not comparable.

    Args:
        metric: label.
        scores: mean by key of the cell, in the order of the plan.
        names: of the cells.
        datasets: name of the data set by key of the cell.
        smaller: whether smaller scores are better.
        out: keys of cells that a race has ruled out; their scores are of other questions.
    """
    groups: dict[str, list[str]] = {}
    for key in scores:
        groups.setdefault(datasets[key], []).append(key)
    found = []
    for dataset, every in groups.items():
        keys = [key for key in every if key not in out]
        if not keys:
            continue
        score = (min if smaller else max)(scores[key] for key in keys)
        winners = tuple(key for key in keys if scores[key] == score)
        shown = dataset if len(groups) > 1 else ""
        found.append(Best(winners, names[winners[0]], score, metric, shown, len(every)))
    return found


def cell_note(record: CellRecord, labels: Sequence[str], wins: Sequence[Best] = ()) -> str:
    """Returns the note on a cell: its pipeline and settings, its scores, and where it is the best."""
    own = {name: value for name, value in record.params.items() if name not in {"pipeline", "dataset", "seed"}}
    about = f"Pipeline **{record.params.get('pipeline', record.name)}**"
    about += f" over {record.dataset}" if record.dataset else ""
    about += f", {record.examples} questions." if record.examples else "."
    if record.control:
        about += " A control: it reads the gold evidence, so it is a bound for the others and not a candidate."
    if how := record.tags.get("strategy"):
        about += f" Not all questions were asked: {how}. Bounds are sequential."
    elif record.status != "complete":
        about += f" Not complete: {record.status}."
    for win in wins:
        tie = f", shared with {win.others}" if win.others else ""
        about += f" Best mean of {win.metric} among {win.cells} cells{tie}."
    scores = [_score(label, record.metrics) for label in labels if score_name(label) in record.metrics]
    lines = [about, *(["Means with 95 % intervals: " + "; ".join(scores) + "."] if scores else [])]
    lines += ["\n".join(f"- `{name}`: {value}" for name, value in own.items())] if own else []
    return "\n\n".join(lines)


def sweep_note(sweep: SweepRecord, found: Sequence[Best], decision: str = "", verdict: Sequence[str] = ()) -> str:
    """Returns the note on a sweep: its decision, the verdict, its question and its best cells."""
    lines = [f"**Decision.** {decision}"] if decision else []
    lines += [f"**Verdict.** {one}" for one in verdict]
    lines += [sweep.description] if sweep.description else []
    for one in found:
        over = f" over {one.dataset}" if one.dataset else ""
        lines.append(
            f"Best mean of {one.metric}{over}: **{one.name}**, {one.score:.3f}, among {one.cells} cells"
            f"{f', shared with {one.others}' if one.others else ''}."
        )
    return "\n\n".join(lines)


def experiment_note(sweep: SweepRecord) -> str:
    """Returns the note on an experiment's page: what is compared, and where to find it."""
    about = f"{sweep.description}\n\n" if sweep.description else ""
    return (
        f"{about}One run for the sweep, and in it a child run for each cell. The sweep's run has the verdict, "
        "`verdict/`. Of the cells, `score/` has the means, `score_interval/` the two bounds of each as a series, and "
        "`seconds/`, `speculation/`, `spend/`, `tokens/`, `totals/` the rest. Sort by the tag `ragvlc.order` for the "
        "order of the plan; `ragvlc.stale` marks cells that the sweep no longer has. Questions are in the table "
        "`questions.json` of each cell, some of them as traces: the tag `ragvlc.question` "
        "finds one in every cell."
    )


def note_tags(text: str, tags: Mapping[str, str], *, earlier: str | None = None) -> dict[str, str]:
    """Returns the tags that set `text` as the note; empty if a user has written the current note.

    Args:
        text: of the note.
        tags: present tags of the run.
        earlier: a note that ragvlc wrote although no tag says so.
    """
    text, present = tag_text(text), tags.get(NOTE_TAG)
    ours = present in (None, "", earlier) or content_key(present)[:16] == tags.get(OURS_TAG)
    return {NOTE_TAG: text, OURS_TAG: content_key(text)[:16]} if ours and text else {}


def _score(label: str, metrics: Mapping[str, float]) -> str:
    low, high = metrics.get(bound_name(label, "low")), metrics.get(bound_name(label, "high"))
    bounds = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    return f"{label} {metrics[score_name(label)]:.3f}{bounds}"
