"""Judges of published benchmarks: prompts to the letter of the authors, and their verdicts and figures."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics.llm_judge import LlmJudge
from ragvlc.testing import FunctionEngine, ScriptedPool

# SHA-256 of what the authors' functions give for question "Q?", gold "A." and reply "R.", run once; the system message
# goes first, on a line of its own.
PROMPTS = {
    ("longmemeval", "single-session-user"): "66896bfd8f9aa8fd",
    ("longmemeval", "single-session-assistant"): "66896bfd8f9aa8fd",
    ("longmemeval", "multi-session"): "66896bfd8f9aa8fd",
    ("longmemeval", "temporal-reasoning"): "2c6e336f0319b773",
    ("longmemeval", "knowledge-update"): "3d614586a71dc7c2",
    ("longmemeval", "single-session-preference"): "f1cfd746eafcdac8",
    ("longmemeval", "abstention"): "059b12ca3ff08641",
    ("lara", "location"): "f8bfc7090b608fe6",
    ("lara", "abstention"): "14c79834ab7c60ee",
    ("loogle", "longdep_qa"): "591f97aba361b375",
}


def judge(protocol, **settings) -> LlmJudge:
    return LlmJudge(judge="scripted", protocol=protocol, **settings)


def about(kind="multi-session", *references, **facts) -> Example:
    return Example(
        Query("q", "Q?"),
        (),
        references or ("A.",),
        unanswerable=kind == "abstention",
        scoring={"question_type": kind},
        **facts,
    )


@pytest.mark.parametrize(("protocol", "kind"), PROMPTS)
def test_prompts_are_those_of_the_authors(protocol, kind):
    prompt = judge(protocol).prompt_for("R.", about(kind))
    sent = "\n".join([prompt.system, prompt.text()] if prompt.system else [prompt.text()])
    assert hashlib.sha256(sent.encode()).hexdigest()[:16] == PROMPTS[protocol, kind]


def test_unanswerable_questions_are_shown_what_should_be_said():
    asked = Example(Query("q", "Q?"), (), unanswerable=True, tags={"said_instead": "The text does not tell."})
    assert judge("lara").applies(asked)
    assert "[Groundtruth Answer] The text does not tell.\n" in judge("lara").prompt_for("R.", asked).text()
    assert not judge("lara").applies(Example(Query("q", "Q?"), (), unanswerable=True))
    assert "The text does not tell." in judge("longmemeval").prompt_for("No.", asked).text()
    assert judge("longmemeval").applies(asked)


@pytest.mark.parametrize(
    ("protocol", "reply", "expected"),
    [
        ("lara", "True", 1), ("lara", "It is untrue", 1), ("lara", "False", 0), ("lara", "I do not know", 0),
        ("lara", "", None),
        ("longmemeval", "yes", 1), ("longmemeval", "Yes.", 1), ("longmemeval", "no", 0), ("longmemeval", "eyes", 1),
        ("longmemeval", "", 0), ("longmemeval", "<think>yes?</think>no", 0),
        ("loogle", "True", 1), ("loogle", " False\n", 0), ("loogle", "true", None), ("loogle", "True.", None),
    ],
)  # fmt: skip
def test_verdicts_are_read_as_the_authors_do(tmp_path, protocol, reply, expected):
    engine = FunctionEngine(lambda prompt: reply)
    with ScriptedPool(engine, tmp_path) as pool:
        for text in ("R.", ""):  # an empty reply is sent as it is
            score = judge(protocol).assess(Answer(text), about(), pool)
            assert (score.value, score.missing) == (expected, expected is None)
            assert score.flags == (("unjudged",) if expected is None else score.flags)
    assert len(engine.requests) == 2


def test_what_a_protocol_has_no_prompt_for_is_not_asked():
    assert not judge("longmemeval").applies(about("small-talk"))
    assert not judge("longmemeval").applies(Example(Query("q", "Q?"), (), ("A.",)))
    assert not judge("loogle").applies(about(task="summarization"))
    assert not judge("loogle").applies(Example(Query("q", "Q?"), ()))
    with pytest.raises(ValidationError, match="the protocol lara has prompts of its own"):
        judge("lara", prompt="{question} {answer} {reference}")


def test_labels_and_keys():
    plain = LlmJudge(judge="scripted")
    assert (plain.label, judge("lara").label) == ("llm_judge", "llm_judge_lara")
    assert judge("loogle", name="b").label == "llm_judge_loogle_b"
    assert judge("ragvlc").key == plain.key != judge("lara").key
    assert "protocol" not in plain.key_facts()["fields"]


def question(score, task="multi-session", *, unanswerable=False, text="book") -> ScoredQuestion:
    return ScoredQuestion("q", score, task=task, unanswerable=unanswerable, tags={"text": text})


def test_longmemevals_figures():
    asked = [question(1.0), question(0.0), question(1.0, unanswerable=True), question(0.0, "temporal-reasoning")]
    assert judge("longmemeval").official([*asked, question(None)]) == {
        "multi-session": 0.6667,
        "temporal-reasoning": 0.0,
        "Task-averaged Accuracy": 0.3333,
        "Overall Accuracy": 0.5,
        "Abstention Accuracy": 1.0,
    }
    assert judge("longmemeval").official([question(None)]) == {}


def test_laras_figures_are_means_of_means():
    asked = [question(1.0, "location"), question(0.0, "location"), question(1.0, "location", text="paper")]
    figures = judge("lara").official([*asked, question(0.0, "hallu"), question(None, "comp")])
    assert figures == {"location": 0.75, "hallu": 0.0, "Overall": 0.375}
    assert judge("loogle").official(asked) == LlmJudge(judge="scripted").official(asked) == {}
    assert [judge(name).has_official for name in ("ragvlc", "loogle", "lara", "longmemeval")] == [0, 0, 1, 1]
