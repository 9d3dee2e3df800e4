"""What a server said, read from any body: objects, lists, strings, web pages; and how long it asks to wait."""

from __future__ import annotations

import email.utils
import time
from datetime import UTC, datetime, timedelta

import pytest

from ragvlc.engines.remote.error_words import codes_of, words_of
from ragvlc.engines.remote.waits import duration, seconds_to_wait


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no such model"}}, "no such model"),
        ({"error": "no such model"}, "no such model"),
        ({"message": "no such model"}, "no such model"),
        ({"object": "error", "message": "no such model", "code": 404}, "no such model"),
        ([{"error": {"code": 400, "message": "no such model"}}], "no such model"),
        ("no such model", "no such model"),
        ('{"error": {"message": "no such model"}}', "no such model"),
        ({"error": {"message": '{"error": {"message": "no such model"}}'}}, "no such model"),
        ({"errors": ["first", {"message": "second"}]}, "first; second"),
        ({"detail": "Not Found"}, "Not Found"),
        (
            {"detail": [{"loc": ["body", "top_k"], "msg": "bad"}, {"loc": ["body", "n"], "msg": "worse"}]},
            "body.top_k: bad; ",
        ),
        ({"detail": {"error": {"message": "no such model"}}}, "no such model"),
        ({"message": {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}}, "body.seed: Extra inputs"),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": "out of stock"}}}, "error: out of stock"),
        ({"fault": {"faultstring": "Spike arrest", "detail": {"errorcode": "x"}}}, "Spike arrest"),
        ({"Message": "not allowed"}, "not allowed"),
        ({"error": "invalid_request", "error_description": "why"}, "invalid_request"),
        ({"title": "Bad Request", "status": 400}, "Bad Request"),
        ({"errors": {"model": ["is unknown"]}}, "model: is unknown"),
        ({"error_msg": "quota"}, "quota"),
        ({"odd": 1}, '{"odd": 1}'),
        (None, ""),
        ({}, ""),
        ([], ""),
        ("", ""),
        ("line one\n  line two", "line one line two"),
    ],
)
def test_the_servers_words_are_found(body: object, words: str) -> None:
    found = words_of(body)
    assert words in found
    assert bool(found) == bool(words)
    assert "\n" not in found


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            (
                "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1>"
                "</center><hr><center>nginx</center></body></html>"
            ),
            "a web page titled '502 Bad Gateway': nginx",
        ),
        (
            "\n<html lang=en><title>Just a moment...</title><script>var a = '<p>x</p>';</script><p>Checking &amp; more",
            "a web page titled 'Just a moment...': Checking & more",
        ),
        ("<html>forbidden</html>", "a web page without a title: forbidden"),
        ("<?xml version='1.0'?><!-- x --><!doctype html><html></html>", "a web page without a title"),
    ],
)
def test_a_web_page_is_its_title_and_first_words(page: str, words: str) -> None:
    assert words_of(page) == words


def test_a_long_list_and_a_deep_body_stay_short() -> None:
    many = {"detail": [{"loc": ["body", i], "msg": "bad"} for i in range(50)]}
    assert words_of(many).endswith("body.4: bad; and 45 more")
    deep: object = "end"
    for _ in range(5000):
        deep = {"error": deep}
    assert words_of(deep) == ""
    assert words_of("[" * 100_000) == "[" * 100_000
    assert codes_of(deep) == frozenset()


def test_codes_are_those_of_the_errors_inside() -> None:
    body = [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"reason": "RATE"}]}}]
    assert codes_of(body) == {"429", "resource_exhausted", "rate"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("31.2s", 31.2),
        ("1m3s", 63),
        ("1h2m3s", 3723),
        ("6ms", 0.006),
        ("2m59.56s", 179.56),
        ("20 minutes", 1200),
        ("1 minute and 30 seconds", 90),
        ("1 day", 86400),
        ("PT31S", 31),
        ("soon", None),
        ("-5", None),
        ("5 apples", None),
        ("", None),
        ("nan", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("quota exceeded, retry in 31.2s", 31.2),
        ("Rate limit reached. Please try again in 1m3s. Visit the page to learn more.", 63),
        ("Please try again in 6ms.", 0.006),
        ("Please retry after 26 seconds.", 26),
        ("You may retry your request in 2 minutes", 120),
        ("wait 10 seconds before retrying", 10),
        ("The limit resets in 1 hour", 3600),
        ("Model tiny is loading, available again in 20s", 20),
        ("retry with 5 fewer seconds", None),
        ("Try again later.", None),
        ("Limit 30000, Used 20000. Retry", None),
        ("try again: 3 of 5 workers are down", None),
    ],
)
def test_waits_in_sentences(words: str, seconds: float | None) -> None:
    assert seconds_to_wait({}, None, words) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Retry-After: 12", 12),
        ("Slow down, try again after 20.", 20),
        ("Retry after 3 requests", None),
        ("Bitte in 5 Sekunden erneut versuchen", 5),
        ("Réessayez dans 2 minutes", 120),
        ("Inténtelo de nuevo en 5 segundos", 5),
        ("请在5秒后重试", 5),
    ],
)
def test_waits_in_bare_numbers_and_other_languages(words: str, seconds: float | None) -> None:
    assert seconds_to_wait({}, None, words) == seconds


def test_waits_that_a_gateway_passes_on() -> None:
    until = str(int((time.time() + 7) * 1000))
    passed_on = seconds_to_wait({}, {"error": {"metadata": {"headers": {"X-RateLimit-Reset": until}}}}, "")
    assert passed_on is not None
    assert 4 < passed_on < 8
    assert seconds_to_wait({"x-ms-retry-after-ms": "4000"}, None, "") == 4


def test_waits_in_bodies() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
    google = [{"error": {"code": 429, "message": "quota, retry in 99s", "details": [{"x": 1}, info]}}]
    assert seconds_to_wait({}, google, "quota, retry in 99s") == 31
    assert seconds_to_wait({}, {"message": "slow down", "retry_after": 1.5}, "") == 1.5
    assert seconds_to_wait({}, {"error": {"retry_after_ms": 250}}, "") == 0.25
    assert seconds_to_wait({}, {"error": "Model is loading", "estimated_time": 20.5}, "") == 20.5


def test_waits_in_headers_come_first() -> None:
    said = "try again in 99s"
    assert seconds_to_wait({"retry-after-ms": "1500", "retry-after": "7"}, None, said) == 1.5
    assert seconds_to_wait({"retry-after": "7"}, None, said) == 7
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 25 < (seconds_to_wait({"retry-after": date}, None, said) or 0) <= 30
    assert seconds_to_wait({"retry-after": email.utils.formatdate(0, usegmt=True)}, None, said) == 0
    assert seconds_to_wait({"retry-after": "whenever"}, None, said) == 99
    assert seconds_to_wait({"retry-after": "1e999"}, None, "") is None


def test_a_rate_limit_that_is_used_up_says_when_it_is_full_again() -> None:
    openai = {
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "6m0s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "12s",
    }
    assert seconds_to_wait(openai, None, "") == 12
    assert seconds_to_wait(openai, None, "try again in 3s") == 3
    until = (datetime.now(UTC) + timedelta(seconds=40)).isoformat().replace("+00:00", "Z")
    anthropic = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": until}
    assert 35 < (seconds_to_wait(anthropic, None, "") or 0) <= 40
    for epoch in (time.time() + 40, 1000 * (time.time() + 40)):
        assert 35 < (seconds_to_wait({"x-ratelimit-reset": f"{epoch:.0f}"}, None, "") or 0) <= 41
    assert seconds_to_wait({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "9s"}, None, "") is None
