"""Fast steps in plain PyTorch, on a CPU: they say what the library's model says, or nothing is done with them."""

from __future__ import annotations

import pytest
import torch
import transformers
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.batching.packed_or_graphs import FastFlat
from ragvlc.engines.batching.prefix_cache import Prefixes
from ragvlc.engines.batching.sampling import Law
from ragvlc.engines.batching.shared_prefix import Part, Trunk
from ragvlc.engines.batching.support import laid_flat
from ragvlc.engines.cuda_graphs import graphs as _replays
from ragvlc.engines.cuda_graphs.graphs import SPARE, Steps, stepping_of
from ragvlc.engines.cuda_graphs.self_test import TriedSteps
from ragvlc.engines.cuda_graphs.split_key_attention import split_attention
from ragvlc.engines.decode_state.kv_cache import StaticKeys, TrunkKeys, new_trunk, read
from ragvlc.engines.decode_state.states import Sessions
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


TEXTS = ["the cat sat on the mat and ran", "a dog", "the cat sat on the mat and ran after the dog"]
SHARING = [
    "the cat sat on the mat and the dog ran after the cat on the mat " * 4 + one for one in ("", "a dog", "a mat")
]


@pytest.fixture
def in_turn(engine, monkeypatch):
    """Makes the engine's rows take steps on this CPU, `n` in turn at most; returns steps and copied rows."""

    def made(n: int, room: int = 2**20) -> tuple[list[int], list[int]]:
        old, steps, part, served, copied = engine._gathering._form, Steps.logits, Trunk.part, [], []
        tried = TriedSteps(old._model, "it", anywhere=True)
        with torch.inference_mode():
            tried.find()
        tried.rows_in_turn = n
        monkeypatch.setattr(
            Steps, "logits", lambda self, trunk, ids, keep: served.append(1) or steps(self, trunk, ids, keep)
        )
        monkeypatch.setattr(Trunk, "part", lambda self, branch: copied.append(1) or part(self, branch))
        form = FastFlat(old._ending, Prefixes(room), tried, batch_tokens=10_000)
        monkeypatch.setattr(engine._gathering, "_form", form)
        return served, copied

    return made


def asked(texts, **settings) -> list[Request]:
    return [Request(Prompt("{q}", {"q": one}), 12, **settings) for one in texts]


@pytest.mark.parametrize("texts", [TEXTS, SHARING], ids=["apart", "sharing"])
@pytest.mark.parametrize("settings", [{"temperature": 0.0, "logprobs": True}, {"temperature": 1.0, "seed": 5}])
def test_a_request_alone_steps_fast_and_answers_the_same(engine, settings, texts, in_turn) -> None:
    requests = asked(texts, **settings)
    expected = [engine.generate([one])[0] for one in requests]
    served, copied = in_turn(1)
    for request, plain in zip(requests, expected, strict=True):
        (found,) = engine.generate([request])
        assert (found.token_ids, found.text, found.usage) == (plain.token_ids, plain.text, plain.usage)
        if plain.logprobs:
            assert found.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
    assert len(copied) == (2 if texts is SHARING else 0)
    assert len(served) == sum(len(one.token_ids) - 1 for one in expected)  # the first follows from the prompt
    alone = len(served)
    assert [one.token_ids for one in engine.generate(requests)] == [one.token_ids for one in expected]
    longest, longer = sorted(len(one.token_ids) for one in expected)[:0:-1]
    assert len(served) - alone <= longest - longer  # together they are a batch


@pytest.mark.parametrize("texts", [TEXTS, SHARING, SHARING * 2], ids=["apart", "sharing", "twice"])
def test_few_requests_take_turns_and_answer_the_same(engine, texts, in_turn) -> None:
    requests = asked(texts, temperature=0.0, logprobs=True)
    expected = [engine.generate([one])[0] for one in requests]
    served, copied = in_turn(len(texts))
    for again in range(2):
        found = engine.generate(requests)
        assert [one.token_ids for one in found] == [one.token_ids for one in expected]
        for one, plain in zip(found, expected, strict=True):
            assert one.logprobs == pytest.approx(plain.logprobs, abs=1e-4)
        assert bool(copied) is bool(again or texts is not TEXTS)  # the second time all beginnings are kept
    assert len(served) == 2 * sum(len(one.token_ids) - 1 for one in expected)
    form = engine._gathering._form
    assert not form._branches
    assert all(trunk.idle for trunk in form._prefixes._kept.values())


def test_rows_that_come_and_go_change_between_turns_and_batches(engine, in_turn) -> None:
    """Two take turns; a third, which shares their beginning, makes a batch of them; when one ends, they take turns."""
    rows = [engine._row(one) for one in asked(SHARING, temperature=0.0)]
    for row, most in zip(rows, (12, 5, 9), strict=True):
        row.max_tokens = most
    expected = [one.token_ids for one in engine.generate(asked(SHARING, temperature=0.0))]
    served, copied = in_turn(2)
    form = engine._gathering._form
    with torch.inference_mode():
        form.start(rows[:2])
        form.step()
        assert (len(served), len(copied)) == (2, 1)
        form.start(rows[2:])
        while len(form.active) == 3:
            form.step()
        assert len(served) == 2
        while form.active:
            form.step()
    assert len(served) > 4
    for row, tokens in zip(rows, expected, strict=True):
        assert tuple(row.tokens) == tokens[: len(row.tokens)]
        assert len(row.tokens) == min(row.max_tokens, len(tokens))


def test_rows_that_find_no_room_for_copies_stay_together(engine, in_turn) -> None:
    requests = asked(SHARING, temperature=0.0)
    expected = [one.token_ids for one in engine.generate(requests)]
    served, copied = in_turn(3, room=4096)  # bytes: no copy fits, and nothing is kept for long
    assert [one.token_ids for one in engine.generate(requests)] == expected
    assert not copied
    assert not served  # all three end together


@pytest.mark.parametrize(("beside", "fits", "left"), [(0, True, 2), (8, True, 2), (12, True, 1), (20, False, 2)])
def test_prefixes_make_room_beside_them_only_where_that_is_enough(beside, fits, left) -> None:
    prefixes = Prefixes(24)  # bytes; each trunk holds 8, and a row is at work on the second
    for at_work in (False, True):
        trunk = new_trunk([0], 1)
        trunk.layers[0] = torch.zeros(1), torch.zeros(1)
        trunk.branches = [object()] if at_work else []
        prefixes.use(trunk)
    assert prefixes.trim(beside) is fits
    assert len(prefixes) == left
    assert prefixes.holds(trunk)


def test_a_failure_in_a_turn_loses_no_row(engine, in_turn, monkeypatch) -> None:
    requests = asked(SHARING, temperature=0.0)
    expected = [one.token_ids for one in engine.generate(requests)]
    _, copied = in_turn(3)
    steps, calls = Steps.logits, []

    def full_once(self, trunk, ids, keep):
        calls.append(1)
        if len(calls) == 5:  # in the second round, behind a row that has had its turn
            raise torch.OutOfMemoryError
        return steps(self, trunk, ids, keep)

    monkeypatch.setattr(Steps, "logits", full_once)
    assert [one.token_ids for one in engine.generate(requests)] == expected
    assert len(calls) > 20
    assert copied
