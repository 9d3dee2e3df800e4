"""Total length of a question's documents; each document is counted only once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Literal

from ragvlc.core.data import Document
from ragvlc.core.run import Run
from ragvlc.text.normalising import words

__all__ = ["Unit", "length_of"]

Unit = Literal["tokens", "words", "characters"]

_KEPT = 4096
_counted: OrderedDict[tuple[str, str], int] = OrderedDict()
_lock = Lock()


def length_of(documents: Sequence[Document], unit: Unit, run: Run | None = None, role: str = "main") -> int:
    """Returns the total length of all documents in the given unit.

    Args:
        documents: of a question.
        unit: tokens are those of the generator `role`; a Chinese or Japanese character is a word.
        run: at work; needed for tokens only.
        role: of the generator.
    """
    if unit == "characters":
        return sum(len(document.text) for document in documents)
    if unit == "words" or run is None:
        return sum(_once("words", document, lambda text: len(words(text))) for document in documents)
    tokenizer = run.generator(role).tokenizer
    return sum(_once(tokenizer.id, document, tokenizer.count) for document in documents)


def _once(counter: str, document: Document, count: Callable[[str], int]) -> int:
    place = counter, document.key
    with _lock:
        if place in _counted:
            _counted.move_to_end(place)
            return _counted[place]
    found = count(document.text)
    with _lock:
        _counted[place] = found
        while len(_counted) > _KEPT:
            _counted.popitem(last=False)
    return found
