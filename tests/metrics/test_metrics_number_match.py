"""number_match: quantities by value and unit."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.number_match import NumberMatch
from ragvlc.text.quantities import quantities


def score(reply: str, *references: str, mode="any", finish="stop", **settings) -> float | None:
    case = Example(Query("q", "?"), (), references, answer_mode=mode)
    return NumberMatch(**settings).score(Answer(reply, finish=finish), case)


EQUAL = [
    # thousands marks and decimals
    ("1,234,567", "1234567"),
    ("1.234.567", "1234567"),
    ("1 234 567", "1234567"),
    ("1\u00a0234\u202f567".replace("\u202f", "\u00a0"), "1234567"),
    ("1'234'567", "1234567"),
    ("1’234’567", "1234567"),
    ("12,34,567", "1,234,567"),
    ("1.234,56", "1,234.56"),
    ("3,5", "3.5"),
    (".5", "0.5"),
    ("1,234", "1234"),
    ("1.234", "1234"),
    ("1.234", "1.2340"),
    ("about 1,234 people.", "1,234"),
    ("１２３", "123"),
    ("٣٤", "34"),
    # magnitudes, words, powers
    ("3.5 million", "3,500,000"),
    ("3bn", "3 billion"),
    ("5 Mio.", "5 million"),
    ("3万", "30,000"),
    ("4K", "4,000"),
    ("twenty-five", "25"),
    ("two hundred and five thousand", "205,000"),
    ("a hundred", "100"),
    ("twelve", "a dozen"),
    ("1.5e6", "1,500,000"),
    ("1.5 × 10⁶", "1.5E+6"),
    ("6.02 x 10^23", "6.02×10²³"),
    ("10⁻³", "0.001"),
    # parts
    ("25%", "0.25"),
    ("25 per cent", "1/4"),
    ("a quarter", "25 %"),
    ("3½ cups", "3.5"),
    ("3 1/2", "3.5"),
    ("half", "50%"),
    ("25", "25%"),
    # units
    ("5 km", "5000 m"),
    ("5,000 metres", "5 kilometers"),
    ("20 km²", "20 square kilometres"),
    ("90 minutes", "1.5 h"),
    ("2 years", "24 months"),
    ("0 °C", "273.15 K"),
    ("−40 °F", "-40 °C"),
    ("36 km/h", "10 m/s"),
    ("12 inches", "1 ft"),
    ("5", "5 km"),
    ("5 km", "5"),
    # money
    ("$3 million", "3,000,000 USD"),
    ("US$ 5.2 billion", "5.2bn dollars"),
    ("€5m", "5 million euros"),
    ("-$5", "$-5"),
    # ranges
    ("10-15 km", "10 to 15 km"),
    ("10 km – 15 km", "10–15 km"),
    ("between 10 and 15", "10-15"),
    ("3-5 million", "3,000,000 to 5,000,000"),
    # among other things
    ("In 1998 it had 31 metres and 7 bells.", "31 m"),
    ("It took 2 h for 5 km.", "5 km in 2 hours"),
]
UNEQUAL = [
    ("35", "3.5"),  # equal under SQuAD's rule
    ("3000", "3"),
    ("1,234", "1.234"),
    ("12345678", "1234567"),
    ("102", "10²"),
    ("5 km", "5 m"),
    ("5 km", "5 kg"),
    ("5 euros", "$5"),
    ("25 %", "25 km"),
    ("2 percentage points", "2 %"),
    ("20 km", "20 km2"),
    ("-5", "5"),
    ("5 million", "5 billion"),
    ("0.25", "25 km"),
    ("12", "10-15"),
    ("10-15", "12"),
    ("10-16", "10-15"),
    ("COVID-19", "19"),
    ("H2O and Q3", "2"),
    ("version 1.2.3", "1.2"),
    ("2024-05-01", "5"),
    ("at 12:30", "12"),
    ("5.0 ± 0.2", "0.2"),
    ("31.5", "31"),
    ("no number", "7"),
    ("", "7"),
    ("2 h", "5 km in 2 hours"),
]


@pytest.mark.parametrize(("reply", "reference"), EQUAL)
def test_equal(reply, reference):
    assert score(reply, reference) == 1
    assert score(reference, reply) == 1 or len(quantities(reply)) > len(quantities(reference))


@pytest.mark.parametrize(("reply", "reference"), UNEQUAL)
def test_unequal(reply, reference):
    assert score(reply, reference) == 0


def test_does_not_apply_without_a_number():
    assert score("7", "seven up"[6:], "the tower") is None
    assert score("7") is None
    assert NumberMatch().score(Answer("7"), Example(Query("q", "?"), (), ("7",), unanswerable=True)) is None
    assert score("7", "the tower", "7") == 1


def test_declined_and_all_required():
    assert score("7", "7", finish="declined") == 0
    assert score("7 and 9", "7", "8", mode="all") == 0.5


@pytest.mark.parametrize(
    ("reply", "tolerance", "right"),
    [("3.14", 0, 0), ("3.14", 0.001, 1), ("3.1", 0.001, 0), ("1.6 km", 0.01, 0), ("-3.14159", 0.5, 0)],
)
def test_tolerance_is_relative(reply, tolerance, right):
    assert score(reply, "3.14159", tolerance=tolerance) == right
    assert score("1.6 km", "1 mile", tolerance=0.01) == 1


@pytest.mark.parametrize(("reply", "right"), [("5 km", 1), ("5000 m", 1), ("5", 0), ("5 kg", 0)])
def test_units_may_be_required(reply, right):
    assert score(reply, "5 km", units="required") == right
    assert score("25", "25%", units="required") == 0
    assert score("0.25", "25%", units="required") == 1


@pytest.mark.parametrize(("decimal", "right"), [("auto", 1), ("comma", 1), ("point", 0)])
def test_the_decimal_mark_may_be_set(decimal, right):
    assert score("1.234", "1234", decimal=decimal) == right
    assert score("1,234", "1234", decimal=decimal) == {"auto": 1, "comma": 0, "point": 1}[decimal]


@given(st.text(st.sampled_from("0123456789.,-/ ^%$€km²±⁻e:½'xoneto\n"), max_size=40) | st.text(max_size=40))
def test_any_text_can_be_read(text):
    found = quantities(text)
    if found:
        assert score(text, text) == 1


@pytest.mark.parametrize("piece", ["1,", "1 ", "10-", "one ", "1/", "5 km ", "$", "-", "1.234 ", "1e"])
def test_time_grows_with_the_length(piece):
    quantities(piece)
    start = time.perf_counter()
    quantities(piece * 3_000)
    quantities("9" * 5_000 + " 1/" + "9" * 5_000 + " 1⁻ 2ⁱ 0⁻²")
    assert time.perf_counter() - start < 8
