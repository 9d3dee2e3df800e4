"""Prices of the package `genai-prices` in YAML: looked up on a day, stored as numbers."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from ragvlc.core.prices import Price
from ragvlc.core.yaml_text import parse_mapping

ON = "2026-06-01"


def test_a_listed_price_becomes_its_numbers_and_says_where_they_are_from():
    pytest.importorskip("genai_prices")
    price = Price.model_validate({"from": "genai-prices", "model": "claude-sonnet-4-5", "on": ON})
    assert (price.prompt, price.completion, price.cached, price.cache_write) == (3, 15, 0.3, 3.75)
    assert price.long_prompt is not None
    assert (price.long_prompt.above, price.long_prompt.prompt, price.long_prompt.cache_write) == (200_000, 6, 7.5)
    assert price.date == dt.date(2026, 6, 1)
    assert price.source.startswith("genai-prices 0.")
    assert "anthropic claude-sonnet-4-5" in price.source
    assert Price.model_validate(price.spec()) == price


def test_an_hour_of_life_costs_the_hours_price_and_own_numbers_stay():
    pytest.importorskip("genai_prices")
    given = {"from": "genai-prices", "model": "claude-sonnet-4-5", "on": ON, "lifetime": 3600, "batch_factor": 0.5}
    price = Price.model_validate(given)
    assert (price.cache_write, price.lifetime, price.batch_factor) == (6, 3600, 0.5)
    assert Price.model_validate({"from": "genai-prices", "model": "gpt-4.1", "on": ON, "cached": 0.4}).cached == 0.4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "claude-sonet-4-5"}, "no 'claude-sonet-4-5'. Nearest: claude-sonnet-4-5."),
        ({"from": "genai-price"}, "no list of prices. Known: genai-prices. Nearest: genai-prices."),
        ({"provider": "antropic"}, "no 'antropic'. Nearest: anthropic."),
        ({"on": None}, "needs on"),
        ({"on": "June"}, "'June' is no day"),
        ({"modle": "x"}, "modle"),
    ],
)
def test_what_the_list_does_not_have_is_said_with_the_nearest(change, words):
    pytest.importorskip("genai_prices")
    given = {"from": "genai-prices", "model": "claude-sonnet-4-5", "on": ON} | change
    with pytest.raises(ValidationError) as caught:
        Price.model_validate(given)
    assert words in str(caught.value)


def test_fields_of_a_list_without_from_are_one_sentence():
    with pytest.raises(ValidationError) as caught:
        Price.model_validate({"form": "genai-prices", "model": "gpt-4.1", "on": ON})
    assert "model and on without `from`: a price from a list is {from: genai-prices" in str(caught.value)
    assert caught.value.error_count() == 1


def test_the_day_can_be_given_in_yaml_where_on_is_a_word_for_true():
    pytest.importorskip("genai_prices")
    given = parse_mapping("price: {from: genai-prices, model: gpt-4.1, on: 2026-11-01}\nyes: true", "p.yaml")
    assert list(given) == ["price", "yes"]
    assert given["yes"] is True
    assert Price.model_validate(given["price"]).date == dt.date(2026, 11, 1)
