"""Questions of a sweep, filtered and grouped: those that cells got wrong, those that two cells differ on, by group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from ragvlc.analysis.listing import TextColumns
from ragvlc.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["GROUPS", "filtered_questions", "grouped_questions"]

GROUPS = ("cluster", "document", "task")
"""What questions are grouped by, besides `tag:NAME`."""


def filtered_questions(
    results: SweepResults, metric: str, *, wrong: bool = False, flipped: tuple[str, str] | None = None
) -> tuple[list[str], list[RenderableType]]:
    """Returns the ids of the chosen questions, and a table of them with each cell's score.

    Args:
        results: with the questions.
        metric: that says what is wrong.
        wrong: questions that at least one cell scores below 1 on, or failed on.
        flipped: two cells, for questions that one of them scores higher on than the other.

    Raises:
        ConfigError: no such cell.
    """
    cells = list(results.cells) if flipped is None else [results.cell(name) for name in flipped]
    scores = [cell.scores(metric) for cell in cells]
    chosen = []
    for name in _facts(results):
        found = [column[name] for column in scores if column.get(name) is not None]
        differs = flipped is not None and len(found) == 2 and found[0] != found[1]
        failed = wrong and any(score is not None and score < 1 for score in found)
        if (differs or flipped is None) and (failed or not wrong):
            chosen.append(name)
    return chosen, [_table(results, metric, cells, chosen), _count(results, metric, chosen, cells, scores)]


def _table(results: SweepResults, metric: str, cells: list[CellResult], chosen: list[str]) -> TextColumns:
    facts, scores = _facts(results), [cell.scores(metric) for cell in cells]
    few = len(cells) <= 4
    heads = ("id", "question", *((cell.name for cell in cells) if few else (f"{metric}, in the order of cells",)))
    rows = []
    for name in chosen:
        own = tuple("-" if (score := column.get(name)) is None else f"{score:.2f}" for column in scores)
        rows.append((name, str(facts[name]["question"]), *(own if few else (" ".join(own),))))
    return TextColumns(heads, rows)


def _count(
    results: SweepResults,
    metric: str,
    chosen: list[str],
    cells: list[CellResult],
    scores: list[dict[str, float | None]],
) -> str:
    total = len(_facts(results))
    words = f"\n{len(chosen)} of {total} questions, by {metric}"
    missing = sum(all(column.get(name) is None for column in scores) for name in _facts(results))
    words += f"; {missing} have no score in these cells" if missing else ""
    if len(cells) > 4:
        words += ". Cells: " + ", ".join(f"{place}. {cell.name}" for place, cell in enumerate(cells, 1))
    return words + "."


def grouped_questions(results: SweepResults, metric: str, by: str, chosen: Collection[str]) -> list[RenderableType]:
    """Returns a table of groups: their number of questions, and the mean of each cell over them.

    Raises:
        ConfigError: no such group.
    """
    group = _grouping(results, by)
    members: dict[str, list[str]] = {}
    facts = _facts(results)
    for name in facts:
        if name in set(chosen):
            for one in group(facts[name]):
                members.setdefault(one, []).append(name)
    scores = [cell.scores(metric) for cell in results.cells]
    rows = []
    for one, names in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        means = [_mean([column.get(name) for name in names]) for column in scores]
        rows.append((one, str(len(names)), *means))
    return [TextColumns((by, "questions", *(cell.name for cell in results.cells)), rows)]


def _grouping(results: SweepResults, by: str) -> Callable[[Mapping[str, Any]], list[str]]:
    kind, _, tag = by.partition(":")
    tags = sorted({name for facts in _facts(results).values() for name in facts["tags"]})
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


def _facts(results: SweepResults) -> dict[str, Mapping[str, Any]]:
    return {name: facts for cell in results.cells for name, facts in cell.examples.items()}
