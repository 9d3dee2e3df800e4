"""The order of a sweep's questions: by models, then by documents, then by cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, overload

from ragvlc.core.data import Example
from ragvlc.core.jobs import Job
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.scoring import QuestionSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["schedule"]


def schedule(pending: Sequence[tuple[Cell, Sequence[Example]]], asked: Mapping[str, QuestionSet]) -> Sequence[Job]:
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
    import numpy as np

    stages: dict[object, int] = {}
    groups = [own.group(example) for own in asked.values() for example in own.examples]
    ranks = {group: place for place, group in reversed(list(enumerate(groups)))}
    cells = []
    for cell, examples in pending:
        models = tuple(sorted(model.key for model in cell.pipeline.generators.values()))
        stage = stages.setdefault((cell.cold, cell.key if cell.cold else models), len(stages))
        cells.append((cell, stage, asked[cell.dataset.key], examples))
    sizes = [len(examples) for *_, examples in cells]
    numbers = np.repeat(np.arange(len(cells), dtype=np.int32), sizes)
    places = np.concatenate([np.zeros(0, np.int32), *(np.arange(size, dtype=np.int32) for size in sizes)])
    documents = (ranks[own.group(example)] for _, _, own, examples in cells for example in examples)
    rank = np.fromiter(documents, np.int32, sum(sizes))
    stage_of = np.repeat(np.array([stage for _, stage, *_ in cells], np.int32), sizes)
    cold = np.repeat(np.array([cell.cold for cell, *_ in cells], np.bool_), sizes)
    order = np.lexsort((places, numbers, rank, stage_of, cold))
    return _Jobs(cells, numbers[order], places[order])


class _Jobs(Sequence[Job]):
    """Jobs that are made when they are looked up: a million in memory would take 300 MB.

    Args:
        cells: with their stage, data set and pending questions.
        numbers: of the cell of each job.
        places: of the question of each job among those of its cell.
    """

    def __init__(
        self,
        cells: Sequence[tuple[Cell, int, QuestionSet, Sequence[Example]]],
        numbers: NDArray[np.int32],
        places: NDArray[np.int32],
    ) -> None:
        self._cells = cells
        self._numbers = numbers
        self._places = places

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Job: ...

    @overload
    def __getitem__(self, place: slice) -> _Jobs: ...

    def __getitem__(self, place: int | slice) -> Job | _Jobs:
        if isinstance(place, slice):
            return _Jobs(self._cells, self._numbers[place], self._places[place])
        cell, stage, own, examples = self._cells[self._numbers[place]]
        example = examples[self._places[place]]
        return Job(cell.key, cell.pipeline, example, cell.seed, cell.cold, stage, own.group(example))
