"""The concrete `Run` of one question, which traces and times the work of a route and charges it to the answer.

What is computed once for equal inputs, and under which keys, is `ragvlc.memo.stages`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ragvlc.core.answer import Answer, Finish, Step, Timing, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import ChunkSet, Document, Example, Hit, Query, Span
from ragvlc.core.engines import Generation, Request, TokenEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Chunker, Generator, Reranker, Retriever
from ragvlc.core.prices import long_prompts_key
from ragvlc.core.question_vectors import searching
from ragvlc.core.replies import Reply
from ragvlc.core.run import Index
from ragvlc.memo.codecs import Ranked
from ragvlc.memo.stages import Memo
from ragvlc.pool import EnginePool
from ragvlc.roles import Models
from ragvlc.text.generations import read_generation, with_thinking_tokens

if TYPE_CHECKING:
    from ragvlc.core.decode_state import DecodeState
    from ragvlc.core.engines import Arrays, TextEngine, Tokenizer, VectorEngine

__all__ = ["CountingReader", "LiveRun"]

OpenedT = TypeVar("OpenedT")


@dataclass(slots=True)
class _OpenStep:
    name: str
    facts: dict[str, Any]
    usage: Usage = field(default_factory=Usage)
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Built:
    index: Index
    step: Step

    @property
    def nbytes(self) -> int:
        """The memory of the index, in bytes; 0 where it does not say."""
        return int(getattr(self.index, "nbytes", 0))


class LiveRun:
    """The run of one answer. Not thread-safe; everything that runs share belongs to the pool.

    Args:
        models: the pipeline's models by role.
        pool: opened models and shared computations.
        example: the question; its gold is reachable only while `gold_open`.
        seed: the cell's seed.
        cold: rank and generate anew, whatever others have done: for measurements of time. Chunks and indexes, which
            are charged apart, are shared all the same.

    Attributes:
        gold_open: whether the route at work is a control that may read gold.
    """

    def __init__(
        self, models: Models, pool: EnginePool, example: Example, *, seed: int = 0, cold: bool = False
    ) -> None:
        self._models = models
        self._pool = pool
        self._memo = Memo(pool.once, pool.cache, models, pool.building, cold=cold)
        self._example = example
        self._seed = seed
        self.cold = cold
        self.gold_open = False
        self._open: list[_OpenStep] = [_OpenStep("run", {})]
        self._bills: dict[str, Usage] = {}
        self._long_prompts: dict[str, Usage] = {}
        self._timing = Timing()
        self._opening = 0.0
        self._reused = False

    @property
    def gold(self) -> Example:
        """The example with its gold, for control routes only."""
        if not self.gold_open:
            message = "only a route with uses_gold may read the gold of an example"
            raise PermissionError(message)
        return self._example

    @property
    def trace(self) -> tuple[Step, ...]:
        """The outermost steps that have ended. The trace is complete only after the route has returned its answer."""
        return tuple(self._open[0].steps)

    def seed_for(self, step: str, i: int = 0) -> int:
        """Returns a 31-bit seed that depends only on the cell's seed, the example, `step` and `i`."""
        text = f"{self._seed}\x00{self._example.id}\x00{step}\x00{i}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1

    def generator(self, role: str = "main") -> CountingReader:
        """Returns the pipeline's generator with this role."""
        return CountingReader(self, self._models.generators[role], self._pool, self._memo, role)

    def embedder(self, role: str = "main") -> VectorEngine:
        """Returns the pipeline's loaded embedding model with this role."""
        return self._pool.vectors(self._models.embedders[role])

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Returns the resource that `open_it` returns; equal components share one, which is closed with the pool."""
        start = time.perf_counter()
        found = self._pool.opened(part, open_it)
        self._opening += time.perf_counter() - start
        return found

    def chunks(self, chunker: Chunker, documents: Sequence[Document], role: str = "main") -> ChunkSet:
        """Returns the chunks of the documents, in (document, start) order."""
        return self._memo.chunks(chunker, self._pool.tokenizer(self._models.generators[role]), documents)

    def search(self, retriever: Retriever, query: Query, chunks: ChunkSet) -> tuple[Hit, ...]:
        """Returns the retriever's candidates, best first; index and ranking are computed once for equal inputs."""

        def rank() -> Ranked:
            built = self._built(retriever, chunks)
            ranked = self._timed("search", lambda: built.index.search(query, retriever.candidates))
            return replace(ranked, index=built.step)

        start = time.perf_counter()
        ranked = self._memo.ranking(retriever, query, chunks, rank)
        if ranked.index is not None:
            self._book(ranked.index, chunks, time.perf_counter() - start)
        return self._charged("search", ranked)

    def rerank(self, reranker: Reranker, query: Query, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """Returns the hits in the reranker's order, computed once for equal inputs.

        A reranker that asks a generator works for each answer: its equal prompts are generated once, and every answer
        is charged for them.
        """
        with self.step("rerank", reranker=reranker.kind, hits=len(hits)):
            if any(table == "generators" for table, _, _ in reranker.roles()):
                return tuple(reranker.rerank(query, hits, self))

            def rank() -> Ranked:
                return self._timed("rerank", lambda: reranker.rerank(query, hits, self))

            return self._charged("rerank", self._memo.reranking(reranker, query, hits, rank))

    def _timed(self, phase: str, rank: Callable[[], Sequence[Hit]]) -> Ranked:
        opened = _OpenStep(phase, {})
        self._open.append(opened)
        start, opening = time.perf_counter(), self._opening
        try:
            with searching(anew=self.cold) as search:
                found = tuple(rank())
        finally:
            self._open.pop()
        seconds = time.perf_counter() - start - (self._opening - opening)  # loading a model is no cost of a ranking
        return Ranked(found, max(0.0, seconds + search.saved), tuple(opened.steps))

    def _charged(self, phase: str, ranked: Ranked) -> tuple[Hit, ...]:
        self._timing += Timing(phases={phase: ranked.seconds})
        self._open[-1].steps += ranked.steps  # whoever ranked first: the trace is the same
        return ranked.hits

    def index(self, retriever: Retriever, chunks: ChunkSet) -> Index:
        """Returns the retriever's index, built once for equal inputs and charged to each cell that uses it."""
        start = time.perf_counter()
        built = self._built(retriever, chunks)
        self._book(built.step, chunks, time.perf_counter() - start)
        return built.index

    def _built(self, retriever: Retriever, chunks: ChunkSet) -> _Built:
        return self._memo.index(retriever, chunks, lambda: self._build(retriever, chunks))

    def _book(self, step: Step, chunks: ChunkSet, seconds: float) -> None:
        """Adds the step of an index to the trace, with the original cost of the index."""
        outer = self._open[-1]
        if "inner_seconds" in outer.facts:  # an index of an index: charged below its own name
            outer.facts["inner_seconds"] += seconds
        else:  # cutting is charged once, to the outermost
            facts = {**step.facts, "index_seconds": step.facts["index_seconds"] + chunks.seconds}
            step = replace(step, facts=facts)
        outer.steps.append(step)

    def _build(self, retriever: Retriever, chunks: ChunkSet) -> _Built:
        for table, role, _ in retriever.roles():
            if table == "embedders":
                self.embedder(role)  # opened before the clock starts: loading a model is no cost of an index
        key = self._memo.index_key(retriever, chunks)
        facts = {"index": key[:16], "chunks": len(chunks), "array_seconds": 0.0, "inner_seconds": 0.0}
        self._open.append(_OpenStep("index", facts))
        start = time.perf_counter()
        try:
            index = retriever.index(chunks, self)
        finally:
            opened = self._open.pop()
        seconds = time.perf_counter() - start
        seconds += opened.facts.pop("array_seconds") - opened.facts.pop("inner_seconds")
        return _Built(index, Step(opened.name, opened.facts | {"index_seconds": seconds}, steps=tuple(opened.steps)))

    def cached_arrays(self, retriever: Retriever, chunks: ChunkSet, build: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays from `build` or from disk; stored arrays are charged at their original cost."""
        arrays, seconds = self._memo.arrays(retriever, chunks, build)
        facts = self._open[-1].facts
        facts["array_seconds"] = facts.get("array_seconds", 0.0) + seconds
        return arrays

    @contextmanager
    def step(self, name: str, **facts: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON scalars
        """Opens a step of the trace."""
        opened = _OpenStep(name, dict(facts))
        self._open.append(opened)
        start = time.perf_counter()
        try:
            yield opened.facts
        finally:
            self._open.pop()
            seconds = time.perf_counter() - start
            self._open[-1].steps.append(Step(name, opened.facts, opened.usage, seconds, tuple(opened.steps)))
            self._open[-1].usage += opened.usage

    def answer(
        self,
        generation: Generation,
        *,
        ranking: Sequence[Hit] = (),
        context: Sequence[Span] = (),
        finish: Finish | None = None,
    ) -> Answer:
        """Returns the answer with all usage, timing and steps of this run."""
        return Answer(
            text=generation.text.strip(),
            thought=generation.thought,
            reply=generation.reply,
            ranking=tuple(ranking),
            context=tuple(context),
            usage=sum(self._bills.values(), Usage()),
            timing=self._timing,
            trace=self.trace,
            finish=finish or generation.finish,
            reused=self._reused,
            bills=dict(self._bills),
            long_prompts=dict(self._long_prompts),
        )

    def _note(self, notes: Mapping[str, Any]) -> None:
        """Adds facts to the open step; integers are added to earlier values, and other values replace them."""
        facts = self._open[-1].facts
        for name, value in notes.items():
            counted = isinstance(value, int) and not isinstance(value, bool)
            facts[name] = facts.get(name, 0) + value if counted else value

    def _charge(self, role: str, generation: Generation) -> None:
        self._bills[role] = self._bills.get(role, Usage()) + generation.usage
        long = long_prompts_key(role, self._models.generators[role].price, generation.usage)
        if long is not None:
            self._long_prompts[long] = self._long_prompts.get(long, Usage()) + generation.usage
        self._timing += generation.timing
        self._open[-1].usage += generation.usage
        self._note(generation.notes)
        self._reused = self._reused or generation.reused


class CountingReader:
    """Generates equal requests only once, and adds the full usage of each request to the current answer."""

    def __init__(self, run: LiveRun, generator: Generator, pool: EnginePool, memo: Memo, role: str) -> None:
        self._run = run
        self._generator = generator
        self._pool = pool
        self._memo = memo
        self._role = role

    @property
    def tokenizer(self) -> Tokenizer:
        """The generator's tokenizer."""
        return self._pool.tokenizer(self._generator)

    @property
    def window(self) -> int:
        """Largest number of tokens in prompt and answer together; those for a thought are left free."""
        return self._engine.window - self._generator.thinking_tokens

    def read(self, text: str, finish: Finish) -> Generation:
        """Returns what a decode state's text says: the answer and, apart, its thought."""
        opened = str(getattr(self.tokenizer, "opened", ""))
        reply = Reply(text, reason=finish, opened=opened)
        return read_generation(Generation(text, reply=reply), self._generator.thinking, lambda: self.tokenizer)

    def _read(self, reply: Generation, request: Request) -> Generation:
        own = self._generator
        limit = request.max_tokens if own.thinking_tokens else None
        return read_generation(reply, own.thinking, lambda: self.tokenizer, limit=limit)

    @property
    def _engine(self) -> TextEngine:
        return self._pool.text(self._generator)

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order."""
        decided = [self._decide(request) for request in requests]
        replies = self._memo.generations(self._generator, decided, lambda: self._engine)
        generations = [self._read(reply, request) for reply, request in zip(replies, requests, strict=True)]
        for generation in generations:
            self._run._charge(self._role, generation)  # noqa: SLF001 - one unit
        return generations

    @property
    def vocabulary(self) -> str:
        """Identifier of the tokens and their ids."""
        return self._tokens.vocabulary

    @contextmanager
    def start(self, request: Request, *, width: int | None = None) -> Iterator[DecodeState]:
        """Opens a decode state, which is never shared; the engine may still share prefixes of prompts."""
        self._memo.unshared_generation()
        with closing(self._tokens.start(self._decide(request), width=width)) as state:
            yield state
        self._run._charge(self._role, Generation("", usage=state.usage, timing=state.timing))  # noqa: SLF001

    @property
    def _tokens(self) -> TokenEngine:
        if isinstance(self._engine, TokenEngine):
            return self._engine
        raise EngineError(f"generators.{self._role} ({self._generator.kind}) cannot draft or verify tokens.")

    def _decide(self, request: Request) -> Request:
        own = self._generator
        temperature = own.temperature if request.temperature is None else request.temperature
        top_p = own.top_p if request.top_p is None else request.top_p
        return replace(
            with_thinking_tokens(request, own.thinking_tokens),
            temperature=temperature,
            top_p=top_p,
            seed=request.seed if temperature > 0 or not own.greedy else 0,
            cold=self._run.cold,
        )
