"""The engine pool of a dry run: real routes and tokenizers with counting engines, without model weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ragvlc.core.answer import Usage
from ragvlc.core.component import Component
from ragvlc.core.data import content_key
from ragvlc.core.engines import TextEngine, Tokenizer, VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder, Generator, Metric
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.remote.tokenizers import ServerTokenizer
from ragvlc.engines.scripted.cached_tokenizer import CachedTokenizer
from ragvlc.engines.scripted.engine import ScriptedCall, ScriptedEngine, ScriptedReply
from ragvlc.engines.scripted.filler import filler
from ragvlc.estimate.rates import Call, EngineFacts
from ragvlc.estimate.stubs import CountedVectors
from ragvlc.memo.disk import Cache
from ragvlc.memo.once import Codec, Memoised, Once
from ragvlc.pool import EnginePool

if TYPE_CHECKING:
    from ragvlc.core.engines import Arrays

__all__ = ["CountingPool", "Opened", "Tally"]

OpenedT = TypeVar("OpenedT")


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoding session of the dry run, identified by the key of its call.

    Attributes:
        key: of its call.
        drafts: whether it is a drafter's.
    """

    key: str
    drafts: bool


@dataclass(slots=True)
class Tally:
    """The model calls, computations and embedded texts that one question requests in a dry run.

    Attributes:
        calls: keys of generations, in order, with repeats.
        stages: keys of chunkings, indexes, rankings and rerankings by stage.
        embedded: (embedder's key, place among its lengths) of every text embedded first for this question.
        sessions: in the order of opening.
    """

    calls: list[str] = field(default_factory=list)
    stages: dict[str, list[str]] = field(default_factory=dict)
    embedded: list[tuple[str, int]] = field(default_factory=list)
    sessions: list[Opened] = field(default_factory=list)

    def note(self, stage: str, keys: Sequence[str]) -> None:
        """Adds the keys that the question requests at this stage."""
        (self.calls if stage == "generate" else self.stages.setdefault(stage, [])).extend(keys)


class CountingPool(EnginePool):
    """An engine pool that counts calls and answers them with filler text; it is not thread-safe.

    Args:
        facts_of: says what a generator's engine is taken to do.
        stored: whether what earlier runs left on disk counts as done; it is read, never written.

    Attributes:
        generators: those asked, by key.
        facts: of their engines, by key.
        calls: every distinct generation by key.
        embedders: engines of embedders by key.
        estimated: keys of generators whose tokens are estimated.
        found: keys by stage that are stored on disk.
        tally: of the question at work.
        routes: kinds of the routes of its pipeline.
        batch: calls of the generations that are being computed together; None outside of these.
    """

    def __init__(self, facts_of: Callable[[Generator], EngineFacts], *, stored: bool) -> None:
        cache = _ReadCache(self, reads=stored)
        super().__init__(cache, reuse=True)
        self.once = _NotingOnce(self, cache)
        self._facts_of = facts_of
        self.generators: dict[str, Generator] = {}
        self.facts: dict[str, EngineFacts] = {}
        self.calls: dict[str, Call] = {}
        self.embedders: dict[str, CountedVectors] = {}
        self.estimated: set[str] = set()
        self.found: dict[str, set[str]] = {}
        self.tally = Tally()
        self.routes: frozenset[str] = frozenset()
        self.batch: list[Call] | None = None

    @contextmanager
    def question(self, routes: frozenset[str]) -> Iterator[Tally]:
        """Starts and yields the tally of one question; `routes` are the kinds of the pipeline's routes."""
        self.tally, self.routes = Tally(), routes
        before = {key: len(engine.lengths_embedded) for key, engine in self.embedders.items()}
        yield self.tally
        for key, engine in self.embedders.items():
            new = range(before.get(key, 0), len(engine.lengths_embedded))
            self.tally.embedded += [(key, place) for place in new]

    def text(self, generator: Generator) -> TextEngine:
        """Returns a counting engine in place of the generator's own engine."""
        return super().opened(generator, lambda: self._counting(generator))

    def _counting(self, generator: Generator) -> ScriptedEngine:
        tokenizer = self.tokenizer(generator)  # first: fetching it brings the configuration of a hub's model, too
        self.generators[generator.key] = generator
        facts = self.facts[generator.key] = self._facts_of(generator)
        return ScriptedEngine(_Fillers(self, generator.key, facts, tokenizer), facts.window, tokenizer)

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns a counting engine in place of the embedder's own engine."""
        if embedder.key not in self.embedders:
            self.embedders[embedder.key] = CountedVectors(embedder)
        return self.embedders[embedder.key]

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Opens the resources of a metric. Raises `EngineError` for any other component."""
        if isinstance(part, Metric):
            return super().opened(part, open_it)
        raise EngineError(f"an estimate does not open the model of {part.family} kind '{part.kind}'")

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer, with cached prompts; for a server, a tokenizer that estimates counts."""
        found = self._tokenizers.get(generator.key)
        if found is None:
            own = generator.tokenizer()
            if isinstance(own, ServerTokenizer):
                own = EstimatedTokenizer(getattr(generator, "system", None))
            if getattr(own, "estimated", False):
                self.estimated.add(generator.key)
            found = self._tokenizers[generator.key] = CachedTokenizer(own)
        return found

    def made(self, call: Call, key: str) -> None:
        """Records a generation: in the current batch if there is one, otherwise under its own key."""
        if self.batch is not None:
            self.batch.append(call)
            return
        self.calls.setdefault(key, call)
        self.tally.note("generate", [key])

    @contextmanager
    def counting_texts(self, counting: bool) -> Iterator[None]:
        """Switches the counting of embedded texts on or off within the context."""
        for engine in self.embedders.values():
            engine.counting = counting
        yield
        for engine in self.embedders.values():
            engine.counting = True


@dataclass(slots=True)
class _Fillers:
    """Replies with filler text of the answer length expected from a generator, and counts each call."""

    pool: CountingPool
    generator: str
    facts: EngineFacts
    tokenizer: Tokenizer
    unshared: int = 0

    def __call__(self, asked: ScriptedCall) -> ScriptedReply:
        key = self._key(asked)
        call = self.pool.calls.get(key) or self._call(asked)
        self.pool.made(call, key)
        if asked.opens_state:
            self.pool.tally.sessions.append(Opened(key, asked.drafts))
        return ScriptedReply(filler(self.tokenizer, call.completion, key), call.cached, call.completion)

    def _call(self, asked: ScriptedCall) -> Call:
        import numpy as np

        ids, request = asked.prompt_ids, asked.request
        tokens = np.array(ids, np.int64)
        cached = 0 if request.cold or not ids else self.facts.reuse.cached(tokens, request.max_tokens)
        completion = self.facts.expected(request, self.pool.routes)
        return Call(self.generator, len(ids), cached, completion, request.max_tokens)

    def _key(self, asked: ScriptedCall) -> str:
        """Returns a key that equal calls share; every session and every cold call gets a unique key."""
        request = asked.request
        if asked.opens_state or request.cold:
            self.unshared += 1
            return f"{'session' if asked.opens_state else 'cold'} {self.generator} {self.unshared}"
        text = request.prompt.digest()
        settings = [request.max_tokens, request.temperature, request.top_p, list(request.stop), request.seed]
        return content_key([self.generator, text, settings, request.logprobs])


class _ReadCache(Cache):
    """A read-only view of the cache of earlier runs, since fillers and random rankings must not be stored."""

    def __init__(self, pool: CountingPool, *, reads: bool) -> None:
        super().__init__()
        self._pool = pool
        self._reads = reads

    def get(self, stage: str, key: str) -> Any:  # noqa: ANN401 - JSON
        """Returns the JSON value stored under `key`, or None."""
        found = super().get(stage, key) if self._reads else None
        if found is not None:
            self._pool.found.setdefault(stage, set()).add(key)
        return found

    def put(self, stage: str, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Does nothing, since a dry run stores no results."""

    def arrays(self, key: str, build: Callable[[], Arrays], needed: Collection[str] = ()) -> Arrays:  # noqa: ARG002
        """Returns newly built stub arrays; texts whose vectors are stored on disk are not counted."""
        stored = self._reads and (self.folder / "indexes" / key[:2] / f"{key}.npz").exists()
        with self._pool.counting_texts(not stored):
            return build()


class _NotingOnce(Once):
    """Records every requested key, and the engine call that produced each generation."""

    def __init__(self, pool: CountingPool, cache: Cache) -> None:
        super().__init__(cache)
        self._pool = pool

    def many(
        self,
        stage: str,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],
        codec: Codec | None = None,
    ) -> list[Memoised]:
        """Returns a value for each key; equal keys are computed only once."""
        pool = self._pool
        pool.tally.note(stage, keys)
        if stage != "generate":
            return super().many(stage, keys, compute, codec)

        def counted(places: list[int]) -> Sequence[Any]:
            pool.batch = []
            try:
                values = compute(places)
                for place, call in zip(places, pool.batch, strict=True):
                    pool.calls.setdefault(keys[place], call)
            finally:
                pool.batch = None
            return values

        found = super().many(stage, keys, counted, codec)
        for key, one in zip(keys, found, strict=True):
            if key not in pool.calls:  # on disk
                usage: Usage = one.value.usage
                prompt, cached, completion = usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens
                pool.calls[key] = Call("", prompt, cached, completion, completion, stored=True)
        return found
