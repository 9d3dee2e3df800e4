"""Speculative decoding on real models: greedy, the target's own answer to the letter; sampled, its own distribution."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare
from transformers import LlamaConfig, LlamaForCausalLM

from ragvlc.core.answer import Usage
from ragvlc.core.data import Document
from ragvlc.core.engines import Prompt, Request
from ragvlc.engines.batching.decoding import Detokenizer, RequestState
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.decode_state.states import DecodeStates
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.memo.disk import Cache
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.reading.acceptance_rules import AcceptanceRule
from ragvlc.reading.speculation_rounds import Limits, speculate

TEXT = "the cat sat on the mat and the dog ran after the cat, and what is the answer to the question? " * 2
DOCUMENT = Document("d", TEXT)
WIDTH = 5


def request(text: str, **settings) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 24, "temperature": 0.0, **settings})


@pytest.fixture(scope="module", params=[4, 1], ids=["packed", "library"])
def engine(tiny_model, request):
    engine = TransformersGenerator(model=str(tiny_model), device="cpu", batch_size=request.param).open()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def another(tiny_model, tmp_path_factory):
    """A model with the same tokens and other weights."""
    folder = tmp_path_factory.mktemp("another")
    torch.manual_seed(5)
    config = LlamaConfig.from_pretrained(tiny_model)
    LlamaForCausalLM(config).save_pretrained(folder)
    TransformersGenerator(model=str(tiny_model)).tokenizer()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((tiny_model / name).read_bytes())
    engine = TransformersGenerator(model=str(folder), device="cpu").open()
    yield engine
    engine.close()


def decoded(target, draft, gamma: int, prompts: tuple[str, str], max_tokens: int):
    one, other = (request(text, max_tokens=max_tokens) for text in prompts)
    checks = target.start(one)
    proposes = draft.start(other, width=checks.width)
    found = speculate(
        checks, proposes, AcceptanceRule(), Limits(max_tokens, gamma), torch.Generator().manual_seed(gamma)
    )
    for state in (checks, proposes):
        state.close()
    return found


@pytest.mark.parametrize("gamma", [1, 3, 10])
@pytest.mark.parametrize("drafter", ["itself", "another"])
def test_greedy_is_the_targets_own_answer(engine, another, drafter, gamma) -> None:
    draft = engine if drafter == "itself" else another
    for prompt, own in ((TEXT, TEXT), (TEXT, "a cat"), ("a", TEXT), ("the dog ran", "")):
        for max_tokens in (1, 2, 13, 24):
            (generation,) = engine.generate([request(prompt, max_tokens=max_tokens)])
            found = decoded(engine, draft, gamma, (prompt, own or "?"), max_tokens)
            assert tuple(found.tokens) == generation.token_ids
            if prompt == own and drafter == "itself":
                assert found.accepted == found.tried


@pytest.mark.parametrize("place", [0, 1, 4, 5, 9])
def test_an_end_in_the_middle_of_a_draft_ends_the_answer(engine, place, monkeypatch) -> None:
    (generation,) = engine.generate([request(TEXT)])
    tokens = generation.token_ids
    detokenizer = engine._decode_states.detokenizer
    ids = detokenizer.end_ids | {tokens[place]}
    monkeypatch.setattr(engine._decode_states, "detokenizer", replace(detokenizer, end_ids=ids))
    expected = tokens[: tokens.index(tokens[place]) + 1]
    for own in (TEXT, "a cat"):
        found = decoded(engine, engine, 4, (TEXT, own), 24)
        assert tuple(found.tokens) == expected
        assert found.ended


@pytest.fixture(scope="module")
def five_tokens():
    """Decode states of two models that know five tokens."""

    def made(seed: int, prompt: list[int]):
        torch.manual_seed(seed)
        shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = LlamaConfig(vocab_size=WIDTH, max_position_embeddings=32, initializer_range=0.6, **shape)
        model = LlamaForCausalLM(config).eval()
        detokenizer = Detokenizer(frozenset(), lambda ids: "")
        states = DecodeStates(model, detokenizer, FairLock(), None, model_name="five", free_memory=lambda: None)
        return model, states.open(RequestState(prompt, 3, temperature=1.0, seed=seed), None)

    return made(1, [0, 1, 2, 3]), made(2, [4, 2])


@pytest.mark.parametrize(("eta", "follows"), [(0.0, True), (10.0, False)])
def test_sampled_texts_follow_the_target_without_transfer_alone(five_tokens, eta, follows) -> None:
    (model, target), (_, draft) = five_tokens
    counts = dict.fromkeys(itertools.product(range(WIDTH), repeat=2), 0)
    points, rule = torch.Generator().manual_seed(3), AcceptanceRule(eta)
    n = 700
    for _ in range(n):
        found = speculate(target, draft, rule, Limits(3, 2), points)
        counts[tuple(found.tokens[:2])] += 1
        for state in (target, draft):
            state.rewind(3)
    with torch.inference_mode():
        first = model(torch.tensor([[0, 1, 2, 3]])).logits[0, -1].softmax(-1)
        second = [model(torch.tensor([[0, 1, 2, 3, a]])).logits[0, -1].softmax(-1) for a in range(WIDTH)]
    expected = {(a, b): n * float(first[a] * second[a][b]) for a, b in counts}
    large = [cell for cell in counts if expected[cell] >= 5]
    seen = [counts[cell] for cell in large] + [n - sum(counts[cell] for cell in large)]
    wanted = [expected[cell] for cell in large] + [n - sum(expected[cell] for cell in large)]
    if wanted[-1] < 1e-6:
        seen, wanted = seen[:-1], wanted[:-1]
    p_value = chisquare(seen, [one * sum(seen) / sum(wanted) for one in wanted]).pvalue
    assert p_value > 1e-4 if follows else p_value < 1e-6


def answered(tiny_model, tmp_path, *routes, draft=None):
    generator = {"kind": "transformers", "model": str(tiny_model), "device": "cpu"}
    pipelines = [
        Pipeline(generators={"main": generator, "draft": draft or generator}, routes={"it": r}) for r in routes
    ]
    with EnginePool(Cache(tmp_path), reuse=False) as pool:
        return [one.answer("the cat?", [DOCUMENT], pool=pool) for one in pipelines], len(pool._engines)


ASKED = {"question_prompt": "{document} {question}", "answer_tokens": 20}
RAPID = {"kind": "rapid", "retriever": "bm25", "floor": None, "chunker": {"kind": "recursive", "size": 16}, **ASKED}


def test_the_route_answers_as_full_context_does_and_loads_equal_models_once(tiny_model, tmp_path) -> None:
    greedy = {**RAPID, "eta": 0, "temperature": 0, "minimum": 16, "gamma": 3}
    (plain, rapid, speculative), engines = answered(
        tiny_model,
        tmp_path,
        {"kind": "full_context", **ASKED},
        greedy,
        {"kind": "speculative", "temperature": 0, "gamma": 4, "draft_context_tokens": 20, **ASKED},
    )
    assert engines == 1
    assert plain.text == rapid.text == speculative.text
    assert plain.context == rapid.context
    for answer in (rapid, speculative):
        assert answer.bills["main"].completion_tokens == plain.usage.completion_tokens
        assert answer.bills["main"].prompt_tokens == plain.usage.prompt_tokens
        assert (answer.bills["main"].drafted, answer.bills["main"].calls) == (0, 1)
        drafted = answer.bills["draft"]
        assert drafted.completion_tokens == drafted.drafted == sum(answer.facts("drafted")) > 0
        assert drafted.accepted == sum(answer.facts("accepted"))
        assert 0 < drafted.prompt_tokens < plain.usage.prompt_tokens
        assert sum(answer.bills.values(), Usage()) == answer.usage
        assert answer.timing.phases["verify"] == sum(answer.facts("verify_seconds")) > 0
        assert answer.timing.phases["draft"] == sum(answer.facts("draft_seconds")) > 0


def test_sampled_answers_repeat_and_the_speedup_is_measured_when_asked(tiny_model, tmp_path) -> None:
    (one, again, measured), _ = answered(tiny_model, tmp_path, RAPID, RAPID, {**RAPID, "measure_plain": True})
    assert one.text == again.text == measured.text
    assert one.bills["draft"].drafted == measured.bills["draft"].drafted
    assert one.bills["main"].completion_tokens == measured.bills["main"].completion_tokens
    assert list(one.facts("speedup")) == []
    [speedup], [plain], [own] = (
        list(measured.facts(name)) for name in ("speedup", "plain_tokens_a_second", "tokens_a_second")
    )
    assert speedup == pytest.approx(own / plain)


def test_a_drafter_with_other_tokens_is_refused(tiny_model, tmp_path) -> None:
    from ragvlc.core.errors import EngineError

    with pytest.raises(EngineError, match="other tokens than generators.main"):
        answered(tiny_model, tmp_path, RAPID, draft="scripted")


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [16, 1])
def test_smollm2_answers_real_questions_to_the_letter(language_model, shared_data, tmp_path, batch_size) -> None:
    """Documents of some 2,000 tokens, in float32; the drafter reads a quarter of each."""
    from ragvlc.datasets.jsonl import Jsonl

    generator = {"kind": "transformers", "model": str(language_model), "dtype": "float32", "batch_size": batch_size}
    greedy = {"temperature": 0, "answer_tokens": 40, "max_context_tokens": 1800}
    routes = [
        {"kind": "full_context", "answer_tokens": 40, "max_context_tokens": 1800},
        {"kind": "rapid", "eta": 0, "retriever": "bm25", "floor": None, "minimum": 512, **greedy},
        {"kind": "rapid", "eta": 0, "retriever": "bm25", "floor": 1e9, "gamma": 3, **greedy},
        {"kind": "speculative", "gamma": 5, "draft_context_tokens": 600, **greedy},
    ]
    pipelines = [Pipeline(generators=dict.fromkeys(("main", "draft"), generator), routes={"it": one}) for one in routes]
    accepted = 0
    with EnginePool(Cache(tmp_path), reuse=False) as pool:
        for example in Jsonl(path=str(shared_data / "squad_long"), limit=2).load():
            plain, *others = [one.answer_example(example, pool=pool) for one in pipelines]
            assert plain.text
            assert [one.text for one in others] == [plain.text] * 3
            assert {one.bills["main"].completion_tokens for one in others} == {plain.usage.completion_tokens}
            accepted += sum(one.usage.accepted for one in others)
    assert accepted > 5
