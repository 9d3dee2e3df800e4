r"""Surrogates: halves of characters beyond the Basic Multilingual Plane, as JSON escapes such as `\ud83d` write them.

Text that enters here is mended once: two halves that follow each other become their character, and a half without its
other one becomes U+FFFD. Every other character remains as it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["joined", "joined_within"]

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")


def joined(text: str) -> str:
    """Returns `text` with pairs of surrogates joined and single ones replaced by U+FFFD; valid text is unchanged."""
    if text.isascii() or not _HALF.search(text):
        return text
    return _HALF.sub("\ufffd", _PAIR.sub(_character, text))


def joined_within(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Returns a JSON value with the surrogates in all its texts and names joined or replaced; itself without any."""
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, Mapping):
        names = {name: joined_within(name) for name in value}
        items = {names[name]: joined_within(item) for name, item in value.items()}
        same = all(names[name] is name and items[name] is item for name, item in value.items())
        return value if same else items
    if isinstance(value, list | tuple):
        found = [joined_within(item) for item in value]
        return value if all(map(operator.is_, found, value)) else type(value)(found)
    return value


def _character(pair: re.Match[str]) -> str:
    high, low = map(ord, pair[0])
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
