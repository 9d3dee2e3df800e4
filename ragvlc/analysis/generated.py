"""Notes on generated questions for reports: captions of tables, and models that answer or judge what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragvlc.analysis.tables import Table
from ragvlc.results.generated import GeneratedShare, generated_share

if TYPE_CHECKING:
    from ragvlc.results.loading import CellResult, SweepResults

__all__ = ["captioned", "generated_lines", "own_questions"]

CAPTION = "generated questions"


def generated_lines(results: SweepResults) -> list[str]:
    """Returns a sentence for each data set with generated questions."""
    datasets = results.by_dataset()
    lines = []
    for name, cells in datasets.items():
        share = _share(cells)
        if share is not None:
            lines.append(share.sentence if len(datasets) == 1 else f"{name}: {share.sentence}")
    return lines


def captioned(results: SweepResults, tables: Sequence[Table]) -> list[Table]:
    """Returns the tables; those of generated questions say so in their titles."""
    shares = [share for cells in results.by_dataset().values() if (share := _share(cells))]
    if not shares:
        return list(tables)
    caption = f"{CAPTION}, {shares[0].review}" if len(shares) == 1 else CAPTION
    return [replace(table, title=f"{table.title} ({caption})") for table in tables]


def _share(cells: Sequence[CellResult]) -> GeneratedShare | None:
    """Returns the generated questions of a data set, given by its cells."""
    return generated_share((facts["tags"] for facts in cells[0].examples.values()), cells[0].facts.get("skipped"))


def own_questions(cells: Sequence[CellResult]) -> str:
    """Returns a sentence that names the models which wrote the questions and are judged on them, or judge them."""
    share = _share(cells) if cells else None
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
