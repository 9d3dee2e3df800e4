"""Estimated tokenizer for models whose own tokenizer is not available; it tends to overestimate token counts.

The tokens per character were set on thirty kinds of text (prose, code, tables, numbers, random letters, fourteen
scripts) against seven tokenizers: GPT-3, GPT-4, GPT-4o, Claude 2, DeepSeek, Mistral 7B and SmolLM2. Except for tables
of single letters and rare surnames the count is no smaller than that of any of the seven: a third above the largest on
prose and code, up to a half above it elsewhere. Newer vocabularies need as little as half or a third of the count.
"""

from __future__ import annotations

import re
from math import ceil
from zlib import crc32

from ragvlc.core.engines import Prompt
from ragvlc.core.token_spans import TokenSpans, numbers
from ragvlc.engines.batching.chat_template import SpanCache, Spans, one_at_a_time
from ragvlc.engines.remote.control_strings import ControlStrings

__all__ = ["EstimatedTokenizer"]

_FRAME = 80
"""Tokens for a chat template and the system message that some templates add."""
_PIECE = re.compile(
    r"(?P<code>(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,})"
    r"|(?P<inner>(?<=[A-Za-z0-9])[A-Z]?[a-z]+)"
    r"|(?P<word> ?[A-Z]?[a-z]+)"
    r"|(?P<capitals> ?[A-Z]+)"
    r"|(?P<lines>[\r\n\t\f\v]+)"
    r"|(?P<marks> ?(?:!+|-+|=+|\.+|\*+|\#+|_+|~+|[\"$%&'()+,/:;<>?@\[\\\]^`{|}]))"
    r"|(?P<blanks> +)"
    r"|(?P<single>[\x00-\x7f])"
    r"|(?P<letters>[\u0080-\u07ff]+)"
    r"|(?P<wide>[\u0800-\uffff]+)"
    r"|(?P<far>.)",
    re.DOTALL,
)
_PER_CHARACTER = {"code": 0.93, "inner": 0.25, "capitals": 0.5, "lines": 0.5, "letters": 1.4, "wide": 2.5, "far": 4.0}


def _tokens_of(kind: str | None, size: int) -> int:
    """Returns the estimated number of tokens of a run of `size` characters of the same kind, e.g. capitals."""
    if kind in {"blanks", "marks"}:
        return 1 + size // 8 if kind == "blanks" else 1 + size // 4
    if kind != "word":
        return ceil(size * _PER_CHARACTER.get(kind or "", 1.0))
    if size <= 8:  # with the space before it
        return ceil((size - 1) / 5) or 1
    return ceil((size - 1) / (3.5 if size <= 11 else 2 if size <= 20 else 1.5))


def _estimated(text: str) -> Spans:
    ends = numbers()
    for match in _PIECE.finditer(text):
        start, size = match.start(), match.end() - match.start()
        tokens = _tokens_of(match.lastgroup, size)
        ends.extend(start + ceil(size * i / tokens) for i in range(1, tokens + 1))
    return TokenSpans(ends)


class EstimatedTokenizer:
    """Estimates the number of tokens of each run of similar characters, and divides the characters evenly among them.

    Args:
        system: the system message.

    Attributes:
        control: control strings, neutralized before they are sent.
        estimated: True.
    """

    id = "estimate:1"
    estimated = True

    def __init__(self, system: str | None = None) -> None:
        self.control = ControlStrings()
        self._cache = SpanCache()
        self._frame = _FRAME + self.count(system or "")

    def count(self, text: str) -> int:
        """Returns the estimated number of tokens of `text`."""
        return len(self.spans(text))

    def spans(self, text: str) -> Spans:
        """Returns the character span of each token; together they cover `text`."""
        return self._cache.computed(text, _estimated)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns one placeholder id per estimated token, chat template included; the ids belong to no vocabulary."""
        text = self.control.neutralize(prompt).text
        frame = _FRAME + self.count(prompt.system) if prompt.system else self._frame
        spans = self.spans(text)
        with one_at_a_time(text):
            return [0] * frame + [crc32(text[start:end].encode()) for start, end in spans]
