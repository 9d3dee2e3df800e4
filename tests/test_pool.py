"""Models opened once, values computed once, arrays kept on disk."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ragvlc.core.engines import TextEngine, VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Embedder
from ragvlc.generators.scripted import Scripted
from ragvlc.memo.disk import Cache
from ragvlc.memo.once import Once
from ragvlc.pool import EnginePool
from ragvlc.testing import WordPairs, WordVectors

THREADS = 8


def at_once(work, threads=THREADS):
    """Runs `work(number)` in threads that start together; returns results or errors by number."""
    gate = threading.Barrier(threads)

    def one(number):
        gate.wait()
        try:
            return work(number)
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(one, range(threads)))


# ---------------------------------------------------------------- Once


def test_threads_that_ask_together_get_one_computation():
    once, computed = Once(), []

    def compute():
        computed.append(threading.get_ident())
        time.sleep(0.05)
        return object()

    found = at_once(lambda _: once.get("stage", "key", compute))
    assert len(computed) == 1
    assert len({id(one.value) for one in found}) == 1
    assert sorted(one.reused for one in found) == [False] + [True] * (THREADS - 1)
    assert once.asked["stage"] == THREADS
    assert once.computed["stage"] == 1


def test_stages_and_keys_are_apart():
    once = Once()
    assert once.get("a", "k", lambda: 1).value == 1
    assert once.get("b", "k", lambda: 2).value == 2
    assert once.get("a", "l", lambda: 3).value == 3
    assert once.get("a", "k", lambda: 4).value == 1


def test_of_many_only_the_missing_are_computed_once_each():
    once, computed = Once(), []

    def compute(places):
        computed.append(places)
        return [place * 10 for place in places]

    once.get("s", "b", lambda: "old")
    found = once.many("s", ["a", "b", "c", "a"], compute)
    assert computed == [[0, 2]]
    assert [(one.value, one.reused) for one in found] == [(0, False), ("old", True), (20, False), (0, True)]
    assert once.asked["s"] == 5
    assert once.computed["s"] == 3


def test_two_batches_that_overlap_wait_for_each_other_without_locking_up():
    once = Once()

    def ask(number):
        keys = ["a", "b", "c"] if number % 2 else ["c", "b", "a"]
        return [one.value for one in once.many("s", keys, lambda places: [keys[place] for place in places])]

    for number, values in enumerate(at_once(ask)):
        assert values == (["a", "b", "c"] if number % 2 else ["c", "b", "a"])
    assert once.computed["s"] == 3


def test_an_error_reaches_everyone_who_waits_and_is_forgotten():
    once, calls = Once(), []
    started = threading.Event()

    def fail():
        calls.append("fail")
        started.set()
        time.sleep(0.1)
        raise RuntimeError("no memory")

    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(once.get, "s", "k", fail)
        started.wait(5)
        second = executor.submit(once.get, "s", "k", fail)
        for waiting in (first, second):
            with pytest.raises(RuntimeError, match="no memory"):
                waiting.result(5)
    assert calls == ["fail"]
    assert once.computed["s"] == 0
    found = once.get("s", "k", lambda: "now it works")
    assert (found.value, found.reused) == ("now it works", False)


def test_too_few_values_are_an_error_and_nobody_waits_for_ever():
    once = Once()
    with pytest.raises(ValueError, match="2 values of 's' were to be computed, 1 came back"):
        once.many("s", ["a", "b"], lambda places: [1])
    found = once.many("s", ["a", "b"], lambda places: [1, 2])
    assert [one.value for one in found] == [1, 2]


def test_what_was_asked_for_least_recently_goes_first():
    once = Once(capacity=2)
    once.get("s", "a", lambda: 1)
    once.get("s", "b", lambda: 1)
    once.get("s", "a", lambda: 2)  # touched
    once.get("s", "c", lambda: 1)  # pushes out b
    assert once.get("s", "a", lambda: 3).value == 1
    assert not once.get("s", "b", lambda: 4).reused


# ---------------------------------------------------------------- arrays on disk


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path)


def built(store, value=1.0):
    """Returns what the store gives for a key, and whether it had to be built."""
    calls = []

    def build():
        calls.append(1)
        return {"x": np.full(200, value, np.float32), "n": np.array(3)}

    return store.arrays("abcd", build), bool(calls)


def test_arrays_are_built_once_and_read_back(store, tmp_path):
    first, was_built = built(store)
    assert was_built
    again, was_built = built(Cache(tmp_path), value=2.0)
    assert not was_built
    assert again.keys() == first.keys()
    for name in first:
        np.testing.assert_array_equal(again[name], first[name])
        assert again[name].dtype == first[name].dtype


def only_file(folder):
    [path] = [path for path in folder.rglob("*") if path.is_file()]
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: b"not an archive",
        lambda data: data[:300] + b"\xff" + data[301:],  # one byte of an array
        lambda data: b"\x93NUMPY" + data,
    ],
    ids=["empty", "torn early", "torn late", "text", "one byte", "another format"],
)
def test_a_damaged_file_is_built_again_with_a_warning(store, tmp_path, caplog, damage):
    built(store)
    path = only_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    arrays, was_built = built(store)
    assert was_built
    assert arrays["x"][0] == 1.0
    assert str(path) in caplog.text
    assert "built again" in caplog.text
    caplog.clear()
    assert not built(store)[1]
    assert caplog.text == ""


def test_no_flipped_byte_stops_the_work_or_changes_a_value(store, tmp_path):
    built(store)
    path = only_file(tmp_path)
    data = path.read_bytes()
    directory = range(len(data) - 130, len(data))  # where libraries fail in the most ways
    for place in [*range(0, len(data), 23), *directory]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        arrays, _ = built(store)
        assert (arrays["x"] == 1.0).all(), place


def test_nothing_is_left_of_a_build_that_failed(store, tmp_path):
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.arrays("abcd", fail)
    assert list(tmp_path.rglob("*")) == []


# ---------------------------------------------------------------- models


class Noted(Scripted):
    """Notes what is opened and closed."""

    def open(self) -> TextEngine:
        time.sleep(0.02)
        EVENTS.append(f"open {self.default}")
        engine = super().open()
        engine.close = lambda: EVENTS.append(f"close {self.default}")
        return engine


EVENTS: list[str] = []


@pytest.fixture(autouse=True)
def no_events():
    EVENTS.clear()


def test_a_model_is_opened_once_and_all_are_closed_together(tmp_path):
    with EnginePool() as pool:
        engines = at_once(lambda number: pool.text(Noted(default="x")))
        other = pool.text(Noted(default="y"))
        assert len({id(engine) for engine in engines}) == 1
        assert other is not engines[0]
        assert EVENTS == ["open x", "open y"]
    assert sorted(EVENTS) == ["close x", "close y", "open x", "open y"]
    pool.close()
    assert len(EVENTS) == 4  # closed once
    pool.text(Noted(default="x"))
    assert EVENTS[-1] == "open x"


def test_settings_that_do_not_change_the_output_share_a_model(tmp_path):
    pool = EnginePool()
    assert pool.text(Noted(seconds_per_call=0.0)) is pool.text(Noted(seconds_per_call=0.1))
    assert pool.text(Noted(temperature=0.5)) is not pool.text(Noted())


def test_a_tokenizer_opens_no_model(tmp_path):
    pool = EnginePool()
    assert pool.tokenizer(Noted()) is pool.tokenizer(Noted())
    assert EVENTS == []


class FirstFails(Embedder):
    """Opens at the second attempt."""

    def open(self) -> VectorEngine:
        EVENTS.append("open")
        if len(EVENTS) == 1:
            raise EngineError("out of memory", transient=True)
        return WordVectors()


def test_a_model_that_cannot_be_opened_is_tried_again(tmp_path):
    with EnginePool() as pool:
        with pytest.raises(EngineError, match="out of memory"):
            pool.vectors(FirstFails())
        assert pool.vectors(FirstFails()) is pool.vectors(FirstFails())
    assert EVENTS == ["open", "open"]


class Bare(Scripted):
    """Has an engine, a tokenizer or nothing at all in which something is missing."""

    gone: str = ""

    def open(self) -> TextEngine:
        engine = super().open()
        names = [name for name in ("window", "generate", "close") if name not in self.gone]
        made = type("BareEngine", (), {name: getattr(engine, name) for name in names})
        if "close" in names:
            made.close = lambda _: EVENTS.append("close")
        return None if self.gone == "everything" else made()

    def tokenizer(self):
        return object()


class Vectorless(Embedder):
    """Has an engine that embeds nothing."""

    def open(self) -> VectorEngine:
        return WordPairs()


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("close", "open() returned a BareEngine without close. A TextEngine has window, generate, close"),
        ("generate window", "open() returned a BareEngine without window and generate. A TextEngine has"),
        ("everything", "open() returned None. A TextEngine has window, generate, close"),
    ],
)
def test_an_engine_in_which_something_is_missing_is_refused_when_it_opens(gone, told):
    with EnginePool() as pool:
        with pytest.raises(EngineError) as refused:
            pool.text(Bare(gone=gone))
        assert str(refused.value).startswith(f"generators kind 'test_pool:Bare': {told}")
        assert "ragvlc.core.engines.TextEngine" in str(refused.value)
        assert (["close"] if gone == "generate window" else []) == EVENTS  # what can be closed is
    assert len(EVENTS) < 2  # and there is nothing left to close


def test_embedders_tokenizers_and_other_opened_things_are_looked_at_too():
    with EnginePool() as pool:
        with pytest.raises(EngineError, match=r"embedders kind .* returned a WordPairs without embed\. A VectorEngine"):
            pool.vectors(Vectorless())
        with pytest.raises(EngineError, match=r"tokenizer\(\) returned a object without id and count and spans and"):
            pool.tokenizer(Bare())
        with pytest.raises(EngineError, match=r"open\(\) returned a object without close\. A Closable has close"):
            pool.opened(Bare(), object)
