"""Texts tokenized for an embedding model: their special tokens, their windows, and their batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ragvlc import memory
from ragvlc.core.errors import EngineError
from ragvlc.embedders._positions import window_spans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragvlc.core.engines import Vectors

__all__ = [
    "NO_TRUNCATION",
    "TextWindow",
    "TokenizedText",
    "batches_of",
    "in_groups",
    "tokenize",
    "tokenize_ids",
    "windows_of",
    "without_prompt",
]

_GROUP_CHARACTERS = 4_000_000
NO_TRUNCATION: Mapping[str, Any] = MappingProxyType(
    {"return_attention_mask": False, "return_token_type_ids": False, "truncation": False, "verbose": False}
)
"""Settings of a tokenizer: ids alone, which takes half the time, and no truncation."""


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The tokens of one text, with the prompt and special tokens around them.

    Attributes:
        ids: all of them, special tokens included.
        lead: the number of tokens before the text's own: special ones and the prompt's.
        tail: the number of special tokens after it.
        starts: first character of each of the text's own tokens, without the prompt; [own], rising.
        ends: end of each of them; [own], rising.
    """

    ids: NDArray[np.int64]
    lead: int
    tail: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def own(self) -> int:
        """The number of tokens of the text itself, without prompt and special tokens."""
        return len(self.ids) - self.lead - self.tail


@dataclass(frozen=True, slots=True)
class TextWindow:
    """A window of a text, which the model reads in one forward pass.

    Attributes:
        text: index of the text.
        ids: its tokens, between the text's lead and tail.
        start: index of the first of the text's own tokens in it.
    """

    text: int
    ids: NDArray[np.int64]
    start: int = 0


def tokenize(tokenizer: Any, texts: Sequence[str], prompt: str, label: str) -> list[TokenizedText]:  # noqa: ANN401 - any tokenizer
    """Returns each text's tokens with character offsets; the prompt is put before the text, and nothing is truncated.

    Raises:
        EngineError: the tokenizer gives no offsets.
    """
    import numpy as np

    _needs_offsets(tokenizer, label)
    found = tokenizer(
        [prompt + text for text in texts], return_offsets_mapping=True, return_special_tokens_mask=True, **NO_TRUNCATION
    )
    made = []
    for row in range(len(texts)):
        ids = np.asarray(found["input_ids"][row], dtype=np.int64)
        special = np.asarray(found["special_tokens_mask"][row], dtype=bool)
        places = np.asarray(found["offset_mapping"][row], dtype=np.int64).reshape(-1, 2) - len(prompt)
        own = np.flatnonzero(~special & (places[:, 1] > 0))  # a token may start with the space before it
        first, last = (
            (int(own[0]), int(own[-1]) + 1) if len(own) else (_start_of_tail(special), _start_of_tail(special))
        )
        starts, ends = (np.maximum.accumulate(places[first:last, side].clip(min=0)) for side in (0, 1))
        made.append(TokenizedText(ids, first, len(ids) - last, starts, ends))
    return made


def tokenize_ids(tokenizer: Any, texts: Sequence[str], prompt: str, label: str) -> list[TokenizedText]:  # noqa: ANN401
    """Returns each text's tokens without character offsets, which is faster than `tokenize`; nothing is truncated.

    Raises:
        EngineError: the tokenizer gives no offsets, which separate prompt and text.
    """
    import numpy as np

    _needs_offsets(tokenizer, label)
    marks = np.asarray(
        tokenizer(["a"], return_special_tokens_mask=True, **NO_TRUNCATION)["special_tokens_mask"][0], dtype=bool
    )
    lead = _number_leading(marks.tolist())
    tail = len(marks) - _start_of_tail(marks)
    found = tokenizer([prompt + text for text in texts], **NO_TRUNCATION)
    no_offsets = np.zeros(0, dtype=np.int64)
    made = []
    for row, text in enumerate(texts):
        ids = np.asarray(found["input_ids"][row], dtype=np.int64)
        first = lead
        if prompt:
            known = (found.char_to_token(row, place) for place in range(len(prompt), len(prompt) + len(text)))
            first = next((token for token in known if token is not None), len(ids) - tail)
        made.append(TokenizedText(ids, first, tail, no_offsets, no_offsets))
    return made


def _needs_offsets(tokenizer: Any, label: str) -> None:  # noqa: ANN401 - any tokenizer
    if not getattr(tokenizer, "is_fast", False):
        message = f"embedder '{label}': its tokenizer gives no character offsets; windows cannot be cut."
        raise EngineError(message)


def _start_of_tail(special: NDArray[np.bool_]) -> int:
    """Returns the index of the first trailing special token; an empty text would be inserted there."""
    count, least = len(special), _number_leading(special.tolist())
    while count > least and special[count - 1]:
        count -= 1
    return count


def _number_leading(special: Sequence[bool]) -> int:
    """Returns the number of leading special tokens; at most 1 if all tokens are special."""
    others = [place for place, mark in enumerate(special) if not mark]
    return others[0] if others else min(1, len(special))


def windows_of(texts: Sequence[TokenizedText], width: int, label: str) -> list[TextWindow]:
    """Returns windows of `width` tokens over each text, each with the text's prompt and special tokens around it.

    Raises:
        EngineError: lead and tail fill the whole window.
    """
    import numpy as np

    found = []
    for row, text in enumerate(texts):
        free = width - text.lead - text.tail
        if free < 1 and text.own:
            message = f"embedder '{label}': prompt and special tokens fill its {width} tokens; no text fits."
            raise EngineError(message)
        stop = len(text.ids) - text.tail
        for start, end in window_spans(text.own, max(free, 1)):
            middle = text.ids[text.lead + start : text.lead + end]
            found.append(TextWindow(row, np.concatenate([text.ids[: text.lead], middle, text.ids[stop:]]), start))
    return found


def batches_of(lengths: Sequence[int], budget: int, most: int | None, window: int | None) -> list[list[int]]:
    """Returns batches of text indices, the longest texts first.

    Args:
        lengths: the number of tokens of each text.
        budget: the largest number of tokens of a batch, padding included; a longer text is a batch by itself.
        most: the largest number of texts of a batch; None is no limit.
        window: texts up to this length and longer ones are batched apart, so that the former are computed as without
            an extension; None batches all together.
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


def in_groups(texts: Sequence[str], embed: Callable[[list[str]], Vectors]) -> Vectors:
    """Returns the vectors of all texts, of which only a group is tokenized at a time.

    A tokenizer holds about 100 bytes for each token until its texts have been computed.
    """
    import numpy as np

    found: Vectors | None = None
    start = 0
    while start < len(texts):
        stop, characters = start, 0
        while stop < len(texts) and (stop == start or characters + len(texts[stop]) <= _GROUP_CHARACTERS):
            characters += len(texts[stop])
            stop += 1
        rows = embed(list(texts[start:stop]))
        if found is None:
            if stop == len(texts):
                return rows
            found = np.empty((len(texts), rows.shape[1]), np.float32)
        found[start:stop] = rows
        start = stop
        memory.give_back()
    assert found is not None  # noqa: S101 - without texts, nothing is embedded
    return found


def without_prompt(prompt: str, texts: Sequence[str]) -> list[str]:
    """Returns the texts without a prompt that they already begin with, so that none is used twice."""
    return [text.removeprefix(prompt) for text in texts] if prompt else list(texts)
