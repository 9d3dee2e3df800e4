"""A dry run: the real routes answer the real questions with engines that only count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import Example
from ragvlc.core.errors import ConfigError, MissingExtra
from ragvlc.core.families import Embedder, Generator, Metric
from ragvlc.core.paths import walk
from ragvlc.core.texts import first_line
from ragvlc.estimate.counting import CountingPool, Tally
from ragvlc.estimate.drafting import Drafting
from ragvlc.estimate.escalation_rates import EscalationRates, Place, weights
from ragvlc.estimate.figures import add_to
from ragvlc.estimate.prices import Prices
from ragvlc.estimate.sampling import NO_SAMPLE, Sample
from ragvlc.estimate.stubs import StubReranker, with_stubs
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import Cell
from ragvlc.sweep.schedule import schedule
from ragvlc.sweep.scoring import QuestionSet

__all__ = ["CellFigures", "DryRun", "Record", "SampledCell", "asks_models"]

_WORDS = {"chunk": "chunkings", "index": "indexes", "rank": "rankings", "rerank": "rerankings"}
"""Figures by stage; on disk the stages have these names, too."""


@dataclass(frozen=True, slots=True)
class SampledCell:
    """A cell and the sample of its pending questions.

    Attributes:
        cell: of the sweep.
        sample: of questions.
        unscored: sample of those whose stored answers models score.
        stored: reads a stored answer by the question's id (None for a failure), with the labels that it lacks.
    """

    cell: Cell
    sample: Sample
    unscored: Sample = NO_SAMPLE
    stored: Callable[[str], tuple[Answer | None, frozenset[str]]] = lambda _: (None, frozenset())


@dataclass(frozen=True, slots=True)
class Record:
    """The calls and computations that one question of one cell requests.

    Attributes:
        cell: key.
        example: id.
        tally: keys of everything.
        embedded: passages by index made of vectors, and under "" the questions embedded.
        weights: what each of the first calls counts; 1 where there is none.
        problem: why it could not be counted to the end, or nothing.
        tokens_reranked: of pairs of question and passage, an estimate.
        stored: whether a stored answer is scored, and the question is not asked.
    """

    cell: str
    example: str
    tally: Tally
    embedded: Mapping[str, int]
    weights: Sequence[float] = ()
    problem: str = ""
    tokens_reranked: int = 0
    stored: bool = False


@dataclass(slots=True)
class CellFigures:
    """A cell's figures, scaled up from the sampled questions to all questions.

    Attributes:
        figures: sums.
        models: sums by generator's key.
        prompt_tokens: by example id, not scaled.
        problems: the number of questions by problem.
    """

    figures: dict[str, float] = field(default_factory=dict)
    models: dict[str, dict[str, float]] = field(default_factory=dict)
    prompt_tokens: dict[str, float] = field(default_factory=dict)
    problems: dict[str, float] = field(default_factory=dict)

    def add(self, record: Record, own: CellFigures, weight: float) -> None:
        """Adds one question's figures, multiplied by the number of questions that it represents."""
        if not record.stored:
            self.prompt_tokens[record.example] = own.figures.get("prompt_tokens", 0.0)
        add_to(self.figures, own.figures, weight)
        for key, figures in own.models.items():
            add_to(self.models.setdefault(key, {}), figures, weight)
        if record.problem:
            add_to(self.problems, {record.problem: weight})


@dataclass(slots=True)
class DryRun:
    """Runs the sampled questions in the order of a real run, with counting engines.

    Attributes:
        pool: counts.
        drafting: says how many rounds a route that drafts takes.
        escalation: the share of the questions that a wrapper's second route is asked.
        records: one for each question and cell, in order.
        stubbed: kinds of parts that were replaced.
    """

    pool: CountingPool
    drafting: Drafting
    escalation: EscalationRates
    records: list[Record] = field(default_factory=list)
    stubbed: list[str] = field(default_factory=list)

    def run(self, sampled: Sequence[SampledCell], asked: Mapping[str, QuestionSet]) -> None:
        """Scores the sampled stored answers, as a run does first, and asks every sampled question."""
        cells = {one.cell.key: one.cell for one in sampled}
        pipelines = {key: self._stubbed(cell.pipeline) for key, cell in cells.items()}
        shares = {one.cell.key: self.escalation.shares(one.cell) for one in sampled if one.sample.examples}
        self.records += [
            self._score(one, example, asked[one.cell.dataset.key])
            for one in sampled
            for example in one.unscored.examples
        ]
        for job in schedule([(one.cell, one.sample.examples) for one in sampled], asked):
            cell = cells[job.cell]
            record = self._ask(cell, pipelines[job.cell], job.example, asked[cell.dataset.key], shares[job.cell])
            self.records.append(record)

    def figures(
        self, sampled: Sequence[SampledCell], prices: Prices, among: Mapping[str, set[str]] | None = None
    ) -> dict[str, CellFigures]:
        """Returns each cell's figures; shared computations count for the first question that needs them.

        Args:
            sampled: cells.
            prices: of calls and texts.
            among: ids of the only examples that are asked, by data set key; None for all.
        """
        samples = {one.cell.key: one for one in sampled}
        found = {key: CellFigures() for key in samples}
        account = _Account(self.pool, prices)
        for record in self.records:
            one = samples[record.cell]
            if among is None or record.example in among[one.cell.dataset.key]:
                sample = one.unscored if record.stored else one.sample
                found[record.cell].add(record, account.figures(record), sample.weight(record.example))
        return found

    def _stubbed(self, pipeline: Pipeline) -> Pipeline:
        changed, kinds = with_stubs(pipeline)
        self.stubbed += [kind for kind in kinds if kind not in self.stubbed]
        return changed

    def _ask(
        self, cell: Cell, pipeline: Pipeline, example: Example, asked: QuestionSet, shares: Mapping[Place, float]
    ) -> Record:
        routes = frozenset(route.kind for route in pipeline.routes.values())
        problem, embedded, counts = "", dict[str, int](), list[float]()
        rerankers = [part for _, part in walk(pipeline) if isinstance(part, StubReranker)]
        before = sum(one.tokens for one in rerankers)
        with self.pool.question(routes) as tally:
            try:
                answer = pipeline.answer_example(example, seed=cell.seed, pool=self.pool, cold=cell.cold)
                embedded = _embedded(answer, tally, pipeline)
                counts = weights(answer, shares) if shares else []
                self.drafting.settle(pipeline, answer.route, self.pool)
                self._assess(answer, example, asked.metrics)
            except (ConfigError, MissingExtra):  # of the machine, not of the question: the run itself would not start
                raise
            except Exception as error:  # noqa: BLE001 - a bad example is a row
                problem = first_line(error)
        reranked = sum(one.tokens for one in rerankers) - before
        return Record(cell.key, example.id, tally, embedded, counts, problem, reranked)

    def _score(self, one: SampledCell, example: Example, asked: QuestionSet) -> Record:
        """Returns what the models of metrics are asked about a stored answer."""
        problem = ""
        with self.pool.question(frozenset()) as tally:
            try:
                answer, labels = one.stored(example.id)
                if answer is not None:
                    self._assess(answer, example, [metric for metric in asked.metrics if metric.label in labels])
            except (ConfigError, MissingExtra):
                raise
            except Exception as error:  # noqa: BLE001 - a bad example is a row
                problem = first_line(error)
        return Record(one.cell.key, example.id, tally, {}, problem=problem, stored=True)

    def _assess(self, answer: Answer, example: Example, metrics: Sequence[Metric]) -> None:
        for metric in metrics:
            if asks_models(metric):
                metric.assess(answer, example, self.pool)


@dataclass(slots=True)
class _Account:
    """Charges shared computations to the first question that needs them.

    Attributes:
        pool: that counted.
        prices: of calls and texts.
        charged: the share that was charged already, by stage and key.
    """

    pool: CountingPool
    prices: Prices
    charged: dict[tuple[str, str], float] = field(default_factory=dict)

    def figures(self, record: Record) -> CellFigures:
        """Returns the figures of one question, without computations that were charged to earlier questions."""
        found: dict[str, float] = {
            "rescored" if record.stored else "questions": 1,
            "failed": float(bool(record.problem)),
        }
        found["tokens_reranked"] = record.tokens_reranked
        own = CellFigures(found)
        self._add_calls(record, own)
        for stage, keys in record.tally.stages.items():
            word = _WORDS.get(stage, stage)
            stored = self.pool.found.get(word, set())
            new = sum(key not in stored for key in keys if self._charge(stage, key))
            add_to(found, {f"{word}_asked": len(keys), word: new})
        for index, passages in record.embedded.items():
            if index == "" or self._charge(f"index of {record.cell}", index):
                add_to(found, {"texts_embedded_asked": passages})
        for embedder, place in record.tally.embedded:
            if self._charge(f"text of {embedder}", str(place)):
                add_to(found, self.prices.of_text(embedder, self.pool.embedders[embedder].lengths_embedded[place]))
        return own

    def _add_calls(self, record: Record, own: CellFigures) -> None:
        for place, key in enumerate(record.tally.calls):
            weight = record.weights[place] if place < len(record.weights) else 1.0
            call = self.pool.calls.get(key)
            if call is None:  # refused, and its question failed
                continue
            asked = {"calls_asked": 1, "prompt_tokens_asked": call.prompt, "completion_tokens_asked": call.completion}
            add_to(own.figures, asked, weight)
            new = self._charge("generate", key, weight)
            if new:
                figures = {"calls_stored": 1.0} if call.stored else self.prices.of(call)
                add_to(own.figures, figures, new)
                if not call.stored:
                    add_to(own.models.setdefault(call.generator, {}), figures, new)

    def _charge(self, stage: str, key: str, share: float = 1.0) -> float:
        """Returns the part of `share` that was not charged earlier, and marks it as charged."""
        known = self.charged.get((stage, key), 0.0)
        self.charged[stage, key] = max(known, share)
        return max(0.0, share - known)


def asks_models(part: Component) -> bool:
    """Returns whether a metric has generators or embedders."""
    return any(isinstance(inner, Generator | Embedder) for inner in part.parts())


def _embedded(answer: Answer, tally: Tally, pipeline: Pipeline) -> dict[str, int]:
    """Returns the number of passages in each vector index, and under "" the number of question embeddings."""
    steps = [step for root in answer.trace for step in root.walk()]
    indexes = {
        str(step.facts["index"]): int(step.facts["chunks"])
        for step in steps
        if step.name == "index" and any(inner.name == "embed" for inner in step.steps)
    }
    return indexes | ({"": len(tally.stages.get("rank", ()))} if indexes and pipeline.embedders else {})
