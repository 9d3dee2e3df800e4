"""Texts as an embedding model's tokens: what stands around them, what is cut, and what fits one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ragvlc.core.errors import EngineError
from ragvlc.embedders._positions import spans_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WHOLE", "Piece", "Text", "batches_of", "pieces_of", "read", "read_bare"]

WHOLE: Mapping[str, Any] = MappingProxyType(
    {"return_attention_mask": False, "return_token_type_ids": False, "truncation": False, "verbose": False}
)
"""For tokenizers: ids and nothing else, which takes half the time, and nothing cut."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text's tokens.

    Attributes:
        ids: all of them, special tokens included.
        lead: tokens before the text's own: special ones and the prompt's.
        tail: special tokens behind it.
        starts: first character of each of the text's own tokens, without the prompt; [own], rising.
        ends: the character after its last.
    """

    ids: NDArray[np.int64]
    lead: int
    tail: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def own(self) -> int:
        """Tokens of the text itself."""
        return len(self.ids) - self.lead - self.tail


@dataclass(frozen=True, slots=True)
class Piece:
    """What the model reads at once.

    Attributes:
        text: which text it is of.
        ids: its tokens, the text's lead and tail around them.
        start: the first of the text's own tokens in it.
    """

    text: int
    ids: NDArray[np.int64]
    start: int = 0


def read(tokenizer: Any, texts: Sequence[str], prompt: str, label: str) -> list[Text]:  # noqa: ANN401 - any tokenizer
    """Returns the tokens of each text behind the prompt, nothing cut, and where each stands.

    Raises:
        EngineError: the tokenizer does not say where its tokens stand.
    """
    import numpy as np

    _needs_places(tokenizer, label)
    found = tokenizer(
        [prompt + text for text in texts], return_offsets_mapping=True, return_special_tokens_mask=True, **WHOLE
    )
    made = []
    for row in range(len(texts)):
        ids = np.asarray(found["input_ids"][row], dtype=np.int64)
        special = np.asarray(found["special_tokens_mask"][row], dtype=bool)
        places = np.asarray(found["offset_mapping"][row], dtype=np.int64).reshape(-1, 2) - len(prompt)
        own = np.flatnonzero(~special & (places[:, 1] > 0))  # a token may begin with the space before it
        first, last = (int(own[0]), int(own[-1]) + 1) if len(own) else (_before_tail(special), _before_tail(special))
        starts, ends = (np.maximum.accumulate(places[first:last, side].clip(min=0)) for side in (0, 1))
        made.append(Text(ids, first, len(ids) - last, starts, ends))
    return made


def read_bare(tokenizer: Any, texts: Sequence[str], prompt: str, label: str) -> list[Text]:  # noqa: ANN401
    """Returns the same without where the tokens stand, which takes most of the time.

    Raises:
        EngineError: the tokenizer does not say where its tokens stand, which tells prompt and text apart.
    """
    import numpy as np

    _needs_places(tokenizer, label)
    marks = np.asarray(tokenizer(["a"], return_special_tokens_mask=True, **WHOLE)["special_tokens_mask"][0], dtype=bool)
    lead = _leading(marks.tolist())
    tail = len(marks) - _before_tail(marks)
    found = tokenizer([prompt + text for text in texts], **WHOLE)
    nowhere = np.zeros(0, dtype=np.int64)
    made = []
    for row, text in enumerate(texts):
        ids = np.asarray(found["input_ids"][row], dtype=np.int64)
        first = lead
        if prompt:
            known = (found.char_to_token(row, place) for place in range(len(prompt), len(prompt) + len(text)))
            first = next((token for token in known if token is not None), len(ids) - tail)
        made.append(Text(ids, first, tail, nowhere, nowhere))
    return made


def _needs_places(tokenizer: Any, label: str) -> None:  # noqa: ANN401 - any tokenizer
    if not getattr(tokenizer, "is_fast", False):
        message = f"embedder '{label}': its tokenizer does not say where tokens stand; windows cannot be cut."
        raise EngineError(message)


def _before_tail(special: NDArray[np.bool_]) -> int:
    """Returns where an empty text would stand: before the special tokens at the end, behind those at the start."""
    count, least = len(special), _leading(special.tolist())
    while count > least and special[count - 1]:
        count -= 1
    return count


def _leading(special: Sequence[bool]) -> int:
    """Returns how many special tokens stand before everything else; of special ones alone, the first."""
    others = [place for place, mark in enumerate(special) if not mark]
    return others[0] if others else min(1, len(special))


def pieces_of(texts: Sequence[Text], width: int, label: str) -> list[Piece]:
    """Returns windows of `width` tokens over each text, with its lead and tail around each.

    Raises:
        EngineError: lead and tail leave no room.
    """
    import numpy as np

    found = []
    for row, text in enumerate(texts):
        room = width - text.lead - text.tail
        if room < 1 and text.own:
            message = f"embedder '{label}': prompt and special tokens fill its {width} tokens; no text fits."
            raise EngineError(message)
        stop = len(text.ids) - text.tail
        for start, end in spans_of(text.own, max(room, 1)):
            middle = text.ids[text.lead + start : text.lead + end]
            found.append(Piece(row, np.concatenate([text.ids[: text.lead], middle, text.ids[stop:]]), start))
    return found


def batches_of(lengths: Sequence[int], budget: int, most: int | None, window: int | None) -> list[list[int]]:
    """Returns places of texts put together, the longest first.

    Args:
        lengths: tokens of each.
        budget: tokens of a batch, padding included; a longer text is a batch.
        most: texts of a batch; None is no limit.
        window: texts up to this length and longer ones stay apart, so that the former are computed as ever; None: all
            are alike.
    """
    found: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        length = lengths[place]
        last = found[-1] if found else []
        full = not last or longest * (len(last) + 1) > budget or (most is not None and len(last) >= most)
        if full or (window is not None and longest > window >= length):
            found.append([])
            longest = max(length, 1)
        found[-1].append(place)
    return found
