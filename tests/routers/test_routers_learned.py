"""A rule of numbers in a file: what it makes of a question, and what is wrong with other files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ragvlc.core.families import Router
from ragvlc.routing.learned_rule import LearnedRule

FILE = Path(__file__).with_name("learned.json")
TEXT = "The pump was built in 1951. It moves ninety litres a minute."  # eleven words and a number


def changed(tmp_path: Path, **fields) -> str:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    path.write_text(json.dumps({**json.loads(FILE.read_text()), **fields}))
    return str(path)


@pytest.mark.parametrize(
    ("question", "coverage"), [("Which pump moves litres?", 0.75), ("Who painted that ceiling?", 0.0)]
)
def test_the_probability_is_that_of_the_numbers(choose, question, coverage):
    chosen = choose({"kind": "learned", "model": str(FILE)}, question, TEXT)
    total = 0.25 - (coverage - 0.5) / 0.25 + 0.5 * (math.log1p(12) - 4.0) / 2.0
    expected = 1 / (1 + math.exp(-total))
    assert chosen.facts["score"] == pytest.approx(expected)
    assert chosen.facts["favours"] == "full"
    assert chosen.route == ("full" if expected >= 0.5 else "closed")


def test_the_threshold_may_be_another(choose):
    score = choose({"kind": "learned", "model": str(FILE)}, "Who painted?", TEXT).facts["score"]
    for threshold, route in ((score - 0.01, "full"), (score + 0.01, "closed")):
        router = {"kind": "learned", "model": str(FILE), "threshold": threshold}
        assert choose(router, "Who painted?", TEXT).route == route


def test_what_decides_makes_the_key(tmp_path):
    def key(**fields):
        return Router.build({"kind": "learned", "model": changed(tmp_path, **fields)}).key

    assert key() == key(made={"by": "someone else"}, estimate={"learned": 1.0}) == key()
    others = [
        key(intercept=0.3),
        key(routes=["rag", "full"]),
        key(retriever={"kind": "bm25", "k1": 1.2}),
        key(threshold=0.6),
    ]
    assert len({key(), *others}) == 5


def test_its_retriever_names_the_models_it_needs(tmp_path):
    router = Router.build({"kind": "learned", "model": changed(tmp_path, retriever="dense")})
    assert ("embedders", "main", "VectorEngine") in router.roles()
    assert all(table == "generators" for table, _, _ in Router.build({"kind": "learned", "model": str(FILE)}).roles())


def test_a_missing_value_is_the_usual_one(tmp_path):
    rule = LearnedRule.load(changed(tmp_path, features=["coverage", "metadata.year"], metadata=["year"]))
    assert rule.probability({"coverage": 0.5}) == rule.probability({"coverage": 0.5, "metadata.year": 4.0})
    assert rule.probability({"coverage": 0.5, "metadata.year": 1e300}) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"features_version": 0}, "Learn it again"),
        ({"features": ["coverage", "luck"]}, "unknown feature 'luck'"),
        ({"features": ["coverage", "metadata.level"], "metadata": ["level"]}, "metadata field 'level'"),
        ({"means": [0.5]}, "2 features, but 1 means"),
        ({"scales": [0.0, 1.0]}, "a scale is not above 0"),
        ({"coefficients": ["1", float("nan")]}, "finite"),
        ({"routes": ["full", "full"]}, "one route twice"),
        ({"pickle": "gASV"}, "pickle"),
        ({"format": "joblib"}, "format"),
        ({"retriever": "bm26"}, "bm26"),
    ],
)
def test_a_file_is_checked_when_it_is_read(tmp_path, fields, problem):
    path = changed(tmp_path, **fields)
    with pytest.raises(ValueError, match=problem) as caught:
        Router.build({"kind": "learned", "model": path})
    assert path in str(caught.value)


def test_files_that_are_none(tmp_path):
    torn = tmp_path / "torn.json"
    torn.write_text('{"format": ')
    for path, problem in ((torn, "no JSON"), (tmp_path / "none.json", "cannot be read"), (tmp_path, "cannot be read")):
        with pytest.raises(ValueError, match=problem):
            Router.build({"kind": "learned", "model": str(path)})


def test_what_is_saved_is_read_again(tmp_path):
    rule = LearnedRule.load(FILE)
    rule.save(tmp_path / "again.json")
    assert LearnedRule.load(tmp_path / "again.json") == rule
