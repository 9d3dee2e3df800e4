"""Which option a reply names: adversarial replies, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.choice_accuracy import ChoiceAccuracy
from ragvlc.text.choices import parse_choice

SLANG = ("cool", "no worries", "my bad", "O.K./OK")
TRUTH = ("True", "False")
CITIES = ("New York", "New York City", "Vitamin C", "C. difficile")
ANIMALS = ("dog", "cat", "a bird", "the man who walked")
NUMBERS = ("3", "3.5", "35", "5")


def letters(found: frozenset[int]) -> str:
    return "".join(chr(65 + place) for place in sorted(found))


@pytest.mark.parametrize(
    "reply",
    [
        "B", "(B)", "B.", "B)", "[B]", "**B**", "`B`", "b", "(b)", "b.", " B \n", "B,", "B:", "{B}", '"B"',
        "“B”", "（B）",
        "B. no worries", "(B) no worries", "B) no worries", "B: no worries", "B - no worries",
        "B – no worries", "B no worries",
        "[B] No Worries!", "**B. no worries**", "B.no worries", "B\nno worries",
        "no worries", "No worries.", "“No worries!”", "NO  WORRIES",
        "no worries, mate", "No worries. That is what people said.", "no worries\nIt is slang.", "The no worries",
        "Answer: B", "Answer:B", "**Answer:** B", "Answer: (B)", "Answer: (b).", "Final answer: B.", "answer is B",
        "The answer is B.", "The correct answer is (B) and not (A).", "The correct answer is B, not A.",
        "The answer is: B",
        "The answer is option B.", "My answer is the letter B", "The correct option is B", "Option B",
        "Option B.", "Answer B",
        "The answer is no worries.", "Answer: no worries", "Answer:\nB", "So: B", "Conclusion: (B)",
        "B\n\nExplanation: a cool head is not meant.", "B. A man said so.", "B, because A man said so.",
        "B\n\nExplanation: A is wrong here.", "I think it means (B) no worries.",
        "It is clearly B. no worries", "- B", "> B",
        "Because of the slang.\nB", "答案是B。", "答案：B", "B。",
    ],
)  # fmt: skip
def test_second_option(reply):
    assert letters(parse_choice(reply, SLANG)) == "B"


@pytest.mark.parametrize(
    ("reply", "choices", "expected"),
    [
        ("A", SLANG, "A"),
        ("a", SLANG, "A"),
        ("A.", SLANG, "A"),
        ("A. Because of the text.", SLANG, "A"),
        ("O.K./OK", SLANG, "D"),
        ("ok/ok", SLANG, "D"),
        # Longest text, and texts that look like letters.
        ("New York City.", CITIES, "B"),
        ("New York, says the text.", CITIES, "A"),
        ("Answer: New York City", CITIES, "B"),
        ("C. difficile", CITIES, "D"),
        ("C. difficile, says the text.", CITIES, "D"),
        ("C. Vitamin C", CITIES, "C"),
        ("Vitamin C", CITIES, "C"),
        ("Vitamin C.", CITIES, "C"),
        # Articles are deleted by the normalisation, but letters are seen first.
        ("a dog", ANIMALS, "A"),
        ("A cat", ANIMALS, "B"),
        ("A. cat", ANIMALS, "AB"),
        ("A. dog", ANIMALS, "A"),
        ("a bird", ANIMALS, "C"),
        ("A bird.", ANIMALS, "C"),
        ("The man who walked", ANIMALS, "D"),
        ("man who walked", ANIMALS, "D"),
        # Numbers are texts, and 3.5 is not 35.
        ("3", NUMBERS, "A"),
        ("3.5", NUMBERS, "B"),
        ("35", NUMBERS, "C"),
        ("The answer is 3.5.", NUMBERS, "B"),
        ("The answer is 3.", NUMBERS, "A"),
        ("B. 3.5", NUMBERS, "B"),
        ("B. 3.55", NUMBERS, "B"),
        ("7", NUMBERS, ""),
        # True and False.
        ("True", TRUTH, "A"),
        ("true", TRUTH, "A"),
        ("True.", TRUTH, "A"),
        ("**False**", TRUTH, "B"),
        ("(True)", TRUTH, "A"),
        ("False, it is not true.", TRUTH, "B"),
        ("True. The text says so.", TRUTH, "A"),
        ("The answer is False.", TRUTH, "B"),
        ("B", TRUTH, "B"),
        ("B. False", TRUTH, "B"),
        ("B. True", TRUTH, "AB"),
        ("True, False", TRUTH, "AB"),
        ("True or False", TRUTH, "AB"),
        ("True/False", TRUTH, "AB"),
        ("True or not, who knows?", TRUTH, ""),
        ("Truely", TRUTH, ""),
        ("C", TRUTH, ""),
        # Texts of the options that are letters themselves: the text is read first.
        ("A", ("B", "A"), "B"),
        # Equal texts are one option.
        ("same", ("same", "same", "other"), "A"),
        ("是", ("是", "否"), "A"),
        ("否。", ("是", "否"), "B"),
        ("《红楼梦》", ("西游记", "红楼梦"), "B"),
        ("He didn't", ("He didn’t", "He did"), "A"),
    ],
)
def test_by_hand(reply, choices, expected):
    assert letters(parse_choice(reply, choices)) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "", "   ", "A man walked", "A man walked.", "Answer: A man", "The answer is A man.",
        "The answer is a", "A-ha",
        "A.I. did it", "Answer: A.I.", "E", "(E)", "Answer: Z", "Because D walked away", "I do not know.",
        "It could be Bad",
        "the answer is not A", "A's", "Dogs", "DC", "An apple", "is A the answer?", "coolness", "A+",
        "It is slang.\n(A) is wrong, as the text says",
    ],
)  # fmt: skip
def test_names_nothing(reply):
    assert parse_choice(reply, SLANG) == frozenset()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("A, B", "AB"),
        ("A or B", "AB"),
        ("A and B.", "AB"),
        ("A/B", "AB"),
        ("A, B, and D", "ABD"),
        ("(A), (B)", "AB"),
        ("The answer is A or C.", "AC"),
        ("A\nB\nC\nD", "ABCD"),
        ("A. cool\nB. no worries\nC. my bad\nD. O.K./OK", "ABCD"),
        ("A) cool B) no worries C) my bad", "ABC"),
        ("B. It is slang. The answer is C.", "BC"),
        ("Answer: B\nAnswer: D", "BD"),
        ("B. cool", "AB"),
        ("cool, my bad", "AC"),
    ],
)
def test_several_options_are_ambiguous(reply, expected):
    assert letters(parse_choice(reply, SLANG)) == expected


def test_no_options_and_many_options():
    assert parse_choice("A", ()) == frozenset()
    many = tuple(f"option number {place}" for place in range(40))
    assert parse_choice("Z", many) == {25}
    assert parse_choice("option number 39", many) == {39}
    assert parse_choice("Option number 3.", many) == {3}


def test_empty_options_never_match():
    assert parse_choice("", ("", "A", "the")) == frozenset()
    assert parse_choice("...", ("", "A", "the")) == frozenset()
    assert parse_choice("the", ("", "A", "the")) == {2}


words = st.text(min_size=1, max_size=12)


@given(st.text(max_size=60), st.lists(words, max_size=5))
def test_any_reply_is_read(reply, choices):
    assert parse_choice(reply, choices) <= set(range(len(choices)))


texts = st.text("abcdefgh ", min_size=3, max_size=12).map(str.strip).filter(lambda text: len(text) > 2)


@given(st.lists(texts, min_size=1, max_size=6), st.data())
def test_an_options_own_text_or_letter_names_it(choices, data):
    choices = list({" ".join(choice.split()): None for choice in choices})
    place = data.draw(st.integers(0, len(choices) - 1))
    letter = chr(65 + place)
    for reply in (choices[place], f"{letter}. {choices[place]}", f"({letter})", f"The answer is {letter}."):
        assert parse_choice(reply, choices) == {place}


def example(**facts) -> Example:
    facts = {"choices": SLANG, "references": ("no worries",), **facts}
    return Example(Query("q", "?", choices=facts.pop("choices")), (), **facts)


@pytest.mark.parametrize(
    ("reply", "score", "flags"),
    [
        ("B", 1.0, ()),
        ("no worries", 1.0, ()),
        ("A", 0.0, ()),
        ("A or B", 0.0, ("ambiguous",)),
        ("I do not know.", 0.0, ("unparsed",)),
        ("", 0.0, ("unparsed",)),
    ],
)
def test_score_and_flags(reply, score, flags):
    metric = ChoiceAccuracy()
    assert metric.score(Answer(reply), example()) == score
    assert metric.flags(Answer(reply), example()) == flags


def test_does_not_apply_without_options_or_gold():
    metric = ChoiceAccuracy()
    assert metric.label == "choice_accuracy"
    for case in (example(choices=()), example(references=()), example(references=(), unanswerable=True)):
        assert metric.score(Answer("B"), case) is None
        assert metric.flags(Answer("?"), case) == ()


def test_several_right_options():
    metric = ChoiceAccuracy()
    either = example(references=("cool", "no worries"))
    assert [metric.score(Answer(reply), either) for reply in ("A", "B", "A, B", "C")] == [1, 1, 0, 0]
    both = example(references=("no worries", "cool"), answer_mode="all")
    assert [metric.score(Answer(reply), both) for reply in ("A", "A, B", "A, B, C")] == [0, 1, 0]
    assert metric.flags(Answer("A, B"), both) == ()


def test_a_declined_reply_may_still_name_an_option():
    unknown = example(choices=("on foot", "It is not known"), references=("It is not known",))
    assert ChoiceAccuracy().score(Answer("It is not known.", finish="declined"), unknown) == 1


def test_equal_texts_are_right_together():
    twice = example(choices=("x", "same thing", "same thing"), references=("same thing",))
    assert ChoiceAccuracy().score(Answer("C"), twice) == 1
    assert ChoiceAccuracy().score(Answer("B or C"), twice) == 1
