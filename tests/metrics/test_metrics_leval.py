"""L-Eval beyond its table of cases: options by their text, halves of a statement, and the geometric mean."""

from __future__ import annotations

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.core.families import ScoredQuestion
from ragvlc.metrics.leval_exam import LevalExam
from ragvlc.metrics.leval_rouge import LevalRouge
from ragvlc.metrics.leval_sci_fi import LevalSciFi


def test_the_right_letters_are_those_of_the_options():
    example = Example(Query("q", "?", ("a house", "a tower", "a ship", "a bridge")), (), ("a tower", "a bridge"))
    assert LevalExam(several="always").score(Answer("BD"), example) == 1
    assert LevalExam(several="always").score(Answer("D."), example) == 0.25
    assert LevalExam(several="always").score(Answer("A D "), example) == 0
    other = Example(Query("q", "?", ("a house", "a tower")), (), ("a tent",))
    assert LevalExam().score(Answer("A"), other) is None


@pytest.mark.parametrize(
    ("part", "reply", "score", "flags"),
    [
        ("both", "True [fact: False]", 1, ()),
        ("both", "True", 0.5, ("unparsed",)),
        ("loyalty", "True", 1, ()),
        ("loyalty", "False [fact: False]", 0, ()),
        ("fact", "False", 1, ()),
        ("fact", "False [fact: True]", 0, ()),
    ],
)
def test_halves_of_a_statement(part, reply, score, flags):
    metric = LevalSciFi(part=part)
    for references, scoring in ((("True",), {"fact": "False"}), (("True [fact: False]",), {})):
        example = Example(Query("q", "?"), (), references, scoring=scoring)
        assert metric.score(Answer(reply), example) == score
        assert metric.flags(Answer(reply), example) == flags
    one = Example(Query("q", "?"), (), (reply.partition(" ")[0],), scoring={"fact": "True"})
    assert LevalSciFi().score(Answer(reply), one) == 1  # the question that was asked
    assert LevalSciFi().flags(Answer(reply), one) == ()
    lacking = Example(Query("q", "?"), (), ("True",))
    assert metric.score(Answer(reply), lacking) == (score if part == "loyalty" else None)


def test_the_headline_is_the_geometric_mean_of_averages():
    labels = ("leval_rouge_1", "leval_rouge_2", "leval_rouge_L")
    assert [LevalRouge(type=kind).label for kind in (1, 2, "L")] == list(labels)
    rows = [(0.5, 0.2, 0.4), (0.3, 0.0, 0.2)]
    questions = [ScoredQuestion("q", row[2], dict(zip(labels, row, strict=True))) for row in rows]
    # averages 40, 10 and 30 (auto_eval.py: the third root of their product)
    assert LevalRouge().official(questions) == {"L-Eval": 30.0, "geometric mean": 22.8943}
    assert LevalRouge(type=1).official([ScoredQuestion("q", 0.4, {"leval_rouge_1": 0.4})]) == {"L-Eval": 40.0}
    assert LevalRouge().official([ScoredQuestion("q", 0.4, {"leval_rouge_L": 0.4})]) == {"L-Eval": 40.0}
