"""The server's own words in the body of an error: JSON in any of the usual shapes, plain text, or a web page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

__all__ = ["codes_of", "is_web_page", "parsed", "values_of", "web_page_words", "words_of"]

_DEEPEST = 6
_MOST_ITEMS = 5
_LONGEST_PAGE = 300
_LONGEST_REST = 500
_INNER = (
    "faultstring",
    "error",
    "errors",
    "message",
    "msg",
    "detail",
    "error_message",
    "error_msg",
    "errorMessage",
    "Message",
)
_INNER_SET = frozenset(_INNER)
_LATER = ("error_description", "fault", "title", "reason", "description", "details", "info", "cause")
_CODES = frozenset({"code", "type", "error_type", "error_code", "errorCode", "status", "reason", "__type", "name"})
_ERRORS = frozenset(
    {"error", "errors", "detail", "details", "message", "fault", "metadata", "raw", "response", "headers"}
)
_PAGE = re.compile(
    r"(?is)^\s*(?:\ufeff|<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype\s+html|html|head|body|title|h1|center)\b"
)
_UNSEEN = re.compile(r"(?is)<(script|style|noscript|svg|template)\b.*?(?:</\1\s*>|$)|<!--.*?(?:-->|$)")
_TITLE = re.compile(r"(?is)<title\b[^>]*>(.*?)(?:</title\s*>|$)")
_TAG = re.compile(r"(?s)<[^>]*>?")


def parsed(text: str) -> object:
    """Returns the JSON value in `text`, or `text` itself, stripped, if it is no JSON."""
    stripped = text.strip().removeprefix("\ufeff")
    if stripped[:1] in {"{", "[", '"'}:
        try:
            return json.loads(stripped)
        except (ValueError, RecursionError):
            return stripped
    return stripped


def words_of(body: object) -> str:
    """Returns the message in an error's body on one line; empty if it has none.

    Objects inside objects, lists of errors, JSON inside strings and web pages are all read.
    """
    return " ".join(_words(body, 0).split())


def _words(body: object, depth: int) -> str:
    if isinstance(body, str):
        return _words_of_text(body, depth)
    if isinstance(body, Mapping):
        return _words_of_object(body, depth)
    if isinstance(body, Sequence) and not isinstance(body, bytes | bytearray):
        found = [words for one in islice(body, _MOST_ITEMS) if (words := _words(one, depth + 1))]
        more = len(body) - _MOST_ITEMS
        return "; ".join(found) + (f"; and {more} more" if found and more > 0 else "")
    return "" if body is None or isinstance(body, bool) else str(body)


def _words_of_text(text: str, depth: int) -> str:
    if is_web_page(text):
        return web_page_words(text)
    inner = parsed(text)
    if inner == text.strip() or depth >= _DEEPEST:
        return text.strip()
    return _words(inner, depth + 1) or text.strip()  # an error of the server's own server, passed on as a string


def _words_of_object(body: Mapping[object, object], depth: int) -> str:
    if depth >= _DEEPEST:
        return ""
    if "msg" in body and isinstance(place := body.get("loc"), Sequence) and not isinstance(place, str):
        return f"{'.'.join(map(str, place))}: {_words(body['msg'], depth + 1)}"  # of pydantic
    for names in (_INNER, _LATER):
        for name in names:
            if name in body and (words := _words(body[name], depth + 1)):
                raw = body.get("metadata")
                said = _words(raw.get("raw"), depth + 1) if isinstance(raw, Mapping) else ""
                return f"{words}: {said}" if said and said not in words else words
    return _words_of_fields(body, depth)


def _words_of_fields(body: Mapping[object, object], depth: int) -> str:
    """Returns the fields of an object that has no message."""
    if depth and len(body) <= _MOST_ITEMS:  # {"field": ["what is wrong with it"]}
        found = [f"{name}: {words}" for name, value in body.items() if (words := _words(value, depth + 1))]
        return "; ".join(found)
    if not any(body.values()) or (len(body) == 1 and _INNER_SET & set(body)):
        return ""  # an error without a message
    try:
        return json.dumps(body, ensure_ascii=False, default=str)[:_LONGEST_REST]
    except RecursionError:
        return ""


def is_web_page(text: str) -> bool:
    """Returns whether a body is HTML."""
    return _PAGE.match(text[:2000]) is not None


def web_page_words(text: str) -> str:
    """Returns the title and the first words of a web page."""
    seen = _UNSEEN.sub(" ", text)
    title = _TITLE.search(seen)
    head = " ".join(html.unescape(_TAG.sub(" ", title[1])).split()) if title else ""
    body = " ".join(html.unescape(_TAG.sub(" ", _TITLE.sub(" ", seen))).split()).removeprefix(head).strip()
    named = f"a web page titled '{head}'" if head else "a web page without a title"
    return f"{named}: {body}"[:_LONGEST_PAGE] if body else named


def codes_of(body: object) -> frozenset[str]:
    """Returns the codes and types in an error's body, in small letters."""
    return frozenset(str(value).lower() for value in values_of(body, _CODES))


def values_of(body: object, names: frozenset[str], depth: int = 0) -> Iterator[str | int | float]:
    """Yields the values of the fields called `names` in an error's body and in the errors inside it."""
    if isinstance(body, str):
        body = parsed(body)
    if depth > _DEEPEST:
        return
    if isinstance(body, Mapping):
        for name, value in body.items():
            if name in names and isinstance(value, str | int | float) and not isinstance(value, bool):
                yield value
            elif name in _ERRORS:
                yield from values_of(value, names, depth + 1)
    elif isinstance(body, list | tuple):
        for one in islice(body, _MOST_ITEMS):
            yield from values_of(one, names, depth + 1)
