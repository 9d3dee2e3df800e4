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
from ragvlc.estimate.drafting import Drafting
from ragvlc.estimate.escalating import Escalating, Place, weights
from ragvlc.estimate.figures import add_to
from ragvlc.estimate.prices import Prices
from ragvlc.estimate.sampling import Sample
from ragvlc.estimate.stand_ins import stand_in
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet

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
        weights: what each of the first calls counts; 1 where there is none.
        problem: why it could not be counted to the end, or nothing.
    """

    cell: str
    example: str
    tally: Tally
    embedded: Mapping[str, int]
    weights: Sequence[float] = ()
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
        drafting: says how many rounds a route that drafts takes.
        escalating: says how many questions go on to a wrapper's second route.
        records: one a question and cell, in order.
        stand_ins: kinds of parts that were replaced.
    """

    pool: CountingPool
    drafting: Drafting
    escalating: Escalating
    records: list[Record] = field(default_factory=list)
    stand_ins: list[str] = field(default_factory=list)

    def go(self, owed: Sequence[Owed], asked: Mapping[str, QuestionSet]) -> None:
        """Asks every question drawn."""
        pipelines = {one.cell.key: self._replaced(one.cell.pipeline) for one in owed}
        cells = {one.cell.key: one.cell for one in owed}
        shares = {one.cell.key: self.escalating.shares(one.cell) for one in owed if one.sample.examples}
        for job in schedule([(one.cell, one.sample.examples) for one in owed], asked):
            cell = cells[job.cell]
            found = self._asked(cell, pipelines[job.cell], job.example, asked[cell.dataset.key], shares[job.cell])
            self.records.append(found)

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
        seen: dict[tuple[str, str], float] = {}
        for record in self.records:
            one = samples[record.cell]
            if among is None or record.example in among[one.cell.dataset.key]:
                figures, models = self._figures(record, seen, prices)
                found[record.cell].take(record, figures, models, one.sample.weight(record.example))
        return found

    def _replaced(self, pipeline: Pipeline) -> Pipeline:
        changed, kinds = stand_in(pipeline)
        self.stand_ins += [kind for kind in kinds if kind not in self.stand_ins]
        return changed

    def _asked(
        self, cell: Cell, pipeline: Pipeline, example: Example, asked: QuestionSet, shares: Mapping[Place, float]
    ) -> Record:
        routes = frozenset(route.kind for route in pipeline.routes.values())
        problem, embedded, counts = "", dict[str, int](), list[float]()
        with self.pool.question(routes) as tally:
            try:
                answer = pipeline.answer_example(example, seed=cell.seed, pool=self.pool, cold=cell.cold)
                embedded = _embedded(answer, tally, pipeline)
                counts = weights(answer, shares) if shares else []
                self.drafting.settle(pipeline, answer.route, self.pool)
                for metric in asked.metrics:
                    if _asks_models(metric):
                        metric.assess(answer, example, self.pool)
            except (ConfigError, MissingExtra):  # of the machine, not of the question: the run itself would not start
                raise
            except Exception as error:  # noqa: BLE001 - a bad example is a row
                problem = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Record(cell.key, example.id, tally, embedded, counts, problem)

    def _figures(
        self, record: Record, seen: dict[tuple[str, str], float], prices: Prices
    ) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
        found: dict[str, float] = {"questions": 1, "failed": float(bool(record.problem))}
        models: dict[str, dict[str, float]] = {}
        for place, key in enumerate(record.tally.calls):
            weight = record.weights[place] if place < len(record.weights) else 1.0
            call = self.pool.calls.get(key)
            if call is None:  # refused, and its question failed
                continue
            asked = {"calls_asked": 1, "prompt_tokens_asked": call.prompt, "completion_tokens_asked": call.completion}
            add_to(found, asked, weight)
            new = _more(seen, "generate", key, weight)
            if new:
                own = {"calls_stored": 1.0} if call.stored else prices.of(call)
                add_to(found, own, new)
                if not call.stored:
                    add_to(models.setdefault(call.generator, {}), own, new)
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


def _first(seen: dict[tuple[str, str], float], stage: str, key: str) -> bool:
    """Returns whether nobody asked for this before."""
    return _more(seen, stage, key, 1.0) > 0


def _more(seen: dict[tuple[str, str], float], stage: str, key: str, share: float) -> float:
    """Returns what of it nobody asked for before: whoever asks in a few cases leaves the others to do."""
    known = seen.get((stage, key), 0.0)
    seen[stage, key] = max(known, share)
    return max(0.0, share - known)


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
