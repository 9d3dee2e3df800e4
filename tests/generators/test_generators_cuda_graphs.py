"""Fast decoder in plain PyTorch, on a CPU: it gives the logits of the library's model, or it is not used."""

from __future__ import annotations

import pytest
import torch
import transformers
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.batching.packed_with_graphs import PackedBatchWithGraphs
from ragvlc.engines.batching.prefix_cache import PrefixCache
from ragvlc.engines.batching.sampling import SamplingDistribution
from ragvlc.engines.batching.shared_prefix import PackedSegment, SharedPrefix
from ragvlc.engines.batching.support import switch_to_packed_attention
from ragvlc.engines.cuda_graphs import graphs as _graphs
from ragvlc.engines.cuda_graphs.graphs import SPARE_SLOTS, EagerDecoder, build_decoder
from ragvlc.engines.cuda_graphs.self_test import SelfTestedDecoder
from ragvlc.engines.cuda_graphs.split_key_attention import split_attention
from ragvlc.engines.decode_state.kv_cache import GraphKVCache, PreallocatedKVCache, new_prefix, prefill
from ragvlc.engines.decode_state.states import DecodeStates
from ragvlc.generators.transformers import TransformersGenerator

SIZES = {
    "vocab_size": 90,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0}
LLAMA3 |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 32}
SERVED = {
    "Llama": {"head_dim": 16},
    "Llama with stretched positions": {"head_dim": 16, "rope_parameters": LLAMA3, "tie_word_embeddings": True},
    "Mistral": {"head_dim": 32, "sliding_window": None},
    "Qwen2": {"num_attention_heads": 3, "num_key_value_heads": 3},
    "Qwen3": {"head_dim": 16},
}
OTHERS = {
    "Gemma": ({"head_dim": 16}, "SiLU"),
    "Olmo2": ({}, "other parts"),
    "Phi3": ({"pad_token_id": 0}, "not a plain linear"),
    "GPTNeoX": ({}, "layers and output head"),
    "Llama": ({"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 24}, "24 wide"),
    "Llama with biases": ({"head_dim": 16, "attention_bias": True}, "bias"),
}


def made(kind: str, settings: dict):
    torch.manual_seed(0)
    name = kind.split(maxsplit=1)[0]
    config = getattr(transformers, f"{name}Config")(**{**SIZES, **settings})
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    for name, one in model.named_parameters():
        if "norm" in name or "bias" in name:
            torch.nn.init.normal_(one, 1.0, 0.3)
    return model


@pytest.mark.parametrize("piece", [1, 7, 40, 4096])
@pytest.mark.parametrize(("n", "heads", "shared"), [(1, 6, 2), (5, 6, 2), (11, 4, 4), (3, 8, 1), (20, 2, 2)])
def test_split_attention_is_attention(n, heads, shared, piece) -> None:
    """Pieces that some rows do not see at all, a ragged last one, as many rows as keys."""
    torch.manual_seed(n)
    for columns in (n, 20, 93):
        query, (keys, values) = torch.randn(n, heads, 16), torch.randn(2, shared, columns, 16)
        seen = torch.ones(n, columns, dtype=torch.bool).tril(columns - n)
        wide = [one.repeat_interleave(heads // shared, dim=0) for one in (keys, values)]
        expected = torch.nn.functional.scaled_dot_product_attention(
            query.transpose(0, 1), *wide, attn_mask=seen, scale=0.3
        )
        found = split_attention(query, keys, values, 0.3, piece=piece)
        assert torch.allclose(found, expected.transpose(0, 1), atol=1e-5)


@pytest.mark.parametrize("kind", SERVED)
def test_the_decoder_gives_the_logits_of_the_librarys_model(kind) -> None:
    model = made(kind, SERVED[kind])
    assert not switch_to_packed_attention(model, "sdpa")
    with torch.inference_mode():
        ids = torch.randint(0, 90, (60,)).tolist()
        expected = model(torch.tensor([ids]), use_cache=False, logits_to_keep=60, ragvlc_segments=parts(ids)).logits[0]
        weights = sum(one.numel() for one in model.parameters())
        decoder, problem = build_decoder(model, anywhere=True)
        assert isinstance(decoder, EagerDecoder), problem
        assert weights == sum(one.numel() for one in model.parameters())
        distribution = SamplingDistribution(1.0, 1.0, 90)
        both = [new_prefix([0], 60 + SPARE_SLOTS) for _ in range(2)]
        plain, static = PreallocatedKVCache(model, both[0]), GraphKVCache(model, both[1], decoder)
        for keys in (plain, static):
            prefill(keys, ids[:40], model.device)
        for start, stop, back in ((40, 41, 0), (41, 46, 3), (43, 44, 1), (43, 60, 17), (43, 60, 0)):
            found = static.probabilities(ids[start:stop], stop - start, distribution)
            assert torch.allclose(found, plain.probabilities(ids[start:stop], stop - start, distribution), atol=1e-5)
            assert torch.allclose(found, expected[start:stop].softmax(-1), atol=1e-5)
            for keys in (plain, static):
                keys.rewind(back)
                assert keys.length == stop - back
        for layer in range(2):
            for one, other in zip(*(prefix.layers[layer] for prefix in both), strict=True):
                assert torch.allclose(one[:, :, :60], other[:, :, :60], atol=1e-5)


def parts(ids):
    prefix = new_prefix(ids, len(ids))
    prefix.used = len(ids)
    return [PackedSegment(prefix, 0, len(ids), 0, None)]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_have_no_fast_decoder(kind) -> None:
    settings, reason = OTHERS[kind]
    decoder, problem = build_decoder(made(kind, settings), anywhere=True)
    assert decoder is None
    assert reason in problem


def test_nothing_is_gained_on_a_cpu() -> None:
    decoder, problem = build_decoder(made("Llama", SERVED["Llama"]))
    assert (decoder, problem) == (None, "the device is cpu")


@pytest.fixture
def engine(tmp_path):
    model = made("Llama", {**SERVED["Llama"], "vocab_size": len(make_tokenizer())})
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    engine = TransformersGenerator(model=str(tmp_path), device="cpu").open()
    yield engine
    engine.close()


def decode_states_of(engine, fast):
    old = engine._decode_states
    decoder = SelfTestedDecoder(old.model, "it", anywhere=True) if fast else None
    return DecodeStates(
        old.model,
        old.detokenizer,
        old.lock,
        old.prefixes,
        model_name="it",
        free_memory=old.free_memory,
        decoder=decoder,
    )


def drawn(engine, fast, **settings) -> tuple[int, ...]:
    request = Request(Prompt("{q}", {"q": "the cat sat on the mat"}), 40, **settings)
    state = decode_states_of(engine, fast).open(engine._state(request), None)
    assert isinstance(state._cache, GraphKVCache) is fast
    tokens = state.propose(20).tokens
    state.rewind(12)
    state.extend([4, 5])
    state.verify([6, 7, 8])
    tokens += state.propose(10, min_probability=0.02).tokens
    state.close()
    return tokens


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 0.8, "top_p": 0.9, "seed": 5}])
def test_decode_states_sample_the_same_with_the_decoder_and_without(engine, settings) -> None:
    assert drawn(engine, True, **settings) == drawn(engine, False, **settings)


@pytest.mark.parametrize("failure", ["wrong", "broken"])
def test_a_decoder_with_other_logits_is_not_used(engine, failure, monkeypatch) -> None:
    class Bad(EagerDecoder):
        def logits(self, prefix, ids, keep):
            if failure == "broken":
                raise RuntimeError("no compiler")
            return super().logits(prefix, ids, keep).flip(0)

    monkeypatch.setattr(_graphs, "EagerDecoder", Bad)
    state = decode_states_of(engine, True).open(engine._state(Request(Prompt("{q}", {"q": "a"}), 4)), None)
    assert not isinstance(state._cache, GraphKVCache)
    state.close()


TEXTS = ["the cat sat on the mat and ran", "a dog", "the cat sat on the mat and ran after the dog"]
SHARING = [
    "the cat sat on the mat and the dog ran after the cat on the mat " * 4 + one for one in ("", "a dog", "a mat")
]


@pytest.fixture
def few_at_a_time(engine, monkeypatch):
    """Makes the engine decode up to `n` requests one by one on this CPU; returns decoder passes and copies."""

    def made(n: int, room: int = 2**20) -> tuple[list[int], list[int]]:
        old, logits, split_off, served, copied = (
            engine._scheduler._batch,
            EagerDecoder.logits,
            SharedPrefix.split_off,
            [],
            [],
        )
        tried = SelfTestedDecoder(old._model, "it", anywhere=True)
        with torch.inference_mode():
            tried.get()
        tried.break_even_rows = n
        monkeypatch.setattr(
            EagerDecoder, "logits", lambda self, prefix, ids, keep: served.append(1) or logits(self, prefix, ids, keep)
        )
        monkeypatch.setattr(
            SharedPrefix, "split_off", lambda self, sequence: copied.append(1) or split_off(self, sequence)
        )
        batch = PackedBatchWithGraphs(old._detokenizer, PrefixCache(room), tried, batch_tokens=10_000)
        monkeypatch.setattr(engine._scheduler, "_batch", batch)
        return served, copied

    return made


def asked(texts, **settings) -> list[Request]:
    return [Request(Prompt("{q}", {"q": one}), 12, **settings) for one in texts]


@pytest.mark.parametrize("texts", [TEXTS, SHARING], ids=["apart", "sharing"])
@pytest.mark.parametrize("settings", [{"temperature": 0.0, "logprobs": True}, {"temperature": 1.0, "seed": 5}])
def test_a_single_request_is_decoded_fast_and_answers_the_same(engine, settings, texts, few_at_a_time) -> None:
    requests = asked(texts, **settings)
    expected = [engine.generate([one])[0] for one in requests]
    served, copied = few_at_a_time(1)
    for request, plain in zip(requests, expected, strict=True):
        (found,) = engine.generate([request])
        assert (found.token_ids, found.text, found.usage) == (plain.token_ids, plain.text, plain.usage)
        if plain.logprobs:
            assert found.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    assert len(copied) == (2 if texts is SHARING else 0)
    assert len(served) == sum(len(one.token_ids) - 1 for one in expected)  # the first comes from the prefill
    alone = len(served)
    assert [one.token_ids for one in engine.generate(requests)] == [one.token_ids for one in expected]
    longest, longer = sorted(len(one.token_ids) for one in expected)[:0:-1]
    assert len(served) - alone <= longest - longer  # together they are a batch


@pytest.mark.parametrize("texts", [TEXTS, SHARING, SHARING * 2], ids=["apart", "sharing", "twice"])
def test_few_requests_are_decoded_one_by_one_and_answer_the_same(engine, texts, few_at_a_time) -> None:
    requests = asked(texts, temperature=0.0, logprobs=True)
    expected = [engine.generate([one])[0] for one in requests]
    served, copied = few_at_a_time(len(texts))
    for again in range(2):
        found = engine.generate(requests)
        assert [one.token_ids for one in found] == [one.token_ids for one in expected]
        for one, plain in zip(found, expected, strict=True):
            assert one.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
        assert bool(copied) is bool(again or texts is not TEXTS)  # the second time all prefixes are cached
    assert len(served) == 2 * sum(len(one.token_ids) - 1 for one in expected)
    batch = engine._scheduler._batch
    assert not batch._sequences
    assert all(prefix.idle for prefix in batch._prefixes._entries.values())


def test_requests_that_join_and_leave_switch_between_graphs_and_packed_passes(engine, few_at_a_time) -> None:
    """Two are decoded one by one; a third, which shares their prefix, makes them a packed batch until one ends."""
    rows = [engine._state(one) for one in asked(SHARING, temperature=0.0)]
    for row, most in zip(rows, (12, 5, 9), strict=True):
        row.max_tokens = most
    expected = [one.token_ids for one in engine.generate(asked(SHARING, temperature=0.0))]
    served, copied = few_at_a_time(2)
    batch = engine._scheduler._batch
    with torch.inference_mode():
        batch.start(rows[:2])
        batch.step()
        assert (len(served), len(copied)) == (2, 1)
        batch.start(rows[2:])
        while len(batch.running) == 3:
            batch.step()
        assert len(served) == 2
        while batch.running:
            batch.step()
    assert len(served) > 4
    for row, tokens in zip(rows, expected, strict=True):
        assert tuple(row.tokens) == tokens[: len(row.tokens)]
        assert len(row.tokens) == min(row.max_tokens, len(tokens))


def test_requests_without_memory_for_copies_stay_packed(engine, few_at_a_time) -> None:
    requests = asked(SHARING, temperature=0.0)
    expected = [one.token_ids for one in engine.generate(requests)]
    served, copied = few_at_a_time(3, room=4096)  # bytes: no copy fits, and nothing stays cached for long
    assert [one.token_ids for one in engine.generate(requests)] == expected
    assert not copied
    assert not served  # all three end together


@pytest.mark.parametrize(("beside", "fits", "left"), [(0, True, 2), (8, True, 2), (12, True, 1), (20, False, 2)])
def test_the_prefix_cache_evicts_for_extra_bytes_only_if_they_fit(beside, fits, left) -> None:
    prefixes = PrefixCache(24)  # bytes; each prefix has 8, and a sequence is running on the second
    for running in (False, True):
        prefix = new_prefix([0], 1)
        prefix.layers[0] = torch.zeros(1), torch.zeros(1)
        prefix.sequences = [object()] if running else []
        prefixes.add(prefix)
    assert prefixes.evict(beside) is fits
    assert len(prefixes) == left
    assert prefixes.holds(prefix)


def test_a_failure_between_two_requests_loses_neither(engine, few_at_a_time, monkeypatch) -> None:
    requests = asked(SHARING, temperature=0.0)
    expected = [one.token_ids for one in engine.generate(requests)]
    _, copied = few_at_a_time(3)
    decoder, calls = EagerDecoder.logits, []

    def full_once(self, prefix, ids, keep):
        calls.append(1)
        if len(calls) == 5:  # in the second round, after a request that has its token
            raise torch.OutOfMemoryError
        return decoder(self, prefix, ids, keep)

    monkeypatch.setattr(EagerDecoder, "logits", full_once)
    assert [one.token_ids for one in engine.generate(requests)] == expected
    assert len(calls) > 20
    assert copied
