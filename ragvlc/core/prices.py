"""What a model's tokens cost: prices of providers as they publish them, and the bill of an answer.

Providers charge prompt tokens as read anew, written to a prefix cache or read from it, and all of them at other prices
once a prompt is long. Caches expire, and some are charged by the hour.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.component import Component
from ragvlc.core.listed_prices import FIELDS, LIST, listed

__all__ = [
    "CACHED_FROM",
    "LongPrompt",
    "Price",
    "Rates",
    "bill_money",
    "long_prompts_key",
    "money",
    "priced_parts",
    "prices_of",
]

CACHED_FROM = 1024
"""The fewest prompt tokens that providers put into a prefix cache (OpenAI, Anthropic; Gemini: 1,024 to 4,096)."""
Amount = Annotated[float, Field(ge=0)]


class Rates(Component):
    """Money per million tokens.

    Attributes:
        prompt: for tokens read.
        completion: for tokens written.
        cached: for tokens found in the server's prefix cache (cache-augmented generation, CAG); as `prompt` where none
            is given.
        cache_write: for tokens put into the server's prefix cache; as `prompt` where none is given.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"cache_write"})
    prompt: Amount
    completion: Amount
    cached: Amount | None = None
    cache_write: Amount | None = None

    def of(self, usage: Usage) -> float:
        """Returns the cost of `usage` in money."""
        fresh = usage.prompt_tokens - usage.cached_tokens - usage.written_tokens
        return self.charge(fresh, usage.completion_tokens, read=usage.cached_tokens, written=usage.written_tokens)

    def charge(self, fresh: float, completion: float, *, read: float = 0.0, written: float = 0.0) -> float:
        """Returns the cost in money of prompt tokens (fresh, read from the cache, written to it) and of new tokens."""
        cached = self.prompt if self.cached is None else self.cached
        write = self.prompt if self.cache_write is None else self.cache_write
        return (fresh * self.prompt + read * cached + written * write + completion * self.completion) / 1e6


class LongPrompt(Rates):
    """The prices of a call with a long prompt; all tokens of the call are charged at them.

    Attributes:
        above: prompt tokens, cached ones included, from which on a prompt is long.
    """

    above: Annotated[int, Field(ge=1)]


def _either(schema: dict[str, Any]) -> None:
    """Adds the fields of a listed price to a JSON Schema, and that the numbers or the list are needed."""
    kinds: dict[str, Any] = {"from": {"const": LIST}, "on": {"type": "string", "format": "date"}}
    schema["properties"] |= {
        name: {**kinds.get(name, {"type": "string"}), "description": text} for name, text in FIELDS.items()
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["from", "model", "on"]}]


class Price(Rates):
    """The price of a model, in money per million tokens: numbers, or a model and a day of the package `genai-prices`.

    Attributes:
        long_prompt: other prices of calls with long prompts.
        batch_factor: what all prices are multiplied by where questions are sent as a batch that may take a day.
        storage: for each million cached tokens and hour.
        lifetime: seconds for which a cached prefix is found again after it was last read; without one, always.
        source: where the prices are from.
        date: of the prices.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset(
        {"cache_write", "long_prompt", "batch_factor", "storage", "lifetime", "source", "date"}
    )
    model_config = ConfigDict(json_schema_extra=_either)
    long_prompt: LongPrompt | None = None
    batch_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    storage: Amount = 0.0
    lifetime: Annotated[float, Field(gt=0)] | None = None
    source: str = ""
    date: dt.date | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        if isinstance(given, Mapping) and "from" not in given and (names := sorted({"model", "on"} & set(given))):
            raise ValueError(
                f"{' and '.join(names)} without `from`: a price from a list is "
                f"{{from: {LIST}, model: gpt-4.1, on: 2026-11-01}}."
            )
        return listed(given) if isinstance(given, Mapping) and "from" in given else given

    def rates(self, prompt_tokens: float) -> Rates:
        """Returns the prices of a call with this many prompt tokens."""
        tier = self.long_prompt
        return tier if tier is not None and prompt_tokens > tier.above else self

    def at_most(self, usage: Usage) -> float:
        """Returns the cost in money of a call, or of several as if all prompts were as long as the longest."""
        return self.rates(usage.prompt_tokens if usage.longest is None else usage.longest).of(usage)


def long_prompts_key(role: str, price: Price | None, usage: Usage) -> str | None:
    """Returns the key in `Answer.long_prompts` of a call by this role; None for a call at the usual prices."""
    tier = price.long_prompt if price is not None else None
    return f"{role}>{tier.above}" if tier is not None and usage.prompt_tokens > tier.above else None


def money(answer: Answer, prices: Mapping[str, Price]) -> float | None:
    """Returns the cost of an answer in money; None where it is not known.

    It is not known without a price for each role that was asked, nor where some prompt of several was long and the
    price said so only after the run.
    """
    return bill_money(answer.bills, answer.long_prompts, prices)


def bill_money(
    bills: Mapping[str, Usage], long_prompts: Mapping[str, Usage], prices: Mapping[str, Price]
) -> float | None:
    """Returns the cost of an answer's bills in money; see `money`."""
    parts = priced_parts(bills, long_prompts, prices)
    return None if parts is None else sum(rates.of(usage) for _, rates, usage in parts)


def priced_parts(
    bills: Mapping[str, Usage], long_prompts: Mapping[str, Usage], prices: Mapping[str, Price]
) -> list[tuple[str, Rates, Usage]] | None:
    """Returns the parts of an answer's bills by role, each with the prices that it is charged at; see `money`."""
    if not bills or not bills.keys() <= prices.keys():
        return None
    found: list[tuple[str, Rates, Usage]] = []
    for role, usage in bills.items():
        price, longest = prices[role], usage.longest
        tier = price.long_prompt
        if tier is None or usage.prompt_tokens <= tier.above or (longest is not None and longest <= tier.above):
            found.append((role, price, usage))
        elif usage.calls == 1:
            found.append((role, tier, usage))
        elif (long := long_prompts.get(f"{role}>{tier.above}")) is not None:
            found += [(role, price, _rest(usage, long)), (role, tier, long)]
        else:
            return None
    return found


def _rest(usage: Usage, part: Usage) -> Usage:
    """Returns usage without a part of it."""
    return Usage(
        usage.prompt_tokens - part.prompt_tokens,
        usage.cached_tokens - part.cached_tokens,
        usage.completion_tokens - part.completion_tokens,
        usage.calls - part.calls,
        written_tokens=usage.written_tokens - part.written_tokens,
    )


def prices_of(stored: Mapping[str, Mapping[str, Any] | None] | None) -> dict[str, Price]:
    """Returns the prices by role, as stored with a cell."""
    return {role: Price.model_validate(price) for role, price in (stored or {}).items() if price is not None}
