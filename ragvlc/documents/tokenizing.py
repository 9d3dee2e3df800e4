"""Tokenizers for counting and cutting text, from a model's `tokenizer.json`, without weights or a model library."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ragvlc import packaged
from ragvlc.core.data import Document, content_key
from ragvlc.core.errors import DatasetError, RagvlcError
from ragvlc.core.json_text import parse_json
from ragvlc.core.texts import first_line, library_words
from ragvlc.core.token_spans import TokenSpans
from ragvlc.packaged.model_json import model_mapping, positive

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as FastTokenizer

__all__ = ["DataTokenizer", "data_tokenizer", "model_file", "window_of"]

_FILE = "tokenizer.json"
_SURROGATE = re.compile("[\ud800-\udfff]")
_SENTENCE_END = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s+[^\sa-z]|\s*\Z)|[。！？]+[」』”’）]*|(?<=\S)(?=\s*\n\s*\n)""")
_LONGEST_END = 8
_TOGETHER = 32
_UNKNOWN = "\ufffd \U00012345"
"""Characters that hardly a vocabulary has."""
"""Texts counted at once: of long ones, more would take gigabytes."""
_WORD_END = re.compile(r"(?<=\S)(?=\s)")


class DataTokenizer:
    """Counts and cuts text as plain data: control strings are ordinary text, and no special tokens are added.

    Args:
        state: the content of a `tokenizer.json`.

    Attributes:
        id: hash of the vocabulary and its rules.
        control: strings that mean more than their letters to this vocabulary.
    """

    def __init__(self, state: str) -> None:
        from tokenizers import Tokenizer

        rules = parse_json(state) | {"truncation": None, "padding": None, "post_processor": None}
        added = rules.get("added_tokens") or []
        self.id = content_key(rules)[:32]
        self.control = tuple(token["content"] for token in added if token["special"] and token["content"].strip())
        self._tokenizer: FastTokenizer = Tokenizer.from_str(json.dumps(rules))
        self._tokenizer.encode_special_tokens = True
        self._counts: dict[str, int] = {}

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`."""
        return len(self._encoding(text))

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Returns the number of tokens of each text, computed on all cores."""
        plain = [_SURROGATE.sub("\ufffd", text) for text in texts]
        parts = (plain[start : start + _TOGETHER] for start in range(0, len(plain), _TOGETHER))
        return [
            len(found) for part in parts for found in self._tokenizer.encode_batch_fast(part, add_special_tokens=False)
        ]

    def size(self, document: Document) -> int:
        """Returns the number of tokens of a document's text; the number is cached."""
        if document.key not in self._counts:
            self._counts[document.key] = self.count(document.text)
        return self._counts[document.key]

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Returns the character span (start, end) of each token, in order; together the spans cover `text`."""
        ends = self._ends(text)
        if ends:
            ends[-1] = len(text)
        return TokenSpans(ends)

    def head(self, text: str, most: int, least: int) -> str:
        """Returns a prefix of `text` that has `least` to `most` tokens and ends at the end of a sentence if possible.

        Where there is none: up to the last end of a word, else of a token; nothing, if that will do (`least` is 0).
        """
        ends = self._ends(text)
        if len(ends) <= most:
            return text
        farthest, nearest = ends[most - 1] if most > 0 else 0, ends[least - 1] if least > 0 else 0
        for pattern in (_SENTENCE_END, _WORD_END):
            found = (match.end() for match in pattern.finditer(text, max(0, nearest - _LONGEST_END)))
            places = [place for place in takewhile(lambda place: place <= farthest, found) if place >= nearest]
            for place in reversed(places):
                if (
                    place and self.count(text[:place]) <= most
                ):  # a word cut off from the next may be spelt by more tokens
                    return text[:place]
            if least <= 0:
                return ""
        while farthest and self.count(text[:farthest]) > most:
            farthest -= 1
        return text[:farthest]

    def _ends(self, text: str) -> list[int]:
        """Returns the character position at which each token ends."""
        return list(accumulate((end for _, end in self._encoding(text).offsets), max))

    def _encoding(self, text: str) -> Encoding:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except TypeError:  # how the library refuses half of a surrogate pair
            return self._tokenizer.encode(_SURROGATE.sub("\ufffd", text), add_special_tokens=False)


def data_tokenizer(model: str) -> DataTokenizer:
    """Returns the tokenizer of `packaged:NAME` (fetched at first use), a folder, a `tokenizer.json`, or a hub id.

    Raises `DatasetError` if it cannot be had.
    """
    path = Path(model)
    file = path if path.is_file() else model_file(model, _FILE)
    try:
        state = file.stat()
        return _opened(file, state.st_mtime_ns, state.st_size)
    except Exception as error:  # the library raises plain exceptions
        raise DatasetError(f"The tokenizer of '{model}' cannot be read ({file}): {library_words(error)}") from error


@lru_cache(maxsize=8)
def _opened(file: Path, changed: int, size: int) -> DataTokenizer:  # noqa: ARG001 - part of the cache's key
    made = DataTokenizer(file.read_text(encoding="utf-8"))
    made.count(_UNKNOWN)  # a vocabulary without its word for unknown ones fails at the first of these
    return made


def model_file(model: str, name: str) -> Path:
    """Returns the path of a model's file in a folder, a Python package or the hub cache; downloads it if necessary.

    Raises `DatasetError` if there is no such file.
    """
    from huggingface_hub import hf_hub_download

    if (cached := packaged.local_file(model, name)) is not None:
        return cached
    try:
        folder = Path(packaged.resolve(model))
        if folder.is_dir():
            if (folder / name).is_file():
                return folder / name
            raise DatasetError(f"{folder}: holds no {name}.")
        return Path(hf_hub_download(model, name))
    except RagvlcError:
        raise
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise DatasetError(
            f"'{model}' is no folder with a {name}, and the model hub does not give one either: {reason}"
        ) from error


def window_of(model: str) -> int | None:
    """Returns the window in tokens that a model's `config.json` states, or None if the file is not on this machine."""
    stated = model_mapping(model, "config.json")
    inner = stated.get("text_config")
    return positive(inner if isinstance(inner, dict) else stated, "max_position_embeddings")
