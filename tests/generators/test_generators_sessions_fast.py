"""Fast steps in plain PyTorch, on a CPU: they say what the library's model says, or nothing is done with them."""

from __future__ import annotations

import pytest
import torch
import transformers
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request
from ragvlc.generators import _replays
from ragvlc.generators._draws import Law
from ragvlc.generators._flat_alone import FlatAlone
from ragvlc.generators._prefixes import Prefixes
from ragvlc.generators._replays import SPARE, Steps, stepping_of
from ragvlc.generators._sessions import Sessions
from ragvlc.generators._sessions_keys import StaticKeys, TrunkKeys, new_trunk, read
from ragvlc.generators._split_keys import split_attention
from ragvlc.generators._steps_tried import TriedSteps
from ragvlc.generators._suitable import laid_flat
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
    "Phi3": ({"pad_token_id": 0}, "no plain one"),
    "GPTNeoX": ({}, "layers and head"),
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
    """Whatever the pieces: pieces that some rows do not see at all, a ragged last one, as many rows as keys."""
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
def test_steps_say_what_the_librarys_model_says(kind) -> None:
    model = made(kind, SERVED[kind])
    assert not laid_flat(model, "sdpa")
    with torch.inference_mode():
        ids = torch.randint(0, 90, (60,)).tolist()
        expected = model(torch.tensor([ids]), use_cache=False, logits_to_keep=60, ragvlc_parts=parts(ids)).logits[0]
        weights = sum(one.numel() for one in model.parameters())
        steps, problem = stepping_of(model, anywhere=True)
        assert isinstance(steps, Steps), problem
        assert weights == sum(one.numel() for one in model.parameters())
        law = Law(1.0, 1.0, 90)
        both = [new_trunk([0], 60 + SPARE) for _ in range(2)]
        plain, static = TrunkKeys(model, both[0]), StaticKeys(model, both[1], steps)
        for keys in (plain, static):
            read(keys, ids[:40], model.device)
        for start, stop, back in ((40, 41, 0), (41, 46, 3), (43, 44, 1), (43, 60, 17), (43, 60, 0)):
            found = static.rows(ids[start:stop], stop - start, law)
            assert torch.allclose(found, plain.rows(ids[start:stop], stop - start, law), atol=1e-5)
            assert torch.allclose(found, expected[start:stop].softmax(-1), atol=1e-5)
            for keys in (plain, static):
                keys.rewind(back)
                assert keys.length == stop - back
        for layer in range(2):
            for one, other in zip(*(trunk.layers[layer] for trunk in both), strict=True):
                assert torch.allclose(one[:, :, :60], other[:, :, :60], atol=1e-5)


def parts(ids):
    from ragvlc.generators._trunks import Part

    trunk = new_trunk(ids, len(ids))
    trunk.used = len(ids)
    return [Part(trunk, 0, len(ids), 0, None)]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_have_no_steps(kind) -> None:
    settings, reason = OTHERS[kind]
    steps, problem = stepping_of(made(kind, settings), anywhere=True)
    assert steps is None
    assert reason in problem


def test_nothing_is_gained_on_a_cpu() -> None:
    steps, problem = stepping_of(made("Llama", SERVED["Llama"]))
    assert (steps, problem) == (None, "the device is cpu")


@pytest.fixture
def engine(tmp_path):
    model = made("Llama", {**SERVED["Llama"], "vocab_size": len(make_tokenizer())})
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    engine = TransformersGenerator(model=str(tmp_path), device="cpu").open()
    yield engine
    engine.close()


def sessions_of(engine, fast):
    old = engine._sessions
    steps = TriedSteps(old.model, "it", anywhere=True) if fast else None
    return Sessions(old.model, old.ending, old.turns, old.prefixes, owner="it", free=old.free, steps=steps)


def drawn(engine, fast, **settings) -> tuple[int, ...]:
    request = Request(Prompt("{q}", {"q": "the cat sat on the mat"}), 40, **settings)
    session = sessions_of(engine, fast).start(engine._row(request), None)
    assert isinstance(session._keys, StaticKeys) is fast
    tokens = session.propose(20).tokens
    session.rewind(12)
    session.extend([4, 5])
    session.verify([6, 7, 8])
    tokens += session.propose(10, confident=0.02).tokens
    session.close()
    return tokens


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 0.8, "top_p": 0.9, "seed": 5}])
def test_sessions_draw_the_same_with_steps_and_without(engine, settings) -> None:
    assert drawn(engine, True, **settings) == drawn(engine, False, **settings)


@pytest.mark.parametrize("trouble", ["wrong", "broken"])
def test_steps_that_say_something_else_are_not_taken(engine, trouble, monkeypatch) -> None:
    class Bad(Steps):
        def logits(self, trunk, ids, keep):
            if trouble == "broken":
                raise RuntimeError("no compiler")
            return super().logits(trunk, ids, keep).flip(0)

    monkeypatch.setattr(_replays, "Steps", Bad)
    session = sessions_of(engine, True).start(engine._row(Request(Prompt("{q}", {"q": "a"}), 4)), None)
    assert not isinstance(session._keys, StaticKeys)
    session.close()


@pytest.mark.parametrize("settings", [{"temperature": 0.0, "logprobs": True}, {"temperature": 1.0, "seed": 5}])
def test_a_request_alone_steps_fast_and_answers_the_same(engine, settings, monkeypatch) -> None:
    old = engine._gathering._form
    fast = FlatAlone(old._ending, Prefixes(2**20), TriedSteps(old._model, "it", anywhere=True), batch_tokens=100)
    texts = ["the cat sat on the mat and ran", "a dog", "the cat sat on the mat and ran after the dog"]
    requests = [Request(Prompt("{q}", {"q": one}), 12, **settings) for one in texts]
    expected = [engine.generate([one])[0] for one in requests]
    steps, served = Steps.logits, []
    monkeypatch.setattr(
        Steps, "logits", lambda self, trunk, ids, keep: served.append(1) or steps(self, trunk, ids, keep)
    )
    monkeypatch.setattr(engine._gathering, "_form", fast)
    for request, plain in zip(requests, expected, strict=True):
        (found,) = engine.generate([request])
        assert (found.token_ids, found.text, found.usage) == (plain.token_ids, plain.text, plain.usage)
        if plain.logprobs:
            assert found.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    alone = len(served)
    assert alone > 20
    assert [one.token_ids for one in engine.generate(requests)] == [one.token_ids for one in expected]
    longest, longer = sorted(len(one.token_ids) for one in expected)[:0:-1]
    assert len(served) - alone <= longest - longer  # together they are a batch
