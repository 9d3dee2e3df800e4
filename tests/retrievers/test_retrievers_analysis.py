from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.retrievers._analysis import Analyser


def words(text: str, stemmer="none", stop_words=()) -> list[str]:
    return Analyser(stemmer, tuple(stop_words)).words([text])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S. grew 3.5%, didn't it?", ["the", "u", "s", "grew", "3", "5", "didn", "t", "it"]),
        ("call __init__()", ["call", "__init__"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ﬁne ＡＢＣ１", ["fine", "abc1"]),
        ("cafe\u0301 caf\u00e9", ["café", "café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("", []),
        (" \n—…!", []),
    ],
)
def test_words_of_spaced_scripts(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("很好。我", ["很", "好", "很好", "我"]),
        ("模型GPT4很", ["模", "型", "模型", "gpt4", "很"]),
        ("タワー・カ", ["タ", "ワ", "ー", "タワ", "ワー", "カ"]),
        ("ｶﾞｷ", ["ガ", "キ", "ガキ"]),
        ("한국 어", ["한", "국", "한국", "어"]),
        ("ที่นี่", ["ที่", "นี่", "ที่นี่"]),
        ("𠀀𠀁", ["𠀀", "𠀁", "𠀀𠀁"]),
    ],
)
def test_unspaced_scripts_give_letters_and_pairs(text, expected):
    assert words(text) == expected


def test_stemmer_joins_forms_of_its_language_only():
    assert words("Cats were running", "english") == ["cat", "were", "run"]
    assert words("кошки бегали 模型 cats", "english") == ["кошки", "бегали", "模", "型", "模型", "cat"]
    assert words("кошки кошка", "russian")[0] == words("кошки кошка", "russian")[1]


def test_stop_words_are_cut_like_text_and_taken_out_before_stemming():
    assert words("Don't the cats THE run", "english", ["the", "don't"]) == ["cat", "run"]
    assert words("ones one", "english", ["ones"]) == ["one"]


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_gives_non_empty_words_and_one_list_each(texts):
    found = Analyser("english").words(texts)
    assert len(found) == len(texts)
    assert all(word and not word.isspace() for one in found for word in one)


@given(st.text(max_size=30))
def test_every_letter_and_digit_is_in_some_word(text):
    import unicodedata

    raised = ("<super>", "<sub>", "<circle>", "<fraction>")  # these stay as they are after a digit
    text = "".join(one for one in text if not unicodedata.decomposition(one).startswith(raised))
    plain = unicodedata.normalize("NFKC", text).casefold()
    letters = {letter for letter in plain if letter.isalnum()}
    assert letters <= set("".join(words(text)))


def test_threads_agree():
    texts = [f"running cats {number} jumped houses" for number in range(200)]
    analyser = Analyser("english")
    alone = [analyser.words([text]) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda text: analyser.words([text]), texts)) == alone
