"""In which order a sweep's questions are best answered: by models, then by documents, then by cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragvlc.core.data import Example
from ragvlc.core.work import Job
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import Asked

__all__ = ["schedule"]


def schedule(owed: Sequence[tuple[Cell, Sequence[Example]]], asked: Mapping[str, Asked]) -> list[Job]:
    """Returns the jobs of all cells, so that what they share is used while it is at hand.

    Cells that ask the same models make a stage: models that no later stage needs can be closed at its end. Within a
    stage the documents follow each other, and for each of them the cells: a document's beginning of a prompt is still
    in the engine's memory when the next question needs it, and an interrupted sweep has answered the same questions
    everywhere. Cold cells come last, each a stage of its own. Stages and cells come in the order of the plan, documents
    in that of the data, so that what is left of a sweep is worked off in the order of the whole.

    Args:
        owed: cells and the questions that each still owes.
        asked: all questions by data set key.
    """
    stages: dict[object, int] = {}
    groups = [own.group(example) for own in asked.values() for example in own.examples]
    ranks = {group: place for place, group in reversed(list(enumerate(groups)))}
    placed = []
    for number, (cell, examples) in enumerate(owed):
        models = tuple(sorted(model.key for model in cell.pipeline.generators.values()))
        stage = stages.setdefault((cell.cold, cell.key if cell.cold else models), len(stages))
        own = asked[cell.dataset.key]
        for place, example in enumerate(examples):
            group = own.group(example)
            job = Job(cell.key, cell.pipeline, example, cell.seed, cell.cold, stage, group)
            placed.append(((cell.cold, stage, ranks[group], number, place), job))
    return [job for _, job in sorted(placed, key=lambda pair: pair[0])]
