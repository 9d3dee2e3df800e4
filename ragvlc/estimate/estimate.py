"""Cost estimates of a sweep, or of a pipeline over documents of a given length."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import PrivateAttr

from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example, Query, content_key
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Embedder, Generator
from ragvlc.documents.dataset import Dataset, loaded
from ragvlc.engines.scripted.filler import filler
from ragvlc.estimate.counting import CountingPool
from ragvlc.estimate.drafting import Drafting
from ragvlc.estimate.dry_run import CellFigures, DryRun, SampledCell, asks_models
from ragvlc.estimate.escalation_rates import EscalationRates
from ragvlc.estimate.figures import CellEstimate, Estimate, add_to, added, known
from ragvlc.estimate.history import History
from ragvlc.estimate.memory import memory_notes
from ragvlc.estimate.prices import Prices
from ragvlc.estimate.rates import EngineFacts, facts_of
from ragvlc.estimate.sampling import draw
from ragvlc.hardware.placement import Machine
from ragvlc.pipeline import Pipeline
from ragvlc.results.generated import generated_sentences
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.sweep.pending import Pending
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.spec import Sweep
from ragvlc.trials import QUESTION_TOKENS

__all__ = ["SAMPLE", "Options", "Workings", "estimate", "estimate_pipeline", "workings"]

SAMPLE = 50
"""Questions of a cell that are counted."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an estimate: sample size, machine, answer length and acceptance rate.

    Attributes:
        sample: questions of a cell that are counted, at most; None counts all.
        everything: as if nothing were stored yet.
        machine: what computes.
        new_tokens: of every answer; None to go by what is stored.
        acceptance: of drafted tokens, where routes decode speculatively; None to go by what is stored.
    """

    sample: int | None = SAMPLE
    everything: bool = False
    machine: Machine = Machine()
    new_tokens: int | None = None
    acceptance: float | None = None


def estimate(sweep: Sweep, runs: str | Path = "runs", options: Options = Options()) -> Estimate:
    """Returns the estimated cost of a sweep, either of its pending questions or of all questions.

    Opens tokenizers, no weights, and calls no server.

    Args:
        sweep: what to compare.
        runs: folder of all results; what is stored there is not asked again, and says how long answers take.
        options: how to estimate.

    Raises:
        ConfigError, DatasetError, StoreError, EngineError: as running it would, before anything is computed.
    """
    return workings(sweep, runs, options).estimate


def workings(sweep: Sweep, runs: str | Path = "runs", options: Options = Options()) -> Workings:
    """Returns the estimate of a sweep together with its sample and dry run."""
    cells = plan(sweep)
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    asked = {key: QuestionSet(examples, sweep.metrics) for key, examples in loaded(datasets).items()}
    store = SweepStore(Path(runs) / sweep.name)

    sampled = [_sampled(cell, asked[cell.dataset.key], store.cell(cell.key), options) for cell in cells]
    dry_run = _dry_run(
        Path(runs),
        options,
        sweep.concurrency,
        EscalationRates(cells, store),
        stored=sweep.cache and not options.everything,
    )
    return Workings(sweep.name, sampled, asked, dry_run, options)


def _sampled(cell: Cell, asked: QuestionSet, store: CellStore, options: Options) -> SampledCell:
    """Returns a cell with samples of its pending questions, and of its stored answers that models are to score."""
    if options.everything:
        return SampledCell(cell, draw(asked.examples, asked.group, options.sample))
    pending = Pending(cell, asked, store)
    models = {metric.label for metric in asked.metrics if asks_models(metric)}
    unscored = {name: one for name, one in pending.unscored.items() if models & one.labels}

    def stored(name: str) -> tuple[Answer | None, frozenset[str]]:
        row = store.row(unscored[name].start, unscored[name].size)
        return None if row is None else row.answer, unscored[name].labels

    return SampledCell(
        cell,
        draw(pending.questions, asked.group, options.sample),
        draw([one for one in asked.examples if one.id in unscored], asked.group, options.sample),
        stored,
    )


def estimate_pipeline(
    pipeline: Pipeline,
    context: int,
    runs: str | Path = "runs",
    *,
    name: str = "pipeline",
    questions: int = 1,
    options: Options = Options(),
) -> Estimate:
    """Returns the estimated cost of a pipeline over one made-up document.

    Args:
        pipeline: asked.
        context: tokens of the document, by the first generator's tokenizer.
        runs: folder of results that say how long answers take.
        name: of the pipeline.
        questions: about the document.
        options: how to estimate.
    """
    dry_run = _dry_run(Path(runs), options, min(questions, _AT_ONCE), EscalationRates(), stored=False)
    tokenizer = dry_run.pool.tokenizer(next(iter(pipeline.generators.values())))
    dataset = MadeUp(context=context, questions=questions)
    dataset.write(tokenizer)
    cell = Cell(content_key([pipeline.key, dataset.key])[:16], name, name, pipeline, dataset, {}, 0, 0, (name,))
    asked = QuestionSet(dataset.load(), ())
    sampled = [SampledCell(cell, draw(asked.examples, asked.group, options.sample))]
    return Workings(name, sampled, {dataset.key: asked}, dry_run, options).estimate


class MadeUp(Dataset):
    """A data set of questions about one document of filler words.

    Attributes:
        context: tokens of the document.
        questions: how many.
    """

    context: int
    questions: int = 1
    _text: str = PrivateAttr(default="")

    def write(self, tokenizer: Tokenizer) -> None:
        """Generates the document, with its length in tokens of this tokenizer."""
        self._text = filler(tokenizer, self.context, "document")

    def read(self) -> Sequence[Example]:
        """Returns the questions about the generated document."""
        document = Document("made-up", self._text)
        chance = random.Random("questions")  # noqa: S311 - repeatable words, not a secret
        words = self._text.split() or ["this"]
        asked = [" ".join(chance.choice(words) for _ in range(10)) for _ in range(self.questions)]
        return tuple(
            Example(Query(f"q{number}", f"What about {text}, number {number}?"), (document,), cluster=document.id)
            for number, text in enumerate(asked)
        )


def _dry_run(runs: Path, options: Options, concurrency: int, escalation: EscalationRates, *, stored: bool) -> DryRun:
    history, machine, new_tokens = History(runs), options.machine, options.new_tokens

    def facts(generator: Generator) -> EngineFacts:
        return facts_of(generator, history.of(generator), machine, concurrency=concurrency, new_tokens=new_tokens)

    return DryRun(CountingPool(facts, stored=stored), Drafting(history, options.acceptance), escalation)


class Workings:
    """An estimate with its sample, dry run and prices; the constructor makes the dry run.

    Args:
        name: of the sweep or pipeline.
        sampled: cells and the questions drawn.
        asked: all questions by data set key.
        dry_run: to be made.
        options: how to estimate.
    """

    def __init__(
        self,
        name: str,
        sampled: Sequence[SampledCell],
        asked: Mapping[str, QuestionSet],
        dry_run: DryRun,
        options: Options,
    ) -> None:
        self.name = name
        self.sampled = sampled
        self.asked = asked
        self.dry_run = dry_run
        self.options = options
        dry_run.run(sampled, asked)

    @cached_property
    def prices(self) -> Prices:
        """The costs of calls and embedded texts."""
        embedders = {
            model.key: model
            for one in self.sampled
            for part in (one.cell.pipeline, *self.asked[one.cell.dataset.key].metrics)
            for model in _embedders(part)
        }
        pool = self.dry_run.pool
        return Prices(pool.generators, pool.facts, embedders, self.options.machine)

    @cached_property
    def estimate(self) -> Estimate:
        """The estimated cost of all cells, scaled up from the sampled questions."""
        found = self.dry_run.figures(self.sampled, self.prices)
        problems = added(one.problems for one in found.values())
        return Estimate(
            name=self.name,
            cells=tuple(_cell_estimate(one, found[one.cell.key]) for one in self.sampled),
            pending=not self.options.everything,
            answered=sum(len(self.asked[one.cell.dataset.key].examples) - one.sample.of for one in self.sampled),
            models=self._models(found.values()),
            notes=(*self._notes(), *self._money_notes(found.values())),
            problems=tuple(f"{n:,.0f} questions could not be counted: {problem}" for problem, n in problems.items()),
        )

    @property
    def exact(self) -> bool:
        """Whether every question was counted, without sampling."""
        return all(one.sample.whole and one.unscored.whole for one in self.sampled)

    def among(self, ids: Mapping[str, set[str]]) -> dict[str, float]:
        """Returns the total figures for these examples only, which are given as ids by data set key."""
        return added(one.figures for one in self.dry_run.figures(self.sampled, self.prices, ids).values())

    def _models(self, found: Iterable[CellFigures]) -> dict[str, dict[str, float]]:
        models: dict[str, dict[str, float]] = {}
        for one in found:
            for key, figures in one.models.items():
                add_to(models.setdefault(self._titles[key], {}), figures)
        return models

    def _money_notes(self, found: Iterable[CellFigures]) -> list[str]:
        """Returns sentences on what the money is without; nothing where no model has a price or should have one."""
        cells = list(found)
        total, models = added(one.figures for one in cells), self._models(cells)
        if not total.get("money"):
            return []
        free = [title for title, figures in models.items() if figures.get("money") == 0 and figures.get("calls")]
        unknown = [title for title, figures in models.items() if not known(figures.get("money", 0.0))]
        notes = [
            f"Money is unknown without a price of {title} ({_tokens(models[title])}): add `price: {{prompt: ..., "
            "completion: ...}` (money per million tokens) to it."
            for title in unknown
        ]
        if unknown and (rest := {title: one["money"] for title, one in models.items() if title not in unknown}):
            each = ", ".join(f"{title} {money:,.4g}" for title, money in rest.items())
            notes.append(f"Money of the other models: {each}.")
        if free:
            notes.append(f"Without money, since they run here without a price: {', '.join(free)}.")
        parts = {"embedding": total.get("tokens_embedded", 0.0), "reranking": total.get("tokens_reranked", 0.0)}
        words = [f"{name} ({tokens:,.0f} tokens)" for name, tokens in parts.items() if tokens]
        words += ["indexing"] if total.get("indexes") else []
        if words:
            notes.append(f"In no money, for only generators have prices: {', '.join(words)}.")
        return notes

    @cached_property
    def _titles(self) -> dict[str, str]:
        """Distinct names of the generators, by key."""
        generators = self.dry_run.pool.generators.items()
        named = {key: f"{model.kind} {model.spec().get('model', '')}".strip() for key, model in generators}
        doubled = {name for name in named.values() if list(named.values()).count(name) > 1}
        return {key: f"{name} ({key[:8]})" if name in doubled else name for key, name in named.items()}

    def _notes(self) -> list[str]:
        run, pool = self.dry_run, self.dry_run.pool
        notes = [f"{self._titles[key]}: {'; '.join(facts.notes)}." for key, facts in pool.facts.items()]
        notes += [
            f"{title}: prompt tokens are an estimate, rather too high."
            for key, title in self._titles.items()
            if key in pool.estimated
        ]
        for key, engine in pool.embedders.items():
            if engine.lengths_embedded and not engine.exact:
                notes.append(f"embedder {self.prices.embedders[key].kind}: its tokens are estimates.")
            if engine.lengths_embedded and not self.prices.times_embedding(key):
                notes.append(f"embedder {self.prices.embedders[key].kind}: its seconds are not counted.")
        if asked := sum(one.trial(1.0) is not None for one in pool.generators.values()):
            each = "each served model is" if asked > 1 else "the served model is"
            notes.append(
                f"Not in the table: before the first question, {each} asked a short one: {asked} in all, about "
                f"{QUESTION_TOKENS * asked} tokens."
            )
        notes += run.drafting.notes.values()
        if run.stubbed:
            notes.append(f"Passages chosen by chance in place of: {', '.join(run.stubbed)}; not timed.")
        if "langchain" in run.stubbed:
            notes.append("langchain: what its own embedding model and store are asked and cost is in no figure.")
        if (rescored := sum(one.unscored.of for one in self.sampled)) > 0:
            labels = {metric.label for own in self.asked.values() for metric in own.metrics if asks_models(metric)}
            notes.append(
                f"{rescored:,} stored answers have no current score of {' or '.join(sorted(labels))}: what models are "
                "asked about them is in the table."
            )
        notes += memory_notes(pool.generators.values(), self.prices.embedders.values())
        notes += generated_sentences(((one["tags"] for one in own.facts), own.skipped) for own in self.asked.values())
        return notes + run.escalation.notes


def _tokens(figures: Mapping[str, float]) -> str:
    prompt, new = figures.get("prompt_tokens", 0.0), figures.get("completion_tokens", 0.0)
    return f"{figures.get('calls', 0.0):,.0f} calls, {prompt:,.0f} prompt and {new:,.0f} new tokens"


def _embedders(part: Component) -> list[Embedder]:
    own = [part] if isinstance(part, Embedder) else []
    return own + [model for inner in part.parts() for model in _embedders(inner)]


def _cell_estimate(one: SampledCell, found: CellFigures) -> CellEstimate:
    prompt, half = found.figures.get("prompt_tokens", 0.0), one.sample.spread(found.prompt_tokens)
    spread = half / prompt if prompt else 0.0
    return CellEstimate(one.cell.name, one.cell.key, found.figures, len(one.sample.examples), spread)
