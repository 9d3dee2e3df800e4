"""exact_match, token_f1 and contains: tables worked by hand, then properties."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.core.families import Metric
from ragvlc.metrics.contains import Contains
from ragvlc.metrics.exact_match import ExactMatch
from ragvlc.metrics.rouge_l import RougeL
from ragvlc.metrics.token_f1 import TokenF1

METRICS = (ExactMatch(), TokenF1(), Contains())


def example(*references: str, mode="any", unanswerable=False) -> Example:
    return Example(Query("q", "?"), (), references, answer_mode=mode, unanswerable=unanswerable)


def scores(reply: str, *references: str, mode="any") -> list[float | None]:
    return [metric.score(Answer(reply), example(*references, mode=mode)) for metric in METRICS]


@pytest.mark.parametrize(
    ("reply", "references", "exact", "f1", "contains"),
    [
        ("The cat.", ["cat"], 1, 1, 1),
        ("a black cat sat", ["black cat"], 0, 0.8, 1),  # precision 2/3, recall 1
        ("black", ["black cat"], 0, 2 / 3, 0),
        ("dog", ["cat"], 0, 0, 0),
        # Multiplicity counts: one `new` of two is common.
        ("new", ["new new"], 0, 2 / 3, 0),
        ("new new york", ["new york york"], 0, 2 / 3, 0),
        # Deletion, not replacement.
        ("New-York", ["New York"], 0, 0, 0),
        ("New-York", ["newyork"], 1, 1, 1),
        ("3.5", ["35"], 1, 1, 1),
        ("3,000", ["3000"], 1, 1, 1),
        ("12345678", ["1234567"], 0, 0, 1),  # no word boundaries
        # Best reference.
        ("Hall", ["G. Stanley Hall", "Stanley Hall"], 0, 2 / 3, 0),
        ("Stanley Hall", ["G. Stanley Hall", "Stanley Hall"], 1, 1, 1),
        # Empty references are filtered; if none is left, only an empty reply is right.
        ("", ["A", "cat"], 0, 0, 0),
        ("cat", ["A", "cat"], 1, 1, 1),
        ("", ["A"], 0, 0, None),  # no answer is wrong everywhere
        ("the", ["A."], 1, 1, None),
        ("B", ["A"], 0, 0, None),
        ("", ["cat"], 0, 0, 0),
        # Other scripts.
        ("Strasse", ["Straße"], 0, 0, 0),
        ("STRASSE, Straße", ["Straße"], 0, 2 / 3, 1),
        ("１９９８", ["1998"], 0, 0, 1),  # SQuAD's script folds no typography, `contains` does
        ("don't", ["don’t"], 0, 0, 1),
        ("《红楼梦》。", ["红楼梦"], 1, 1, 1),
        ("红楼梦", ["《红楼梦》"], 1, 1, 1),
        ("香港大学", ["香港 大学"], 1, 1, 1),
        ("北京", ["北京大学"], 0, 2 / 3, 0),
        ("他在北京大学。", ["北京大学"], 0, 0.8, 1),
        ("1998年", ["1998"], 0, 0, 1),  # a Chinese character in the reply alone changes nothing
        ("1998", ["1999年"], 0, 0, 0),  # numbers stay whole
        ("東京タワー", ["東京"], 0, 4 / 7, 1),
    ],
)
def test_by_hand(reply, references, exact, f1, contains):
    assert scores(reply, *references) == [exact, pytest.approx(f1), contains]


@pytest.mark.parametrize(
    ("reply", "exact", "f1", "contains"),
    [
        ("12, 34", 1, 1, 1),
        ("34 and 12.", 1, 0.8, 1),
        ("12", 0, 2 / 3, 0.5),
        ("12, 34, 56", 0, 0.8, 1),
        ("56", 0, 0, 0),
    ],
)
def test_all_references_are_required(reply, exact, f1, contains):
    assert scores(reply, "12", "34", mode="all") == [exact, pytest.approx(f1), contains]


@pytest.mark.parametrize(
    ("answer", "exact", "f1"),
    [
        (Answer(""), 0, 0),
        (Answer("Paris", finish="tool_call"), 0, 0),
        (Answer("The."), 1, 1),
        (Answer("The text does not say.", finish="declined"), 1, 1),
        (Answer("The text does not say."), 0, 0),
        (Answer("1973"), 0, 0),
    ],
)
@pytest.mark.parametrize("references", [(), ("The text does not say.",)])
@pytest.mark.parametrize("mode", ["any", "all"])
def test_unanswerable(answer, exact, f1, references, mode):
    case = example(*references, unanswerable=True, mode=mode)
    assert [metric.score(answer, case) for metric in METRICS] == [exact, f1, None]


def test_a_setting_has_squads_own_rule_for_no_answer():
    none, case = Answer(""), example(unanswerable=True)
    assert [metric(empty="refusal").score(none, case) for metric in (ExactMatch, TokenF1)] == [1, 1]
    assert [metric(empty="refusal").score(none, example("cat")) for metric in (ExactMatch, TokenF1)] == [0, 0]
    assert ExactMatch(empty="no_answer").key == ExactMatch().key != ExactMatch(empty="refusal").key


def test_declining_an_answerable_question_is_wrong():
    answer = Answer("There is no cat in the text.", finish="declined")
    assert [metric.score(answer, example("cat")) for metric in METRICS] == [0, 0, 0]


def test_does_not_apply_without_references():
    assert scores("anything") == [None, None, None]


def test_labels():
    assert [metric.label for metric in METRICS] == ["exact_match", "token_f1", "contains"]


texts = st.text(st.sampled_from("ab theAn,.-’ß1红楼《》。"), max_size=12)
modes = st.sampled_from(["any", "all"])


@pytest.mark.parametrize("metric", METRICS)
@given(reply=texts, references=st.lists(texts, max_size=4), mode=modes, shuffled=st.randoms(use_true_random=False))
def test_in_range_whatever_the_order(metric: Metric, reply, references, mode, shuffled):
    score = metric.score(Answer(reply), example(*references, mode=mode))
    assert score is None or 0 <= score <= 1
    shuffled.shuffle(references)
    assert metric.score(Answer(reply), example(*references, mode=mode)) == score


@pytest.mark.parametrize("metric", METRICS)
@given(text=texts, others=st.lists(texts, max_size=3))
def test_identity_scores_one(metric: Metric, text, others):
    score = metric.score(Answer(text), example(*others, text + "x"))
    assert score is not None
    assert metric.score(Answer(text + "x"), example(*others, text + "x")) == 1


@given(texts, texts, st.sampled_from(["latin", "cjk"]))
def test_f1_is_symmetric_and_exact_match_bounds_it(one, two, script):
    assume(one.strip() and two.strip())
    forward = TokenF1(script=script).score(Answer(one), example(two))
    assert forward == TokenF1(script=script).score(Answer(two), example(one))
    assert forward >= ExactMatch(script=script).score(Answer(one), example(two))


def asked(question: str, reply: str, reference: str, script="auto") -> list[float | None]:
    case = Example(Query("q", question), (), (reference,))
    kinds = (ExactMatch, TokenF1, Contains, RougeL)
    return [kind(script=script).score(Answer(reply), case) for kind in kinds]


@pytest.mark.parametrize("extra", ["", " 气", " (氣)"])
def test_a_character_in_the_reply_does_not_choose_the_rule(extra):
    plain = asked("What is it called?", f"qi{extra}", "the vital force")
    assert plain == [0, 0, 0, 0]
    assert asked("What is it called?", f"the “vital” force{extra}", "vital force")[2] == 1
    exact, f1, _, _ = asked("What is it called?", f"“vital”{extra}", "“vital”")
    assert (exact, f1) == ((1, 1) if not extra else (0, pytest.approx(2 / 3)))


def test_a_character_in_an_english_reference_does_not_choose_the_rule():
    exact, *_ = asked("What is qi?", "The “vital” force (氣)", "the vital force (氣)")
    assert exact == 0  # by the Chinese rule the curly quotes would go, and it would be 1
    assert asked("What is qi?", "The “vital” force (氣)", "the vital force (氣)", script="cjk")[0] == 1


def test_the_question_chooses_the_rule_where_the_reference_cannot():
    assert asked("谁制造了它？", "是IBM公司", "IBM")[1] == pytest.approx(2 / 5)
    assert asked("Who made it?", "是IBM公司", "IBM")[1] == 0
    assert asked("Who made it?", "是IBM公司", "IBM", script="cjk")[1] == pytest.approx(2 / 5)
    assert asked("谁制造了它？", "是IBM公司", "IBM", script="latin")[1] == 0
