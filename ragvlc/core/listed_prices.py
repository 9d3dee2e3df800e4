"""Prices from the package `genai-prices`, whose list of providers' prices is inside the package: no call is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ragvlc.core.errors import missing_extra, nearest

__all__ = ["FIELDS", "LIST", "listed"]

LIST = "genai-prices"
FIELDS = {
    "from": "a list of prices in place of numbers: genai-prices.",
    "model": "as the list calls it.",
    "provider": "as the list calls it, where several offer the model.",
    "on": "the day of the prices.",
}
_NUMBERS = {
    "prompt": "input_mtok",
    "completion": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}
_HOUR = 3600


def listed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a price that names a list, with the numbers of that list on a day.

    Args:
        given: `from: genai-prices`, a `model`, the day (`on`), perhaps the `provider`, and fields of `Price`, which are
            taken as given. With a `lifetime` of an hour or more, writes cost what an hour's cache costs.

    Raises:
        ValueError: the list, the model or the provider is not known, or the day is missing.
    """
    own = {name: value for name, value in given.items() if name not in FIELDS}
    if given["from"] != LIST:
        hint = nearest(str(given["from"]), [LIST])
        raise ValueError(f"from: '{given['from']}' is no list of prices. Known: {LIST}.{hint}")
    if missing := [name for name in ("model", "on") if not given.get(name)]:
        raise ValueError(
            f"a price from {LIST} needs {' and '.join(missing)}: {{from: {LIST}, model: gpt-4.1, on: 2026-11-01}}."
        )
    day = _day(given["on"])
    found, source = _looked_up(str(given["model"]), given.get("provider"), day)
    if own.get("lifetime", 0) >= _HOUR and "cache_write_1h_mtok" in found:
        found["cache_write_mtok"] = found["cache_write_1h_mtok"]
    numbers: dict[str, float] = {}
    tiers: dict[str, dict[int, float]] = {}
    for name, listed_name in _NUMBERS.items():
        if listed_name in found:
            numbers[name], tiers[name] = found[listed_name]
    if not {"prompt", "completion"} <= set(numbers):
        raise ValueError(f"{source} has no price by tokens for '{given['model']}'. Write the numbers yourself.")
    return {**numbers, **_long(tiers, numbers, source), "source": source, "date": day, **own}


def _day(value: object) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"on: '{value}' is no day such as 2026-11-01.") from None


Tiered = tuple[float, dict[int, float]]


def _looked_up(model: str, provider: object, day: dt.date) -> tuple[dict[str, Tiered], str]:
    """Returns prices by the list's own names, each with its tiers by the prompt tokens above which they hold."""
    try:
        import genai_prices
        from genai_prices.data_snapshot import get_snapshot
    except ImportError as error:
        missing_extra("genai-prices", "prices", error)
    snapshot = get_snapshot()
    try:
        of, found = snapshot.find_provider_model(model, None, None if provider is None else str(provider), None)
    except LookupError:
        names = [provider.id for provider in snapshot.providers] if provider else []
        known = [one.id for own in snapshot.providers for one in own.models if own.id in _MAKERS]
        if provider is not None and provider not in names:
            raise ValueError(f"provider: {LIST} has no '{provider}'.{nearest(str(provider), names)}") from None
        raise ValueError(f"model: {LIST} has no '{model}'.{nearest(model, known)}") from None
    at = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)
    prices = {name: _tiered(value) for name, value in vars(found.get_prices(at)).items() if value is not None}
    return prices, f"{LIST} {genai_prices.__version__}: {of.id} {found.id}"


_MAKERS = frozenset({"anthropic", "openai", "google", "mistral", "deepseek", "x-ai", "cohere", "groq"})


def _tiered(value: Any) -> Tiered:  # noqa: ANN401 - a number, or the list's class of tiers
    if not hasattr(value, "tiers"):
        return float(value), {}
    return float(value.base), {int(tier.start): float(tier.price) for tier in value.tiers}


def _long(tiers: Mapping[str, Mapping[int, float]], base: Mapping[str, float], source: str) -> dict[str, Any]:
    starts = sorted({start for own in tiers.values() for start in own})
    if not starts:
        return {}
    if len(starts) > 1:
        raise ValueError(f"{source} has {len(starts)} limits of long prompts, and one can be set. Write the numbers.")
    [above] = starts
    return {"long_prompt": {"above": above, **{name: tiers[name].get(above, one) for name, one in base.items()}}}
