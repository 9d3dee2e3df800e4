"""Summarises a sweep's cells and sends them to a tracker, whose errors never stop the sweep."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar, cast, overload

from ragvlc import config
from ragvlc.core import interruption
from ragvlc.core.answer import Prediction
from ragvlc.core.data import Example, content_key
from ragvlc.core.errors import RagvlcError
from ragvlc.core.families import TrackedSweep
from ragvlc.core.records import CellRecord, SweepRecord, TraceRecord
from ragvlc.pool import EnginePool
from ragvlc.results.applicable import inapplicable
from ragvlc.results.completeness import is_finished
from ragvlc.results.generated import generated_share
from ragvlc.results.races import CellRace
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.results.stored import StoredRows, columns_for
from ragvlc.results.summary import metric_values, summarise
from ragvlc.sweep.pending import Pending
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.planned import load_questions, prices, stored_rows, write_plan
from ragvlc.sweep.racing import stored_racing
from ragvlc.sweep.rereading import reread_other_cells
from ragvlc.sweep.scoring import QuestionSet, scored
from ragvlc.sweep.setups import check_trials, metric_setups
from ragvlc.sweep.spec import Sweep
from ragvlc.trials import try_setups

__all__ = ["Finish", "Tracking", "cell_record", "cell_summary", "is_complete", "rescore", "send", "stored_rows"]

log = logging.getLogger("ragvlc")

MadeT = TypeVar("MadeT")

Finish = Callable[[Path], Mapping[str, Path]]
"""Creates files, such as figures, from a results folder, and returns them by their path in the tracker."""


def rescore(sweep: Sweep, runs: Path) -> Path:
    """Scores stored answers again if metrics or gold changed, and returns the results folder; loads only metric models.

    Raises:
        StoreError: if nothing is stored.
        SetupError: a metric's model does not work.
    """
    cells = plan(sweep)
    SweepStore(runs / sweep.name).check_results()
    with SweepStore(runs / sweep.name) as store, EnginePool() as pool:
        asked = write_plan(sweep, cells, store)
        reread_other_cells(cells, store)
        pending = [Pending(cell, asked[cell.dataset.key], store.cell(cell.key)) for cell in cells]
        check_trials(try_setups(pool, metric_setups(sweep.metrics, pending, stored_only=True)))
        for cell in cells:
            cell_store, own = store.cell(cell.key), asked[cell.dataset.key]
            scored(cell_store, own, pool, pipeline=cell.pipeline, control=cell.control)
            rows = stored_rows(cell, cell_store, own)
            if is_complete(cell_store, rows, own, sweep):
                cell_store.write_summary(cell_summary(cell, "complete", rows, own))
        stored_racing(sweep, cells, asked, store).write(store)
    return store.folder


def send(sweep: Sweep, runs: Path, *, finish: Finish | None = None) -> str | None:
    """Sends the results on disk to the tracker, even if they were sent before; returns the problem or None.

    Args:
        sweep: what was compared.
        runs: folder of all results.
        finish: creates files about the sweep to send, from its results folder.

    Raises:
        StoreError: if nothing is stored.
    """
    cells = plan(sweep)
    SweepStore(runs / sweep.name).check_results()
    with SweepStore(runs / sweep.name) as store:
        asked = load_questions(sweep, cells)
        racing = stored_racing(sweep, cells, asked, store)
        with Tracking(sweep, store, asked, cells) as tracking:
            for cell in cells:
                for record in _stored(cell, sweep, store, asked, racing.of(cell)):
                    tracking.cell(record)
            tracking.finish(finish)
    return tracking.problem


def _stored(
    cell: Cell, sweep: Sweep, store: SweepStore, asked: Mapping[str, QuestionSet], race: CellRace | None
) -> Iterator[CellRecord]:
    """Yields the record of a cell as it is on disk; none if it has no rows."""
    cell_store, own = store.cell(cell.key), asked[cell.dataset.key]
    rows = stored_rows(cell, cell_store, own)
    if rows:
        done = is_complete(cell_store, rows, own, sweep)
        ended = race.ended.status if race is not None and race.ended is not None else "stopped"
        summary = cell_summary(cell, "complete" if done else ended, rows, own, race)
        yield cell_record(cell, summary, cell_store.folder, own, rows, race)


def is_complete(store: CellStore, rows: Mapping[str, Prediction], asked: QuestionSet, sweep: Sweep) -> bool:
    """Returns whether a cell's current rows are those of a complete cell, even if its summary is lost."""
    labels = [metric.label for metric in asked.metrics]
    there = len(rows) == len(asked.examples)
    return there and (store.summary() is not None or is_finished(rows, len(asked.examples), labels, sweep.max_failures))


def _generated_tags(asked: Collection[QuestionSet]) -> dict[str, str]:
    skipped = sum((Counter(own.skipped) for own in asked), Counter[str]())
    share = generated_share((facts["tags"] for own in asked for facts in own.facts), skipped)
    return {} if share is None else {f"ragvlc.{name}": value for name, value in share.tags().items()}


def cell_summary(
    cell: Cell,
    status: str,
    rows: Mapping[str, Prediction],
    asked: QuestionSet,
    race: CellRace | None = None,
) -> dict[str, Any]:
    """Returns a cell's summary, with the key of its questions and metrics; of a race with sequential bounds."""
    labels = [metric.label for metric in asked.metrics]
    facts = asked.questions.by_id
    ruled = race if race is not None and race.rules(rows, facts) else None
    rows = rows if ruled is None else ruled.figure_rows(rows, facts)
    columns = columns_for(rows, asked.facts, prices(cell))
    if not isinstance(rows, StoredRows):
        columns.blank(inapplicable(cell.pipeline.routes, asked.metrics))
    figures = summarise(asked.facts, columns, labels, prices=prices(cell), skipped=asked.skipped, cold=cell.cold)
    figures = figures if ruled is None else ruled.bounded(figures, columns, facts)
    return {"key": cell.key, "name": cell.name, "status": status, "asked": asked.key, **figures}


class Tracking:
    """A tracker whose errors do not stop the sweep: what was not sent is sent again at the end, and else counted.

    Args:
        sweep: what is compared.
        store: of its results.
        asked: the questions by data set key.
        cells: of the sweep, in the order of the plan.
    """

    def __init__(
        self, sweep: Sweep, store: SweepStore, asked: Mapping[str, QuestionSet], cells: Sequence[Cell]
    ) -> None:
        self._sweep = sweep
        self._store = store
        self._asked = asked
        self._cells = {cell.key: cell for cell in cells}
        self._constant = _constant(cells)
        self._record = _sweep_record(sweep, store, asked, list(self._cells))
        self._context: Any = None
        self._tracked: TrackedSweep | None = None
        self._reason = ""
        self._transient = False
        self._given: set[str] = set()
        self._unsent: set[str] = set()
        self._others: list[str] = []

    @property
    def problem(self) -> str | None:
        """What was not sent and why, or None."""
        if not (self._unsent or self._others):
            return None
        cells = f"{len(self._unsent)} of {len(self._given)} cells" if len(self._given) > 1 else "the cell"
        return f"{' and '.join([*([cells] if self._unsent else []), *self._others])}: {self._reason}"

    def __enter__(self) -> Self:
        self._open()
        return self

    def cell(self, record: CellRecord) -> None:
        """Sends a cell to the tracker."""
        record = replace(record, params={key: own for key, own in record.params.items() if key not in self._constant})
        self._given.add(record.key)
        self._unsent.add(record.key)
        if self._tracked is not None and self._try(lambda tracked: tracked.cell(record)):
            self._unsent.discard(record.key)

    def finish(self, make: Finish | None) -> None:
        """Sends again what was not sent; creates the files about the sweep, tracker or not, and sends them."""
        if self._transient and self._unsent:
            self._send_again()
        if make is None:
            return
        try:
            paths = make(self._store.folder)
        except Exception as error:
            interruption.check()
            problem = f"files about the sweep were not created: {type(error).__name__}: {error}"
            log.warning("results are safe on disk, but %s", problem)
            log.debug("that came from", exc_info=error)
            self._others.append("the files about the sweep, which were not created")
            self._reason = self._reason or _words(error)
            return
        if self._tracked is None or not self._try(lambda tracked: tracked.files(paths)):
            self._others.append("the files about the sweep")

    def __exit__(self, *error: object) -> None:
        if self._tracked is not None and not self._try(lambda _: self._context.__exit__(*error)):
            self._others.append("the end of the sweep")

    def _open(self) -> None:
        with self._guard():
            self._context = self._sweep.tracker.open(self._record)
            self._tracked = self._context.__enter__()

    def _send_again(self) -> None:
        """Opens the tracker anew, and sends the unsent cells from disk until one fails."""
        if self._tracked is not None:
            with suppress(Exception):  # an outage is known
                self._context.__exit__(None, None, None)
        self._tracked, self._transient = None, False
        self._open()
        racing = stored_racing(self._sweep, list(self._cells.values()), self._asked, self._store)
        for key in [key for key in self._cells if key in self._unsent]:
            if self._tracked is None or self._transient:
                return
            race = racing.of(self._cells[key])
            for record in _stored(self._cells[key], self._sweep, self._store, self._asked, race):
                self.cell(record)
        if self._tracked is not None and not self._unsent:
            log.info("the tracker answers again: all cells were sent")

    def _try(self, send: Callable[[TrackedSweep], object]) -> bool:
        """Returns whether it was sent."""
        with self._guard():
            send(cast("TrackedSweep", self._tracked))
            return True
        return False

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a tracker never stops a sweep
            interruption.check()  # what fails because it was interrupted is no outage
            if not self._reason:
                log.warning("results are safe on disk, but were not sent to the tracker: %s", _words(error))
            self._reason = _words(error)
            self._transient = getattr(error, "transient", False)


def _constant(cells: Sequence[Cell]) -> set[str]:
    """Returns the parameters beside the axes that are the same in all cells: the resolved YAML has them."""
    own: dict[str, set[object]] = {
        "dataset": {cell.dataset.name for cell in cells},
        "seed": {cell.seed for cell in cells},
    }
    return {name for name, values in own.items() if len(cells) > 1 and len(values) == 1}


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, RagvlcError) else f"{type(error).__name__}: {error}"


def _sweep_record(
    sweep: Sweep, store: SweepStore, asked: Mapping[str, QuestionSet], cells: Sequence[str]
) -> SweepRecord:
    return SweepRecord(
        name=sweep.name,
        folder=store.folder,
        description=sweep.description,
        dataset=sweep.dataset.name,
        dataset_key=content_key([own.data_key for own in asked.values()]),
        examples=sum(len(own.examples) for own in asked.values()),
        resolved=config.to_yaml(sweep.spec()),
        cells=tuple(cells),
        metrics=tuple(metric.label for metric in sweep.metrics),
        smaller_is_better=tuple(metric.label for metric in sweep.metrics if metric.smaller_is_better),
        tags=_generated_tags(asked.values()),
    )


def cell_record(
    cell: Cell,
    summary: Mapping[str, Any],
    folder: Path,
    asked: QuestionSet,
    rows: StoredRows,
    race: CellRace | None = None,
) -> CellRecord:
    """Returns the record of a cell for a tracker; its rows are read from disk when the tracker wants them."""
    ended = race.ended if race is not None and race.rules(rows, asked.questions.by_id) else None
    left = f" ({race.words})" if race is not None and not race.ruled_out else ""
    how = {} if race is None or ended is None else {"strategy": f"{race.mark}{left}: {ended.reason}"}
    params = {"pipeline": cell.pipeline_name, "dataset": cell.dataset.name, "seed": cell.seed, **cell.settings}
    there = tuple(example for example in asked.examples if example.id in rows)
    tags = _generated_tags([asked])
    return CellRecord(
        key=cell.key,
        name=cell.name,
        status=summary["status"],
        folder=folder,
        params=params,
        metrics=metric_values(summary),
        table=_Read(there, rows, _marked_row if tags else table_row),
        tags={"pipeline": cell.pipeline_name, **tags, **how},
        dataset=cell.dataset.name,
        dataset_key=asked.data_key,
        examples=len(asked.examples),
        control=cell.control,
        models={role: str(model.spec().get("model", model.kind)) for role, model in cell.pipeline.generators.items()},
        traces=_Read(there, rows, TraceRecord),
    )


class _Read(Sequence[MadeT]):
    """What is made of questions and their rows, one by one when it is looked up, and not kept."""

    def __init__(
        self, examples: Sequence[Example], rows: StoredRows, make: Callable[[Example, Prediction], MadeT]
    ) -> None:
        self._examples = examples
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, place: int) -> MadeT: ...

    @overload
    def __getitem__(self, place: slice) -> list[MadeT]: ...

    def __getitem__(self, place: int | slice) -> MadeT | list[MadeT]:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        example = self._examples[place]
        return self._make(example, self._rows[example.id])


def _marked_row(example: Example, row: Prediction) -> dict[str, Any]:
    """Returns one question's row of a tracker's table, with whether a model wrote the question."""
    return {**table_row(example, row), "generated": example.tags.get("generated") is True}


def table_row(example: Example, row: Prediction) -> dict[str, Any]:
    """Returns one question's row of a tracker's table."""
    answer = row.answer
    return {
        "id": example.id,
        "question": example.query.text,
        "answer": answer.text if answer else "",
        "references": " | ".join(example.references),
        "failure": row.failure.message if row.failure else "",
        **row.scores,
        "prompt_tokens": answer.usage.prompt_tokens if answer else None,
        "completion_tokens": answer.usage.completion_tokens if answer else None,
        "engine_seconds": answer.timing.engine_seconds if answer else None,
        "dropped_tokens": answer.dropped_tokens if answer else None,
        "cluster": example.cluster,
    }
