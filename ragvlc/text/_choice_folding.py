"""Replies without emphasis: straight quotes, ASCII letters and brackets, no Markdown, HTML or LaTeX around words."""

from __future__ import annotations

import re

__all__ = ["folded", "plain"]

_WIDE = {0xFF21 + place: 65 + place for place in range(26)} | {0xFF41 + place: 97 + place for place in range(26)}
_CIRCLED = {
    start + place: f"({chr(65 + place)})" for start in (0x24B6, 0x24D0, 0x1F130, 0x1F170) for place in range(26)
}
_FOLDED = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "*": None,
        "`": None,
        "„": '"',
        "«": '"',
        "»": '"',
        "「": '"',
        "」": '"',
        "『": '"',
        "』": '"',
        "（": "(",
        "）": ")",
        "［": "[",
        "］": "]",
        "｛": "{",
    }
    | {"｝": "}", "\u200b": None, "\ufeff": None, "\u00ad": None, "\u00a0": " ", "\u202f": " ", "\u3000": " "}
    | {"＃": "#", "＜": "<", "＞": ">", "＼": "\\"}
) | str.maketrans(_WIDE | _CIRCLED)
_MARKUP = (
    (re.compile(r"~~[^~\n]{1,300}~~|</?(?i:b|strong|i|em|u|p|br|span|mark|code)\s*/?>"), ""),
    (
        re.compile(
            r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|bm)\s*\{([^{}\n]{0,300})\}"
        ),
        r"\1",
    ),
    (re.compile(r"\\[()\[\]]|\$(?=\\|[(\[]?[A-Z]\b)|(?<=[A-Z)\]}])\$|(?<!\w)__?(?=\w|\()|(?<=[\w).])__?(?!\w)"), ""),
)


def folded(text: str) -> str:
    """Returns `text` with straight quotes, ASCII letters and brackets, and no emphasis."""
    text = text.translate(_FOLDED)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()


def plain(text: str) -> str:
    """Returns `text` for comparison, with unified case, quotes and blanks, and without a final full stop."""
    return " ".join(folded(text).lower().split()).rstrip(" .,:;!?。")
