"""What a sweep, or a pipeline over documents of a given length, will cost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import PrivateAttr

from ragvlc.core.component import Component
from ragvlc.core.data import Document, Example, Query, content_key
from ragvlc.core.engines import Tokenizer
from ragvlc.core.families import Dataset, Embedder, Generator
from ragvlc.estimate.counting import CountingPool, filler
from ragvlc.estimate.drafting import Drafting
from ragvlc.estimate.dry import CellFigures, DryRun, Owed
from ragvlc.estimate.escalating import Escalating
from ragvlc.estimate.figures import CellEstimate, Estimate, add_to
from ragvlc.estimate.history import History
from ragvlc.estimate.prices import Prices
from ragvlc.estimate.rates import EngineFacts, Machine, facts_of
from ragvlc.estimate.sampling import draw
from ragvlc.pipeline import Pipeline
from ragvlc.results.store import CellStore, SweepStore
from ragvlc.sweep.plan import Cell, plan
from ragvlc.sweep.scoring import QuestionSet
from ragvlc.sweep.spec import Sweep

__all__ = ["SAMPLE", "Options", "Worked", "estimate", "estimate_pipeline", "worked"]

SAMPLE = 50
"""Questions of a cell that are counted."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Options:
    """How to estimate.

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
    """Returns what a sweep will cost: what it still owes, or everything.

    Opens tokenizers, no weights, and calls no server.

    Args:
        sweep: what to compare.
        runs: folder of all results; what is stored there is not asked again, and says how long answers take.
        options: how to estimate.

    Raises:
        ConfigError, DatasetError, StoreError, EngineError: as running it would, before anything is computed.
    """
    return worked(sweep, runs, options).estimate


def worked(sweep: Sweep, runs: str | Path = "runs", options: Options = Options()) -> Worked:
    """Returns the estimate with what it was made of."""
    cells = plan(sweep)
    datasets = {cell.dataset.key: cell.dataset for cell in cells}
    asked = {key: QuestionSet(dataset.load(), sweep.metrics) for key, dataset in datasets.items()}
    store = SweepStore(Path(runs) / sweep.name)
    owing = {cell.key: _owed(cell, asked[cell.dataset.key], store.cell(cell.key), options) for cell in cells}
    owed = [Owed(cell, draw(owing[cell.key], asked[cell.dataset.key].group, options.sample)) for cell in cells]
    stored = sweep.cache and not options.everything
    answered = sum(len(asked[one.cell.dataset.key].examples) - one.sample.of for one in owed)
    bench = _Bench(History(Path(runs)), options, sweep.concurrency, Escalating(cells, store), stored=stored)
    return Worked(sweep.name, owed, asked, bench, answered)


def estimate_pipeline(
    pipeline: Pipeline,
    context: int,
    runs: str | Path = "runs",
    *,
    name: str = "pipeline",
    questions: int = 1,
    options: Options = Options(),
) -> Estimate:
    """Returns what a pipeline will cost over one made-up document.

    Args:
        pipeline: asked.
        context: tokens of the document, by the first generator's tokenizer.
        runs: folder of results that say how long answers take.
        name: of the pipeline.
        questions: about the document.
        options: how to estimate.
    """
    bench = _Bench(History(Path(runs)), options, min(questions, _AT_ONCE), Escalating(), stored=False)
    tokenizer = bench.pool.tokenizer(next(iter(pipeline.generators.values())))
    dataset = MadeUp(context=context, questions=questions)
    dataset.write(tokenizer)
    cell = Cell(content_key([pipeline.key, dataset.key])[:16], name, name, pipeline, dataset, {}, 0, 0, (name,))
    asked = {dataset.key: QuestionSet(dataset.load(), ())}
    owed = [Owed(cell, draw(asked[dataset.key].examples, asked[dataset.key].group, options.sample))]
    return Worked(name, owed, asked, bench, 0).estimate


class MadeUp(Dataset):
    """Questions about one document of words without sense.

    Attributes:
        context: tokens of the document.
        questions: how many.
    """

    context: int
    questions: int = 1
    _text: str = PrivateAttr(default="")

    def write(self, tokenizer: Tokenizer) -> None:
        """Writes the document, in tokens of this tokenizer."""
        self._text = filler(tokenizer, self.context, "document")

    def read(self) -> Sequence[Example]:
        """Returns the questions."""
        document = Document("made-up", self._text)
        chance = random.Random("questions")  # noqa: S311 - repeatable words, not a secret
        words = self._text.split() or ["this"]
        asked = [" ".join(chance.choice(words) for _ in range(10)) for _ in range(self.questions)]
        return tuple(
            Example(Query(f"q{number}", f"What about {text}, number {number}?"), (document,), cluster=document.id)
            for number, text in enumerate(asked)
        )


def _owed(cell: Cell, asked: QuestionSet, store: CellStore, options: Options) -> list[Example]:
    """Returns the questions that the cell still owes."""
    if options.everything:
        return list(asked.examples)
    if (store.summary() or {}).get("asked") == asked.key:
        return []
    rows = store.load()
    left = []
    for example in asked.examples:
        row = rows.get(example.id)
        standing = row is not None and row.example_key == asked.row_key(example, control=cell.control)
        if row is None or not standing or (row.failure is not None and row.answer is None and row.failure.transient):
            left.append(example)
    return left


class _Bench:
    """What a dry run works with: the pool that counts, and what is known of every generator met."""

    def __init__(
        self, history: History, options: Options, concurrency: int, escalating: Escalating, *, stored: bool
    ) -> None:
        self.options = options
        self.generators: dict[str, Generator] = {}
        self.facts: dict[str, EngineFacts] = {}
        self._history = history
        self.drafting = Drafting(history, options.acceptance)
        self.escalating = escalating
        self._concurrency = concurrency
        self.pool = CountingPool(self._facts, stored=stored)

    def _facts(self, generator: Generator) -> EngineFacts:
        if generator.key not in self.facts:
            past, machine = self._history.of(generator), self.options.machine
            self.generators[generator.key] = generator
            self.facts[generator.key] = facts_of(
                generator, past, machine, concurrency=self._concurrency, new_tokens=self.options.new_tokens
            )
        return self.facts[generator.key]


@dataclass
class Worked:
    """An estimate with what it was made of.

    Attributes:
        name: of the sweep or pipeline.
        owed: cells and the questions drawn.
        asked: all questions by data set key.
        bench: what the dry run works with.
        answered: questions that are answered already.
    """

    name: str
    owed: Sequence[Owed]
    asked: Mapping[str, QuestionSet]
    bench: _Bench
    answered: int
    _run: DryRun = field(init=False)

    def __post_init__(self) -> None:
        self._run = DryRun(self.bench.pool, self.bench.drafting, self.bench.escalating)
        self._run.go(self.owed, self.asked)

    @cached_property
    def prices(self) -> Prices:
        """What calls and texts cost."""
        embedders = {
            model.key: model
            for one in self.owed
            for part in (one.cell.pipeline, *self.asked[one.cell.dataset.key].metrics)
            for model in _embedders(part)
        }
        return Prices(self.bench.generators, self.bench.facts, embedders, self.bench.options.machine)

    @cached_property
    def estimate(self) -> Estimate:
        """The estimate of everything that is owed."""
        found = self._run.figures(self.owed, self.prices)
        return Estimate(
            name=self.name,
            cells=tuple(_cell_estimate(one, found[one.cell.key]) for one in self.owed),
            owed=not self.bench.options.everything,
            answered=self.answered,
            models=self._models(found),
            notes=tuple(self._notes()),
            problems=tuple(_problems(found.values())),
        )

    @property
    def exact(self) -> bool:
        """Whether every question was counted."""
        return all(one.sample.whole for one in self.owed)

    def among(self, ids: Mapping[str, set[str]]) -> dict[str, float]:
        """Returns the total of the figures when only these examples are asked, by data set key."""
        total: dict[str, float] = {}
        for one in self._run.figures(self.owed, self.prices, ids).values():
            add_to(total, one.figures)
        return total

    def _models(self, found: Mapping[str, CellFigures]) -> dict[str, dict[str, float]]:
        models: dict[str, dict[str, float]] = {}
        for one in found.values():
            for key, figures in one.models.items():
                add_to(models.setdefault(self._titles[key], {}), figures)
        return models

    @cached_property
    def _titles(self) -> dict[str, str]:
        """Names of generators that tell them apart."""
        named = {
            key: f"{model.kind} {model.spec().get('model', '')}".strip() for key, model in self.bench.generators.items()
        }
        doubled = {name for name in named.values() if list(named.values()).count(name) > 1}
        return {key: f"{name} ({key[:8]})" if name in doubled else name for key, name in named.items()}

    def _notes(self) -> list[str]:
        notes = [f"{self._titles[key]}: {'; '.join(facts.notes)}." for key, facts in self.bench.facts.items()]
        pool = self.bench.pool
        notes += [f"{self._titles[key]}: prompt tokens are an estimate, rather too high." for key in pool.estimated]
        for key, engine in pool.embedders.items():
            if engine.texts and not engine.exact:
                notes.append(f"embedder {self.prices.embedders[key].kind}: its tokens are estimates.")
            if engine.texts and not self.prices.times_embedding(key):
                notes.append(f"embedder {self.prices.embedders[key].kind}: its seconds are not counted.")
        notes += self.bench.drafting.notes.values()
        if self._run.stand_ins:
            notes.append(f"Passages chosen by chance in place of: {', '.join(self._run.stand_ins)}; not timed.")
        notes += self.bench.escalating.notes
        return notes


def _embedders(part: Component) -> list[Embedder]:
    own = [part] if isinstance(part, Embedder) else []
    return own + [model for inner in part.parts() for model in _embedders(inner)]


def _cell_estimate(one: Owed, found: CellFigures) -> CellEstimate:
    prompt, half = found.figures.get("prompt_tokens", 0.0), one.sample.spread(found.prompt_tokens)
    spread = half / prompt if prompt else 0.0
    return CellEstimate(one.cell.name, one.cell.key, found.figures, len(one.sample.examples), spread)


def _problems(found: Iterable[CellFigures]) -> list[str]:
    counts: dict[str, float] = {}
    for one in found:
        add_to(counts, one.problems)
    return [f"{count:,.0f} questions could not be counted: {problem}" for problem, count in counts.items()]
