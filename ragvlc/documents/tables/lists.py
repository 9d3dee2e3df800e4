"""Parsing of cells that hold lists as JSON, pandas or numpy write them: `['a', 'b']`, `['a' 'b']`, `array([...])`.

Python itself would join the texts of `['a' 'b']` into one, so that its parser cannot be used.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["NotAList", "parsed"]

_TEXT = r"""[bBrRuU]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_TOKEN = re.compile(
    rf"\s*(?:(?P<text>{_TEXT})|(?P<call>[A-Za-z_][\w.]*)\s*\(|(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"(?![\w.])|(?P<word>[A-Za-z_<][\w.>]*)|(?P<mark>\.\.\.|[\[\](){},:=]))",
    re.DOTALL,
)
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("None", "null", "nan", "NaN", "NaT", "NA", "<NA>")),
    **dict.fromkeys(("True", "true"), True),
    **dict.fromkeys(("False", "false"), False),
}
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_OPENS = re.compile(
    r"""\[[\[({\s]*(?:[bBrRuU]?['"]|(?:np|numpy)\.\w+\(|array\()|\{\s*['"]|(?:(?:np|numpy)\.)?array\("""
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_ESCAPES |= {one: one for one in "'\"\\"}
_CURLY = re.compile(r"\[\s*[“”„«‹‘‚].*[“”»›’]\s*\]", re.DOTALL)
_NUMBERS = re.compile(r"\[\s*(?:[-+\d.][-+\d.eE_]*|nan|NaN|None|null|True|False|true|false)?(?=[\s,\]])")
_SHORTENED = re.compile(r"\[[\s\[]*[-+]?\d[-+\d.eE_\s,\[\]]*\.\.\.[-+\d.eE_\s,\[\]]*\]")
_QUOTED = re.compile(r"""\[.*['"][^'"]*['"]\s*[,;]\s*['"].*\]""", re.DOTALL)

_LEFT_OUT = "has '...' where items were left out when it was written"


class NotAList(Exception):
    """A cell that looks like a list or an object, but cannot be parsed; the message says why."""


def parsed(text: str) -> object:
    """Returns the list or object that a cell's text stands for, or the text itself if it is no list.

    Numbers in lists stay as they are written, as texts; absent values are None.

    Raises:
        NotAList: the text looks like a list or an object, and is none that can be read in full.
    """
    cell = text.strip()
    if cell[:2] in ('"[', "'[") and cell[-2:] == f"]{cell[0]}":  # a list that was written as a text twice
        cell = _unquoted(cell)
    if not cell or cell[0] not in "[{(an":
        return text
    if cell[0] in "[{":
        try:
            return json.loads(cell, parse_int=str, parse_float=str, parse_constant=lambda _: None, strict=False)
        except (ValueError, RecursionError):
            pass
    if not _OPENS.match(cell):
        return _loosely(text, cell)
    try:
        found, end = _value(cell, 0)
        if cell[end:].strip():
            raise NotAList(f"goes on after its end: {_shown(cell[end:])}")
    except RecursionError as error:
        raise NotAList("is nested too deeply") from error
    return found


def _loosely(text: str, cell: str) -> object:
    """Returns the items of a tuple or a list of bare numbers, or the text, which may begin with a bracket by chance."""
    if _SHORTENED.fullmatch(cell):
        raise NotAList(_LEFT_OUT)
    if cell[0] == "(" or _NUMBERS.match(cell):
        try:
            found, end = _value(cell, 0)
        except (NotAList, RecursionError):
            found, end = text, 0
        if end == len(cell) and isinstance(found, list):
            return found
    if _CURLY.fullmatch(cell):
        raise NotAList("has typographic quotes, where lists have straight ones")
    if cell.endswith("]") and _QUOTED.fullmatch(cell):
        raise NotAList("has quoted items, and others beside them")
    return text


def _token(text: str, place: int) -> tuple[str, str, int]:
    found = _TOKEN.match(text, place)
    if found is None:
        rest = text[place:].strip()
        raise NotAList(f"cannot be read from {_shown(rest)} on" if rest else "ends before its list does")
    kind = str(found.lastgroup)
    return kind, found[kind], found.end()


def _value(text: str, place: int) -> tuple[Any, int]:
    kind, word, end = _token(text, place)
    if kind == "text":
        return _unquoted(word), end
    if kind == "number":
        return word.removesuffix("."), end  # numpy writes [1. 2.]
    if kind == "call":
        return _call(text, end)
    if kind == "word" and word in _WORDS:
        return _WORDS[word], end
    if kind == "mark" and word in "[(":
        found, end, separated = _items(text, end, _CLOSING[word])
        single = word == "(" and len(found) == 1 and not separated
        return (found[0] if single else found), end
    if kind == "mark" and word == "{":
        return _object(text, end)
    if word == "...":
        raise NotAList(_LEFT_OUT)
    raise NotAList(f"cannot be read from {_shown(text[place:].strip())} on")


def _call(text: str, place: int) -> tuple[Any, int]:
    """Returns the first argument of a call such as `array([...], dtype=object)` or `np.str_('a')`."""
    found, end = _value(text, place)
    while (token := _token(text, end))[1] == ",":
        end = token[2]
        if _token(text, end)[1] == ")":
            continue
        _, _, end = _token(text, end)  # the name of an argument
        if _token(text, end)[1] != "=":
            raise NotAList("is a call with several arguments")
        _, end = _argument(text, _token(text, end)[2])
    if token[1] != ")":
        raise NotAList(f"cannot be read from {_shown(text[end:].strip())} on")
    return found, token[2]


def _argument(text: str, place: int) -> tuple[Any, int]:
    kind, word, end = _token(text, place)
    return (word, end) if kind == "word" else _value(text, place)


def _items(text: str, place: int, closing: str) -> tuple[list[Any], int, bool]:
    """Returns the items up to `closing`, the place after it, and whether commas separate them.

    Commas separate all items or none of them: where only some have one, it is not known which texts belong together.
    """
    found: list[Any] = []
    commas = 0
    while True:
        _, word, end = _token(text, place)
        if word == closing:
            break
        if word == ",":
            if len(found) != commas + 1:
                raise NotAList("has commas between some items and not between others")
            commas, place = commas + 1, end
            continue
        one, place = _value(text, place)
        found.append(one)
    if commas and commas not in (len(found), len(found) - 1):
        raise NotAList("has commas between some items and not between others")
    return found, end, bool(commas)


def _object(text: str, place: int) -> tuple[Any, int]:
    """Returns a mapping, or the list of items of a set."""
    _, word, end = _token(text, place)
    if word == "}":
        return {}, end
    first, end = _value(text, place)
    if _token(text, end)[1] != ":":
        found, end, _ = _items(text, place, "}")
        return found, end
    values: dict[str, Any] = {}
    while True:
        if _token(text, end)[1] != ":":
            raise NotAList("is an object in which a name has no value")
        values[str(first)], end = _value(text, _token(text, end)[2])
        _, word, end = _token(text, end)
        if word == "," and _token(text, end)[1] != "}":
            first, end = _value(text, end)
            continue
        if word == ",":
            _, word, end = _token(text, end)
        if word != "}":
            raise NotAList("is an object that does not end")
        return values, end


def _unquoted(token: str) -> str:
    """Returns the text of a quoted token; escapes that Python does not know stay as they are."""
    prefix = token[: min(token.find("'") % len(token), token.find('"') % len(token))]
    inner = token[len(prefix) + 1 : -1]
    return inner if "r" in prefix.lower() else _ESCAPE.sub(_unescaped, inner)


def _unescaped(found: re.Match[str]) -> str:
    word = found[1]
    if word[0] in "xuU" and len(word) > 1:
        code = int(word[1:], 16)
        return chr(code) if code <= 0x10FFFF else found[0]
    return _ESCAPES.get(word, found[0])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 24 else f"{text[:24]}...")
