"""What kind of question it is, and the first rule that applies."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Query
from ragvlc.core.families import Router
from ragvlc.routing.question_classes import guessed_class

LONG = " ".join(["word"] * 70_000)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How did revenue in 2023 compare with 2022?", "comparison"),
        ("What is the difference between the two pumps?", "comparison"),
        ("Which of the two is older than the mill?", "comparison"),
        ("Why did the keeper leave?", "reasoning"),
        ("How does the valve stop the flow?", "reasoning"),
        ("What led the council to close the harbour?", "reasoning"),
        ("Summarise the report.", "whole"),
        ("Give a summary of the report.", "whole"),
        ("List all ships that are named.", "whole"),
        ("Who kept the lighthouse in 1984?", "location"),
        ("How high is the tower?", "location"),
        ("这两座茶馆有什么不同?", "comparison"),
        ("他为什么离开?", "reasoning"),
        ("Warum ging der Wärter?", "reasoning"),
        ("", "location"),
    ],
)
def test_the_words_of_a_question_give_its_class(question, kind):
    assert guessed_class(Query("q", question)) == kind


def test_a_wanted_summary_is_of_the_whole():
    assert guessed_class(Query("q", "Why?", form="summary")) == "whole"


@pytest.mark.parametrize(
    ("question", "text", "model", "route", "rule"),
    [
        ("What changed between May and June?", "short", "weak", "full", "rule 2: comparison or whole"),
        ("Why did it change?", "short", "weak", "full", "rule 3: reasoning, up to 64000"),
        ("Why did it change?", LONG, "strong", "full", "rule 4: reasoning, strong model"),
        ("Why did it change?", LONG, "weak", "rag", "no rule applies"),
        ("When did it change?", "short", "strong", "rag", "no rule applies"),
    ],
)
def test_the_default_table_is_laras(choose, question, text, model, route, rule):
    chosen = choose({"kind": "rules", "model": model}, question, text, window=100_000)
    assert (chosen.route, chosen.facts["reason"]) == (route, rule)


def test_own_words_and_own_table(choose):
    own = {
        "kind": "rules",
        "words": {"law": [r"\bstatute\b"], "unanswerable": [r"\brumou?r\b"]},
        "rules": [{"classes": ["law"], "route": "closed"}, {"classes": ["unanswerable"], "route": "rag"}],
        "otherwise": "full",
    }
    assert choose(own, "Why does the statute differ?", "x").route == "closed"  # own classes come first
    assert choose(own, "Is the rumor true?", "x").route == "rag"
    assert choose(own, "Why?", "x").route == "full"
    first, turned = Router.build(own), Router.build({**own, "words": dict(reversed(own["words"].items()))})
    assert first.key != turned.key  # the first class with a match wins, so their order counts


def test_lengths_are_counted_only_where_a_rule_asks(choose):
    table = [{"route": "rag", "longer_than": 10, "up_to": 20}]
    router = {"kind": "rules", "rules": table, "otherwise": "full", "unit": "words"}
    routes = [choose(router, "Who?", " ".join(["w"] * n)).route for n in (10, 11, 20, 21)]
    assert routes == ["full", "rag", "rag", "full"]
    assert Router.build({**router, "unit": "tokens"}).roles() == {("generators", "main", "TextEngine")}
    assert Router.build({"kind": "rules", "rules": [{"route": "rag", "classes": ["whole"]}]}).roles() == frozenset()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"rules": [{"route": "rag", "classes": ["resoning"]}]}, "no class 'resoning'.*Nearest: reasoning"),
        ({"rules": [{"route": "rag", "longer_than": 5, "up_to": 5}]}, "no length is above 5 and at most 5"),
        ({"words": {"law": ["("]}}, "law: '\\('"),
        ({"model": "huge"}, "strong"),
    ],
)
def test_mistakes_in_the_table(settings, problem):
    with pytest.raises(ValueError, match=problem):
        Router.build({"kind": "rules", **settings})
