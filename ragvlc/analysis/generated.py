"""Notes on generated questions for reports: captions of tables, and models that answer or judge what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.analysis.tables import Table
from ragvlc.results.generated import generated_share

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["captioned", "generated_lines", "own_questions"]

CAPTION = "generated questions"


def generated_lines(results: SweepResults) -> list[str]:
    """Returns a sentence for each data set with generated questions."""
    datasets = results.by_dataset()
    lines = []
    for name, cells in datasets.items():
        share = generated_share(facts["tags"] for facts in cells[0].examples.values())
        if share is not None:
            lines.append(share.sentence if len(datasets) == 1 else f"{name}: {share.sentence}")
    return lines


def captioned(results: SweepResults, tables: Sequence[Table]) -> list[Table]:
    """Returns the tables; those of generated questions say so in their titles."""
    if not generated_lines(results):
        return list(tables)
    return [replace(table, title=f"{table.title} ({CAPTION})") for table in tables]


def own_questions(cells: Sequence[CellResult]) -> str:
    """Returns a sentence that names the models which wrote the questions and are judged on them, or judge them."""
    share = generated_share(facts["tags"] for facts in cells[0].examples.values()) if cells else None
    if share is None:
        return ""
    sentences = []
    for writer in share.writers:
        models = {cell.name: cell.facts.get("models", {}) for cell in cells}
        answering = [name for name, own in models.items() if writer in own.get("answer", ())]
        if answering:
            where = "every cell" if len(answering) == len(cells) else ", ".join(answering)
            sentences.append(
                f"{writer} wrote these questions and is judged on them in {where}: its own questions suit it. Compare "
                "routes of one model, not models, or ask questions of another writer."
            )
        if any(writer in own.get("judge", ()) for own in models.values()):
            sentences.append(f"{writer} wrote these questions and judges the answers to them.")
    return " ".join(sentences)
