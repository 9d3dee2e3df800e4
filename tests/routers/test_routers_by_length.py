"""Which side of a limit the documents are on, in which unit."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Document
from ragvlc.core.families import Router

TEXT = "one two three, four"  # four words, five tokens with the comma, nineteen characters


@pytest.mark.parametrize(("unit", "length"), [("tokens", 5), ("words", 4), ("characters", 19)])
def test_up_to_the_limit_is_short(choose, unit, length):
    for limit, route in ((length - 1, "rag"), (length, "full")):
        chosen = choose({"kind": "by_length", "limit": limit, "unit": unit}, "q?", TEXT)
        assert chosen.route == route
        assert chosen.facts["score"] == length
        assert (chosen.facts["favours"], chosen.facts["limit"]) == ("rag", limit)
        assert f"{length} {unit}" in chosen.facts["reason"]


def test_documents_count_together_and_chinese_by_characters(choose):
    router = {"kind": "by_length", "limit": 9, "unit": "words"}
    assert choose(router, "q?", [Document("a", TEXT), Document("b", TEXT)]).route == "full"
    assert choose(router, "q?", [Document("a", TEXT), Document("b", "茶馆在河边 ok")]).facts["score"] == 10


def test_without_a_limit_the_window_decides(choose):
    text = " ".join("word" for _ in range(100))
    router = {"kind": "by_length", "reserve": 50}
    assert choose(router, "q?", text, window=150).route == "full"
    assert choose(router, "q?", text, window=149).route == "rag"
    with pytest.raises(ValueError, match="window counts, which is in tokens"):
        Router.build({"kind": "by_length", "unit": "words"})


def test_other_names_and_their_absence(choose):
    assert choose({"kind": "by_length", "limit": 99, "full": "closed"}, "q?", TEXT).route == "closed"
    with pytest.raises(ValueError, match=r"names route 'fall'.*Nearest: full"):
        choose({"kind": "by_length", "limit": 99, "full": "fall"}, "q?", TEXT)
