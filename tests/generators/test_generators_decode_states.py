"""Decode states: after any rewind the probabilities of a fresh forward pass; and they wait for the model's lock."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request, TokenEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.engines.batching.fair_lock import FairLock
from ragvlc.engines.decode_state import memory as _memory
from ragvlc.engines.decode_state import state as _state
from ragvlc.engines.decode_state.memory import MemoryBudget
from ragvlc.generators.transformers import TransformersGenerator

TEXT = "the cat sat on the mat and the dog ran after the cat"
LONG = f"{TEXT}, " * 6


def opened(folder: Path, **settings):
    return TransformersGenerator(**{"model": str(folder), "device": "cpu", "batch_size": 4, **settings}).open()


def request(text: str = TEXT, **settings) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 24, "temperature": 1.0, "seed": 7, **settings})


@pytest.fixture(scope="module", params=[4, 1], ids=["packed", "library"])
def engine(tiny_model: Path, request):
    engine = opened(tiny_model, batch_size=request.param)
    yield engine
    engine.close()


@pytest.fixture
def packed(tiny_model: Path):
    engine = opened(tiny_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def fresh(tiny_model: Path):
    """Returns the probabilities after a prompt and tokens, by the library, without any cache."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    tokenizer = TransformersGenerator(model=str(tiny_model)).tokenizer()

    def fresh(text: str, tokens, keep: int = 1) -> torch.Tensor:
        ids = [*tokenizer.render(Prompt("{q}", {"q": text})), *tokens]
        with torch.inference_mode():
            return model(torch.tensor([ids]), use_cache=False).logits[0, -keep:].softmax(-1)

    return fresh


def test_greedy_proposals_are_the_tokens_of_generate(engine) -> None:
    assert isinstance(engine, TokenEngine)
    for text in (TEXT, "a", LONG):
        greedy = request(text, temperature=0.0)
        (generation,) = engine.generate([greedy])
        state = engine.start(greedy)
        assert state.propose(24).tokens == generation.token_ids
        state.close()


def test_verification_gives_the_probabilities_of_a_fresh_pass(engine, fresh) -> None:
    state = engine.start(request())
    draft = [5, 90, 200, 33]
    assert torch.allclose(state.verify(draft), fresh(TEXT, draft, 5), atol=1e-5)
    state.close()


def test_a_rewind_leaves_no_trace(engine, fresh) -> None:
    text, state = [], engine.start(request())
    for step, (draft, kept, following) in enumerate([([4, 5, 6], 0, 9), ([7, 8], 2, 3), ([], 0, 44), ([1] * 5, 3, 12)]):
        expected = fresh(TEXT, [*text, *draft], len(draft) + 1)
        assert torch.allclose(state.verify(draft), expected, atol=1e-5), step
        state.rewind(len(draft) - kept)
        state.extend([following])
        text += [*draft[:kept], following]
    drafted = state.propose(5)
    for i in range(5):
        assert torch.allclose(drafted.probabilities[i], fresh(TEXT, [*text, *drafted.tokens[:i]])[0], atol=1e-5)
    state.rewind(4)
    text.append(drafted.tokens[0])
    for _ in range(2):  # peeking twice is the same
        assert torch.allclose(state.peek(), fresh(TEXT, text), atol=1e-5)
    state.verify([1, 2])
    state.rewind(2)
    state.extend([3, 4, 5])  # more than was removed
    assert torch.allclose(state.peek(), fresh(TEXT, [*text, 3, 4, 5]), atol=1e-5)
    state.rewind(len(text) + 3)
    assert torch.allclose(state.verify([]), fresh(TEXT, []), atol=1e-5)
    state.close()


def test_each_decode_state_counts_its_own_positions(engine, fresh) -> None:
    """Two prompts of different lengths, computed alternately: neither depends on the other."""
    one, other = engine.start(request(LONG)), engine.start(request("a"))
    for token in (11, 12, 13):
        for state, text, taken in ((one, LONG, [11, 12, 13]), (other, "a", [11, 12, 13])):
            rows = state.verify([token])
            assert torch.allclose(rows[1:], fresh(text, taken[: token - 10]), atol=1e-5)
    for state in (one, other):
        state.close()


def test_one_pass_a_verification_of_the_last_token_and_the_draft(engine) -> None:
    widths: list[int] = []
    hook = engine._decode_states.model.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    state = engine.start(request("what is the answer to the question?", cold=True))
    prompt = state.usage.prompt_tokens
    widths[:-1] = []  # before the prompt, the model was tested
    assert widths == [prompt - 1]
    state.verify([1, 2, 3])
    state.rewind(2)
    state.extend([9])
    state.verify([4, 5])
    state.extend([6])
    state.propose(2)
    assert widths == [prompt - 1, 4, 3, 1, 1]
    hook.remove()
    state.close()


def test_rows_of_another_width(engine, fresh) -> None:
    whole = fresh(TEXT, [])[0]
    narrow, wide = engine.start(request(), width=100), engine.start(request(), width=400)
    assert (narrow.width, wide.width) == (100, 400)
    assert torch.allclose(narrow.peek()[0], whole[:100] / whole[:100].sum(), atol=1e-5)
    assert torch.allclose(wide.peek()[0, : len(whole)], whole, atol=1e-5)
    assert float(wide.peek()[0, len(whole) :].sum()) == 0
    assert max(narrow.propose(20).tokens) < 100
    for state in (narrow, wide):
        state.close()


def test_sampling_follows_the_seed(engine) -> None:
    def drawn(**settings) -> tuple[int, ...]:
        state = engine.start(request(**settings))
        tokens = state.propose(9).tokens + state.propose(9).tokens
        state.close()
        return tokens

    assert drawn(seed=1) == drawn(seed=1) != drawn(seed=2)
    assert drawn(temperature=0.01, seed=1) == drawn(temperature=0.0, seed=3)
    assert drawn(top_p=1e-6, seed=1) == drawn(temperature=0.0)


def test_a_draft_ends_with_an_end_token_or_an_unlikely_one(engine) -> None:
    state = engine.start(request(temperature=0.0))
    tokens = state.propose(12).tokens
    state.rewind(12)
    detokenizer = state.host.detokenizer
    stop = next(i for i, token in enumerate(tokens) if token not in tokens[:i] and i > 2)
    object.__setattr__(detokenizer, "end_ids", detokenizer.end_ids | {tokens[stop]})
    assert state.propose(12).tokens == tokens[: stop + 1]
    object.__setattr__(detokenizer, "end_ids", detokenizer.end_ids - {tokens[stop]})
    state.close()
    hot = engine.start(request(seed=3))
    draft = hot.propose(12, min_probability=0.05)
    own = [float(draft.probabilities[i, token]) for i, token in enumerate(draft.tokens)]
    assert all(one >= 0.05 for one in own[:-1])
    assert own[-1] < 0.05 or len(own) == 12
    hot.close()


def test_usage_and_seconds_are_counted(engine) -> None:
    target, draft = engine.start(request(cold=True)), engine.start(request("a", cold=True))
    draft.propose(4)
    draft.rewind(3)
    draft.extend([5])
    target.verify([1, 2, 3, 4])
    target.rewind(3)
    target.extend([5])
    draft.propose(2)
    assert (target.usage.completion_tokens, target.usage.drafted, target.usage.accepted) == (2, 0, 0)
    assert (draft.usage.completion_tokens, draft.usage.drafted, draft.usage.accepted) == (6, 6, 3)
    assert target.usage.prompt_tokens > draft.usage.prompt_tokens > 0
    assert (target.usage.calls, target.usage.cached_tokens) == (1, 0)
    before = target.usage, target.timing, draft.usage, draft.timing
    assert target.plain_seconds(3) > 0
    assert (target.usage, target.timing, draft.usage, draft.timing) == before
    assert set(target.timing.phases) == {"prefill", "verify", "saved"}
    assert set(draft.timing.phases) == {"prefill", "draft", "saved"}
    assert target.timing.first_token_seconds > 0
    assert draft.timing.first_token_seconds is None
    assert target.timing.engine_seconds == pytest.approx(sum(target.timing.phases.values()))
    for state in (target, draft):
        state.close()


def test_the_text_is_continued_after_plain_decoding_was_measured(engine, fresh) -> None:
    state = engine.start(request())
    state.verify([7, 8])
    state.plain_seconds(5)
    assert torch.allclose(state.verify([9]), fresh(TEXT, [7, 8, 9], 2), atol=1e-5)
    state.close()


def test_calls_beyond_the_limits_are_refused(tiny_model, engine) -> None:
    state = engine.start(request(max_tokens=3))
    assert len(state.propose(10).tokens) == 3
    for wrong in (lambda: state.extend([1]), lambda: state.verify([1]), lambda: state.rewind(4)):
        with pytest.raises(ValueError, match="3"):
            wrong()
    state.close()
    state.close()
    with pytest.raises(EngineError, match="closed"):
        state.propose(1)
    with pytest.raises(WindowExceeded):
        engine.start(request(max_tokens=1000))
    other = opened(tiny_model)
    other.close()
    with pytest.raises(EngineError, match="closed"):
        other.start(request())


def unsuitable(library, name: str):
    size = {"vocab_size": len(make_tokenizer()), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes = {**size, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    return {
        "sliding": lambda: library.MistralForCausalLM(library.MistralConfig(**sizes, sliding_window=8)),
        "recurrent": lambda: library.Lfm2ForCausalLM(
            library.Lfm2Config(**sizes, layer_types=["conv", "full_attention"])
        ),
        "dynamic": lambda: library.LlamaForCausalLM(library.LlamaConfig(**sizes, rope_parameters=rope)),
        "biased": lambda: library.FalconForCausalLM(
            library.FalconConfig(
                vocab_size=len(make_tokenizer()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True
            )
        ),
    }[name]()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("sliding", "cannot be rewound"), ("recurrent", "cannot be rewound"), ("dynamic", "several tokens at once")],
)
def test_models_whose_text_cannot_be_rewound(name, reason, tmp_path) -> None:
    import transformers

    torch.manual_seed(0)
    unsuitable(transformers, name).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    engine = opened(tmp_path)
    for _ in range(2):
        with pytest.raises(EngineError, match=reason) as error:
            engine.start(request())
        assert not error.value.transient
    engine.close()


def test_attention_with_a_bias_is_computed_by_the_library(tmp_path) -> None:
    import transformers

    torch.manual_seed(0)
    model = unsuitable(transformers, "biased")
    model.config.max_position_embeddings = 256
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    engine = opened(tmp_path, window=256)
    greedy = request(temperature=0.0)
    state = engine.start(greedy)
    state.verify([3, 4])
    state.rewind(2)
    assert state.propose(24).tokens == engine.generate([greedy])[0].token_ids
    state.close()
    engine.close()


def test_vocabularies_have_identifiers(tiny_model, tmp_path) -> None:
    import transformers

    other = make_tokenizer(template=None)
    other.add_tokens(["<another>"])
    config = transformers.AutoConfig.from_pretrained(tiny_model)
    config.vocab_size = len(other)
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
    other.save_pretrained(tmp_path)
    one, same, another = opened(tiny_model), opened(tiny_model, system="be brief"), opened(tmp_path)
    assert one.vocabulary == same.vocabulary != another.vocabulary
    for engine in (one, same, another):
        engine.close()


def test_prompts_are_shared_between_batches_and_decode_states(packed, fresh) -> None:
    packed.generate([request(f"{LONG} one", temperature=0.0)])
    state = packed.start(request(f"{LONG} two"))
    cached = state.usage.cached_tokens
    assert cached > 60
    assert torch.allclose(state.verify([1, 2]), fresh(f"{LONG} two", [1, 2], 3), atol=1e-5)
    state.close()
    cold = packed.start(request(f"{LONG} two", cold=True))
    assert cold.usage.cached_tokens == 0
    cold.close()
    left = packed.start(request(f"{TEXT}? {LONG} three"))
    left.verify([1])
    left.close()
    again = request(f"{TEXT}? {LONG} three", temperature=0.0)
    (found,) = packed.generate([again])
    (plain,) = packed.generate([request(f"{TEXT}? {LONG} three", temperature=0.0, cold=True)])
    assert found.usage.cached_tokens == found.usage.prompt_tokens - 1
    assert found.token_ids == plain.token_ids
    assert found.timing.phases["saved"] > 0


def test_decode_states_about_one_document_cache_it_once(packed) -> None:
    for word in ("one", "two", "three"):
        state = packed.start(request(f"{LONG} {word}"))
        state.verify([1])
        state.close()
    assert len(packed._decode_states.prefixes) == 1


def test_a_full_memory_is_a_transient_error(packed, monkeypatch) -> None:
    packed.generate([request(LONG, temperature=0.0)])
    prefill, full = _state.prefill, [True, False]

    def failing(*args):
        if full.pop(0):
            raise torch.OutOfMemoryError("full")
        prefill(*args)

    monkeypatch.setattr(_state, "prefill", failing)
    state = packed.start(request(f"{LONG}!"))  # the cached prefix is evicted, then it fits
    assert (state.usage.cached_tokens, len(packed._decode_states.prefixes)) == (0, 0)
    state.close()
    full[:] = [True, True]
    with pytest.raises(EngineError, match="memory") as error:
        packed.start(request())
    assert error.value.transient
    full[:] = [False]
    packed.start(request()).close()  # lock and budget are free again


def test_the_lock_is_granted_in_the_order_of_the_requests() -> None:
    lock, seen = FairLock(), []

    def ask(name: str) -> None:
        with lock:
            seen.append(name)

    lock.__enter__()
    threads = []
    for name in "abc":
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
        while len(lock._waiting) < len(threads):
            pass
    lock.__exit__()
    ask("again")  # the thread that has just released it comes last
    for thread in threads:
        thread.join()
    assert seen == ["a", "b", "c", "again"]


def test_a_decode_state_computes_between_two_steps_of_a_batch(packed) -> None:
    """It does not wait for the end of the batch: the lock is granted while the batch is still running."""
    state = packed.start(request())
    steps, between = [], []
    step = packed._scheduler._batch.step

    def stepping() -> None:
        steps.append(len(between))
        if len(steps) == 3:
            threading.Thread(target=lambda: between.append(state.verify([1]))).start()
            for _ in range(2000):
                if packed._decode_states.lock._waiting:
                    break
                threading.Event().wait(0.005)
            assert packed._decode_states.lock._waiting
        step()

    packed._scheduler._batch.step = stepping
    (generation,) = packed.generate([request(LONG, temperature=0.0, max_tokens=60)])
    assert len(generation.token_ids) == len(steps) + 1 == 60
    assert steps[:3] == [0, 0, 0]
    assert steps[-1] == 1
    state.close()


def test_threads_with_decode_states_get_the_same_as_alone(packed) -> None:
    texts = [TEXT, LONG, "a", f"{LONG} b"]

    def tokens(text: str) -> tuple[int, ...]:
        target, draft = packed.start(request(text)), packed.start(request(f"{text}?"))
        found = tuple(token for _ in range(4) for token in target.propose(3).tokens + draft.propose(3).tokens)
        draft.close()
        target.close()
        return found

    alone = [tokens(text) for text in texts]
    together: dict[int, tuple[int, ...]] = {}
    threads = [
        threading.Thread(target=lambda i=i, text=text: together.__setitem__(i, tokens(text)))
        for i, text in enumerate(texts)
    ]
    for thread in threads:
        thread.start()
    batch = packed.generate([request(text, temperature=0.0) for text in texts])
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(4)] == alone
    assert [one.token_ids for one in batch] == [
        packed.generate([request(text, temperature=0.0)])[0].token_ids for text in texts
    ]


def test_one_answer_at_a_time_unless_memory_takes_more() -> None:
    budget, events = MemoryBudget(lambda: 1000), []

    def other(needed: int) -> threading.Thread:
        def work() -> None:
            thread = budget.acquire(needed)
            events.append(needed)
            budget.release(thread, needed)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    me = budget.acquire(150)
    budget.acquire(5000)  # a second state of the same answer never waits
    budget.release(me, 5000)
    other(50).join()  # 2 x 150 and 2 x 50 fit into half of 1000
    waiting = other(101)
    while not budget._changed._waiters:
        pass
    assert events == [50]
    budget.release(me, 150)
    waiting.join()
    assert events == [50, 101]
    other(10**9).join()  # alone, it is admitted whatever its size
    assert budget._held == {}


def test_the_budget_belongs_to_the_device() -> None:
    budget = _memory.memory_budget_of(torch.device("cpu"))
    assert budget is _memory.memory_budget_of(torch.device("cpu"))
    assert budget._free() > 2**20
