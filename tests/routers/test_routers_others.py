"""Similarity, chance, and the numbers that a ranking gives."""

from __future__ import annotations

import pytest

from ragvlc.core.data import Chunk, Document, Hit, Query
from ragvlc.core.families import Router
from ragvlc.routing.features import known_features, measured, measured_scores

TEXT = "The cat eats fresh fish. The dog chews old bones. The cow eats green grass. The cat drinks warm milk."


def hits(*scores: float, text: str = "nothing") -> list[Hit]:
    return [Hit(Chunk("d", place, place * 10, place * 10 + 5, text), score) for place, score in enumerate(scores)]


def test_measures_of_a_ranking():
    ranking = hits(8, 6, 4, 2, 2, 1, 1, text="The green grass.")
    found = measured_scores(Query("q", "Which grass is green at all?"), ranking)
    assert found == pytest.approx({"top": 8, "mean": 4.4, "margin": 0.75, "concentration": 22 / 24, "coverage": 2 / 3})
    negative = measured_scores(Query("q", "at?"), hits(-1, -2))
    assert negative == {"top": -1, "mean": -1.5, "margin": 0, "concentration": 0, "coverage": 0}


def test_features_are_numbers_of_the_same_names_for_any_question():
    documents = (Document("d", TEXT), Document("e", "茶馆"))
    full = measured(Query("q", "Did Ann see 3 dogs, and why? Who?", ("a", "b")), documents, hits(3, 1), 5)
    assert tuple(full) == known_features() == tuple(measured(Query("q", ""), (), (), 0))
    assert all(isinstance(value, float) for value in full.values())
    named = {name: full[name] for name in ("choices", "numbers", "names", "questions", "is_reasoning", "first_place")}
    assert named == {"choices": 1, "numbers": 1, "names": 1, "questions": 1, "is_reasoning": 1, "first_place": 0}


@pytest.mark.parametrize(
    ("question", "route"), [("Which cow eats grass?", "rag"), ("Who painted that ceiling?", "full")]
)
def test_where_passages_match_they_are_read(choose, question, route):
    chosen = choose({"kind": "similarity", "chunker": {"kind": "tokens", "size": 6}}, question, TEXT)
    assert chosen.route == route
    assert (chosen.facts["score"] >= 0.6) == (route == "rag")
    assert chosen.facts["favours"] == "rag"
    assert [step.name for step in chosen.answer.trace][1] == "look"


def test_the_threshold_is_reached_by_the_score_itself(choose):
    router = {"kind": "similarity", "measure": "top", "retriever": "dense"}
    score = choose(router, "Which cow?", TEXT).facts["score"]
    assert choose({**router, "threshold": score}, "Which cow?", TEXT).route == "rag"
    assert choose({**router, "threshold": score + 1e-6}, "Which cow?", TEXT).route == "full"


def test_chance_keeps_its_shares_and_repeats(choose):
    router = {"kind": "random", "shares": {"rag": 3, "full": 1, "closed": 0}}
    routes = [choose(router, "q?", "x", seed=seed).route for seed in range(60)]
    assert routes == [choose(router, "q?", "x", seed=seed).route for seed in range(60)]
    assert 35 <= routes.count("rag") <= 55
    assert "closed" not in routes
    assert {choose("random", "q?", "x", seed=seed).route for seed in range(20)} == {"rag", "full", "closed"}


def test_chance_says_whether_it_is_random():
    assert Router.build("random").random
    assert not Router.build({"kind": "random", "shares": {"rag": 1, "full": 0}}).random
    for shares in ({"rag": 0}, {"rag": -1}, {"rag": float("inf")}):
        with pytest.raises(ValueError, match="not all 0|finite number"):
            Router.build({"kind": "random", "shares": shares})


def test_controls_are_never_drawn():
    routes = {"gold": "oracle_evidence", "rag": "retrieve"}
    from ragvlc.core.families import Route

    built = {name: Route.build(kind) for name, kind in routes.items()}
    assert Router.build("random").targets(built) == {"rag"}
