"""InfiniteBench beyond its table of cases: tasks by set, labels of options, and numbers left out first."""

from __future__ import annotations

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.infinitebench import Infinitebench


def score(reply, references, task="", choices=(), **settings):
    example = Example(Query("q", "?", choices), (), references, tags={"dataset": task})
    return Infinitebench(**settings).score(Answer(reply), example)


def test_the_task_is_that_of_the_set():
    assert score("12", ("12",), "passkey") == 1
    assert score("12", ("12",), "unknown") is None
    assert score("12", (), "passkey") is None
    assert Infinitebench(task="passkey").label == "infinitebench_passkey"


def test_the_label_of_a_choice_is_the_option_and_its_letter():
    options = ("A house", "A tower", "A ship", "A bridge")
    assert score("B", ("A tower",), "longbook_choice_eng", options) == 1
    assert score("A tower", ("A tower",), "longbook_choice_eng", options) == 0  # the first letter decides
    assert score("The answer is: A tower", ("A tower",), "longbook_choice_eng", options) == 1
    assert score("B", ("A tent",), "longbook_choice_eng", options) is None
    assert score("B.", ("A tower",), "code_debug", options) == 1


def test_numbers_may_be_left_out_first():
    assert score("7: 1, 2", ("[1, 2]",), "math_calc") == 0
    assert score("7: 1, 2", ("[1, 2]",), "math_calc", skip=1) == 1


def test_labels_that_are_no_numbers_have_no_score_where_a_number_is_asked_for():
    assert score("12", ("twelve",), "math_find") is None
    assert score("12", ("twelve", "12"), "code_run") == 1
    assert score("12.5", ("12",), "math_find") == 0
