"""Sessions: what they say is what a fresh forward pass says, whatever was taken back, and they wait their turn."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from tiny_chat import make_tokenizer

from ragvlc.core.engines import Prompt, Request, TokenEngine
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.engines.batching.fair_lock import Turns
from ragvlc.engines.decode_state import memory as _sessions_room
from ragvlc.engines.decode_state import state as _session
from ragvlc.engines.decode_state.memory import Room
from ragvlc.generators.transformers import TransformersGenerator

TEXT = "the cat sat on the mat and the dog ran after the cat"
LONG = f"{TEXT}, " * 6


def opened(folder: Path, **settings):
    return TransformersGenerator(**{"model": str(folder), "device": "cpu", "batch_size": 4, **settings}).open()


def request(text: str = TEXT, **settings) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 24, "temperature": 1.0, "seed": 7, **settings})


@pytest.fixture(scope="module", params=[4, 1], ids=["flat", "library"])
def engine(tiny_model: Path, request):
    engine = opened(tiny_model, batch_size=request.param)
    yield engine
    engine.close()


@pytest.fixture
def flat(tiny_model: Path):
    engine = opened(tiny_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def fresh(tiny_model: Path):
    """Returns the probabilities behind a prompt and tokens, by the library, without any cache."""
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
        session = engine.start(greedy)
        assert session.propose(24).tokens == generation.token_ids
        session.close()


def test_what_is_said_of_a_draft_is_what_a_fresh_pass_says(engine, fresh) -> None:
    session = engine.start(request())
    draft = [5, 90, 200, 33]
    assert torch.allclose(session.verify(draft), fresh(TEXT, draft, 5), atol=1e-5)
    session.close()


def test_what_was_taken_back_leaves_no_trace(engine, fresh) -> None:
    text, session = [], engine.start(request())
    for step, (draft, kept, following) in enumerate([([4, 5, 6], 0, 9), ([7, 8], 2, 3), ([], 0, 44), ([1] * 5, 3, 12)]):
        expected = fresh(TEXT, [*text, *draft], len(draft) + 1)
        assert torch.allclose(session.verify(draft), expected, atol=1e-5), step
        session.rewind(len(draft) - kept)
        session.extend([following])
        text += [*draft[:kept], following]
    drafted = session.propose(5)
    for i in range(5):
        assert torch.allclose(drafted.rows[i], fresh(TEXT, [*text, *drafted.tokens[:i]])[0], atol=1e-5)
    session.rewind(4)
    text.append(drafted.tokens[0])
    for _ in range(2):  # looking twice is the same
        assert torch.allclose(session.peek(), fresh(TEXT, text), atol=1e-5)
    session.verify([1, 2])
    session.rewind(2)
    session.extend([3, 4, 5])  # more than was taken back
    assert torch.allclose(session.peek(), fresh(TEXT, [*text, 3, 4, 5]), atol=1e-5)
    session.rewind(len(text) + 3)
    assert torch.allclose(session.verify([]), fresh(TEXT, []), atol=1e-5)
    session.close()


def test_each_session_counts_its_own_positions(engine, fresh) -> None:
    """Two prompts of unlike lengths, their steps in turn: neither feels the other."""
    one, other = engine.start(request(LONG)), engine.start(request("a"))
    for token in (11, 12, 13):
        for session, text, taken in ((one, LONG, [11, 12, 13]), (other, "a", [11, 12, 13])):
            rows = session.verify([token])
            assert torch.allclose(rows[1:], fresh(text, taken[: token - 10]), atol=1e-5)
    for session in (one, other):
        session.close()


def test_one_pass_a_verification_of_the_last_token_and_the_draft(engine) -> None:
    widths: list[int] = []
    hook = engine._sessions.model.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    session = engine.start(request("what is the answer to the question?", cold=True))
    prompt = session.usage.prompt_tokens
    widths[:-1] = []  # before the prompt, the model was tried
    assert widths == [prompt - 1]
    session.verify([1, 2, 3])
    session.rewind(2)
    session.extend([9])
    session.verify([4, 5])
    session.extend([6])
    session.propose(2)
    assert widths == [prompt - 1, 4, 3, 1, 1]
    hook.remove()
    session.close()


def test_rows_of_another_width(engine, fresh) -> None:
    whole = fresh(TEXT, [])[0]
    narrow, wide = engine.start(request(), width=100), engine.start(request(), width=400)
    assert (narrow.width, wide.width) == (100, 400)
    assert torch.allclose(narrow.peek()[0], whole[:100] / whole[:100].sum(), atol=1e-5)
    assert torch.allclose(wide.peek()[0, : len(whole)], whole, atol=1e-5)
    assert float(wide.peek()[0, len(whole) :].sum()) == 0
    assert max(narrow.propose(20).tokens) < 100
    for session in (narrow, wide):
        session.close()


def test_draws_are_those_of_the_seed(engine) -> None:
    def drawn(**settings) -> tuple[int, ...]:
        session = engine.start(request(**settings))
        tokens = session.propose(9).tokens + session.propose(9).tokens
        session.close()
        return tokens

    assert drawn(seed=1) == drawn(seed=1) != drawn(seed=2)
    assert drawn(temperature=0.01, seed=1) == drawn(temperature=0.0, seed=3)
    assert drawn(top_p=1e-6, seed=1) == drawn(temperature=0.0)


def test_a_draft_ends_behind_an_end_or_an_unlikely_token(engine) -> None:
    session = engine.start(request(temperature=0.0))
    tokens = session.propose(12).tokens
    session.rewind(12)
    ending = session.sessions.ending
    stop = next(i for i, token in enumerate(tokens) if token not in tokens[:i] and i > 2)
    object.__setattr__(ending, "ids", ending.ids | {tokens[stop]})
    assert session.propose(12).tokens == tokens[: stop + 1]
    object.__setattr__(ending, "ids", ending.ids - {tokens[stop]})
    session.close()
    hot = engine.start(request(seed=3))
    draft = hot.propose(12, confident=0.05)
    own = [float(draft.rows[i, token]) for i, token in enumerate(draft.tokens)]
    assert all(one >= 0.05 for one in own[:-1])
    assert own[-1] < 0.05 or len(own) == 12
    hot.close()


def test_it_counts(engine) -> None:
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
    for session in (target, draft):
        session.close()


def test_after_plain_decoding_the_text_goes_on(engine, fresh) -> None:
    session = engine.start(request())
    session.verify([7, 8])
    session.plain_seconds(5)
    assert torch.allclose(session.verify([9]), fresh(TEXT, [7, 8, 9], 2), atol=1e-5)
    session.close()


def test_what_cannot_be_is_refused(tiny_model, engine) -> None:
    session = engine.start(request(max_tokens=3))
    assert len(session.propose(10).tokens) == 3
    for wrong in (lambda: session.extend([1]), lambda: session.verify([1]), lambda: session.rewind(4)):
        with pytest.raises(ValueError, match="3"):
            wrong()
    session.close()
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.propose(1)
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
    [("sliding", "cannot be taken back"), ("recurrent", "cannot be taken back"), ("dynamic", "several tokens at once")],
)
def test_models_whose_text_cannot_be_taken_back(name, reason, tmp_path) -> None:
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
    session = engine.start(greedy)
    session.verify([3, 4])
    session.rewind(2)
    assert session.propose(24).tokens == engine.generate([greedy])[0].token_ids
    session.close()
    engine.close()


def test_tokens_have_a_name(tiny_model, tmp_path) -> None:
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


def test_prompts_are_shared_with_batches_and_sessions(flat, fresh) -> None:
    flat.generate([request(f"{LONG} one", temperature=0.0)])
    session = flat.start(request(f"{LONG} two"))
    cached = session.usage.cached_tokens
    assert cached > 60
    assert torch.allclose(session.verify([1, 2]), fresh(f"{LONG} two", [1, 2], 3), atol=1e-5)
    session.close()
    cold = flat.start(request(f"{LONG} two", cold=True))
    assert cold.usage.cached_tokens == 0
    cold.close()
    left = flat.start(request(f"{TEXT}? {LONG} three"))
    left.verify([1])
    left.close()
    again = request(f"{TEXT}? {LONG} three", temperature=0.0)
    (found,) = flat.generate([again])
    (plain,) = flat.generate([request(f"{TEXT}? {LONG} three", temperature=0.0, cold=True)])
    assert found.usage.cached_tokens == found.usage.prompt_tokens - 1
    assert found.token_ids == plain.token_ids
    assert found.timing.phases["saved"] > 0


def test_sessions_about_one_document_keep_it_once(flat) -> None:
    for word in ("one", "two", "three"):
        session = flat.start(request(f"{LONG} {word}"))
        session.verify([1])
        session.close()
    assert len(flat._sessions.prefixes) == 1


def test_a_full_memory_is_a_passing_trouble(flat, monkeypatch) -> None:
    flat.generate([request(LONG, temperature=0.0)])
    read, full = _session.read, [True, False]

    def failing(*args):
        if full.pop(0):
            raise torch.OutOfMemoryError("full")
        read(*args)

    monkeypatch.setattr(_session, "read", failing)
    session = flat.start(request(f"{LONG}!"))  # the kept prefix is given up, then it fits
    assert (session.usage.cached_tokens, len(flat._sessions.prefixes)) == (0, 0)
    session.close()
    full[:] = [True, True]
    with pytest.raises(EngineError, match="memory") as error:
        flat.start(request())
    assert error.value.transient
    full[:] = [False]
    flat.start(request()).close()  # and the turn and the room are free again


def test_turns_come_in_the_order_of_asking() -> None:
    turns, seen = Turns(), []

    def ask(name: str) -> None:
        with turns:
            seen.append(name)

    turns.__enter__()
    threads = []
    for name in "abc":
        threads.append(threading.Thread(target=ask, args=(name,)))
        threads[-1].start()
        while len(turns._waiting) < len(threads):
            pass
    turns.__exit__()
    ask("again")  # whoever has just had it comes last
    for thread in threads:
        thread.join()
    assert seen == ["a", "b", "c", "again"]


def test_a_session_gets_between_two_steps_of_a_batch(flat) -> None:
    """It does not wait for the batch's end: its turn comes while the batch still works."""
    session = flat.start(request())
    steps, between = [], []
    step = flat._gathering._form.step

    def stepping() -> None:
        steps.append(len(between))
        if len(steps) == 3:
            threading.Thread(target=lambda: between.append(session.verify([1]))).start()
            for _ in range(2000):
                if flat._sessions.turns._waiting:
                    break
                threading.Event().wait(0.005)
            assert flat._sessions.turns._waiting
        step()

    flat._gathering._form.step = stepping
    (generation,) = flat.generate([request(LONG, temperature=0.0, max_tokens=60)])
    assert len(generation.token_ids) == len(steps) + 1 == 60
    assert steps[:3] == [0, 0, 0]
    assert steps[-1] == 1
    session.close()


def test_threads_with_sessions_get_what_they_get_alone(flat) -> None:
    texts = [TEXT, LONG, "a", f"{LONG} b"]

    def tokens(text: str) -> tuple[int, ...]:
        target, draft = flat.start(request(text)), flat.start(request(f"{text}?"))
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
    batch = flat.generate([request(text, temperature=0.0) for text in texts])
    for thread in threads:
        thread.join()
    assert [together[i] for i in range(4)] == alone
    assert [one.token_ids for one in batch] == [
        flat.generate([request(text, temperature=0.0)])[0].token_ids for text in texts
    ]


def test_room_for_one_answer_at_a_time_unless_there_is_more() -> None:
    room, events = Room(lambda: 1000), []

    def other(needed: int) -> threading.Thread:
        def work() -> None:
            thread = room.enter(needed)
            events.append(needed)
            room.leave(thread, needed)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    me = room.enter(150)
    room.enter(5000)  # a second session of the same answer never waits
    room.leave(me, 5000)
    other(50).join()  # 2 x 150 and 2 x 50 fit into half of 1000
    waiting = other(101)
    while not room._changed._waiters:
        pass
    assert events == [50]
    room.leave(me, 150)
    waiting.join()
    assert events == [50, 101]
    other(10**9).join()  # alone, it is let in: the memory itself will tell
    assert room._held == {}


def test_the_room_is_the_devices() -> None:
    room = _sessions_room.room_of(torch.device("cpu"))
    assert room is _sessions_room.room_of(torch.device("cpu"))
    assert room._free() > 2**20
