"""Engines that count: real routes work with them, real tokenizers measure their prompts, and no weights are opened."""

from __future__ import annotations

import hashlib
import random
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Component
from ragvlc.core.data import content_key
from ragvlc.core.engines import Generation, Prompt, Request, TextEngine, Tokenizer, VectorEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.core.families import Embedder, Generator, Metric
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.remote.tokenizers import ServerTokenizer
from ragvlc.engines.scripted.decode_state import ScriptedDecodeState
from ragvlc.estimate.roofline import Passes
from ragvlc.estimate.sharing import Reuse
from ragvlc.estimate.stand_ins import CountedVectors
from ragvlc.memo.disk import Cache
from ragvlc.memo.once import Codec, Found, Once
from ragvlc.pool import EnginePool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.core.engines import Arrays

__all__ = ["Call", "CountingPool", "Opened", "Reader", "Tally", "filler"]

OpenedT = TypeVar("OpenedT")

_WORDS = ("the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "as", "with", "they", "at")
_REMEMBERED = 20_000_000  # tokens of rendered prompts


@dataclass(frozen=True, slots=True)
class Call:
    """One generation.

    Attributes:
        generator: key.
        prompt: tokens.
        cached: of those, found in the engine's cache of prefixes.
        completion: new tokens expected.
        most: new tokens at most.
        stored: found on disk, from earlier runs; nothing is computed.
        passes: behind the prompt, where that is not one for each new token.
    """

    generator: str
    prompt: int
    cached: int
    completion: int
    most: int
    stored: bool = False
    passes: tuple[Passes, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A session.

    Attributes:
        key: of its call.
        drafts: whether it was told how wide the rows of another are, as a drafter is.
    """

    key: str
    drafts: bool


class Reader(Protocol):
    """What the engine of a generator is taken to do."""

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    @property
    def reuse(self) -> Reuse:
        """Finds beginnings of prompts again."""
        ...

    def expected(self, request: Request, routes: frozenset[str]) -> int:
        """Returns how many new tokens an answer is taken to have, in a pipeline with these kinds of routes."""
        ...


@dataclass(slots=True)
class Tally:
    """What one question asked for.

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


class CountingPool(EnginePool):
    """A pool whose engines count and answer with fillers. Work with it is for one thread.

    Args:
        stored: whether what earlier runs left on disk counts as done; it is read, never written.
        readers: says what a generator's engine is taken to do.

    Attributes:
        calls: every distinct generation by key.
        embedders: engines of embedders by key.
        estimated: keys of generators whose tokens are estimated.
        asked: requests by stage.
        found: keys by stage that stand on disk.
    """

    def __init__(self, readers: Callable[[Generator], Reader], *, stored: bool) -> None:
        cache = _ReadCache(self, reads=stored)
        super().__init__(cache, reuse=True)
        self.once = _NotingOnce(self, cache)
        self._readers = readers
        self._counting: dict[str, _CountingEngine] = {}
        self.calls: dict[str, Call] = {}
        self.embedders: dict[str, CountedVectors] = {}
        self.estimated: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.found: dict[str, set[str]] = {}
        self.tally = Tally()
        self.routes: frozenset[str] = frozenset()
        self.inside: list[Call] | None = None

    @contextmanager
    def question(self, routes: frozenset[str]) -> Iterator[Tally]:
        """Opens the account of one question, in a pipeline with these kinds of routes."""
        self.tally, self.routes = Tally(), routes
        before = {key: engine.texts for key, engine in self.embedders.items()}
        yield self.tally
        for key, engine in self.embedders.items():
            self.tally.embedded += [(key, place) for place in range(before.get(key, 0), engine.texts)]

    def text(self, generator: Generator) -> TextEngine:
        """Returns the engine that counts in place of this one."""
        if generator.key not in self._counting:
            self.tokenizer(generator)  # first: fetching it brings the configuration of a hub's model, too
            self._counting[generator.key] = _CountingEngine(self, generator, self._readers(generator))
        return self._counting[generator.key]

    def vectors(self, embedder: Embedder) -> VectorEngine:
        """Returns the engine that counts in place of this one."""
        if embedder.key not in self.embedders:
            self.embedders[embedder.key] = CountedVectors(embedder)
        return self.embedders[embedder.key]

    def opened(self, part: Component, open_it: Callable[[], OpenedT]) -> OpenedT:
        """Opens what works with engines of this pool. Raises `EngineError` for models of a part's own."""
        if isinstance(part, Metric):
            return super().opened(part, open_it)
        raise EngineError(f"an estimate does not open the model of {part.family} kind '{part.kind}'")

    def tokenizer(self, generator: Generator) -> Tokenizer:
        """Returns the generator's tokenizer, which remembers what it rendered; a server's own is estimated."""
        found = self._tokenizers.get(generator.key)
        if found is None:
            own = generator.tokenizer()
            if isinstance(own, ServerTokenizer):
                own = EstimatedTokenizer(getattr(generator, "system", None))
            if getattr(own, "estimated", False):
                self.estimated.add(generator.key)
            found = self._tokenizers[generator.key] = _Remembering(own)
        return found

    def note(self, stage: str, keys: Sequence[str]) -> None:
        """Notes what the question asks for."""
        self.asked[stage] += len(keys)
        if stage == "generate":
            self.tally.calls += keys
        else:
            self.tally.stages.setdefault(stage, []).extend(keys)

    def made(self, call: Call, key: str) -> None:
        """Takes in a generation: under the key of whoever waits for it, or else under its own."""
        if self.inside is not None:
            self.inside.append(call)
            return
        self.calls.setdefault(key, call)
        self.note("generate", [key])

    @contextmanager
    def not_counting_texts(self, unless: bool) -> Iterator[None]:
        """Embeds without counting."""
        for engine in self.embedders.values():
            engine.counting = unless
        yield
        for engine in self.embedders.values():
            engine.counting = True


class _ReadCache(Cache):
    """What earlier runs left on disk. Nothing is added to it: fillers are no answers, and chance is no ranking."""

    def __init__(self, pool: CountingPool, *, reads: bool) -> None:
        super().__init__()
        self._pool = pool
        self._reads = reads

    def get(self, stage: str, key: str) -> Any:  # noqa: ANN401 - JSON
        """Returns the JSON value kept under `key`, or None."""
        found = super().get(stage, key) if self._reads else None
        if found is not None:
            self._pool.found.setdefault(stage, set()).add(key)
        return found

    def put(self, stage: str, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Keeps nothing."""

    def arrays(self, key: str, build: Callable[[], Arrays]) -> Arrays:
        """Returns arrays of the stand-ins; texts whose vectors are kept on disk are not counted."""
        kept = self._reads and (self.folder / "indexes" / key[:2] / f"{key}.npz").exists()
        with self._pool.not_counting_texts(unless=not kept):
            return build()


class _NotingOnce(Once):
    """Notes every key that is asked for, and which call of an engine stands behind each generation."""

    def __init__(self, pool: CountingPool, cache: Cache) -> None:
        super().__init__(cache)
        self._pool = pool

    def many(
        self,
        stage: str,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],
        codec: Codec | None = None,
    ) -> list[Found]:
        """Returns a value for each key, computed once."""
        pool = self._pool
        pool.note(stage, keys)
        if stage != "generate":
            return super().many(stage, keys, compute, codec)

        def counted(places: list[int]) -> Sequence[Any]:
            pool.inside = []
            try:
                values = compute(places)
                for place, call in zip(places, pool.inside, strict=True):
                    pool.calls.setdefault(keys[place], call)
            finally:
                pool.inside = None
            return values

        found = super().many(stage, keys, counted, codec)
        for key, one in zip(keys, found, strict=True):
            if key not in pool.calls:  # on disk
                usage: Usage = one.value.usage
                prompt, cached, completion = usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens
                pool.calls[key] = Call("", prompt, cached, completion, completion, stored=True)
        return found


class _CountingEngine:
    """A text engine that renders, counts, and answers with a filler."""

    def __init__(self, pool: CountingPool, generator: Generator, reader: Reader) -> None:
        self._pool = pool
        self._generator = generator
        self._reader = reader
        self._tokenizer = pool.tokenizer(generator)
        self._apart = 0

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._reader.window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns fillers. Raises `WindowExceeded` as the engine itself would."""
        return [self._one(request, self._key(request)) for request in requests]

    @property
    def vocabulary(self) -> str:
        """The same for all: an estimate exchanges no tokens."""
        return ""

    def start(self, request: Request, *, width: int | None = None) -> ScriptedDecodeState:
        """Returns a decode state that gives a filler; its prompt and tokens count as a call, shared with no other."""
        key = self._own_key("session")
        found = self._one(request, key)
        self._pool.tally.sessions.append(Opened(key, width is not None))
        return ScriptedDecodeState(found.text, found.usage.prompt_tokens, max_tokens=request.max_tokens, width=width)

    def close(self) -> None:
        """Frees nothing."""

    def _one(self, request: Request, key: str) -> Generation:
        import numpy as np

        ids = self._tokenizer.render(request.prompt)
        if len(ids) + request.max_tokens > self.window:
            raise WindowExceeded(
                f"{len(ids)} prompt tokens and {request.max_tokens} new ones exceed the window of {self.window}."
            )
        call = self._pool.calls.get(key)
        if call is None:
            tokens: NDArray[np.int64] = np.array(ids, np.int64)
            cached = 0 if request.cold or not ids else self._reader.reuse.cached(tokens, request.max_tokens)
            completion = self._reader.expected(request, self._pool.routes)
            call = Call(self._generator.key, len(ids), cached, completion, request.max_tokens)
        self._pool.made(call, key)
        text = filler(self._tokenizer, call.completion, key)
        usage = Usage(call.prompt, call.cached, call.completion, 1)
        logprobs = (0.0,) * call.completion if request.logprobs else None
        return Generation(text, usage=usage, timing=Timing(), logprobs=logprobs)

    def _key(self, request: Request) -> str:
        if request.cold:
            return self._own_key("cold")
        text = hashlib.sha256(request.prompt.text().encode("utf-8", "surrogatepass")).hexdigest()
        settings = [request.max_tokens, request.temperature, request.top_p, list(request.stop), request.seed]
        return content_key([self._generator.key, text, settings, request.logprobs])

    def _own_key(self, why: str) -> str:
        self._apart += 1
        return f"{why} {self._generator.key} {self._apart}"


class _Remembering:
    """A tokenizer that renders equal prompts once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rendered: OrderedDict[bytes, NDArray[np.int64]] = OrderedDict()
        self._held = 0

    @property
    def id(self) -> str:
        """Names the vocabulary and its rules."""
        return self._tokenizer.id

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text` as data."""
        return self._tokenizer.count(text)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Returns the characters of each token of `text`."""
        return self._tokenizer.spans(text)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids that are sent."""
        import numpy as np

        key = hashlib.sha256(prompt.text().encode("utf-8", "surrogatepass")).digest()
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = np.array(self._tokenizer.render(prompt), np.int64)
            self._held += len(found)
            while self._held > _REMEMBERED and len(self._rendered) > 1:
                self._held -= len(self._rendered.popitem(last=False)[1])
        else:
            self._rendered.move_to_end(key)
        ids: list[int] = found.tolist()
        return ids


def filler(tokenizer: Tokenizer, tokens: int, key: str) -> str:
    """Returns a text of about so many tokens, the same for the same key: other answers are other texts."""
    chosen = random.Random(key)  # noqa: S311 - a repeatable choice, not a secret
    text = " ".join(chosen.choice(_WORDS) for _ in range(tokens))
    spans = tokenizer.spans(text)
    while len(spans) > tokens > 0:
        text = text[: spans[tokens - 1][1]]
        spans = tokenizer.spans(text)
    return text


UNBOUNDED = sys.maxsize
"""The window of an engine that has not said how long it is."""
