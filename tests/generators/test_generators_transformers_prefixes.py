"""Shared prefixes are computed once, requests join and leave, and no answer changes."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.engines.batching.packed import PackedBatch
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.shared_prefix import SharedPrefix
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.hardware import memory_plan as _memory_plan

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "after", "what", "is", "answer", "to", "question"]


def text(seed: int, words: int) -> str:
    """The same words for the same seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def asked(document: str, question: str, **settings: object) -> Request:
    """A question after a document."""
    return Request(Prompt("{d}\n{q}", {"d": document, "q": question}), **{"max_tokens": 8, **settings})


def mixed(count: int) -> list[Request]:
    """Questions over three documents, cut at several places: greedy and sampled, some with stop texts."""
    chance, documents = random.Random(5), [text(n, words) for n, words in enumerate((30, 45, 70))]
    return [
        asked(
            (document := chance.choice(documents))[: chance.choice([len(document), len(document), 60, 9])],
            text(n, chance.randint(1, 12)),
            max_tokens=chance.randint(1, 14),
            temperature=chance.choice([0.0, 0.0, 1.3]),
            seed=n,
            stop=chance.choice([(), ("at",)]),
            logprobs=True,
        )
        for n in range(count)
    ]


def opened(folder: Path, **fields: object):
    """The tiny model on the CPU."""
    return TransformersGenerator(**{"model": str(folder), "device": "cpu", **fields}).open()


@pytest.fixture(scope="module")
def plain(tiny_model: Path):
    """The reference: one request at a time, nothing reused."""
    engine = opened(tiny_model, batch_size=1)
    yield engine
    engine.close()


def check_equal(found: list[Generation], expected: list[Generation]) -> None:
    """Same tokens, texts and ends, and log-probabilities but for rounding."""
    for one, other in zip(found, expected, strict=True):
        assert (one.token_ids, one.text, one.finish) == (other.token_ids, other.text, other.finish)
        assert one.logprobs == (None if other.logprobs is None else pytest.approx(other.logprobs, abs=1e-4))


def one_by_one(engine, requests: list[Request]) -> list[Generation]:
    """Each request in a call of its own."""
    return [engine.generate([request])[0] for request in requests]


def from_threads(engine, requests: list[Request], threads: int = 6) -> list[Generation]:
    """Each thread asks its share, a request at a time."""
    found: dict[int, Generation] = {}

    def work(first: int) -> None:
        for place in range(first, len(requests), threads):
            found[place] = engine.generate([requests[place]])[0]

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [found[place] for place in range(len(requests))]


@pytest.mark.parametrize("ask", [one_by_one, from_threads, lambda engine, requests: engine.generate(requests)])
@pytest.mark.parametrize("settings", [{}, {"prefix_cache_mb": 0}, {"batch_tokens": 200}, {"batch_size": 3}], ids=str)
def test_no_answer_depends_on_its_batch_or_on_the_prefix_cache(tiny_model: Path, plain, ask, settings) -> None:
    engine, requests = opened(tiny_model, **settings), mixed(24)
    assert isinstance(engine._scheduler._batch, PackedBatch)
    found = ask(engine, requests)
    check_equal(found, one_by_one(plain, requests))
    cached = sum(one.usage.cached_tokens for one in found)
    assert (cached == 0) == (settings.get("prefix_cache_mb") == 0)
    engine.close()


def test_many_short_passes_are_one_long_pass(tiny_model: Path, plain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory_plan, "PASS_TOKENS", 7)
    requests, engine = mixed(12), opened(tiny_model)
    assert engine._scheduler._batch._limits.tokens == 7
    check_equal(engine.generate(requests), one_by_one(plain, requests))


def test_a_document_is_computed_once(tiny_model: Path, plain) -> None:
    engine, document = opened(tiny_model), text(3, 90)
    requests = [asked(document, text(n, 3)) for n in range(8)]
    together = engine.generate(requests)
    check_equal(together, one_by_one(plain, requests))
    new = [one.usage.prompt_tokens - one.usage.cached_tokens for one in together]
    whole = new.index(max(new))
    assert together[whole].usage.cached_tokens == 0
    assert max(new) > 90
    assert sum(new) - max(new) < 7 * 20
    assert len(engine._scheduler._batch._prefixes) == 1
    # Of the very same prompt, only the last token is computed: the answer follows from it.
    (again,) = engine.generate([requests[whole]])
    assert again.token_ids == together[whole].token_ids
    assert again.usage.prompt_tokens - again.usage.cached_tokens == 1


def test_half_a_prompt_in_common_is_copied(tiny_model: Path, plain) -> None:
    engine, beginning = opened(tiny_model), text(1, 40)
    requests = [asked(f"{beginning} {text(n, 40)}", "what is the answer") for n in (7, 8)]
    found = one_by_one(engine, requests)
    check_equal(found, one_by_one(plain, requests))
    assert found[0].usage.cached_tokens == 0
    assert 40 <= found[1].usage.cached_tokens < found[1].usage.prompt_tokens - 40
    assert len(engine._scheduler._batch._prefixes) == 2


def test_a_shared_prefix_grows_and_closes_its_gaps(tiny_model: Path, plain) -> None:
    engine, document = opened(tiny_model, batch_size=4), text(3, 90)
    requests = [asked(document, text(n, 2), max_tokens=1 + (7 * n) % 30) for n in range(40)]
    check_equal(engine.generate(requests), one_by_one(plain, requests))
    (prefix,) = engine._scheduler._batch._prefixes._entries.values()
    assert prefix.idle
    assert prefix.used == len(prefix.tokens)
    # Forty questions have written some 700 slots after the document; four at a time need far fewer.
    assert prefix.capacity < len(prefix.tokens) + 4 * 40 + len(prefix.tokens)


def test_the_prefix_cache_stays_within_its_bytes(tiny_model: Path) -> None:
    engine = opened(tiny_model, prefix_cache_mb=1)
    cache = engine._scheduler._batch._prefixes
    for n in range(60):
        engine.generate([asked(text(100 + n, 120), "the cat", max_tokens=2)])
        assert cache.bytes <= 2**20
    assert 3 < len(cache) < 60
    for n, expected in ((59, True), (0, False)):  # the latest is there, the earliest is not
        (found,) = engine.generate([asked(text(100 + n, 120), "the dog", max_tokens=2)])
        assert (found.usage.cached_tokens > 50) == expected
    engine.close()
    assert engine._scheduler is None


def test_the_least_recently_used_is_evicted_first_and_never_one_in_use() -> None:
    class Held(SharedPrefix):
        bytes = 10

    cache = PrefixCache(25)
    one, two, three = (Held(np.arange(n, n + 20), 40) for n in (0, 100, 200))
    for prefix in (one, two):
        cache.add(prefix)
    assert cache.longest_match(np.arange(0, 10)) == (one, 10)
    assert cache.longest_match(np.array([*range(100, 105), 7])) == (two, 5)
    assert cache.longest_match(np.array([7])) == (None, 0)
    cache.add(one)
    cache.add(three)
    cache.evict()
    assert [cache.longest_match(prefix.tokens)[0] for prefix in (one, two, three)] == [one, None, three]
    one.sequences.append(object())
    cache.add(two)
    cache.evict()
    assert [cache.longest_match(prefix.tokens)[0] for prefix in (one, two, three)] == [one, two, None]
    assert cache.evict_idle()
    assert not cache.evict_idle()
    assert cache.longest_match(one.tokens) == (one, 20)
    nothing = PrefixCache(0)
    nothing.add(one)
    assert nothing.longest_match(one.tokens) == (None, 0)


def test_smollm2_in_float32_is_plain_generate(language_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    engine = TransformersGenerator(device="cpu", dtype="float32").open()
    document = " ".join(
        f"In {1900 + n} the {WORDS[n % 15]} of village {n} was {n * 37 % 91} metres high." for n in range(20)
    )
    questions = ["How high was it in 1907?", "Which village is named last?", "Say hello.", "What happened in 1912?"]
    requests = [asked(document[: len(document) // (1 + n % 2)], one, max_tokens=12) for n, one in enumerate(questions)]
    found = engine.generate(requests)
    assert sum(one.usage.cached_tokens > 200 for one in found) >= 2
    model = AutoModelForCausalLM.from_pretrained(language_model, dtype=torch.float32)
    for request, one in zip(requests, found, strict=True):
        ids = torch.tensor([TransformersGenerator().tokenizer().render(request.prompt)])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12)
        assert list(one.token_ids) == out[0, ids.shape[1] :].tolist()
    engine.close()


def test_the_cost_of_a_shared_prefix_is_reported_to_the_requests_that_share_it(tiny_model: Path) -> None:
    """The first is charged; the others report the seconds saved, whether they share or copy."""
    document = text(3, 80)
    engine = opened(tiny_model)
    first = one_by_one(engine, [asked(document, "one one")])[0].timing
    others = [one.timing for one in one_by_one(engine, [asked(document, f"word {n}") for n in range(3)])]
    assert first.phases["saved"] == 0
    for timing in others:
        assert 0.5 * first.phases["prefill"] < timing.phases["saved"] <= first.phases["prefill"]
        assert timing.engine_seconds == pytest.approx(timing.phases["prefill"] + timing.phases["decode"])
    together = [one.timing.phases["saved"] for one in opened(tiny_model).generate(
        [asked(document, f"word {n}") for n in range(4)]
    )]  # fmt: skip
    assert sorted(saved > 0 for saved in together) == [False, True, True, True]


def test_a_copied_prefix_passes_its_cost_on(tiny_model: Path) -> None:
    engine = opened(tiny_model)
    start = text(5, 60)
    whole = [asked(start + " " + text(seed, 50), "word") for seed in (6, 7)]
    first, copied = (one.timing for one in one_by_one(engine, whole))
    [again] = one_by_one(engine, [asked(start + " " + text(7, 50), "one two")])
    assert 0 < copied.phases["saved"] < first.phases["prefill"]
    assert again.usage.cached_tokens > 0
    assert again.timing.phases["saved"] > copied.phases["saved"]


def test_a_cold_request_takes_nothing_and_leaves_nothing(tiny_model: Path, plain) -> None:
    document = text(4, 80)
    engine = opened(tiny_model)
    cold = asked(document, "one one", cold=True)
    found = one_by_one(engine, [cold, cold, asked(document, "one two"), asked(document, "two"), cold])
    assert [one.usage.cached_tokens > 0 for one in found] == [False, False, False, True, False]
    assert len({one.token_ids for one in (found[0], found[1], found[4])}) == 1
