"""Money by the number of questions about a document, against cases computed by hand from published prices."""

from __future__ import annotations

import pytest

from ragvlc.analysis.document_costs import DocumentCost, ModelCost, break_even, break_even_sentences, draw_money
from ragvlc.core.prices import Price


def routes(**price):
    """Returns full context of 100,000 tokens and retrieval of 12,000, at 1 for a million tokens read."""
    own = Price(**{"prompt": 1.0, "completion": 0.0, "cached": 0.1, **price})
    full = DocumentCost("full", (ModelCost(own, 100_000, 0, 0),))
    return full, DocumentCost("rag", (ModelCost(own, 0, 12_000, 0),))


@pytest.mark.parametrize(("write", "questions"), [(1.0, 45), (1.25, 57.5), (2.0, 95)])
def test_what_a_cache_write_costs_moves_the_break_even(write, questions):
    full, rag = routes(cache_write=write)
    assert break_even(full, rag) == pytest.approx(questions)
    assert full.money(int(questions) + 1) < rag.money(int(questions) + 1)
    assert full.money(int(questions) - 1) > rag.money(int(questions) - 1)


def test_where_the_cache_expires_every_question_is_a_first_one():
    full, rag = routes(cache_write=1.25, lifetime=300)
    assert break_even(full, rag, gap=300) == pytest.approx(57.5)
    assert break_even(full, rag, gap=301) is None
    assert full.money(10, gap=301) == pytest.approx(10 * full.first())


def test_without_a_cache_full_context_never_pays_and_a_cheaper_start_always_does():
    full, rag = routes()
    uncached = DocumentCost("full", (ModelCost(full.readings[0].price, 100_000, 0, 0, cached=False),))
    assert break_even(uncached, rag) is None
    assert uncached.money(7) == pytest.approx(7 * 0.1)
    assert break_even(rag, full) == 1.0
    indexed = DocumentCost("rag", (ModelCost(full.readings[0].price, 0, 12_000, 0),), once=0.05)
    assert break_even(full, indexed) == pytest.approx(20)  # .1 - .062 more at first, .012 - .01 less with each further


def test_storage_is_paid_by_the_hour_until_the_cache_expires():
    # Gemini 2.5 Pro (ai.google.dev/gemini-api/docs/pricing): 1.25 in, 10 out, .125 cached, 4.50 an hour for a million
    # cached tokens. 100,000 tokens, an hour of life, a question every 10 minutes, 500 own and 200 new tokens.
    price = Price(prompt=1.25, completion=10, cached=0.125, storage=4.5, lifetime=3600)
    full = DocumentCost("full", (ModelCost(price, 100_000, 500, 200),))
    each = 500 * 1.25e-6 + 200 * 10e-6
    assert full.first() == pytest.approx(0.125 + each + 0.45)
    assert full.further(600) == pytest.approx(0.0125 + each + 0.075)
    assert full.money(7, 600) == pytest.approx(0.125 + 6 * 0.0125 + 7 * each + 0.45 + 6 * 0.075)


def test_long_documents_pay_the_long_prices_for_every_token():
    # Claude Sonnet 4 with a long context (docs.claude.com, pricing): above 200,000 prompt tokens 6 in, 22.50 out; cache
    # writes are 1.25 times, reads .1 times the prompt's price.
    long = {"above": 200_000, "prompt": 6, "completion": 22.5, "cached": 0.6, "cache_write": 7.5}
    price = Price(prompt=3, completion=15, cached=0.3, cache_write=3.75, long_prompt=long, batch_factor=0.5)
    full = DocumentCost("full", (ModelCost(price, 300_000, 1_000, 100),))
    assert full.first() == pytest.approx(0.3 * 7.5 + 0.001 * 6 + 0.0001 * 22.5)
    assert full.further() == pytest.approx(0.3 * 0.6 + 0.001 * 6 + 0.0001 * 22.5)
    assert full.money(3, batch=True) == pytest.approx((full.first() + 2 * full.further()) / 2)
    rag = DocumentCost("rag", (ModelCost(price, 0, 12_000, 100),))
    assert rag.further() == pytest.approx(0.012 * 3 + 0.0001 * 15)


def test_a_provider_without_a_write_premium():
    # OpenAI, GPT-4.1 (openai.com/api/pricing): 2 in, .50 cached, 8 out; writing to the cache is not charged apart.
    price = Price(prompt=2, completion=8, cached=0.5)
    full = DocumentCost("full", (ModelCost(price, 100_000, 200, 100),))
    rag = DocumentCost("rag", (ModelCost(price, 0, 30_200, 100),))
    # .2 - .06 = .14 more at first, .06 - .05 = .01 less with each further question
    assert break_even(full, rag) == pytest.approx(15)


def test_a_short_common_beginning_is_not_cached():
    price = Price(prompt=1, completion=0, cached=0.1)
    short = DocumentCost("rag", (ModelCost(price, 1_023, 0, 0),))
    assert short.further() == pytest.approx(1_023e-6)
    assert DocumentCost("rag", (ModelCost(price, 1_024, 0, 0),)).further() == pytest.approx(102.4e-6)


def test_several_models_and_calls_are_added_up():
    long = {"above": 200_000, "prompt": 6, "completion": 0}
    main = ModelCost(Price(prompt=3, completion=0, long_prompt=long), 0, 300_000, 0, calls=3)  # 100,000 a call
    assert DocumentCost(
        "agents", (main, ModelCost(Price(prompt=1, completion=2), 0, 1_000, 50))
    ).first() == pytest.approx(0.9 + 0.001 + 0.0001)


def test_the_figure_marks_the_break_even_and_reaches_beyond_it():
    full, rag = routes(cache_write=1.25)
    assert break_even_sentences([full, rag]) == ["full costs no more than rag from 58 questions a document on."]
    uncached, _ = routes(cached=None)
    assert break_even_sentences([rag, uncached]) == ["full costs more than rag for any number of questions a document."]
    figure = draw_money({"": [full, rag]}, 10)
    [axes] = figure.axes
    assert [text.get_text() for text in axes.texts] == ["from 58"]
    assert axes.get_xlim()[1] > 57.5
    assert not draw_money({"": [full, rag]}, 5).axes[0].texts  # too far away


def test_a_route_has_one_colour_in_all_panels():
    full, rag = routes()
    figure = draw_money({"one": [full, rag], "other": [rag]}, 10)
    colours = [{line.get_label(): line.get_color() for line in axes.lines} for axes in figure.axes]
    assert colours[0]["rag"] == colours[1]["rag"] != colours[0]["full"]
    free = ModelCost(Price(prompt=0, completion=0), 0, 100, 0)
    assert draw_money({"": [DocumentCost("free", (free,))]}, 10).axes[0].get_yscale() == "linear"
