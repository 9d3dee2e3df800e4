"""Normalisation: every quirk of SQuAD's script, and the rule for Chinese and Japanese."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragvlc.text.normalising import has_cjk, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Quick,\tbrown fox!\n", "quick brown fox"),
        ("New-York", "newyork"),
        ("3.5", "35"),
        ("3,000", "3000"),
        ("U.S.A.", "usa"),
        ("snake_case", "snakecase"),
        ("the-end", "theend"),
        ("A.", ""),
        ("a", ""),
        ("an an the", ""),
        ("theatre another banana", "theatre another banana"),
        ("“quoted” – don’t", "“quoted” – don’t"),
        ("IBM。", "ibm。"),
        ("Straße", "straße"),
        ("İ", "i̇"),
        ("naïve café", "naïve café"),
        ("１９９８", "１９９８"),
        ("non\u00a0breaking", "non breaking"),
        ("zero\u200bwidth", "zero\u200bwidth"),
        ("", ""),
        ("...", ""),
    ],
)
def test_squad(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("《红楼梦》", "红 楼 梦"),
        ("〈史记〉", "史 记"),
        ("北京，上海。", "北 京 上 海"),
        ("“你好”！", "你 好"),
        ("香港 大学", "香 港 大 学"),
        ("香港\u3000大学", "香 港 大 学"),
        ("1998年5月", "1998 年 5 月"),
        ("１９９８年", "１９９８ 年"),
        ("IBM公司", "ibm 公 司"),
        ("iPhone 15手机", "iphone 15 手 机"),
        ("ラーメン・うどん", "ラ ー メ ン う ど ん"),
        ("the 北京 a", "北 京"),
        ("佐々木", "佐 々 木"),
        ("𠮷野家", "𠮷 野 家"),
        ("don’t 说", "dont 说"),
    ],
)
def test_chinese_and_japanese(text, expected):
    assert has_cjk(text)
    assert normalise(text, cjk=True) == expected


@pytest.mark.parametrize("text", ["", "plain", "Straße", "１２ＡＢ", "。《》", "한국어", "русский"])
def test_what_is_not_chinese_or_japanese(text):
    assert not has_cjk(text)


@given(st.text(max_size=80), st.booleans())
@example("\x1bA㐀", True)  # an article at a Chinese character is one, too
def test_once_is_enough(text, cjk):
    once = normalise(text, cjk=cjk)
    assert normalise(once, cjk=cjk).split() == [word for word in once.split() if word not in {"a", "an", "the"}]
    assert once == once.strip()


@given(st.text(st.characters(max_codepoint=0x7E), max_size=60))
def test_ascii_text_has_one_rule(text):
    assert normalise(text) == normalise(text, cjk=True)
