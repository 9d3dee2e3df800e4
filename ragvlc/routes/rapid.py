"""RAPID: a drafter that reads retrieved passages proposes tokens; a target that reads everything verifies them.

Paper: Chen, Feng, Ni, Li, Shieh, "RAPID: Long-Context Inference with Retrieval-Augmented Speculative Decoding", ICML
2025, https://arxiv.org/abs/2502.20330. Defaults are the paper's.

With `eta: 0` the answer follows the target's own probabilities exactly, and greedily (`temperature: 0`) it is the
target's own to the letter (in float32). With `eta` above 0 it does not, though the paper says so: see
`reading.acceptance_rules` for the law that it follows, and for `mode: phat_exact`.

Differences from the paper and from its authors' code:

- The paper's rule for the tail and its code's are different operators: `tail` names them.
- Greedy decoding with `eta` above 0 is refused: the code draws an argmax and scores it as if it were sampled.
- No draft ends early by default, as in the paper; the code's default is `confidence: 0.1`.
- The documents are cut before the prompt is made, so that it fits the window with its chat template.
- Passages that touch are read as one text; those apart stand in paragraphs of their own, in document order.
- The number of passages follows the paper's rule from the size of a chunk. Chunks of a chunker without a size count as
  their mean. No more are found than the retriever has `candidates`.
- The drafter re-reads its last token only where it has not computed it; the code re-reads two in every round.
- All passages below `floor`: the drafter reads none, as in the code; the answer is the target's all the same.
- Embedder and data are the pipeline's; the paper's embedder is BGE-M3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ragvlc.core.answer import Answer
from ragvlc.core.component import part
from ragvlc.core.data import ChunkSet, Document, Hit, Query
from ragvlc.core.engines import Prompt
from ragvlc.core.families import Chunker, Retriever
from ragvlc.core.run import Run
from ragvlc.reading.acceptance_rules import AcceptanceRule, Mode, Tail
from ragvlc.reading.context import ContextBudget, FittedPrompt, fit
from ragvlc.reading.retrieving import Retrieving
from ragvlc.reading.speculation import Read, Speculating

_CHUNKS: Any = {"kind": "recursive", "size": 512}
_WORDING = {"the text above": "the retrieved text chunks above"}


class Rapid(Retrieving, Speculating):
    """Answers from the whole documents, with a drafter that reads the best passages.

    Attributes:
        eta: how far the target's probabilities move towards the drafter's; 0 is lossless. The paper searches 5, 10 and
            20 for a drafter of the target's size, 40 and 50 for a larger one.
        mode: what is drawn where a draft ends, for `eta` above 0: `paper` as published, `phat_exact` so that every
            token follows the moved probabilities.
        tail: which tokens do not move, for `eta` above 0: `paper` looks at the moved probabilities, `code` at the
            drafter's.
        tail_threshold: share of the largest below which a token belongs to the tail; 0 has no tail.
        floor: passages with a score below it are not read; None reads them. The default is for cosines.
        share: of the target's prompt tokens that the drafter reads, at least `minimum`.
        minimum: tokens of passages for the drafter, where the target's prompt has so many.
        draft_wording: words of the prompts that are others for the drafter.
    """

    gives: ClassVar[frozenset[str]] = frozenset({"answer", "context", "ranking"})
    chunker: Chunker = Field(default=_CHUNKS)
    retriever: Retriever = part("dense")
    eta: Annotated[float, Field(ge=0)] = 10.0
    mode: Mode = "paper"
    tail: Tail = "paper"
    tail_threshold: Annotated[float, Field(ge=0, le=1)] = 0.1
    floor: float | None = 0.3
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 24
    minimum: Annotated[int, Field(ge=0)] = 4096
    draft_wording: Mapping[Annotated[str, Field(min_length=1)], str] = Field(default_factory=lambda: dict(_WORDING))

    @model_validator(mode="after")
    def _moves_what_is_drawn(self) -> Self:
        if self.eta > 0 and self.temperature == 0:
            problem = (
                f"eta {self.eta:g} moves probabilities, and greedy decoding (temperature 0) draws from none: a best "
                "token would be judged as if it had been drawn. Set eta: 0 for lossless greedy decoding, or a "
                "temperature above 0."
            )
            raise PydanticCustomError("greedy", "{problem}", {"problem": problem})
        return self

    def answer(self, query: Query, documents: Sequence[Document], run: Run) -> Answer:
        """Returns the target's answer from the whole documents."""
        whole = self.read_whole(query, documents, run)
        tokens = len(run.generator(self.generator).tokenizer.render(whole.prompt))
        with run.step("retrieve") as facts:
            chunks, ranking = self.find(query, documents, run, role=self.generator)
            wanted = self.passages(tokens, self._chunk_tokens(chunks, run))
            selected = [hit for hit in ranking[:wanted] if self.floor is None or hit.score >= self.floor]
            facts |= {"chunks": len(chunks), "ranked": len(ranking), "wanted": wanted, "selected": len(selected)}
        rule = AcceptanceRule(self.eta, self.mode, self.tail, self.tail_threshold)
        own = self._read_passages(query, documents, run, selected)
        return self.decode(Read(whole, own, ranking), rule, query, run)

    def passages(self, prompt_tokens: int, chunk_tokens: float) -> int:
        """Returns the number of chunks that the drafter reads if the target's prompt has `prompt_tokens` tokens."""
        tokens = max(min(self.minimum, prompt_tokens), prompt_tokens * self.share)
        return math.ceil(round(tokens / chunk_tokens, 9))  # 1 / 24 is not exact

    def draft_reads(self, tokens: int) -> int:
        """Returns the number of passage tokens that the drafter reads, at most `tokens`."""
        size = getattr(self.chunker, "size", None) or 1
        return min(tokens, self.passages(tokens, size) * size)

    def draft_prompt(self, query: Query, text: str) -> Prompt:
        """Returns the drafter's prompt over the passages `text`."""
        prompt = self.prompt(query, text)
        template = prompt.template
        for word, other in self.draft_wording.items():
            template = template.replace(word, other)
        return Prompt(template, prompt.fields)

    def _read_passages(
        self, query: Query, documents: Sequence[Document], run: Run, selected: Sequence[Hit]
    ) -> FittedPrompt:
        ordered = sorted(selected, key=lambda hit: (hit.chunk.document_index, hit.chunk.start))
        rank = {hit.chunk.span: place for place, hit in enumerate(selected)}
        spans = [hit.chunk.span for hit in ordered]
        worst_first = sorted(range(len(spans)), key=lambda i: -rank[spans[i]])
        budget = ContextBudget(self.max_tokens(query), self.truncation, least=worst_first)
        return fit(spans, documents, run.generator(self.draft), lambda text: self.draft_prompt(query, text), budget)

    def _chunk_tokens(self, chunks: ChunkSet, run: Run) -> float:
        size = getattr(self.chunker, "size", None)
        if size is not None or not chunks.chunks:
            return float(size or 1)
        tokenizer = run.generator(self.generator).tokenizer
        return max(1.0, sum(tokenizer.count(chunk.text) for chunk in chunks.chunks) / len(chunks))
