"""BM25: ranks chunks by the words that they share with the question; rare words and short chunks weigh more.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
https://doi.org/10.1561/1500000019, in Lucene's form (Kamphuis et al., "Which BM25 Do You Mean?", 2020,
https://doi.org/10.1007/978-3-030-45442-5_4), summed over the question's words w, repeats included:

    log(1 + (N - n_w + 0.5) / (n_w + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length))

N counts the chunks of this question's documents and n_w those with w, so weights are local to a document set. The
logarithm is positive even for a word that every chunk has, which matters when one document is all there is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ragvlc.core.data import Chunk, ChunkSet, Hit, Query
from ragvlc.core.families import Retriever
from ragvlc.core.run import Index, Run
from ragvlc.retrievers._analysis import Analyser, Stemming

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.core.engines import Arrays

    Scores = NDArray[np.float64]


class BM25(Retriever):
    """Ranks chunks by BM25; chunks without any word of the question score 0 and come last, in chunk order.

    Question (with its options) and chunks are split alike: plain typography, lower case, words of any script, letters
    and letter pairs where a script has no spaces; a word broken at a line end also as a whole.

    Attributes:
        library: `bm25s` is the formula above. `rank_bm25` (BM25Okapi) is there to reproduce systems built on it: its
            weight is log((N - n_w + 0.5) / (n_w + 0.5)), which on few chunks goes wrong: 0 for a word that half of
            the chunks have, and for more a small weight of either sign, so that matching chunks can rank last.
        k1: how slowly repetitions of a word saturate. 1.5 is the default of both libraries; Lucene's is 1.2.
        b: how much long chunks are penalised; 0 is not at all.
        stemmer: Snowball language, or `none`. English is the default because it helps English and hardly touches
            other languages: on 330 SQuAD questions over whole articles in chunks of 120 words it raised the share
            whose answer chunk comes first from 68 to 71 %, on German text from 68 to 69 % (`german`: 72 %).
        stop_words: words left out on both sides; none by default.
    """

    version: ClassVar[int] = 2

    library: Literal["bm25s", "rank_bm25"] = "bm25s"
    k1: Annotated[float, Field(ge=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75
    stemmer: Stemming = "english"
    stop_words: tuple[str, ...] = ()

    def index(self, chunks: ChunkSet, run: Run) -> Index:
        """Returns the search index; `bm25s` indexes are cached on disk, `rank_bm25` indexes are computed each time."""
        analyser = Analyser(self.stemmer, self.stop_words)
        if self.library == "rank_bm25":
            return _WordIndex(chunks.chunks, analyser, self._okapi(analyser.words(one.text for one in chunks.chunks)))
        arrays = run.cached_arrays(self, chunks, lambda: self._scores(analyser, chunks))
        size = sum(one.nbytes for one in arrays.values())
        return _WordIndex(chunks.chunks, analyser, self._lucene(arrays, len(chunks)), size)

    def _scores(self, analyser: Analyser, chunks: ChunkSet) -> Arrays:
        """Returns each word's scores by chunk as compressed sparse columns, and the vocabulary as JSON bytes."""
        import numpy as np

        vocabulary: dict[str, int] = {}
        ids = [
            [vocabulary.setdefault(word, len(vocabulary)) for word in words]
            for words in analyser.each(chunk.text for chunk in chunks.chunks)
        ]
        words = np.frombuffer(json.dumps(list(vocabulary)).encode(), dtype=np.uint8)
        if not vocabulary:  # the library divides by the mean length
            return {"words": words, "data": np.zeros(0), "indices": np.zeros(0, np.int32), "indptr": np.zeros(1, int)}
        # Not `index()`: it logs at DEBUG through a logger that is open whatever the application set.
        scores = self._library().build_index_from_ids(list(vocabulary.values()), ids, show_progress=False)
        return {"words": words, **{name: scores[name] for name in ("data", "indices", "indptr")}}

    def _lucene(self, arrays: Arrays, chunks: int) -> Callable[[list[str]], Scores]:
        import numpy as np

        vocabulary = {word: place for place, word in enumerate(json.loads(arrays["words"].tobytes()))}
        library = self._library()
        library.scores = {name: arrays[name] for name in ("data", "indices", "indptr")} | {"num_docs": chunks}
        library.nonoccurrence_array = None

        def score(words: list[str]) -> Scores:
            ids = [vocabulary[word] for word in words if word in vocabulary]
            found: Scores = library.get_scores_from_ids(ids) if ids else np.zeros(chunks)
            return found

        return score

    def _library(self) -> Any:  # noqa: ANN401 - the library has no types
        # Where JAX is installed, bm25s tries it out, and JAX would then take three quarters of the GPU's memory.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import bm25s

        # 64 bits: in 32, rounding would order chunks that the formula scores equal.
        return bm25s.BM25(k1=self.k1, b=self.b, method="lucene", dtype="float64", backend="numpy")

    def _okapi(self, texts: list[list[str]]) -> Callable[[list[str]], Scores]:
        import numpy as np

        if not any(texts):  # the library divides by the number of words
            return lambda words: np.zeros(len(texts))  # noqa: ARG005 - nothing can match
        import rank_bm25

        found: Callable[[list[str]], Scores] = rank_bm25.BM25Okapi(texts, k1=self.k1, b=self.b).get_scores
        return found


@dataclass(frozen=True, slots=True)
class _WordIndex:
    chunks: Sequence[Chunk]
    analyser: Analyser
    score: Callable[[list[str]], Scores]
    nbytes: int = 0

    def search(self, query: Query, n: int) -> list[Hit]:
        """Returns `n` hits (or all), best first; equal scores in chunk order."""
        import numpy as np

        scores = self.score(self.analyser.words([query.search_text])[0])
        places = np.argsort(-scores, kind="stable")[:n]
        return [Hit(self.chunks[place], float(scores[place])) for place in places]
