"""Plain text, Markdown and delimited tables: the characters unchanged, after decoding."""

from __future__ import annotations

import re

from ragvlc.documents.encodings import NotText, decoded
from ragvlc.documents.formats.found import Found, Settings, Unreadable

__all__ = ["markdown", "text"]

_FENCE = re.compile(r"(?ms)^ {0,3}(```|~~~).*?(^ {0,3}\1|\Z)")
_HEADING = re.compile(r"(?m)^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$|^ {0,3}(\S.*?)[ \t]*\n {0,3}=+[ \t]*$")


def text(data: bytes, settings: Settings) -> Found:
    """Returns the decoded characters of a text file. Raises `Unreadable`."""
    try:
        found, encoding = decoded(data, settings.encoding)
    except NotText as error:
        raise Unreadable(str(error)) from error
    return Found(found, encoding=encoding, broken=encoding.broken)


def markdown(data: bytes, settings: Settings) -> Found:
    """Returns the decoded characters of a Markdown file, with its first heading as title. Raises `Unreadable`."""
    found = text(data, settings)
    heading = _HEADING.search(_FENCE.sub("", found.text))
    title = (heading[1] or heading[2]).strip() if heading else ""
    return Found(found.text, title, encoding=found.encoding, broken=found.broken)
