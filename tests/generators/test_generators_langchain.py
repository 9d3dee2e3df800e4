"""LangChain's chat models as generators: made, asked, counted, and their errors and keys kept in bounds."""

from __future__ import annotations

import threading
import traceback

import chat_models
import pytest
from pydantic import ValidationError

from ragvlc.core.answer import Usage
from ragvlc.core.engines import Generation, Prompt, Request, TextEngine
from ragvlc.core.errors import EngineError, MissingExtra, WindowExceeded
from ragvlc.core.families import Generator
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.generators.langchain import LangChainGenerator
from ragvlc.text.generations import read_generation

KEY = "sk-hunter2-and-some-more"


def request(text: str = "The capital of France is Paris", **settings: object) -> Request:
    return Request(Prompt("{q}", {"q": text}), **{"max_tokens": 20, **settings})


def spec(name: str, **fields: object) -> LangChainGenerator:
    return LangChainGenerator(**{"chat_model": f"chat_models:{name}", "window": 4096, **fields})


def generate(part: LangChainGenerator, *requests: Request) -> list[Generation]:
    engine = part.open()
    assert isinstance(engine, TextEngine)
    try:
        return engine.generate(requests or [request()])
    finally:
        engine.close()


def test_a_streaming_model_is_timed_counted_and_mapped() -> None:
    [generation] = generate(spec("Service"))
    assert (generation.text, generation.finish) == ("Paris", "stop")
    assert generation.usage == Usage(prompt_tokens=7, cached_tokens=4, completion_tokens=5, calls=1)
    timing = generation.timing
    assert 0 < timing.first_token_seconds < timing.engine_seconds
    assert timing.engine_seconds == pytest.approx(timing.phases["prefill"] + timing.phases["decode"])
    assert generation.notes == {"token_counts": "estimated"}
    [cut] = generate(spec("Service", arguments={"reason": "max_tokens"}))
    assert cut.finish == "length"


def test_settings_of_a_request_go_under_the_names_of_the_class() -> None:
    chat_models.MADE.clear()
    asked = request(temperature=0.5, top_p=0.9, seed=3)
    generate(spec("Service", arguments={"region": "there"}), request(), asked, request())
    made = [
        (model.max_output_tokens, model.temperature, model.top_p, model.random_seed, model.region)
        for model in chat_models.MADE
    ]
    assert sorted(made, key=str) == [(20, 0.0, None, None, "there"), (20, 0.5, 0.9, 3, "there")]


def test_a_setting_may_have_another_name_or_none() -> None:
    chat_models.MADE.clear()
    generate(spec("Service", names={"max_tokens": "limit", "temperature": None}))
    assert [(model.max_output_tokens, model.temperature) for model in chat_models.MADE] == [(20, None)]


def test_a_model_that_does_not_stream_has_no_first_token_and_is_counted_here() -> None:
    part = spec("Whole")
    [generation] = generate(part)
    assert generation.text == "Paris is it."
    assert generation.timing.first_token_seconds is None
    assert generation.timing.phases == {"decode": generation.timing.engine_seconds}
    assert generation.notes["usage_from"] == "estimate"
    assert generation.usage.completion_tokens == part.tokenizer().count("Paris is it.")


def test_limit_and_stop_hold_for_models_that_know_neither() -> None:
    [generation] = generate(spec("Whole"), request(max_tokens=2))
    assert (generation.text, generation.finish, generation.notes["cut_here"]) == ("Paris is", "length", True)
    [stopped] = generate(spec("Whole"), request(stop=("is",)))
    assert (stopped.text, stopped.finish) == ("Par", "stop")


def test_langchains_own_fakes_answer_and_data_is_sent_broken_up() -> None:
    [parroted] = generate(spec("Parrot"), request("a <|im_end|> b"))
    assert parroted.text == "a < |im_end|> b"
    assert parroted.notes["control_strings_broken"] == 1
    [listed] = generate(spec("FakeListChatModel", arguments={"responses": ["Paris."]}))
    assert (listed.text, listed.finish) == ("Paris.", "none")
    assert listed.timing.first_token_seconds is not None


def test_a_model_that_breaks_off_is_an_error_of_the_engine() -> None:
    part = spec("FakeListChatModel", arguments={"responses": ["Paris."], "error_on_chunk_number": 2})
    with pytest.raises(EngineError, match="chat_models:FakeListChatModel: FakeListChatModelError"):
        generate(part)


def test_calls_are_in_work_side_by_side_within_the_bound() -> None:
    chat_models.CALLS = calls = chat_models.Calls()
    calls.barrier = threading.Barrier(3)
    assert len(generate(spec("Whole", concurrency=3), *[request(str(i)) for i in range(9)])) == 9
    assert calls.most == 3
    chat_models.CALLS = chat_models.Calls()


def test_a_prompt_too_long_is_never_sent() -> None:
    with pytest.raises(WindowExceeded, match="exceed the window of 100"):
        generate(spec("Whole", window=100), request("word " * 100))


def test_the_window_comes_from_the_profile_or_the_settings() -> None:
    part = spec("Whole", window=None)
    with pytest.raises(EngineError, match="does not say how long its window is. Set window:"):
        part.open()
    known = spec("Whole", window=None, arguments={"profile": {"max_input_tokens": 300}})
    engine = known.open()
    assert engine.window == 300
    engine.close()


def test_logprobs_are_refused() -> None:
    with pytest.raises(EngineError, match="no setting for log-probabilities"):
        generate(spec("Whole"), request(logprobs=True))


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize(("status", "transient"), [(401, False), (429, True), (503, True), (0, True)])
def test_what_the_model_raises_is_wrapped_without_its_key(
    monkeypatch: pytest.MonkeyPatch, status: int, transient: bool
) -> None:
    reference = {"env": "MY_SERVICE_KEY"}
    arguments = {"api_key": reference, "status": status, "headers": {"X-Key": reference}}
    part = spec("Keyed", arguments=arguments)
    with pytest.raises(EngineError, match="needs the environment variable MY_SERVICE_KEY, which is not set"):
        part.open()
    monkeypatch.setenv("MY_SERVICE_KEY", KEY)
    engine = part.open()
    with pytest.raises(
        EngineError, match="reset by peer" if not status else rf"HTTP {status}: bad key \*\*\*"
    ) as caught:
        engine.generate([request()])
    engine.close()
    assert caught.value.transient is transient
    told = [repr(part), str(part.spec()), "".join(traceback.format_exception(caught.value)), repr(vars(engine))]
    assert KEY not in " ".join(told)
    assert caught.value.__context__ is None


def test_arguments_that_do_not_fit_are_named_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_KEY", KEY)
    with pytest.raises(EngineError, match="Keyed cannot be made: status: Input should be a valid integer") as caught:
        generate(spec("Keyed", arguments={"api_key": {"env": "MY_SERVICE_KEY"}, "status": {"env": "MY_SERVICE_KEY"}}))
    assert KEY not in "".join(traceback.format_exception(caught.value))


# ---------------------------------------------------------------- reading the settings


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"chat_model": "langchain_openai.ChatOpenAI"}, "must be module:Class"),
        ({"chat_model": "../x:Y"}, "must be module:Class"),
        ({"arguments": {"openai_api_key": KEY}}, "'openai_api_key' looks like a secret"),
        ({"arguments": {"headers": {"Authorization": KEY}}}, "'Authorization' looks like a secret"),
        ({"arguments": {"temperature": 1}}, "'temperature' cannot be set here"),
        ({"arguments": {"num_predict": 9}}, "'num_predict' cannot be set here"),
        ({"names": {"max_token": "x"}}, "is no setting of a request.*Nearest: max_tokens"),
        ({"tokenizer_from": "server"}, "needs kind: openai_compatible"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_when_read_and_not_repeated(fields: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        LangChainGenerator(**{"chat_model": "chat_models:Whole", **fields})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("no_such_package_here:Chat", MissingExtra, "pip install no-such-package-here"),
        ("chat_models:NoChat", EngineError, "cannot be imported"),
        ("chat_models:NoModel", EngineError, "is not a chat model"),
    ],
)
def test_classes_that_cannot_be_used_are_said_when_the_model_opens(name: str, error: type, said: str) -> None:
    part = LangChainGenerator(chat_model=name, window=100)
    assert part.key
    with pytest.raises(error, match=said):
        part.open()


def test_its_spec_builds_it_again_and_its_key_holds_what_changes_answers() -> None:
    part = spec("Service", arguments={"region": "there", "nested": {"a": [1, None]}}, names={"seed": None})
    assert Generator.build(part.spec()) == part
    keys = {spec("Service").key, spec("Whole").key, part.key, spec("Service", system="x").key}
    assert len(keys) == 4
    assert spec("Service", concurrency=1).key == spec("Service").key


THOUGHT = {"type": "reasoning", "reasoning": "Paris"}


@pytest.mark.parametrize(
    "chunks",
    [
        [{"content": [THOUGHT]}, {"content": [{"type": "text", "text": "Rome"}]}],
        [{"content": [{"type": "thinking", "thinking": "Paris", "signature": "x"}, {"type": "text", "text": "Rome"}]}],
        [{"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Paris"}]}, "Rome"]}],
        [{"content": "", "additional_kwargs": {"reasoning_content": "Paris"}}, {"content": "Rome"}],
        [{"content": "<think>Paris</th"}, {"content": "ink>Rome"}],
    ],
)
def test_thoughts_are_read_in_every_form(chunks: list[dict]) -> None:
    generation = read_generation(*generate(spec("Chunks", arguments={"chunks": chunks})), "auto", EstimatedTokenizer)
    assert (generation.text, generation.thought, generation.finish) == ("Rome", "Paris", "stop")
    assert generation.usage.thought_tokens > 0


@pytest.mark.parametrize("reason", ["error", "abort", "FinishReason.CANCELLED", "networkError"])
def test_an_answer_that_the_model_broke_off_is_none(reason: str) -> None:
    with pytest.raises(EngineError, match="broke off its answer") as caught:
        generate(spec("Chunks", arguments={"chunks": [{"content": "Ro"}], "reason": reason}))
    assert caught.value.transient


@pytest.mark.parametrize(
    ("chunks", "reason", "finish"),
    [
        ([{"content": ""}], "content_filter", "filtered"),
        ([{"content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]}], "tool_use", "tool_call"),
        ([{"content": "I", "additional_kwargs": {"refusal": "I cannot."}}], "stop", "refused"),
        ([{"content": [THOUGHT]}], "MAX_TOKENS", "length"),
    ],
)
def test_what_is_no_answer_is_known(chunks: list[dict], reason: str, finish: str) -> None:
    sent = generate(spec("Chunks", arguments={"chunks": chunks, "reason": reason}))
    generation = read_generation(*sent, "auto", EstimatedTokenizer)
    assert (generation.text, generation.finish, generation.notes["no_answer"]) == ("", finish, 1)


# ---------------------------------------------------------------- what a service refuses


def test_a_refused_setting_is_named_with_the_line_that_leaves_it_out() -> None:
    words = "temperature is deprecated for this model"
    with pytest.raises(EngineError, match=r"HTTP 400: temperature is.*`names: \{temperature: null\}`") as caught:
        generate(spec("Refusing", arguments={"words": words}))
    assert "server:" not in str(caught.value)
    with pytest.raises(WindowExceeded, match="Input is too long"):
        generate(spec("Refusing", arguments={"words": "Input is too long for requested model."}))
    with pytest.raises(ValidationError, match="temperature: 0.7 would not be sent: names leaves temperature out"):
        spec("Service", names={"temperature": None}, temperature=0.7)


def test_without_a_temperature_answers_are_samples() -> None:
    chat_models.MADE.clear()
    part = spec("Service", names={"temperature": None})
    [found] = generate(part, request(seed=4))
    assert found.notes["temperature_unsent"] is True
    assert (chat_models.MADE[-1].temperature, chat_models.MADE[-1].random_seed) == (None, 4)
    assert (part.random, part.lasting) == (True, False)
