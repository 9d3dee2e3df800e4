"""Prices of providers: cache writes and reads, tiers of long prompts, and the bill of an answer."""

from __future__ import annotations

import json

import pytest

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.answer_json import fields_json, made
from ragvlc.core.prices import Price, long_prompts_key, money, prices_of

# Published rules, each in money per million tokens.
SONNET = Price(
    prompt=3,
    completion=15,
    cached=0.3,
    cache_write=3.75,
    long_prompt={"above": 200_000, "prompt": 6, "completion": 22.5, "cached": 0.6, "cache_write": 7.5},
)
GEMINI = Price(
    prompt=1.25,
    completion=10,
    cached=0.125,
    storage=4.5,
    long_prompt={"above": 200_000, "prompt": 2.5, "completion": 15, "cached": 0.25},
)


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        # 1,000 fresh tokens at 3, 100,000 written at 3.75, 500 new at 15
        (SONNET, Usage(101_000, 0, 500, 1, written_tokens=100_000), 0.003 + 0.375 + 0.0075),
        # 1,000 fresh tokens at 3, 100,000 read at .3, 500 new at 15
        (SONNET, Usage(101_000, 100_000, 500, 1), 0.003 + 0.03 + 0.0075),
        # all of 250,000 tokens at the long prices: 50,000 at 6, 200,000 written at 7.5, 500 new at 22.5
        (SONNET, Usage(250_000, 0, 500, 1, written_tokens=200_000), 0.3 + 1.5 + 0.01125),
        # exactly at the limit is not above it
        (SONNET, Usage(200_000, 0, 0, 1), 0.6),
        (GEMINI, Usage(200_001, 200_000, 1_000, 1), 2.5e-6 + 0.05 + 0.015),
        (Price(prompt=2, completion=8), Usage(10, 5, 1, 1, written_tokens=3), 28e-6),
    ],
)
def test_a_call_costs_what_its_provider_charges(price, usage, cost):
    assert price.at_most(usage) == pytest.approx(cost)
    assert money(Answer("", usage=usage, bills={"main": usage}), {"main": price}) == pytest.approx(cost)


def two_calls(*prompts, price=SONNET):
    """Returns an answer of several calls, billed as a run bills it."""
    total, long = Usage(), {}
    for prompt in prompts:
        usage = Usage(prompt, 0, 10, 1)
        total += usage
        if key := long_prompts_key("main", price, usage):
            long[key] = long.get(key, Usage()) + usage
    return Answer("", usage=total, bills={"main": total}, long_prompts=long)


def test_each_call_of_an_answer_is_charged_by_its_own_length():
    short = two_calls(150_000, 150_000)
    assert short.usage.longest == 150_000
    assert money(short, {"main": SONNET}) == pytest.approx((300_000 * 3 + 20 * 15) / 1e6)
    mixed = two_calls(250_000, 20_000, 300_000)
    cost = (550_000 * 6 + 20 * 22.5 + 20_000 * 3 + 10 * 15) / 1e6
    assert money(mixed, {"main": SONNET}) == pytest.approx(cost)


def test_what_cannot_be_known_afterwards_is_no_figure():
    flat = Price(prompt=3, completion=15)
    long = two_calls(250_000, 20_000, price=flat)
    assert money(long, {"main": flat}) == pytest.approx((270_000 * 3 + 20 * 15) / 1e6)
    assert money(long, {"main": SONNET}) is None
    assert [money(one, {"main": SONNET}) is None for one in (two_calls(10), long)] == [False, True]
    alone = two_calls(250_000, price=flat)
    assert money(alone, {"main": SONNET}) == pytest.approx((250_000 * 6 + 10 * 22.5) / 1e6)
    older = Answer("", bills={"main": Usage(250_000, 0, 20, 2)})  # a row that does not say how long its prompts were
    assert older.bills["main"].longest is None
    assert money(older, {"main": SONNET}) is None
    assert money(older, {}) is None
    assert money(Answer(""), {"main": SONNET}) is None


def test_usage_adds_up_and_travels_as_json():
    total = Usage(10, 2, 3, 1, written_tokens=4) + Usage(30, 0, 1, 1) + Usage()
    assert total == Usage(40, 2, 4, 2, written_tokens=4)
    assert total.longest == 30
    assert made(Usage, fields_json(total)).longest == 30
    assert not {"written_tokens", "longest_prompt", "thought_tokens"} & set(fields_json(Usage(10, 2, 3, 1)))
    assert (total + Usage(50, 0, 1, 2)).longest is None


def test_a_price_without_the_later_numbers_has_the_key_it_always_had():
    assert Price(prompt=3, completion=15).key == Price(prompt=3, completion=15, cached=None, storage=0).key
    assert Price(prompt=3, completion=15).key != Price(prompt=3, completion=15, cache_write=3.75).key


def test_a_dated_price_is_stored_and_read_again():
    dated = Price(prompt=3, completion=15, source="https://example.org", date="2026-11-01")
    assert json.loads(json.dumps(dated.spec()))["date"] == "2026-11-01"
    assert prices_of({"main": dated.spec()}) == {"main": dated}
    assert dated.key != Price(prompt=3, completion=15).key
