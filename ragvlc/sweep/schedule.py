"""The order of a sweep's questions: by models, then by documents, then by cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragvlc.core.data import Example
from ragvlc.core.jobs import Job
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import QuestionSet

__all__ = ["schedule"]


def schedule(pending: Sequence[tuple[Cell, Sequence[Example]]], asked: Mapping[str, QuestionSet]) -> list[Job]:
    """Returns the jobs of all cells in an order that reuses models, indexes and prefix caches.

    Cells with the same models form a stage: models that no later stage needs can be closed at its end. Within a stage
    jobs are sorted by document, then by cell: the prompt prefix of a document is still in the engine's prefix cache
    when the next question needs it, and an interrupted sweep has answered the same questions in all cells. Cold cells
    come last, each in a stage of its own. Stages and cells are in the order of the plan, documents in that of the data,
    so that the pending questions of a sweep run in the same order as all of them.

    Args:
        pending: cells and their pending questions.
        asked: all questions by data set key.
    """
    stages: dict[object, int] = {}
    groups = [own.group(example) for own in asked.values() for example in own.examples]
    ranks = {group: place for place, group in reversed(list(enumerate(groups)))}
    placed = []
    for number, (cell, examples) in enumerate(pending):
        models = tuple(sorted(model.key for model in cell.pipeline.generators.values()))
        stage = stages.setdefault((cell.cold, cell.key if cell.cold else models), len(stages))
        own = asked[cell.dataset.key]
        for place, example in enumerate(examples):
            group = own.group(example)
            job = Job(cell.key, cell.pipeline, example, cell.seed, cell.cold, stage, group)
            placed.append(((cell.cold, stage, ranks[group], number, place), job))
    return [job for _, job in sorted(placed, key=lambda pair: pair[0])]
