"""A tokenizer without files: tokens are words, punctuation marks, and single characters of unsegmented scripts."""

from __future__ import annotations

import re
from functools import lru_cache
from zlib import crc32

from ragvlc.core.engines import Prompt
from ragvlc.core.token_spans import TokenSpans

__all__ = ["WordTokenizer"]

_UNSEGMENTED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"\s*(?:[{_UNSEGMENTED}]|[^\W{_UNSEGMENTED}]+|[^\w\s]|\Z)|\s+")


@lru_cache(maxsize=256)
def _spans(text: str) -> TokenSpans:
    return TokenSpans(match.end() for match in _TOKEN.finditer(text) if match.end() > match.start())


@lru_cache(maxsize=256)
def _ids(text: str) -> tuple[int, ...]:
    return tuple(crc32(word.encode("utf-8", "surrogatepass")) for word in _TOKEN.findall(text) if word)


class WordTokenizer:
    """Tokenizer whose tokens are words with the white space before them; token ids are checksums of their text."""

    id = "words-1"

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`."""
        return len(_spans(text))

    def spans(self, text: str) -> TokenSpans:
        """Returns the character span of each token; together they cover `text`."""
        return _spans(text)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns one id for each token; there is no chat template."""
        return [token for text in (prompt.system, prompt.text(), prompt.lead) for token in _ids(text)]
