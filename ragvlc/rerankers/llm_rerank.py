"""Listwise reranking by a language model, with all passages in one prompt or in overlapping windows.

Sources: listwise ranking with sliding windows, RankGPT (Sun et al. 2023, arXiv 2304.09542); one prompt for all
candidates, which models with long windows allow (Liu et al. 2024, "Sliding Windows Are Not the End: Exploring Full
Ranking with Long-Context Large Language Models", arXiv 2412.14574).
Differences: the models of the second paper are trained for it; here they are prompted, which it found weaker than
windows. Passages too long to be shown together are cut at their ends to one length. Numbers that a reply leaves out
follow in the order that they had; a reply without any number changes nothing. Scores are 1, 1/2, 1/3 ... by place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ragvlc.core.component import Role
from ragvlc.core.data import Hit, Query
from ragvlc.core.engines import Prompt, Reader, Request
from ragvlc.core.families import Reranker
from ragvlc.core.prompts import Template, filled
from ragvlc.core.run import Run
from ragvlc.core.window import window_too_small

RANK = """{passages}

Question: {question}

Rank the {count} passages above by how much they help to answer the question, the best first. Reply with their numbers \
only, such as [2] > [1] > [3]."""

_NUMBER = re.compile(r"\d{1,4}")
_NUMBER_TOKENS = 8
"""Tokens that one number of the reply may take, with its brackets and sign."""
_LEAST_TOKENS = 16
"""Tokens of a passage below which fewer passages are shown instead."""
_LABEL_TOKENS = 8


class LlmRerank(Reranker):
    """Ranks passages by asking a generator of the pipeline to list them in order of relevance.

    Attributes:
        generator: role of the model that ranks.
        keep: number of best hits to keep; all by default. The retriever's `candidates` are ranked.
        together: number of passages in one prompt; None takes all that fit the window. More hits are ranked in
            windows, from the last to the first, each overlapping with half of the next.
        passage_tokens: the most tokens of a passage in the prompt; None takes what fits.
        prompt: asks for the numbers in order; `{count}` is the number of passages.
    """

    version: ClassVar[int] = 1

    generator: Annotated[str, Role("generators")] = "main"
    keep: Annotated[int | None, Field(ge=1)] = None
    together: Annotated[int | None, Field(ge=2)] = None
    passage_tokens: Annotated[int | None, Field(ge=1)] = None
    prompt: Annotated[str, Template({"passages", "question"}, knows={"count"})] = RANK

    def rerank(self, query: Query, hits: Sequence[Hit], run: Run) -> list[Hit]:
        """Returns the hits in the model's order. Raises `WindowExceeded` if not even two passages fit the prompt."""
        ranked = list(hits)
        if len(ranked) > 1:
            reader = run.generator(self.generator)
            size = self._size(query, reader, len(ranked))
            for place, start in enumerate(_starts(len(ranked), size)):
                group = ranked[start : start + size]
                ranked[start : start + size] = self._listed(query, group, run, place)
        return [Hit(hit.chunk, 1 / (place + 1)) for place, hit in enumerate(ranked)][: self.keep]

    def _size(self, query: Query, reader: Reader, count: int) -> int:
        """Returns the number of passages that fit in one prompt."""
        left = reader.window - len(reader.tokenizer.render(self._message(query, [])))
        fit = left // (min(_LEAST_TOKENS, self.passage_tokens or _LEAST_TOKENS) + _LABEL_TOKENS + _NUMBER_TOKENS)
        size = min(count, fit, self.together or count)
        if size < 2:
            raise window_too_small("two passages", left=left, window=reader.window)
        return size

    def _message(self, query: Query, texts: Sequence[str]) -> Prompt:
        passages = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(texts, 1))
        fields = {"passages": passages, "question": query.search_text, "count": str(len(texts))}
        return filled(self.prompt, fields)

    def _listed(self, query: Query, group: Sequence[Hit], run: Run, place: int) -> list[Hit]:
        reader = run.generator(self.generator)
        limit = _NUMBER_TOKENS * len(group)
        prompt, cut = self._shown(query, [hit.chunk.text.strip() for hit in group], reader, limit)
        request = Request(prompt, max_tokens=limit, seed=run.seed_for("rank", place))
        with run.step("llm_rerank", passages=len(group), reranker_cut_passages=cut) as facts:
            [reply] = reader.generate([request])
            numbers = dict.fromkeys(int(number) - 1 for number in _NUMBER.findall(reply.text))
            named = [number for number in numbers if 0 <= number < len(group)]
            facts["named"] = len(named)
        return [group[number] for number in dict.fromkeys([*named, *range(len(group))])]

    def _shown(self, query: Query, texts: Sequence[str], reader: Reader, limit: int) -> tuple[Prompt, int]:
        """Returns the prompt, with passages truncated to one length that fits, and the number of truncated passages."""
        tokenizer = reader.tokenizer
        places = [tokenizer.spans(text) for text in texts]
        longest = min(max(map(len, places)), self.passage_tokens or sys.maxsize)
        while True:
            shown = [
                text[: spans[longest - 1][1]] if len(spans) > longest else text
                for text, spans in zip(texts, places, strict=True)
            ]
            prompt = self._message(query, shown)
            over = len(tokenizer.render(prompt)) + limit - reader.window
            if over <= 0:
                return prompt, sum(len(spans) > longest for spans in places)
            if longest <= 1:
                raise window_too_small(f"{len(texts)} passages", window=reader.window)
            longest = max(1, longest - max(1, over // len(texts)))


def _starts(count: int, size: int) -> list[int]:
    """Returns where the windows over the ranking start, last window first; neighbouring windows overlap by half."""
    starts = [count - size]
    while starts[-1] > 0:
        starts.append(max(0, starts[-1] - max(1, size // 2)))
    return starts
