"""What stands in for models that an estimate does not open: they choose some passages, and sizes are what matters."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

from pydantic import Field

from ragvlc import packaged
from ragvlc.core.answer import Answer
from ragvlc.core.component import Component
from ragvlc.core.data import ChunkSet, Hit, Query
from ragvlc.core.families import Embedder, Reranker, Retriever
from ragvlc.core.paths import at, walk
from ragvlc.core.run import Index, Run
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.pipeline import Pipeline
from ragvlc.reading.escalation import Verdict, Wrapper
from ragvlc.sweep.settings import Changer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

    from ragvlc.core.engines import Vectors

__all__ = ["AnyPassages", "AnyScores", "Both", "CountedVectors", "stand_in"]

_OUTSIDE = "langchain"
_DIMENSIONS = 64
_LOOKED_AT = 1000  # characters: enough to tell passages apart


class AnyPassages(Retriever):
    """Ranks chunks by chance, the same one each time: for stores that an estimate neither fills nor asks.

    Attributes:
        original: key of the retriever that it stands for.
    """

    original: str

    def index(self, chunks: ChunkSet, run: Run) -> Index:  # noqa: ARG002 - needs none
        """Returns the index."""
        return _ByChance(chunks)


@dataclass(frozen=True, slots=True)
class _ByChance:
    chunks: ChunkSet

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` hits."""
        hits = [Hit(chunk, _chance(f"{query.search_text}\0{chunk.text}")) for chunk in self.chunks.chunks]
        return sorted(hits, key=lambda hit: -hit.score)[:n]


class AnyScores(Reranker):
    """Ranks hits by chance, the same one each time: for rerankers with models of their own.

    Attributes:
        original: key of the reranker that it stands for.
        keep: how many hits are kept; all by default.
    """

    original: str
    keep: Annotated[int | None, Field(ge=1)] = None

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:  # noqa: ARG002 - needs none
        """Returns the hits in their new order."""
        scored = [Hit(hit.chunk, _chance(f"{query.search_text}\0{hit.chunk.text}")) for hit in hits]
        return sorted(scored, key=lambda hit: -hit.score)[: self.keep]


class Both(Wrapper):
    """Asks both routes, whatever the first one answers: a filler does not tell which answers will do.

    Attributes:
        original: key of the wrapper that it stands for.
    """

    original: str

    def verdict(self, answer: Answer) -> Verdict:  # noqa: ARG002 - a filler says nothing
        """Returns that the second route is asked, too."""
        return Verdict(True, "counted as if every question went on")


def stand_in(pipeline: Pipeline) -> tuple[Pipeline, list[str]]:
    """Returns the pipeline with stand-ins for parts that would open models or stores of their own, and their kinds."""
    changes: dict[str, Component] = {}
    for path, part in walk(pipeline):
        if isinstance(part, Retriever) and part.kind == _OUTSIDE:
            changes[path] = AnyPassages(original=part.key, candidates=part.candidates)
        elif isinstance(part, Reranker) and not part.roles():
            changes[path] = AnyScores(original=part.key, keep=getattr(part, "keep", None))
        elif isinstance(part, Wrapper):
            changes[path] = Both(original=part.key, first=part.first, then=part.then)
    if not changes:
        return pipeline, []
    kinds = [at(pipeline, path).kind for path, part in changes.items() if not isinstance(part, Both)]
    changed, _ = Changer[Pipeline]("estimate").change(pipeline, changes)
    return changed, kinds


def _chance(text: str) -> float:
    return crc32(text.encode("utf-8", "surrogatepass")) / 2**32


class CountedVectors:
    """An embedding engine without weights: a text is its hashed words. Counts each text once.

    Texts are counted by the embedder's own tokenizer where its files are at hand (`tokenizer.json`), else estimated.

    Attributes:
        texts: distinct ones, queries and passages.
        tokens: of those, each cut to the window.
        lengths_embedded: tokens of each, in order.
        counting: whether texts are counted now.
        exact: whether the embedder's own tokenizer counts.
    """

    def __init__(self, embedder: Embedder) -> None:
        spec = embedder.spec()
        model = spec.get("model")
        self._folder = _folder(model) if isinstance(model, str) else None
        self._tokenizer = _fast_tokenizer(self._folder)
        self._estimate = EstimatedTokenizer()
        self._prompts = {side: str(spec.get(f"{side}_prompt") or "") for side in ("query", "passage")}
        extension = spec.get("extension")
        extended = 8 * (extension.get("window") or 512) if extension else None  # where its model says more: too low
        self._window = spec.get("max_length") or extended or _own_window(self._folder)
        self._seen: set[tuple[str, int]] = set()
        self.lengths_embedded: list[int] = []
        self.counting = True
        self.exact = self._tokenizer is not None

    @property
    def texts(self) -> int:
        """Distinct texts embedded."""
        return len(self.lengths_embedded)

    @property
    def tokens(self) -> int:
        """Of distinct texts embedded."""
        return sum(self.lengths_embedded)

    @property
    def window(self) -> int:
        """Tokens beyond which a text is cut."""
        return self._window

    def embed(self, texts: Sequence[str], *, side: str = "passage") -> Vectors:
        """Returns unit vectors, float32 of shape [texts, 64]."""
        import numpy as np

        self._count(texts, side, self._window)
        vectors = np.zeros((len(texts), _DIMENSIONS), np.float32)
        vectors[:, -1] = 0.1  # a text without words has a direction too
        for row, text in enumerate(texts):
            words = re.findall(r"\w+", text[:_LOOKED_AT].casefold())
            places = [crc32(word.encode("utf-8", "surrogatepass")) % (_DIMENSIONS - 1) for word in words]
            np.add.at(vectors[row], places, 1.0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def embed_spans(
        self, texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], *, side: str = "passage"
    ) -> list[Vectors]:
        """Returns the vectors of the parts; counts the texts, which are read whole, in windows beyond the window."""
        self._count(texts, side, sys.maxsize)
        counting, self.counting = self.counting, False
        try:
            pairs = zip(texts, spans, strict=True)
            return [self.embed([text[start:end] for start, end in parts], side=side) for text, parts in pairs]
        finally:
            self.counting = counting

    def _count(self, texts: Sequence[str], side: str, window: int) -> None:
        if self.counting:
            new = [text for text in dict.fromkeys(texts) if (side, hash(text)) not in self._seen]
            self._seen |= {(side, hash(text)) for text in new}
            self.lengths_embedded += [min(length, window) for length in self._lengths(new, side)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Returns 0 for each text: what a window cuts off changes no other figure, and counting it takes time."""
        return [0] * len(texts)

    def close(self) -> None:
        """Frees nothing."""

    def _lengths(self, texts: Sequence[str], side: str) -> list[int]:
        prompt = self._prompts.get(side, "")
        if self._tokenizer is None:
            return [self._estimate.count(prompt + text) for text in texts]
        whole = [(prompt + text).encode("utf-8", "replace").decode() for text in texts]
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(whole)]


def _folder(model: str) -> Path | None:
    known = packaged.find(model)
    if known is not None:
        return known.folder if known.folder.is_dir() else None
    if Path(model).is_dir():
        return Path(model)
    found = packaged.hub_file(model, "tokenizer.json")
    return found.parent if found else None


def _fast_tokenizer(folder: Path | None) -> FastTokenizer | None:
    if folder is None or not (folder / "tokenizer.json").is_file():
        return None
    from tokenizers import Tokenizer as FastTokenizer

    tokenizer = FastTokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _own_window(folder: Path | None) -> int:
    """Returns the tokens beyond which a model cuts, as its files say; no bound where they do not."""
    for name, field in (("sentence_bert_config.json", "max_seq_length"), ("config.json", "max_position_embeddings")):
        path = folder / name if folder else None
        if path is not None and path.is_file():
            found = json.loads(path.read_text("utf-8")).get(field)
            if found:
                return int(found)
    return sys.maxsize
