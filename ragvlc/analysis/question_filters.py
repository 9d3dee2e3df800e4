"""Questions of a sweep, filtered and grouped: those that cells got wrong, those that two cells differ on, by group.

Two data sets may give one id to different questions; a question is therefore known by its id and its wording.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.listing import TextColumns
from ragvlc.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["GROUPS", "Asked", "all_questions", "best_score", "filtered_questions", "grouped_questions", "scores_of"]

Asked = tuple[str, str]
"""Id and wording of a question."""

GROUPS = ("cluster", "document", "task")
"""What questions are grouped by, besides `tag:NAME`."""


def all_questions(results: SweepResults) -> dict[Asked, Mapping[str, Any]]:
    """Returns every question of the data sets, each once."""
    return {(name, facts["question"]): facts for cell in results.cells for name, facts in cell.examples.items()}


def scores_of(cell: CellResult, metric: str) -> dict[Asked, float | None]:
    """Returns a cell's scores by question."""
    return {(name, cell.examples[name]["question"]): score for name, score in cell.scores(metric).items()}


def best_score(results: SweepResults, metric: str) -> int:
    """Returns the score of an answer without a fault: 0 where smaller is better, else 1."""
    return 0 if any(metric in cell.facts.get("smaller_is_better", ()) for cell in results.cells) else 1


def filtered_questions(
    results: SweepResults, metric: str, *, wrong: bool = False, flipped: tuple[str, str] | None = None
) -> tuple[list[Asked], list[RenderableType]]:
    """Returns the chosen questions, and a table of them with each cell's score.

    Args:
        results: with the questions.
        metric: that says what is wrong.
        wrong: questions that at least one cell has not the best score on, or failed on.
        flipped: two cells, for questions that one of them scores higher on than the other.

    Raises:
        ConfigError: no such cell, twice the same cell, or no question in common.
    """
    cells = list(results.cells) if flipped is None else [results.cell(name) for name in flipped]
    scores = [scores_of(cell, metric) for cell in cells]
    if flipped is not None:
        _refuse_pair(flipped, cells, scores)
    best = best_score(results, metric)
    chosen = []
    for name in all_questions(results):
        found = [column[name] for column in scores if column.get(name) is not None]
        differs = flipped is not None and len(found) == 2 and found[0] != found[1]
        failed = wrong and any(score is not None and (score > best if best == 0 else score < best) for score in found)
        if (differs or flipped is None) and (failed or not wrong):
            chosen.append(name)
    return chosen, [_table(metric, cells, chosen, scores), _count(results, metric, chosen, cells, scores)]


def _refuse_pair(names: tuple[str, str], cells: list[CellResult], scores: list[dict[Asked, float | None]]) -> None:
    first, second = cells
    if first is second:
        raise ConfigError(f"--flipped: '{names[0]}' and '{names[1]}' are the same cell, {first.name}. Name two.")
    if not scores[0].keys() & scores[1].keys():
        raise ConfigError(
            f"--flipped: no question in common: {first.name} has {len(scores[0])}, {second.name} has {len(scores[1])}."
        )


def _table(
    metric: str, cells: list[CellResult], chosen: list[Asked], scores: list[dict[Asked, float | None]]
) -> TextColumns:
    few = len(cells) <= 4
    heads = ("id", "question", *((cell.name for cell in cells) if few else (f"{metric}, in the order of cells",)))
    rows = []
    for name in chosen:
        own = tuple("-" if (score := column.get(name)) is None else f"{score:.2f}" for column in scores)
        rows.append((*name, *(own if few else (" ".join(own),))))
    return TextColumns(heads, rows)


def _count(
    results: SweepResults,
    metric: str,
    chosen: list[Asked],
    cells: list[CellResult],
    scores: list[dict[Asked, float | None]],
) -> str:
    asked = all_questions(results)
    words = f"\n{len(chosen)} of {len(asked)} questions, by {metric}"
    missing = sum(all(column.get(name) is None for column in scores) for name in asked)
    words += f"; {missing} {'has' if missing == 1 else 'have'} no score in these cells" if missing else ""
    if len(cells) > 4:
        words += ". Cells: " + ", ".join(f"{place}. {cell.name}" for place, cell in enumerate(cells, 1))
    return words + "."


def grouped_questions(results: SweepResults, metric: str, by: str, chosen: Collection[Asked]) -> list[RenderableType]:
    """Returns a table of groups: their number of questions, and the mean of each cell over them.

    Raises:
        ConfigError: no such group.
    """
    group = _grouping(results, by)
    members: dict[str, list[Asked]] = {}
    facts = all_questions(results)
    for name in chosen:
        for one in group(facts[name]):
            members.setdefault(one, []).append(name)
    scores = [scores_of(cell, metric) for cell in results.cells]
    rows = []
    for one, names in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        means = [_mean([column.get(name) for name in names]) for column in scores]
        rows.append((one, str(len(names)), *means))
    return [TextColumns((by, "questions", *(cell.name for cell in results.cells)), rows)]


def _grouping(results: SweepResults, by: str) -> Callable[[Mapping[str, Any]], list[str]]:
    kind, _, tag = by.partition(":")
    tags = sorted({name for facts in all_questions(results).values() for name in facts["tags"]})
    if kind == "tag" and tag in tags:
        return lambda facts: [str(facts["tags"].get(tag, "-"))]
    if by == "document":
        return lambda facts: list(facts["documents"]) or ["-"]
    if by in GROUPS:
        return lambda facts: [str(facts[by] or "-")]
    known = [*GROUPS, *(f"tag:{name}" for name in tags)]
    raise ConfigError(f"--by {by}: no such group. Known: {', '.join(known)}.{nearest(by, known)}")


def _mean(scores: list[float | None]) -> str:
    known = [score for score in scores if score is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"
