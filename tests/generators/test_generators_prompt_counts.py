"""Prompts that a server cut in silence are noticed by its count, and the count of a prefix cache is no cut."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chat_server import ChatServer, Handler, chunk, stream, usage
from tiny_chat import CHAT_TEMPLATE, make_tokenizer

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.generators.openai_compatible import OpenAICompatible

LONG = "the cat sat " * 700
OTHER = "a dog ran on " * 700


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny_tokenizer")
    make_tokenizer().save_pretrained(folder)
    return str(folder)


class Counting:
    """A server that counts prompts with the tiny tokenizer, and then says something else."""

    def __init__(self, told: Callable[[int, str], tuple[int, int | None]], template: str = CHAT_TEMPLATE) -> None:
        self._tokenizer = make_tokenizer(template)
        self._told = told

    def __call__(self, handler: Handler, body: dict) -> None:
        found = self._tokenizer.apply_chat_template(body["messages"], add_generation_prompt=True, return_dict=True)
        prompt, cached = self._told(len(found["input_ids"]), body["messages"][-1]["content"])
        stream(chunk("Paris."), chunk(finish="stop"), usage(prompt, 2, cached))(handler, body)


def ask(server: ChatServer, folder: str, *texts: str, at_once: bool = False, **fields: object) -> list[Generation]:
    spec = OpenAICompatible(url=server.url, model="tiny", window=100_000, tokenizer_from=folder, **fields)
    engine = spec.open()
    requests = [Request(Prompt("{t}", {"t": text}), max_tokens=5) for text in texts]
    try:
        if at_once:
            return engine.generate(requests)
        return [one for request in requests for one in engine.generate([request])]
    finally:
        engine.close()


def unread(found: list[Generation]) -> list[int]:
    return [one.notes.get("unread_tokens", 0) for one in found]


def test_a_prompt_that_the_server_cut_is_noted_with_what_is_missing(server: ChatServer, folder: str) -> None:
    server.default = Counting(lambda size, _: (min(size, 1000), None))
    short, long, again = unread(ask(server, folder, "the cat", LONG, LONG + " sat"))
    assert short == 0
    assert 1000 < long < again  # the same prefix was never read whole


@pytest.mark.parametrize(("share", "cut"), [(0.99, False), (0.985, False), (0.97, True), (0.5, True)])
def test_two_percent_are_no_cut(server: ChatServer, folder: str, share: float, cut: bool) -> None:
    server.default = Counting(lambda size, _: (int(size * share), None))
    assert bool(unread(ask(server, folder, LONG))[0]) == cut


@pytest.mark.parametrize(("less", "cut"), [(30, False), (32, False), (33, True)])
def test_thirty_two_tokens_are_no_cut(server: ChatServer, folder: str, less: int, cut: bool) -> None:
    server.default = Counting(lambda size, _: (size - less, None))
    assert bool(unread(ask(server, folder, "the cat sat " * 40))[0]) == cut


def test_cached_tokens_that_are_counted_apart_are_added(server: ChatServer, folder: str) -> None:
    server.default = Counting(lambda size, _: (size - 1024, 1024))
    assert unread(ask(server, folder, LONG)) == [0]
    server.default = Counting(lambda size, _: (size - 300, 1024))  # a cut prompt, of which the cached are a part
    assert unread(ask(server, folder, LONG)) != [0]


def test_a_count_without_the_cached_prefix_is_no_cut_once_that_was_read_whole(server: ChatServer, folder: str) -> None:
    """As older Ollama and llama.cpp count: only what is new in the prompt, without telling what was cached."""
    seen: list[str] = []
    tokenizer = make_tokenizer()

    def new_ones(size: int, text: str) -> tuple[int, None]:
        shared = max((_common(text, one) for one in seen), default=0)
        seen.append(text)
        return size - len(tokenizer(text[:shared], add_special_tokens=False)["input_ids"]), None

    server.default = Counting(new_ones)
    asked = [LONG + "who ", LONG + "why ", LONG + "why not ", OTHER, LONG[: len(LONG) // 2] + OTHER, OTHER + "why "]
    assert unread(ask(server, folder, *asked)) == [0] * 6


def test_the_same_count_without_such_a_prompt_before_is_a_cut(server: ChatServer, folder: str) -> None:
    whole = iter([True, False, False])
    server.default = Counting(lambda size, _: (size if next(whole) else 400, None))
    first, shared, other = unread(ask(server, folder, LONG, LONG[: len(LONG) // 3] + OTHER, OTHER))
    assert first == 0
    assert shared > 0  # what is missing is no beginning that the two share
    assert other > 0


def test_a_prompt_waits_for_the_one_whose_cache_it_may_have_used(server: ChatServer, folder: str) -> None:
    second_is_done = threading.Event()

    def first_is_slow(handler: Handler, body: dict) -> None:
        text = body["messages"][-1]["content"]
        if text == LONG:
            second_is_done.wait(30)
            whole(handler, body)
        else:
            cached(handler, body)
            second_is_done.set()

    tokenizer = make_tokenizer()
    size = len(tokenizer(LONG, add_special_tokens=False)["input_ids"])
    whole, cached = Counting(lambda size, _: (size, None)), Counting(lambda all_, _: (all_ - size, None))
    server.default = first_is_slow
    with ThreadPoolExecutor(1) as pool:
        assert unread(pool.submit(ask, server, folder, LONG, LONG + "why", at_once=True).result(60)) == [0, 0]
    second_is_done.clear()
    whole = Counting(lambda size, _: (300, None))  # the first was cut too: then so was the second
    first, second = unread(ask(server, folder, LONG, LONG + "why", at_once=True))
    assert min(first, second) > 0


def test_a_template_that_adds_less_than_ours_is_no_cut(server: ChatServer, tmp_path: Path) -> None:
    ours = "{% if messages[0]['role'] != 'system' %}" + "the cat sat on a dog " * 30 + "{% endif %}" + CHAT_TEMPLATE
    make_tokenizer(ours).save_pretrained(tmp_path)
    server.default = Counting(lambda size, _: (size, None))
    assert unread(ask(server, str(tmp_path), "the cat sat", LONG)) == [0, 0]
    server.default = Counting(lambda size, _: (size // 2, None))
    assert unread(ask(server, str(tmp_path), LONG))[0] > 0
    server.default = Counting(lambda size, _: (size, None))
    assert unread(ask(server, str(tmp_path), "the cat", system="the dog " * 50)) == [0]


def test_without_a_count_or_an_exact_tokenizer_nothing_is_said(server: ChatServer, folder: str) -> None:
    server.default = stream(chunk("Paris."), chunk(finish="stop"))
    assert unread(ask(server, folder, LONG)) == [0]
    server.default = stream(chunk("Paris."), chunk(finish="stop"), usage(0, 0))
    assert unread(ask(server, folder, LONG)) == [0]
    server.default = stream(chunk("Paris."), chunk(finish="stop"), usage(7, 1))
    engine = OpenAICompatible(url=server.url, model="tiny", window=100_000).open()
    assert "unread_tokens" not in engine.generate([Request(Prompt(LONG), max_tokens=5)])[0].notes
    engine.close()


def _common(left: str, right: str) -> int:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return left.rfind(" ", 0, place) + 1
    return min(len(left), len(right))
