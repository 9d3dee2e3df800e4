"""Stored replies read again: rows of version 1, and rows of a cell that differs in `thinking` alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragvlc.core.answer import Prediction
from ragvlc.core.replies import Reply
from ragvlc.pipeline import Pipeline
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.sweep.plan import Cell, cell_key
from ragvlc.text.replies import read_reply

__all__ = ["read_again", "reread_other_cells"]


def read_again(row: Prediction, pipeline: Pipeline) -> Prediction:
    """Returns a row with the reply read under the `thinking` of the model that answered.

    Where that changes the answer, or there is none, the row's scores are stale, and no metric counts as up to date.
    """
    answer = row.answer
    if answer is None:
        return row
    reply = answer.reply or Reply(answer.text, reason=answer.finish)
    read = read_reply(reply, _thinking(pipeline, answer.route))
    text = read.answer.strip()
    same = text == answer.text
    if same and answer.answered:
        return row
    finish = answer.finish if same or answer.finish == "declined" else read.finish
    return replace(
        row, answer=replace(answer, text=text, thought=read.thought, finish=finish, reply=reply), scored_by={}
    )


def reread_other_cells(cells: Sequence[Cell], store: SweepStore) -> None:
    """Gives cells with another `thinking` than `auto` the rows of the cell with `auto`, read again.

    Rows of one call only: in others the replies in between were read too, and are found in the cache of replies. Cells
    that have rows are left as they are.
    """
    for cell in cells:
        own = store.cell(cell.key)
        if all(one.thinking == "auto" for one in cell.pipeline.generators.values()) or own.has_rows:
            continue
        rows = [row for row in _rows_under_auto(cell, store) if row.answer is not None and row.answer.usage.calls == 1]
        if rows:
            own.folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            own.append(replace(read_again(row, cell.pipeline), scores={}, scored_by={}, flags=()))


def _rows_under_auto(cell: Cell, store: SweepStore) -> Sequence[Prediction]:
    spec = cell.pipeline.spec()
    for generator in spec["generators"].values():
        generator["thinking"] = "auto"
    plain = Pipeline.model_validate(spec)
    other = CellStore(store.folder / cell_key(plain, cell.dataset, cell.seed, cell.latency))
    return list(other.load().values()) if other.has_rows else []


def _thinking(pipeline: Pipeline, route: str) -> str:
    """Returns how the thoughts of the model that answers are marked."""
    role = getattr(pipeline.routes.get(route), "generator", "main")
    generators = pipeline.generators
    own = generators.get(role) or generators.get("main") or next(iter(generators.values()), None)
    return own.thinking if own is not None else "auto"
