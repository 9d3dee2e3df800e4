"""Chinese words by jieba, in its precise mode, as the scorers of Chinese benchmarks cut texts: extra `benchmarks`.

Its search for unknown words copies the path so far at each character, so that a reply of one character 30,000 times
takes a quarter of a minute. `viterbi` finds the same path by going back over it, and is put in its place.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ragvlc.core.errors import ConfigError

__all__ = ["NEEDS_JIEBA", "chinese_words", "has_jieba", "viterbi"]

_LEAST = -3.14e100
_BEFORE = {"B": "ES", "M": "MB", "S": "SE", "E": "BM"}
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
        import jieba.finalseg
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    jieba.finalseg.viterbi = viterbi
    return jieba


def viterbi(
    text: Sequence[str],
    states: Sequence[str],
    start: Mapping[str, float],
    change: Mapping[str, Mapping[str, float]],
    emit: Mapping[str, Mapping[str, float]],
) -> tuple[float, list[str]]:
    """Returns the log probability of the likeliest states of a text's characters, and these states.

    Args:
        text: characters.
        states: begin, middle and end of a word, and a word of its own.
        start: log probability of each state at the beginning.
        change: of the next state, by state.
        emit: of a character, by state.
    """
    current = {state: start[state] + emit[state].get(text[0], _LEAST) for state in states}
    origins: list[dict[str, str]] = []
    for character in text[1:]:
        before, current, origin = current, {}, {}
        for state in states:
            emitted = emit[state].get(character, _LEAST)
            reached = ((before[one] + change[one].get(state, _LEAST) + emitted, one) for one in _BEFORE[state])
            current[state], origin[state] = max(reached)
        origins.append(origin)
    best, state = max((current[one], one) for one in "ES")
    path = [state]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    return best, path[::-1]
