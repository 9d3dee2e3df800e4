"""Chinese words by jieba, in its precise mode, as the scorers of Chinese benchmarks cut texts: extra `benchmarks`."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from functools import cache
from typing import Any

from ragvlc.core.errors import ConfigError

__all__ = ["NEEDS_JIEBA", "chinese_words", "has_jieba"]

NEEDS_JIEBA = "needs jieba, which cuts Chinese words: pip install 'ragvlc[benchmarks]'"


def has_jieba() -> bool:
    """Returns whether the package jieba is installed."""
    return importlib.util.find_spec("jieba") is not None


def chinese_words(text: str) -> list[str]:
    """Returns the words of a text, white space and punctuation included.

    Raises:
        ConfigError: jieba is not installed.
    """
    return list(_jieba().cut(text, cut_all=False))


@cache
def _jieba() -> Any:  # noqa: ANN401 - an untyped library
    """Returns the library with its dictionary loaded; it says nothing on the terminal, and nothing is a warning."""
    if not has_jieba():
        raise ConfigError(f"This metric {NEEDS_JIEBA}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes in its patterns, and pkg_resources
        import jieba
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    return jieba
