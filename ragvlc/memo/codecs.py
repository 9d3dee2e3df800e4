"""Codecs that convert chunks, rankings and answers to JSON values for the result cache, and back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from ragvlc.core.answer import UNREAD, Step, Timing, Usage
from ragvlc.core.answer_json import fields_json, made, read_steps, step_json, timing_json
from ragvlc.core.answer_shapes import Count, Number, ReplyShape, StepShape, TimingShape, UsageShape
from ragvlc.core.data import Chunk, ChunkSet, Document, Hit
from ragvlc.core.engines import Generation
from ragvlc.core.replies import read_reply_json, reply_json
from ragvlc.memo.once import Codec

__all__ = ["ANSWERS", "Ranked", "chunking", "ranking"]


_STRICT = ConfigDict(strict=True)
_Logprob = Annotated[float, Field(allow_inf_nan=False)] | None
_Joined = Annotated[tuple[Count, Count, int], Strict(False)]
_Whole = Annotated[tuple[str, int, Count, Count, str, Count], Strict(False)]
"""The fields of a chunk that is none of the index."""


@with_config(_STRICT)
class _Chunking(TypedDict):
    seconds: Number
    chunks: list[Annotated[tuple[Count, Count, Count, Count], Strict(False)]]


@with_config(_STRICT)
class _Ranking(TypedDict):
    seconds: Number
    hits: list[Annotated[tuple[Count | _Joined | _Whole, Number], Strict(False)]]
    steps: list[StepShape]
    index: Annotated[list[StepShape], Field(max_length=1)]


@with_config(_STRICT)
class _OptionalAnswer(TypedDict, total=False):
    reply: ReplyShape | None


@with_config(_STRICT)
class _Answer(_OptionalAnswer):
    text: str
    token_ids: list[Count]
    finish: str
    usage: UsageShape
    timing: TimingShape
    logprobs: list[_Logprob] | None
    notes: dict[str, Any]


_CHUNKING, _RANKING, _ANSWER = TypeAdapter(_Chunking), TypeAdapter(_Ranking), TypeAdapter(_Answer)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking, with the seconds and steps that computing it took.

    Attributes:
        hits: best first.
        seconds: for the search, or for ranking again.
        steps: what was noted meanwhile.
        index: what building the index cost, where there is one.
    """

    hits: tuple[Hit, ...]
    seconds: float
    steps: tuple[Step, ...]
    index: Step | None = None


def chunking(key: str, documents: Sequence[Document]) -> Codec:
    """Returns the codec for chunks of `documents`, which stores their positions without their text."""

    def write(chunks: ChunkSet) -> dict[str, Any]:
        places = [[chunk.document_index, chunk.index, chunk.start, chunk.end] for chunk in chunks.chunks]
        return {"seconds": chunks.seconds, "chunks": places}

    def read(stored: object) -> ChunkSet:
        found = []
        stored = _CHUNKING.validate_python(stored)
        for place, index, start, end in stored["chunks"]:
            document = documents[place]
            if not start <= end <= len(document.text):
                raise ValueError(f"a chunk ends at {end}, in a text of {len(document.text)} characters")
            found.append(Chunk(document.id, index, start, end, document.text[start:end], place))
        return ChunkSet(key, tuple(found), stored["seconds"])

    return Codec("chunkings", write, read)


def ranking(stage: str, chunks: Sequence[Chunk]) -> Codec:
    """Returns the codec for rankings of `chunks`, which stores each hit's position in `chunks`.

    A hit that is none of them is written as the chunks it is made of, from one to another, and failing that in full: a
    ranking of whole documents must not hold their texts once more for every question.
    """
    places: dict[tuple[int, int], int] = {}

    def place_of(chunk: Chunk) -> int | None:
        if stage == "rankings":  # chunks in document order, and perhaps many
            place = bisect_left(chunks, _order(chunk), key=_order)
        else:
            if not places:
                places.update({_order(one): i for i, one in enumerate(chunks)})
            place = places.get(_order(chunk), len(chunks))
        return place if place < len(chunks) and chunks[place] == chunk else None

    made_of: dict[Chunk, list[Any]] = {}

    def json_of(chunk: Chunk) -> list[Any]:
        if chunk not in made_of:
            first, last = _around(chunk, chunks) if stage == "rankings" else (0, 0)
            whole = first < last and _joined(chunks[first:last], chunk.index) == chunk
            own = [chunk.document_id, chunk.index, chunk.start, chunk.end, chunk.text, chunk.document_index]
            made_of[chunk] = [first, last, chunk.index] if whole else own
        return made_of[chunk]

    def write(ranked: Ranked) -> dict[str, Any]:
        hits = []
        for hit in ranked.hits:
            place = place_of(hit.chunk)
            hits.append([json_of(hit.chunk) if place is None else place, float(hit.score)])
        index = [] if ranked.index is None else [step_json(ranked.index)]
        steps = [step_json(step) for step in ranked.steps]
        return {"seconds": ranked.seconds, "hits": hits, "steps": steps, "index": index}

    def chunk_at(place: int | tuple[Any, ...]) -> Chunk:
        if isinstance(place, int):
            return chunks[place]
        return _joined(chunks[place[0] : place[1]], place[2]) if len(place) == 3 else Chunk(*place)

    def read(stored: object) -> Ranked:
        stored = _RANKING.validate_python(stored)
        hits = tuple(Hit(chunk_at(place), score) for place, score in stored["hits"])
        [index] = read_steps(stored["index"]) or (None,)
        return Ranked(hits, stored["seconds"], read_steps(stored["steps"]), index)

    return Codec(stage, write, read)


def _order(chunk: Chunk) -> tuple[int, int]:
    return chunk.document_index, chunk.index


def _around(unit: Chunk, chunks: Sequence[Chunk]) -> tuple[int, int]:
    """Returns the index range (start, end) of the chunks that lie within `unit`; empty if there are none."""
    document = unit.document_index
    first = bisect_left(chunks, (document, unit.start), key=lambda one: (one.document_index, one.start))
    last = bisect_right(chunks, (document, unit.end), key=lambda one: (one.document_index, one.end))
    return first, max(first, last)


def _joined(chunks: Sequence[Chunk], index: int) -> Chunk:
    """Joins chunks of one document to a single chunk with the number `index`; overlapping text appears once."""
    first, reached = chunks[0], chunks[0].start
    texts = []
    for chunk in chunks:
        texts.append(chunk.text[max(0, reached - chunk.start) :])
        reached = max(reached, chunk.end)
    return Chunk(first.document_id, index, first.start, reached, "".join(texts), first.document_index)


def _write_answer(generation: Generation) -> dict[str, Any] | None:
    if generation.notes.get(UNREAD):  # a server with a larger window will answer otherwise
        return None
    return {
        "text": generation.text,
        "token_ids": list(generation.token_ids),
        "finish": generation.finish,
        "usage": fields_json(generation.usage),
        "timing": timing_json(generation.timing),
        "logprobs": None if generation.logprobs is None else list(generation.logprobs),
        "notes": dict(generation.notes),
        **({} if generation.reply is None else {"reply": reply_json(generation.reply)}),
    }


def _read_answer(found: object) -> Generation:
    stored: Mapping[str, Any] = _ANSWER.validate_python(found)
    return Generation(
        text=stored["text"],
        token_ids=tuple(stored["token_ids"]),
        finish=stored["finish"],
        usage=made(Usage, stored["usage"]),
        timing=made(Timing, stored["timing"]),
        logprobs=None if stored["logprobs"] is None else tuple(stored["logprobs"]),
        notes=stored["notes"],
        reply=None if stored.get("reply") is None else read_reply_json(stored["reply"]),
    )


ANSWERS = Codec("answers", _write_answer, _read_answer)
"""Greedy answers."""
