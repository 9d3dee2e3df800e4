"""Typography: `locate`, `contains`, `answer_in_context` and BM25 agree on what occurs in a text."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.answer import Answer
from ragvlc.core.data import Document, Example, Query, Span
from ragvlc.metrics.answer_in_context import AnswerInContext
from ragvlc.metrics.contains import Contains
from ragvlc.retrievers._analysis import Analyser
from ragvlc.text.folding import Edits, fold, folding
from ragvlc.text.matching import locate

PAIRS = {  # what a person types: what the document has, with the place in brackets
    "ligatures": [
        ("final officer", "The [ﬁnal oﬃcer] spoke."),
        ("the waffle affair", "It was [the waﬄe aﬀair] again."),
        ("a first flight", "This is [a ﬁrst ﬂight] indeed."),
        ("best list", "The [beﬆ liﬅ] here."),
        ("Roman XII numerals", "see [Roman Ⅻ numerals] there"),
        ("ﬁnal answer", "the [final answer] is"),
        ("مرحبا بكم", "قال [ﻣﺮﺣﺒﺎ ﺑﻜﻢ] هنا"),
    ],
    "composition": [
        ("café crème", "un [cafe\u0301 cre\u0300me] noir"),
        ("cafe\u0301 noir", "un [café noir] chaud"),
        ("Ångström unit", "an [A\u030angstro\u0308m unit] long"),
        ("Việt Nam", "ở [Vie\u0323\u0302t Nam] đó"),
        ("한국어 책", "이 [" + unicodedata.normalize("NFD", "한국어 책") + "] 은"),
        ("ガラス製品", "この[ｶﾞﾗｽ製品]は"),
        ("Ωmega Kelvin", "the [\u2126mega \u212aelvin] scale"),
        ("Élan vital", "the [E\u0301lan vital] itself"),
    ],
    "soft hyphens": [
        ("information theory", "of [infor\u00admation the\u00adory] today"),
        ("cooperate", "they [co\u00adoperate] now"),
        ("cooperate fully", "they [co\u00ad\noperate fully] now"),
        ("co-operate fully", "they [co\u00ad\noperate fully] now"),
        ("Donaudampfschiff", "das [Donau\u00addampf\u00adschiff] dort"),
        ("infor\u00admation", "the [information] age"),
    ],
    "zero width": [
        ("very long identifier", "a [very\u200b long iden\u200btifier] here"),
        ("no break", "with [\u2060no\ufeff bre\u200dak] inside"),
        ("می‌خواهم بروم", "من [میخواهم بروم] خانه"),
        ("السلام عليكم", "قال [الســـلام عليكم] له"),
        ("left to right", "is [\u200eleft\u200f to \u202aright] now"),
        ("Windows 11", "on [Windows® 11] machines"),
    ],
    "hyphens and dashes": [
        ("well-known fact", "a [well‑known fact] here"),
        ("well-known fact", "a [well‐known fact] here"),
        ("1990-1995", "from [1990–1995] on"),
        ("1990–1995", "from [1990-1995] on"),
        ("-40 degrees", "at [−40 degrees] outside"),
        ("north-south line", "the [north–south line] drawn"),
        ("one - two", "then [one — two] then"),
        ("one — two", "then [one – two] then"),
        ("said - Ahab - once", "so [said—Ahab—once] he"),
    ],
    "quotes": [
        ("don't panic", "please [don’t panic] now"),
        ('the "big" one', "it is [the “big” one] again"),
        ('the "big" one', "it is [the «big» one] again"),
        ("the 'small' one", "it is [the ‚small‘ one] again"),
        ("O'Brien's hat", "saw [OʼBrien’s hat] there"),
        ("it‘s here", "now [it's here] again"),
        ('a 5\'6" man', "was [a 5′6″ man] then"),
        ("wait... what", "well [wait… what] now"),
    ],
    "white space": [
        ("10 000 people", "about [10\u00a0000 people] came"),
        ("10 km away", "some [10\u2009km away] from"),
        ("wide words here", "such [wide\u2003words\u202fhere] are"),
        ("香港 大学", "在[香港\u3000大学]的"),
        ("two lines long", "is [two\r\n   lines\n\nlong] then"),
        ("１９９８ ＩＢＭ", "by [1998 IBM] then"),
        ("version 2.0", "the [ｖｅｒｓｉｏｎ ２．０] now"),
    ],
    "line ends": [
        ("cooperate", "they [co-\noperate] now"),
        ("co-operate", "they [co-\noperate] now"),
        ("well-known", "a [well-\nknown] fact"),
        ("wellknown", "a [well-\nknown] fact"),
        ("financial information", "all [financial infor-\n   mation] here"),
        ("financial information", "all [finan-\r\ncial infor-\nmation] here"),
        ("naïveté counts", "here [nai\u0308-\nvete\u0301 counts] too"),
        ("pre- and post-war", "the [pre-\nand post-war] years"),
        ("ticket office", "the [tick-\net office] sells a ticket"),
        ("COVID-19 cases", "more [COVID-\n19 cases] now"),
        ("pages 12-15", "see [pages 12-\n15] there"),
        ("Jean-Paul", "it was [Jean‐\nPaul] then"),
        ("official record", "an [oﬃ-\ncial record] of"),
    ],
    "pages": [
        ("information theory", "of [infor-\n\f\nmation theory] here"),
        ("information theory", "of [infor-\fmation theory] here"),
        ("information theory", "of [infor-\n\n\nmation theory] here"),
        ("information theory", "of [infor-\n\n17\n\f\nmation theory] here"),
        ("information theory", "of [infor\u00ad\n\f17\nmation theory] here"),
        ("well-known author", "the [well-\n\f\nknown author] of"),
    ],
    "numbers and signs": [
        ("CO2 and H2O", "both [CO₂ and H₂O] are"),
        ("20 km2 large", "some [20 km² large] land"),
        ("3 1/2 cups", "take [3½ cups] of"),
        ("5 μm thin", "just [5 µm thin] films"),
    ],
}  # fmt: skip
CASES = [(typed, text) for pairs in PAIRS.values() for typed, text in pairs]
ABSENT = [
    ("102", "the value 10² is"),
    ("31/2", "take 3½ cups"),
    ("cafe", "un caf\u00e9 noir"),
    ("preand", "the pre-\nand post-war years"),
    ("anchor", "an\nchor"),
    ("x103", "by x 10³ times"),
]


def found_by(typed: str, text: str) -> dict[str, bool]:
    """Returns who finds `typed` in `text`."""
    case = Example(Query("q", "?"), (Document("d", text),), (typed,))
    words = set(Analyser().words([text])[0])
    return {
        "locate": locate(typed, text) is not None,
        "contains": Contains().score(Answer(text), case) == 1,
        "answer_in_context": AnswerInContext().score(Answer("", context=(Span("d", 0, len(text)),)), case) == 1,
        "bm25": all(word in words for word in Analyser().words([typed])[0]),
    }


def test_there_are_sixty_pairs():
    assert len(set(CASES)) >= 60


@pytest.mark.parametrize(("typed", "text"), CASES)
def test_all_four_find_it_where_it_stands(typed, text):
    start, end = text.index("["), text.index("]") - 1
    plain = text.replace("[", "").replace("]", "")
    assert found_by(typed, plain) == dict.fromkeys(("locate", "contains", "answer_in_context", "bm25"), True)
    place = locate(typed, plain)
    assert place is not None
    visible = [where for where in range(start, end) if fold(plain[where])]
    assert place[0] in (start, visible[0])
    assert place[1] in (end, visible[-1] + 1)


def test_a_line_end_inside_a_chinese_word_costs_bm25_one_pair_of_letters():
    found = found_by("香港大学", "在香港\n大学的")
    assert (found["locate"], found["contains"], found["answer_in_context"]) == (True, True, True)
    assert set(Analyser().words(["香港大学"])[0]) - set(Analyser().words(["在香港\n大学的"])[0]) == {"港大"}


@pytest.mark.parametrize(("typed", "text"), ABSENT)
def test_values_and_words_are_not_made_up(typed, text):
    assert found_by(typed, text) == dict.fromkeys(("locate", "contains", "answer_in_context", "bm25"), False)


def test_squads_rule_on_digits_holds_where_it_applies():
    found = found_by("1215", "see pages 12-\n15 there")  # as of `12-15`, whose hyphen the script of SQuAD deletes
    assert (found["locate"], found["bm25"], found["contains"]) == (False, False, True)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("10² m² 10⁻³ s⁻¹", "10² m2 10⁻³ s-1"),
        ("½ 3½ 3 ½", "1/2 3 1/2 3 1/2"),
        ("① a① 1①", "1 a1 1①"),
        ("1990—1995 a—b", "1990-1995 a - b"),
        ("Haupt-\nund Nebensatz", "Haupt-\nund Nebensatz"),
        ("Boeing-\n747\nmodels", "Boeing-747\nmodels"),
        ("a -\nb --\nc", "a -\nb --\nc"),
        ("one — — two——three", "one - two - three"),
        ("CO₂-\nfree ½-\ne", "CO2-free 1/2-e"),
        ("line\u2028break\u00a0here", "line\u2028break here"),
        ("¨ ´ Straße İ ٣", "¨ ' Straße İ ٣"),
        ("❤️ 👍🏽", "❤ 👍🏽"),
    ],
)
def test_rules(text, plain):
    assert fold(text) == plain


def test_the_hyphen_of_a_broken_word_is_up_to_the_caller():
    assert fold("co-\noperate well-known", broken="=") == "co=operate well-known"
    assert Analyser().words(["co-\noperate"])[0] == ["co", "operate", "cooperate"]
    assert Analyser().words(["well-known"])[0] == ["well", "known"]


texts = st.text(st.sampled_from("ab1 -\n\f\u00ad\u200bﬁe\u0301½²—“香か\u3099ｶﾞ\u3000한각K"), max_size=30) | st.text(
    max_size=30
)


@given(texts)
def test_folding_twice_changes_nothing_and_places_are_those_of_the_text(text):
    edits = list(folding(text))
    plain = Edits(text, edits)
    assert plain.text == fold(text)
    assert fold(plain.text) == plain.text or not unicodedata.is_normalized("NFC", plain.text)
    assert all(one[1] <= other[0] for one, other in zip(edits, edits[1:], strict=False))
    places = [plain.source(place, place + 1) for place in range(len(plain.text))]
    assert places == sorted(places)
    for place, (start, end) in enumerate(places):
        assert 0 <= start < end <= len(text)
        if plain.text[place].isalnum() and end - start == 1 and text[start].isascii():
            assert text[start] == plain.text[place]


@given(texts, st.integers(0, 30), st.integers(1, 10))
def test_what_is_cut_from_a_text_is_found_in_it(text, start, length):
    piece = text[start : start + length]
    if piece:
        place = locate(piece, text)
        assert place is not None
        assert text[slice(*place)] == piece


@given(texts)
def test_a_folded_text_is_found_where_it_came_from(text):
    plain = fold(text)
    if any(map(str.isalnum, plain)) and unicodedata.is_normalized(
        "NFC", plain
    ):  # not where a mark follows an invisible
        assert locate(plain, f"x {text} y") is not None


@pytest.mark.parametrize(
    "piece",
    [
        "a-\n",
        "a-\nand ",
        "—",
        "e\u0301",
        "“x” ",
        "a- ",
        "香\n",
        "\u00ad",
        "-\n\n",
        " ",
        "\u200b\u00ad",
        "a\u00ad1\n\f",
        "½1",
        "ﬁ",
    ],
)
def test_time_grows_with_the_length(piece):
    def seconds(count):
        text = "é x-" + piece * count + "."
        start = time.perf_counter()
        locate("nowhere to be found", text)
        fold(text)
        return time.perf_counter() - start

    seconds(10)
    assert seconds(40_000) < 40 * max(seconds(4_000), 0.02)  # ten times the length; a hundred times if quadratic


def test_plain_text_is_not_touched():
    text = "Plain words - and hyphen-words, 10,000 of them.\n" * 10
    assert fold(text) is text
