"""The question alone."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Query


@pytest.mark.parametrize(
    ("query", "end"),
    [
        (Query("q", "How high?"), "How high?"),
        (Query("q", "How high?", ("20", "31")), "How high?\nA. 20\nB. 31"),
        (Query("q", "Sum it up.", form="summary"), "Sum it up."),
    ],
)
def test_the_question_is_sent_and_no_document(ask, query, end):
    asked = ask("closed_book", query, "The secret is 42.")
    assert end in asked.prompt
    assert "secret" not in asked.prompt
    assert "text above" not in asked.prompt
    assert "{" not in asked.prompt
    assert asked.answer.context == ()
    assert asked.answer.ranking == ()
    assert asked.answer.dropped_tokens == 0


def test_it_can_decline(ask):
    asked = ask({"kind": "closed_book", "decline": "pass"}, "How high?", "", reply="Pass.")
    assert "reply with the single word pass." in asked.prompt
    assert asked.answer.finish == "declined"
