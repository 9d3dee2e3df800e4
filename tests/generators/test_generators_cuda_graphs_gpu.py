"""CUDA-graph decode on a GPU: the logits of a fresh pass in every dtype, and the tokens of the seed."""

from __future__ import annotations

import pytest
import torch
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.batching.sampling import SamplingDistribution, sample_at
from ragvlc.engines.cuda_graphs.graphs import GraphDecoder
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.speculation_rounds import Limits, speculate

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

TEXT = "the cat sat on the mat and the dog ran after the cat, " * 8
SIZES = {"hidden_size": 192, "intermediate_size": 320, "num_hidden_layers": 3, "max_position_embeddings": 2048}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 64}
KINDS = {"Llama": {}, "Mistral": {"sliding_window": None}, "Qwen2": {}, "Qwen3": {}}


def saved(folder, kind: str = "Llama") -> str:
    import transformers

    torch.manual_seed(3)
    tokenizer = make_tokenizer()
    sizes = {**SIZES, **HEADS, **KINDS[kind], "vocab_size": len(tokenizer), "initializer_range": 0.15}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    for name, one in model.named_parameters():
        if "norm" in name or "bias" in name:
            torch.nn.init.normal_(one, 1.0, 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def opened(folder: str, dtype: str = "float32", **settings):
    return TransformersGenerator(model=folder, device="cuda", dtype=dtype, **settings).open()


def request(text: str = TEXT, **settings) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 150, "temperature": 0.0, "seed": 7, **settings})


def fresh(engine, state, tokens, keep: int) -> torch.Tensor:
    """Returns logits by the library's own attention, without a cache, in the engine's dtype."""
    model = engine._decode_states.model
    kind = model.config._attn_implementation
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        ids = torch.tensor([[*state.request.prompt, *tokens]], device="cuda")
        found = model(ids, use_cache=False).logits[0, -keep:].float()
    model.set_attn_implementation(kind)
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_graphs_give_the_logits_of_a_fresh_pass(kind, dtype, tmp_path) -> None:
    engine = opened(saved(tmp_path, kind), dtype)
    state = engine.start(request(temperature=1.0))
    assert isinstance(state.host.decoder.get(), GraphDecoder)
    text: list[int] = []
    for draft in ([5], [9, 3], [1, 2, 3, 4], list(range(40)), []):  # and every number of rows twice, after other texts
        for _ in range(2):
            found = state.verify(draft)
            text += draft
            expected = fresh(engine, state, text, len(draft) + 1).softmax(-1)
            away = float((found - expected).abs().max())
            assert away < {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.08}[dtype], (draft, away)
            state.rewind(len(draft) // 2)
            del text[len(text) - len(draft) // 2 :]
    state.close()
    engine.close()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Returns greedy answers in float32 by the library's model, and the folder it is in."""
    folder = saved(tmp_path_factory.mktemp("library"))
    engine = opened(folder, cuda_graphs=False)
    answers = {text: engine.generate([request(text)])[0].token_ids for text in (TEXT, "a")}
    engine.close()
    return answers, folder


@pytest.mark.parametrize("gamma", [1, 4, 10])
def test_greedy_is_the_librarys_own_answer_in_float32(gamma, library) -> None:
    answers, folder = library
    engine = opened(folder)
    for text, own in ((TEXT, TEXT), (TEXT, "a cat"), ("a", TEXT)):
        target, draft = engine.start(request(text)), engine.start(request(own))
        found = speculate(target, draft, AcceptanceRule(), Limits(150, gamma), torch.Generator().manual_seed(1))
        assert tuple(found.tokens) == answers[text]
        assert (found.accepted == found.tried) is (text == own) or sum(found.accepted) < sum(found.tried)
        for state in (target, draft):
            state.close()
    plain = engine.start(request())
    assert plain.propose(150).tokens == answers[TEXT]  # more than one look at the host
    assert plain.plain_seconds(20) > 0
    plain.close()
    engine.close()


def test_requests_alone_and_together_get_the_librarys_answers_in_float32(library) -> None:
    answers, folder = library
    engine = opened(folder)
    for text in answers:
        (alone,) = engine.generate([request(text, logprobs=True)])
        assert alone.token_ids == answers[text]
        assert len(alone.logprobs) == len(alone.token_ids)
    assert isinstance(engine._decode_states.decoder._decoder, GraphDecoder)
    for break_even in (1, 8):  # packed passes of the library's model, and graphs one after the other
        engine._decode_states.decoder.break_even_rows = break_even
        for _ in range(2):  # the second time with cached prefixes
            together = engine.generate([request(text) for text in answers])
            assert [one.token_ids for one in together] == list(answers.values())
    engine.close()


@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.7, 0.8)])
def test_sampled_tokens_are_those_at_the_points_of_the_seed(settings, tmp_path) -> None:
    engine = opened(saved(tmp_path))
    state = engine.start(request(temperature=settings[0], top_p=settings[1]))
    points = torch.rand(100, generator=torch.Generator().manual_seed(7), dtype=torch.float64).tolist()
    found = state.propose(100)
    for i, point in enumerate(points):
        row = SamplingDistribution(*settings, state.width).probabilities(fresh(engine, state, found.tokens[:i], 1))
        assert torch.allclose(found.probabilities[i], row[0], atol=1e-4)
        assert found.tokens[i] == int(sample_at(found.probabilities[i], point))
    confident = engine.start(request(temperature=settings[0], top_p=settings[1]))
    draft = confident.propose(100, min_probability=0.2)
    assert draft.tokens == found.tokens[: len(draft.tokens)]
    assert float(draft.probabilities[-1, draft.tokens[-1]]) < 0.2
    for one in (state, confident):
        one.close()
    engine.close()


def test_two_models_and_two_texts_share_nothing(tmp_path) -> None:
    one, other = opened(saved(tmp_path / "a")), opened(saved(tmp_path / "b", "Qwen3"))
    alone = [engine.start(request(text)).propose(30).tokens for engine in (one, other) for text in (TEXT, "a dog")]
    states = [engine.start(request(text)) for engine in (one, other) for text in (TEXT, "a dog")]
    together: list[tuple[int, ...]] = [()] * 4
    for _ in range(6):
        for i, state in enumerate(states):
            together[i] += state.propose(5).tokens
    assert together == alone
    for engine in (one, other):
        engine.close()


def test_other_models_are_computed_by_the_library(tmp_path) -> None:
    import transformers

    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": len(tokenizer)}
    transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**sizes, intermediate_size=96)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    engine = opened(str(tmp_path))
    state = engine.start(request())
    assert state.host.decoder.get() is None
    assert state.propose(20).tokens == engine.generate([request(max_tokens=20)])[0].token_ids
    state.close()
    engine.close()
