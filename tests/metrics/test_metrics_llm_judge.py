"""The judge: what it is asked, how its verdict is read, and what happens without one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ragvlc.core.answer import Answer, Usage
from ragvlc.core.data import Example, Query
from ragvlc.core.errors import EngineError
from ragvlc.generators.openai_compatible import OpenAICompatible
from ragvlc.generators.scripted import Scripted
from ragvlc.generators.transformers import TransformersGenerator
from ragvlc.metrics.llm_judge import LlmJudge, verdict_of
from ragvlc.testing import FunctionEngine, ScriptedPool

JUDGE = LlmJudge(judge="scripted")
HEIGHT = Example(Query("q", "How high?"), (), ("31 metres", "31 m"))
PRICE = Example(Query("q", "What does a bun cost?"), (), unanswerable=True)
FOG = Example(Query("q", "In fog?", ("It sails", "It stays")), (), ("It stays",))


@pytest.fixture
def judged(tmp_path):
    """Returns a function that assesses with a judge of one reply; the engine is its attribute."""

    def judged(verdict, reply, example=HEIGHT, metric=JUDGE):
        def say(prompt):
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        judged.engine = FunctionEngine(say)
        with ScriptedPool(judged.engine, tmp_path) as pool:
            answer = reply if isinstance(reply, Answer) else Answer(reply)
            return metric.assess(answer, example, pool)

    return judged


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("True", True), ("False", False), ("true.", True), ("**FALSE**", False), ("'True'", True),
        ("答案是True。", True), ("True, not False", True), ("False. It is true that ...", False),
        ("Verdict: false", False),
        ("It is untrue", None), ("Truely", None), ("yes", None), ("", None), ("1", None),
        ("<think>Is it true? No.</think>\nFalse", False), ("so true it seems</think> False", False),
        ("<think>It is true that", None), ("<think></think>", None),
    ],
)  # fmt: skip
def test_the_first_of_the_two_words_decides(reply, expected):
    assert verdict_of(reply) is expected


@pytest.mark.parametrize("example", [HEIGHT, PRICE, FOG])
def test_a_verdict_is_a_score_and_is_charged(judged, example):
    right, wrong = judged("True", "31", example), judged("false", "31", example)
    assert [right.value, wrong.value] == [1, 0]
    [request] = judged.engine.requests
    assert (request.temperature, request.max_tokens) == (0, 16)
    assert wrong.usage == Usage(right.usage.prompt_tokens, 0, 1, 1)
    assert right.usage.prompt_tokens > 50
    assert right.flags == wrong.flags == ()
    assert not right.missing


def test_a_judge_that_cannot_decode_greedily_is_remarked_on(judged):
    sampling = OpenAICompatible(url="http://127.0.0.1:9/v1", model="m", window=99, server="openai_reasoning")
    assert judged("True", "31", metric=LlmJudge(judge=sampling)).flags == ("judge_sampled",)
    greedy = OpenAICompatible(url="http://127.0.0.1:9/v1", model="m", window=99)
    assert judged("True", "31", metric=LlmJudge(judge=greedy)).flags == ()


@pytest.mark.parametrize(
    "verdict", ["I cannot say.", "", EngineError("on purpose"), EngineError("busy", transient=True)]
)
def test_without_a_verdict_a_score_is_missing_and_never_false(judged, verdict):
    score = judged(verdict, "31")
    assert (score.value, score.flags, score.missing) == (None, ("unjudged",), True)
    assert score.usage.calls == (0 if isinstance(verdict, Exception) else 1)


def test_an_error_of_our_own_is_no_missing_verdict(judged):
    with pytest.raises(ZeroDivisionError):
        judged(ZeroDivisionError(), "31")


def test_what_is_asked(judged):
    judged("True", "a {reference} of 31", HEIGHT)
    prompt = judged.engine.requests[0].prompt
    assert prompt.fields["answer"] == "a {reference} of 31"
    text = prompt.text()
    assert "How high?" in text
    assert "any one of these lines will do):\n31 metres\n31 m\n" in text
    assert "Answer to check:\na {reference} of 31\n" in text  # data is put in once and never read as a template
    judged("True", "June", Example(Query("q", "Which?"), (), ("June", "July"), answer_mode="all"))
    assert "all of these lines are required" in judged.engine.requests[0].prompt.text()
    judged("True", "B", FOG)
    assert "In fog?\nA. It sails\nB. It stays\n" in judged.engine.requests[0].prompt.text()
    assert "do):\nB. It stays\n" in judged.engine.requests[0].prompt.text()


def test_unanswerable_questions_have_a_prompt_of_their_own(judged):
    said = Example(Query("q", "What does it cost?"), (), ("The text does not say.",), unanswerable=True)
    for example in (PRICE, said):
        assert judged("True", "It is not told.", example).value == 1
        text = judged.engine.requests[0].prompt.text()
        assert "The text does not answer the question" in text
        assert "Reference" not in text
        assert "does not say" not in text


@pytest.mark.parametrize(("reply", "unanswerable"), [("", 0), (" \n", 0), (Answer("NONE", finish="declined"), 1)])
def test_nothing_said_needs_no_judge(judged, reply, unanswerable):
    assert judged("True", reply, HEIGHT).value == 0
    assert judged("False", reply, PRICE).value == unanswerable
    assert judged.engine.requests == []


def test_an_option_may_be_a_refusal(judged):
    unknown = Example(Query("q", "How?", ("on foot", "NONE")), (), ("NONE",))
    assert judged("True", Answer("NONE", finish="declined"), unknown).value == 1


def test_it_does_not_apply_where_nothing_is_known(judged):
    nothing = Example(Query("q", "?"), ())
    assert judged("True", "31", nothing).value is None
    assert judged("True", "31", nothing).missing is False
    assert judged.engine.requests == []
    assert [JUDGE.applies(example) for example in (HEIGHT, PRICE, nothing)] == [True, True, False]


def test_equal_answers_are_judged_once_and_charged_twice_but_missing_verdicts_are_asked_again(tmp_path):
    replies = iter(["hm", "True", "False"])
    engine = FunctionEngine(lambda prompt: next(replies))
    with ScriptedPool(engine, tmp_path) as pool:
        scores = [JUDGE.assess(Answer("31"), HEIGHT, pool) for _ in range(3)]
        assert [score.value for score in scores] == [None, 1, 1]
        assert scores[1].usage == scores[2].usage == Usage(scores[1].usage.prompt_tokens, 0, 1, 1)
        assert JUDGE.assess(Answer("32"), HEIGHT, pool).value == 0
    assert len(engine.requests) == 3


SMALL = "packaged:smollm2-135m-instruct"


def test_a_model_does_not_judge_itself_unless_told_to():
    same = LlmJudge(judge=TransformersGenerator(model=SMALL))
    others = [Scripted(), TransformersGenerator(model=SMALL, window=512, temperature=0.5)]
    assert "allow_same_model" in same.objection(others)
    assert same.objection(others[:1]) is None
    allowed = LlmJudge(judge=same.judge, allow_same_model=True)
    assert allowed.objection(others) is None
    assert allowed.key == same.key
    assert JUDGE.objection(others)
    assert JUDGE.objection([Scripted(default="other")]) is None


def test_sweeps_may_have_several_judges():
    assert [JUDGE.label, LlmJudge(judge="scripted", name="strict").label] == ["llm_judge", "llm_judge_strict"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "judge"),
        ({"judge": "scripted", "prompt": "{question} {answer}"}, r"prompt must contain {reference}"),
        (
            {"judge": "scripted", "prompt": "{question} {answer} {reference} {anser}"},
            r"no field {anser}.*Nearest: answer",
        ),
        ({"judge": "scripted", "unanswerable_prompt": "{question}"}, r"unanswerable_prompt must contain {answer}"),
        ({"judge": "scripted", "unanswerable_prompt": "{question} {answer} {rule}"}, r"no field {rule}"),
        ({"judge": "scripted", "name": "a b"}, "name"),
        ({"judge": "scriptd"}, "Nearest: scripted"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        LlmJudge(**settings)
