"""Cross-encoder: ranks passages with a model that reads question and passage together.

Nogueira and Cho 2019, "Passage Re-ranking with BERT" (arXiv 1901.04085), by sentence-transformers.

Differences: scores are the model's raw outputs, before the sigmoid that some models end with. The order is the same,
and near the ends, where a sigmoid rounds to 1 or 0, good passages stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ragvlc import memory, packaged
from ragvlc.core.component import Execution
from ragvlc.core.data import Hit, Query
from ragvlc.core.engines import TextLimit
from ragvlc.core.families import Reranker
from ragvlc.core.run import Run
from ragvlc.documents.text_limits import text_limit
from ragvlc.engines.batching.dtypes import has_accelerator
from ragvlc.packaged.model_files import code_refusals, model_remarks, refuse_own_code, weight_bytes
from ragvlc.rerankers._pairs import Dtype, LoadedPairs, Loading, PairEngine


class CrossEncoder(Reranker):
    """Ranks hits with a model that scores pairs of question (with its options) and passage.

    The number of truncated pairs and of the tokens cut off is in the trace, step `cross_encoder`. No cross-encoder
    is packaged: the default is a small English one (Apache-2.0, 91 MB), fetched from the hub at first use.

    Attributes:
        model: a local folder or a hub id, of a model that gives one number for a pair.
        keep: number of best hits to keep; all by default. The retriever's `candidates` are ranked.
        max_length: the most tokens of a pair, whose longer side is truncated first; None takes the model's own window.
        dtype: of the weights.
        trust_remote_code: run the code in the model's own files, for models that the library cannot load without.
        device: `auto`, or a torch device.
        batch_size: pairs computed together.
    """

    later_fields: ClassVar[frozenset[str]] = Reranker.later_fields | {"trust_remote_code"}
    model: packaged.Model = "cross-encoder/ms-marco-MiniLM-L6-v2"
    keep: Annotated[int | None, Field(ge=1)] = None
    max_length: Annotated[int | None, Field(ge=5)] = None
    dtype: Dtype = "float32"
    trust_remote_code: bool = False
    device: Annotated[str, Execution] = "auto"
    batch_size: Annotated[int, Field(ge=1), Execution] = 32

    def refusals(self) -> list[str]:
        """Returns a sentence if the model needs code of its own that is not trusted."""
        return code_refusals(self.model, trusted=self.trust_remote_code)

    def remarks(self) -> list[str]:
        """Returns a sentence on the model's own code if it is run."""
        return model_remarks(self.model, trusted=self.trust_remote_code)

    def identity(self) -> Mapping[str, Any]:
        """Returns the fingerprint of the model's files."""
        return {"model": packaged.fingerprint(self.model)}

    def text_limit(self) -> TextLimit | None:
        """Returns the window of the model with its tokenizer, or None if its files are not on this machine."""
        return text_limit(self.model, self.max_length)

    def open(self) -> PairEngine:
        """Returns the loaded model. Raises `EngineError` if it cannot be loaded or does not score pairs."""
        refuse_own_code(self.model, trusted=self.trust_remote_code)
        loading = Loading(self.model, self.device, self.dtype, self.max_length, self.trust_remote_code)
        here = self.device == "cpu" or (self.device == "auto" and not has_accelerator())
        size = weight_bytes(self.model, self.dtype) if here else None
        return memory.loaded(self.model, size, lambda: LoadedPairs.load(loading, batch_size=self.batch_size))

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        """Returns the hits, best first; equal scores preserve the retriever's order."""
        if not hits:
            return []
        engine: PairEngine = run.opened(self, self.open)
        # Equal texts are scored once: scores from different batches could differ in the last bits.
        texts = list(dict.fromkeys(hit.chunk.text for hit in hits))
        with run.step("cross_encoder", passages=len(hits)) as facts:
            points = dict(zip(texts, engine.score(query.search_text, texts), strict=True))
            lengths = dict(zip(texts, engine.lengths(query.search_text, texts), strict=True))
            over = [max(0, lengths[hit.chunk.text] - engine.window) for hit in hits]
            facts |= {"reranker_cut_passages": sum(map(bool, over)), "reranker_dropped_tokens": sum(over)}
        scored = [Hit(hit.chunk, points[hit.chunk.text]) for hit in hits]
        return sorted(scored, key=lambda hit: -hit.score)[: self.keep]
