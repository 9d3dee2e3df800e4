"""Hostile values and mutations: of trees of JSON values, of their texts, and of bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["Draw", "dumped", "mutated_bytes", "mutated_lines", "mutated_text", "mutated_tree", "values", "words"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

_CHARACTERS = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
words = _CHARACTERS | st.sampled_from(
    ["", " ", "..", "../x", "/", "~", "~nobody/x", "a/b", "\x00", "\ud800", "\x1b[31m", "\u202e", "nan", "1e999", "=",
     "%s", "{", "{0.__class__}", "[red]", "*", "-", "--", "-1", "a" * 300, "CON", "os:system", "a:b:c", ":",
     "ragvlc:Pipeline", "ragvlc.routes.retrieve:Retrieve", "packaged:x", "file:///etc", "http://127.0.0.1:9/v1"]
)  # fmt: skip
_NUMBERS = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _NUMBERS | words
_deep = st.integers(2, 60).map(lambda depth: json.loads("[" * depth + "]" * depth))
_deeper = st.sampled_from([900, 3000]).map(lambda depth: _Raw("[" * depth + "]" * depth))
_long = st.sampled_from([4301, 100_000]).map(lambda digits: _Raw("9" * digits))
values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=3), max_leaves=6
) | st.one_of(_deep, _scalars, _scalars)


class _Raw:
    """JSON text that the json module can write, but not build or read: deep nesting, numbers of many digits."""

    def __init__(self, text: str) -> None:
        self.text = text


_HOLE = "@@raw@@"


def dumped(tree: Any, **options: Any) -> str:
    """Returns a tree as JSON text; `_Raw` values come as they are."""
    raws: list[str] = []

    def plain(value: Any) -> str:
        raws.append(value.text)
        return _HOLE

    text = json.dumps(tree, default=plain, **options)
    for raw in raws:
        text = text.replace(f'"{_HOLE}"', raw, 1)
    return text


def _places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        found += _places(tree[key], (*at, key))
    return found


def mutated_tree(draw: Draw, tree: Any, *, raw: bool = False, likely: st.SearchStrategy[Any] | None = None) -> Any:
    """Returns a copy of a JSON tree with one to three places changed: replaced, removed, added, doubled or wrapped.

    Args:
        draw: of hypothesis.
        tree: is not changed.
        raw: whether the tree is written by `dumped`, so that text that JSON values cannot hold may come in.
        likely: values that make sense in such a tree, drawn half of the time.
    """
    tree = copy.deepcopy(tree)
    hostile = values if likely is None else likely | values
    hostile = hostile | _deeper | _long if raw and draw(st.integers(0, 9)) == 0 else hostile
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = _places(tree)
        if not places:
            return draw(hostile)
        at = draw(st.sampled_from(places))
        here = tree
        for key in at[:-1]:
            here = here[key]
        _change(draw, here, at[-1], hostile)
    return tree if draw(st.integers(0, 39)) else draw(hostile)


def _change(draw: Draw, here: Any, key: Any, hostile: st.SearchStrategy[Any]) -> None:
    way = draw(st.sampled_from(["replace"] * 5 + ["remove", "add", "wrap", "retype", "double"]))
    old = here[key]
    if way == "remove":
        del here[key]
    elif way == "add" and isinstance(here, dict):
        here[draw(words)] = draw(hostile)
    elif way == "double" and isinstance(here, list):
        here.append(old)
    elif way == "wrap":
        here[key] = draw(st.sampled_from([[old], {"x": old}, [old, old], str(old)]))
    elif way == "retype":
        here[key] = _retyped(old)
    else:
        here[key] = draw(hostile)


def _retyped(old: Any) -> Any:
    if isinstance(old, dict):
        return list(old)
    if isinstance(old, list):
        return {str(place): item for place, item in enumerate(old)}
    if isinstance(old, str):
        return len(old)
    return str(old) if old is not None else 0


def _place(draw: Draw, length: int) -> int:
    """Returns a place in so many characters; what is drawn depends on no length, which a date in a file may change."""
    return int(draw(st.integers(0, 2**16)) * length >> 16)


def mutated_bytes(draw: Draw, data: bytes) -> bytes:
    """Returns bytes with a few changes: bits flipped, pieces cut, doubled or replaced, or cut off."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = _place(draw, len(changed))
        end = min(len(changed), place + draw(st.integers(0, 16)))
        way = draw(st.integers(0, 5))
        if way == 0 and place < len(changed):
            changed[place] ^= 1 << draw(st.integers(0, 7))
        elif way == 1:
            del changed[place:end]
        elif way == 2:
            changed[place:place] = changed[place:end] * draw(st.integers(1, 3))
        elif way == 3 and draw(st.integers(0, 3)) == 0:
            del changed[place:]
        else:
            changed[place:end] = draw(st.binary(max_size=8) | st.sampled_from([b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"]))
    return bytes(changed)


def mutated_text(draw: Draw, text: str, pieces: Sequence[str]) -> str:
    """Returns a text with some places replaced by pieces of its language, or by anything."""
    for _ in range(draw(st.integers(1, 4))):
        place = _place(draw, len(text))
        end = min(len(text), place + draw(st.integers(0, 12)))
        text = text[:place] + draw(st.sampled_from(list(pieces)) | words) + text[end:]
    return text


def mutated_lines(draw: Draw, data: bytes) -> bytes:
    """Returns JSON Lines with one line changed as a tree, doubled, or the whole changed as bytes."""
    lines = data.splitlines(keepends=True)
    way = draw(st.integers(0, 9))
    if way == 0 or not lines:
        return mutated_bytes(draw, data)
    place = draw(st.integers(0, len(lines) - 1))
    if way == 1:
        lines.insert(place, lines[draw(st.integers(0, len(lines) - 1))])
    else:
        changed = mutated_tree(draw, json.loads(lines[place]), raw=True)
        lines[place] = (
            dumped(changed, ensure_ascii=draw(st.booleans()), separators=(",", ":")).encode("utf-8", "surrogatepass")
            + b"\n"
        )
    return b"".join(lines)
