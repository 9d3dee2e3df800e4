"""What a table says about the number of questions and clusters that its figures rest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ragvlc.statistics.corrections import SETTLED
from ragvlc.statistics.differences import smallest_p
from ragvlc.statistics.few_clusters import FEW_CLUSTERS, warning

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, Comparison

__all__ = ["SCARCE", "counted", "fewness", "hopeless", "questions_of", "raced_note"]

SCARCE = 20
"""Below this many clusters a table says that they are few."""

RACED = "Brackets with † are of a race: sequential bounds, which hold at whatever block a cell stopped, of {of}."
RACED_OF = {
    "grid": "the mean over all questions of this grid, not over other questions",
    "population": "the mean over further questions of this kind",
}


NOWHERE = (
    "no question has a score, as what it reads of the data or of these routes is not there (`python -m pydoc "
    "ragvlc.metrics.KIND` says what that is)"
)


def counted(cells: Sequence[CellResult], metric: str) -> tuple[str, str]:
    """Returns the number of questions that a metric's means rest on, for a column's head, and the same in words.

    Both are empty where every mean rests on all questions of its cell. A metric without any score is said to be so.
    """
    scored = [cell for cell in cells if cell.mean(metric) is not None]
    unjudged = any(cell.summary["flags"].get("unjudged") for cell in cells)
    if not scored and not unjudged and any(cell.rows for cell in cells):
        return "n = 0", NOWHERE
    if all(_n(cell, metric) == len(cell.rows) for cell in scored):
        return "", ""
    own = _span(scored, lambda cell: _n(cell, metric))
    clusters = _span(scored, lambda cell: int(cell.summary["metrics"][metric]["clusters"]))
    of = f"{own} of {_span(scored, lambda cell: len(cell.rows))} questions"
    within = f"{clusters} of {_span(scored, lambda cell: int(cell.summary['clusters']))} clusters"
    fewer = [cell for cell in scored if _n(cell, metric) < max(_n(one, metric) for one in _peers(scored, cell))]
    named = ", ".join(f"{cell.name} {_n(cell, metric):,}" for cell in fewer)
    return f"n = {own}", f"{of} in {within}{f' (fewer: {named})' if named else ''}"


def questions_of(cells: Sequence[CellResult]) -> str:
    """Returns a sentence on how many questions and clusters the cells were asked; empty without rows."""
    asked = [cell for cell in cells if cell.rows]
    if not asked:
        return ""
    questions, clusters = (
        _span(asked, lambda cell: len(cell.rows)),
        _span(asked, lambda cell: int(cell.summary["clusters"])),
    )
    return f"{questions} question{_plural(questions)} in {clusters} cluster{_plural(clusters)}."


def fewness(counts: Sequence[tuple[str, int]], *, scarce: bool = True) -> str:
    """Returns a sentence on the metrics with few clusters, by each metric's smallest number; empty if all have many.

    Args:
        counts: metric and number of clusters, of any number of cells.
        scarce: whether to speak of all below `SCARCE`, too, and not only of those too few to rely on.
    """
    fewest: dict[str, int] = {}
    for metric, clusters in counts:
        if clusters:
            fewest[metric] = min(clusters, fewest.get(metric, clusters))
    parts = []
    for chosen, text in (
        ({metric for metric, count in fewest.items() if count < FEW_CLUSTERS}, warning),
        ({metric for metric, count in fewest.items() if scarce and FEW_CLUSTERS <= count < SCARCE}, _scarce),
    ):
        if chosen:
            named = "" if len(chosen) == len(fewest) else f"{', '.join(one for one in fewest if one in chosen)}: "
            parts.append(f" {named}{text(min(fewest[metric] for metric in chosen))}")
    return "".join(parts)


def raced_note(cells: Sequence[CellResult]) -> str:
    """Returns sentences on the brackets with † of raced cells, and of what mean they are; empty without a race.

    A race whose target is the grid bounds the mean over all questions of the grid, which is known better than that of
    further questions: next to usual intervals these brackets look too narrow if nothing says so.
    """
    targets = {cell.raced.note.target for cell in cells if cell.raced is not None and not cell.raced.note.searches}
    return " ".join(RACED.format(of=RACED_OF[target]) for target in sorted(targets))


def hopeless(comparisons: Sequence[Comparison]) -> str:
    """Returns a sentence on the metrics where Holm's correction can settle nothing, whatever the scores; or nothing."""
    found: dict[tuple[int, int], list[str]] = {}
    for metric in dict.fromkeys(one.metric for one in comparisons):
        own = [one for one in comparisons if one.metric == metric and one.p is not None]
        if not own:
            continue
        tests, clusters = len(own), max(one.clusters for one in own)
        if smallest_p(clusters, tests) * tests >= SETTLED:
            found.setdefault((tests, clusters), []).append(metric)
    every = len({one.metric for one in comparisons if one.p is not None})
    return "".join(
        f" {'' if len(metrics) == every else ', '.join(metrics) + ': '}{_cannot(tests, clusters)}"
        for (tests, clusters), metrics in found.items()
    )


def _cannot(tests: int, clusters: int) -> str:
    rows = f"{tests} row{_plural(str(tests))}"
    needed = next((count for count in range(2, 64) if smallest_p(count, tests) * tests < SETTLED), None)
    if needed is None:
        return f"{rows} are too many to settle any difference after Holm: compare fewer cells."
    fewer = ", or fewer rows" if tests > 1 and smallest_p(clusters, 1) < SETTLED else ""
    return (
        f"{rows} and {clusters} clusters can settle no difference after Holm, whatever the scores: it takes {needed} "
        f"clusters{fewer}."
    )


def _scarce(clusters: int) -> str:
    return f"{clusters} clusters are few: intervals are wide. Ask over more documents, not more about the same."


def _n(cell: CellResult, metric: str) -> int:
    return int(cell.summary["metrics"][metric]["n"])


def _peers(cells: Sequence[CellResult], cell: CellResult) -> list[CellResult]:
    return [one for one in cells if one.facts["examples"] == cell.facts["examples"]]


def _span(cells: Sequence[CellResult], count: Callable[[CellResult], int]) -> str:
    counts = [count(cell) for cell in cells]
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _plural(count: str) -> str:
    return "" if count == "1" else "s"
