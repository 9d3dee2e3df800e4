"""Length as an axis: every length asks the same questions, the first ones that are possible at all of them."""

from __future__ import annotations

import json
import random

import pytest

from ragvlc.analysis.results import Results
from ragvlc.config import to_yaml
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.documents.dataset import loaded
from ragvlc.estimate.estimate import workings
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from ragvlc.testing import FunctionEngine, ScriptedPool

SIZES = (20, 150, 30, 500, 40, 160, 25, 35)
"""Words of the own document of each question."""


def text(seed: int, words: int) -> str:
    chance = random.Random(seed)
    return " ".join(f"It w{chance.randrange(900)} here now." for _ in range(words // 5))


@pytest.fixture
def lake(tmp_path):
    documents = [{"doc_id": f"own{n}", "text": f"{text(n, words)} Carp{n}."} for n, words in enumerate(SIZES)]
    documents += [{"doc_id": f"other{n}", "text": text(100 + n, 60)} for n in range(12)]
    asked = [
        {"question_id": f"q{n}", "doc_ids": [f"own{n}"], "question": f"What {n}?", "answers": [f"Carp{n}"]}
        for n in range(len(SIZES))
    ]
    for name, rows in (("documents", documents), ("questions", asked)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def at(lake, *lengths, model, **fields):
    data = Jsonl(path=str(lake), pad_tokenizer=model, **fields)
    return {str(length): data.model_copy(update={"pad_to_tokens": length}) for length in lengths}


def ids(found):
    return {name: [one.id for one in examples] for name, examples in found.items()}


def test_every_length_asks_the_same_questions(lake, word_model):
    found = loaded(at(lake, 100, 400, model=word_model))
    assert ids(found) == dict.fromkeys(("100", "400"), ["q0", "q2", "q4", "q6", "q7"])
    assert found["100"].skipped == {"own documents longer than 100 tokens": 3}
    assert found["400"].skipped == {
        "own documents longer than 100 tokens": 2,
        "own documents longer than 400 tokens": 1,
    }
    alone = at(lake, 400, model=word_model)["400"].load()
    assert len(alone) == 7
    assert all(one in alone for one in found["400"])  # the context of a question does not depend on the other lengths


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_a_limit_counts_only_questions_that_are_possible_at_every_length(lake, word_model, limit):
    found = ids(loaded(at(lake, 100, 200, 400, model=word_model, limit=limit)))
    whole = ids(loaded(at(lake, 100, 200, 400, model=word_model)))
    assert {len(own) for own in found.values()} == {limit}
    assert found["100"] == found["200"] == found["400"]
    assert set(found["100"]) <= set(whole["100"])
    more = ids(loaded(at(lake, 100, 200, 400, model=word_model, limit=5)))
    assert set(found["100"]) <= set(more["100"])  # limits nest
    assert len(at(lake, 100, model=word_model, limit=limit)["100"].load()) == limit  # so at one length


def test_a_limit_that_cannot_be_reached_is_told(lake, word_model):
    found = loaded(at(lake, 100, 400, model=word_model, limit=7))
    assert [len(examples) for examples in found.values()] == [5, 5]
    assert found["400"].notes == ("only 5 of the 7 questions asked for are possible over these contexts.",)


def test_a_length_without_enough_other_text_leaves_questions_out(lake, word_model):
    with pytest.raises(DatasetError, match="question 'q0' cannot be asked over 2,300 tokens"):
        loaded(at(lake, 100, 2300, model=word_model))
    (lake / "other.md").write_text(text(7, 300))
    few = {"pad_from": str(lake / "other.md")}
    found = loaded(at(lake, 330, 400, model=word_model, **few))
    assert ids(found)["330"] == ids(found)["400"] == ["q1", "q5"]
    assert found["400"].skipped == {
        "too little other text for 400 tokens": 5,
        "own documents longer than 400 tokens": 1,
    }
    with pytest.raises(
        DatasetError, match="no question is possible at every length: .*5 too little other text for 400"
    ):
        loaded(at(lake, 100, 400, model=word_model, **few))


def test_lengths_without_a_common_question_are_refused(lake, word_model):
    with pytest.raises(DatasetError, match="the shortest have"):
        loaded(at(lake, 10, 400, model=word_model))


def test_contexts_of_other_kinds_ask_the_same_questions_too(lake, word_model):
    (short,) = at(lake, 100, model=word_model, limit=4).values()
    plain, corpus = Jsonl(path=str(lake), limit=4), Jsonl(path=str(lake), limit=4, scope="corpus")
    found = ids(loaded({"short": short, "plain": plain, "corpus": corpus}))
    assert found["short"] == found["plain"] == found["corpus"]
    alone = ids(loaded({"plain": plain, "other": Jsonl(path=str(lake), limit=4, seed=3)}))
    assert alone["plain"] != alone["other"]  # other questions are another matter
    assert alone["plain"] == [one.id for one in plain.load()]


def spec(lake, model, **more):
    pipelines = {"full": {"generators": {"main": {"kind": "scripted"}}, "routes": {"full": "full_context"}}}
    return Sweep.model_validate(
        {
            "name": "lengths",
            "dataset": {"kind": "jsonl", "path": str(lake), "pad_tokenizer": model, "limit": 4},
            "pipelines": pipelines,
            "axes": {"dataset.pad_to_tokens": [100, 200, 400]},
            "metrics": ["contains"],
            "tracker": "none",
            **more,
        }
    )


def test_a_sweep_over_lengths_compares_the_same_questions(lake, word_model, tmp_path):
    sweep = spec(lake, word_model)
    with ScriptedPool(FunctionEngine(lambda _: "Carp"), tmp_path / "cache") as pool:
        folder = run_sweep(sweep, tmp_path / "runs", pool=pool).folder
    cells = Results.load(folder).cells
    asked = [sorted(cell.examples) for cell in cells]
    assert len(asked) == 3
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 4
    assert all(cell.facts["skipped"] for cell in cells)
    assert [len(one.examples) for one in workings(sweep, tmp_path / "runs").asked.values()] == [4, 4, 4]
    assert len(plan(sweep)) == 3


def test_plan_says_what_was_left_out_and_why(lake, word_model, ragvlc):
    sweep = spec(lake, word_model)
    (lake / "lengths.yaml").write_text(to_yaml(sweep.spec()))
    said = ragvlc("plan", str(lake / "lengths.yaml"), "--limit", "6")
    assert said.code == 0
    name = lake.name
    assert f"Left out of {name}, 100 tokens: 3 own documents longer than 100 tokens." in said.out
    assert f"Left out of {name}, 400 tokens: " in said.out
    assert "1 own documents longer than 400 tokens" in said.out
    assert "- only 5 of the 6 questions asked for are possible over these contexts." in said.out
    checked = ragvlc("check", str(lake / "lengths.yaml"))
    assert checked.out.count("left out: own documents longer than 100 tokens") == 3
