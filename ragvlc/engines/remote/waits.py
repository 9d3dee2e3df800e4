"""How long a server asks to wait before the next attempt: in headers, in fields of the body, or in its sentence."""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from ragvlc.engines.remote.error_words import values_of

__all__ = ["duration", "seconds_to_wait"]

_UNITS = {
    "ms": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNIT = r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
_UNIT_BEFORE_DIGIT = r"(?:ms|s|m|h|d)(?=[0-9])"  # as in 1m3s
_PART = rf"{_NUMBER}\s*(?:{_UNIT_BEFORE_DIGIT}|{_UNIT})"
_PARTS = re.compile(rf"({_NUMBER})\s*({_UNIT_BEFORE_DIGIT}|{_UNIT})")
_WHOLE = re.compile(rf"\s*(?:pt)?\s*{_PART}(?:(?:\s|,|and)*{_PART})*\s*")
_SENTENCE = re.compile(
    r"(?:retry|try again|tried again|wait(?:ing)?|resets?|available(?: again)?|ready)\b[^.;!?0-9]{0,40}?"
    rf"({_PART}(?:(?:\s|,|and)*{_PART})*)"
)
_BARE = re.compile(rf"\b(?:retry[- ]after|try again after)(?: is)?:? ({_NUMBER})\s*(?:[.,;)]|$)")
_ABROAD = re.compile(
    rf"\bin ({_NUMBER}) ?(sekunden?|minuten?)\b|\bdans ({_NUMBER}) ?(secondes?|minutes?)\b"
    rf"|\ben ({_NUMBER}) ?(segundos?|minutos?)\b|({_NUMBER}) ?(秒|分钟|分鐘)钟?之?(?:后|後)"
)
_SECONDS = frozenset(
    {
        "Retry-After",
        "retry-after",
        "x-ratelimit-reset",
        "X-RateLimit-Reset",
        "retry_after",
        "retryAfter",
        "retry_after_seconds",
        "retryDelay",
        "retry_delay",
        "estimated_time",
    }
)
_MILLISECONDS = frozenset({"retry_after_ms", "retryAfterMs"})
_EPOCH = 1e9  # a larger number of seconds is a moment, not a wait


def seconds_to_wait(headers: Mapping[str, str], body: object, words: str) -> float | None:
    """Returns the seconds that an error asks to wait, or None if it does not say.

    Headers made for it come first, then the body, then the headers that say when a rate limit is full again.

    Args:
        headers: of the response; names in small letters or of a mapping that ignores case.
        body: as JSON or text.
        words: the server's sentence.
    """
    for found in (
        _milliseconds(headers.get("retry-after-ms")),
        _moment_or_duration(headers.get("retry-after")),
        _milliseconds(headers.get("x-ms-retry-after-ms")),
        _moment_or_duration(headers.get("x-retry-after")),
        *(_milliseconds(str(value)) for value in values_of(body, _MILLISECONDS)),
        *(_moment_or_duration(str(value)) for value in values_of(body, _SECONDS)),
        _in_sentence(words),
        _limit_reset(headers),
    ):
        if found is not None and math.isfinite(found):
            return max(0.0, found)
    return None


def duration(text: str) -> float | None:
    """Returns the seconds of a duration such as `7`, `31.2s`, `1m3s`, `6ms`, `2 minutes`; None for anything else."""
    small = text.strip().lower()
    if re.fullmatch(_NUMBER, small):
        return float(small)
    if not _WHOLE.fullmatch(small):
        return None
    return sum(float(number) * _unit(unit) for number, unit in _PARTS.findall(small))


def _unit(word: str) -> float:
    return _UNITS[word] if word in _UNITS else _UNITS[word.removesuffix("s")]


def _milliseconds(text: str | None) -> float | None:
    found = duration(text) if text else None
    return None if found is None else found / 1000 if re.fullmatch(rf"\s*{_NUMBER}\s*", text or "") else found


def _moment_or_duration(text: str | None) -> float | None:
    """Returns the seconds until a moment (a date, or seconds or milliseconds since 1970), or of a duration."""
    if not text:
        return None
    found = duration(text)
    if found is not None:
        now = datetime.now(UTC).timestamp()
        return found if found < _EPOCH else found - now if found < _EPOCH * 1000 else found / 1000 - now
    for read in (email.utils.parsedate_to_datetime, _iso_date):
        try:
            until = read(text.strip())
            return (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _iso_date(text: str) -> datetime:
    if "-" not in text:
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _in_sentence(words: str) -> float | None:
    small = words.lower()
    if found := _SENTENCE.search(small) or _BARE.search(small):
        return duration(found[1])
    if found := _ABROAD.search(small):
        number, unit = (group for group in found.groups() if group)
        return float(number) * (60 if unit[0] in "m分" else 1)
    return None


def _limit_reset(headers: Mapping[str, str]) -> float | None:
    """Returns the longest wait among the rate limits that are used up; a limit with something left asks for none."""
    waits = []
    for name in headers:
        small = name.lower()
        if "ratelimit" not in small or "reset" not in small:
            continue
        remaining = headers.get(small.replace("reset", "remaining"))
        if remaining is None or not (left := duration(str(remaining))):
            waits.append(_moment_or_duration(headers[name]))
        elif left > 0:
            continue
    known = [one for one in waits if one is not None]
    return max(known, default=None)
