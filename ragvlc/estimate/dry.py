"""A dry run: the real routes over the real questions, with engines that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import Example
from ragvlc.core.errors import ConfigError, MissingExtra
from ragvlc.core.families import Embedder, Generator
from ragvlc.estimate.counting import CountingPool, Tally
from ragvlc.estimate.figures import add_to
from ragvlc.estimate.prices import Prices
from ragvlc.estimate.sampling import Sample
from ragvlc.estimate.stand_ins import stand_in
from ragvlc.pipeline import Pipeline
from ragvlc.routes._wrapping import Wrapper
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import Asked

__all__ = ["CellFigures", "DryRun", "Owed", "Record"]

_WORDS = {"chunk": "chunkings", "index": "indexes", "rank": "rankings", "rerank": "rerankings"}
"""Figures by stage; on disk the stages have these names, too."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A cell and the questions drawn of those that it owes."""

    cell: Cell
    sample: Sample


@dataclass(frozen=True, slots=True)
class Record:
    """What one question of one cell asked for.

    Attributes:
        cell: key.
        example: id.
        tally: keys of everything.
        embedded: passages by index made of vectors, and under "" the questions embedded.
        problem: why it could not be counted to the end, or nothing.
    """

    cell: str
    example: str
    tally: Tally
    embedded: Mapping[str, int]
    problem: str = ""


@dataclass(slots=True)
class CellFigures:
    """A cell's figures, scaled up.

    Attributes:
        figures: sums.
        models: sums by generator's key.
        prompt_tokens: by example id, not scaled.
        problems: how many questions each problem stands for.
    """

    figures: dict[str, float] = field(default_factory=dict)
    models: dict[str, dict[str, float]] = field(default_factory=dict)
    prompt_tokens: dict[str, float] = field(default_factory=dict)
    problems: dict[str, float] = field(default_factory=dict)

    def take(self, record: Record, figures: Mapping[str, float], models: _ByModel, weight: float) -> None:
        """Adds one question's figures, times what it stands for."""
        self.prompt_tokens[record.example] = figures.get("prompt_tokens", 0.0)
        add_to(self.figures, figures, weight)
        for key, own in models.items():
            add_to(self.models.setdefault(key, {}), own, weight)
        if record.problem:
            add_to(self.problems, {record.problem: weight})


_ByModel = Mapping[str, Mapping[str, float]]


@dataclass(slots=True)
class DryRun:
    """Goes through the questions in the order of a real run.

    Attributes:
        pool: counts.
        records: one a question and cell, in order.
        stand_ins: kinds of parts that were replaced.
        wrappers: kinds of routes that were counted as if they always asked a second one.
    """

    pool: CountingPool
    records: list[Record] = field(default_factory=list)
    stand_ins: list[str] = field(default_factory=list)
    wrappers: set[str] = field(default_factory=set)

    def go(self, owed: Sequence[Owed], asked: Mapping[str, Asked]) -> None:
        """Asks every question drawn."""
        pipelines = {one.cell.key: self._replaced(one.cell.pipeline) for one in owed}
        cells = {one.cell.key: one.cell for one in owed}
        for job in schedule([(one.cell, one.sample.examples) for one in owed], asked):
            cell = cells[job.cell]
            self.records.append(self._asked(cell, pipelines[job.cell], job.example, asked[cell.dataset.key]))

    def figures(
        self, owed: Sequence[Owed], prices: Prices, among: Mapping[str, set[str]] | None = None
    ) -> dict[str, CellFigures]:
        """Returns each cell's figures; what is shared counts for the question that comes first.

        Args:
            owed: cells.
            prices: of calls and texts.
            among: ids of the only examples that are asked, by data set key; None for all.
        """
        samples = {one.cell.key: one for one in owed}
        found = {key: CellFigures() for key in samples}
        seen: set[tuple[str, str]] = set()
        for record in self.records:
            one = samples[record.cell]
            if among is None or record.example in among[one.cell.dataset.key]:
                figures, models = self._figures(record, seen, prices)
                found[record.cell].take(record, figures, models, one.sample.weight(record.example))
        return found

    def _replaced(self, pipeline: Pipeline) -> Pipeline:
        changed, kinds = stand_in(pipeline)
        held = {route.kind for route in pipeline.routes.values() if isinstance(route, Wrapper)}
        self.wrappers |= held
        self.stand_ins += [kind for kind in kinds if kind not in self.stand_ins]
        return changed

    def _asked(self, cell: Cell, pipeline: Pipeline, example: Example, asked: Asked) -> Record:
        routes = frozenset(route.kind for route in pipeline.routes.values())
        problem, embedded = "", dict[str, int]()
        with self.pool.question(routes) as tally:
            try:
                answer = pipeline.answer_example(example, seed=cell.seed, pool=self.pool, cold=cell.cold)
                embedded = _embedded(answer, tally, pipeline)
                for metric in asked.metrics:
                    if _asks_models(metric):
                        metric.assess(answer, example, self.pool)
            except (ConfigError, MissingExtra):  # of the machine, not of the question: the run itself would not start
                raise
            except Exception as error:  # noqa: BLE001 - a bad example is a row
                problem = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Record(cell.key, example.id, tally, embedded, problem)

    def _figures(
        self, record: Record, seen: set[tuple[str, str]], prices: Prices
    ) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        found: dict[str, float] = {"questions": 1, "failed": float(bool(record.problem))}
        models: dict[str, dict[str, float]] = {}
        for key in record.tally.calls:
            call = self.pool.calls.get(key)
            if call is None:  # refused, and its question failed
                continue
            asked = {"calls_asked": 1, "prompt_tokens_asked": call.prompt, "completion_tokens_asked": call.completion}
            add_to(found, asked)
            if _first(seen, "generate", key):
                own = {"calls_stored": 1.0} if call.stored else prices.of(call)
                add_to(found, own)
                if not call.stored:
                    add_to(models.setdefault(call.generator, {}), own)
        for stage, keys in record.tally.stages.items():
            word = _WORDS.get(stage, stage)
            stored = self.pool.found.get(word, set())
            new = sum(key not in stored for key in keys if _first(seen, stage, key))
            add_to(found, {f"{word}_asked": len(keys), word: new})
        for index, passages in record.embedded.items():
            if index == "" or _first(seen, f"index of {record.cell}", index):
                add_to(found, {"texts_embedded_asked": passages})
        for embedder, place in record.tally.embedded:
            if _first(seen, f"text of {embedder}", str(place)):
                add_to(found, prices.of_text(embedder, self.pool.embedders[embedder].lengths_embedded[place]))
        return found, models


def _first(seen: set[tuple[str, str]], stage: str, key: str) -> bool:
    """Returns whether nobody asked for this before."""
    new = (stage, key) not in seen
    seen.add((stage, key))
    return new


def _asks_models(part: Component) -> bool:
    return any(isinstance(inner, Generator | Embedder) for inner in part.parts())


def _embedded(answer: Answer, tally: Tally, pipeline: Pipeline) -> dict[str, int]:
    """Returns how many passages each index of vectors holds, and under "" how many times the question was embedded."""
    steps = [step for root in answer.trace for step in root.walk()]
    indexes = {
        str(step.facts["index"]): int(step.facts["chunks"])
        for step in steps
        if step.name == "index" and any(inner.name == "embed" for inner in step.steps)
    }
    return indexes | ({"": len(tally.stages.get("rank", ()))} if indexes and pipeline.embedders else {})
