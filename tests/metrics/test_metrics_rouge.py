"""ROUGE of both packages: the packages themselves as an oracle, and long and hostile texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.rouge import Rouge
from ragvlc.text.rouge import google_rouge, pltrdy_rouge
from ragvlc.text.subsequences import lcs_length, lcs_trace


def score(reply: str, *references: str, **settings) -> float | None:
    return Rouge(**settings).score(Answer(reply), Example(Query("q", "?"), (), references))


words = st.lists(st.sampled_from(["a", "b", "cat", "running", ".", ". ", "\n", "é", "12", ""]), max_size=30).map(
    " ".join
)


@settings(max_examples=150)
@given(words, words)
def test_google_is_the_package(reply, reference):
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    for stemmer in (False, True):
        kinds = ("1", "2", "L", "Lsum")
        wanted = scorer.RougeScorer([f"rouge{kind}" for kind in kinds], use_stemmer=stemmer).score(reference, reply)
        for kind in kinds:
            own, theirs = google_rouge(kind, reference, reply, stemmer=stemmer), wanted[f"rouge{kind}"]
            assert (own.precision, own.recall, own.f) == (theirs.precision, theirs.recall, theirs.fmeasure)


@settings(max_examples=150)
@given(words, words)
def test_pltrdy_is_the_package(reply, reference):
    package = pytest.importorskip("rouge").Rouge()
    try:
        wanted = package.get_scores([reply], [reference])[0]
    except ValueError:
        with pytest.raises(ValueError, match="sentence"):
            pltrdy_rouge("L", reference, reply)
        return
    for kind in ("1", "2", "L"):
        own, theirs = pltrdy_rouge(kind, reference, reply), wanted[f"rouge-{kind.lower()}"]
        assert (own.precision, own.recall, own.f) == (theirs["p"], theirs["r"], theirs["f"])


def table(a, b):
    rows = [[0] * (len(b) + 1)]
    for one in a:
        rows.append([0])
        for place, other in enumerate(b):
            above = rows[-2]
            rows[-1].append(above[place] + 1 if one == other else max(above[place + 1], rows[-1][-1]))
    return rows


letters = st.lists(st.sampled_from("abcde"), max_size=25)


@settings(max_examples=200)
@given(letters, letters)
def test_subsequences_are_those_of_the_table(a, b):
    rows = table(a, b)
    assert lcs_length(a, b) == rows[-1][-1]
    found, i, j, steps = [], len(a), len(b), 0
    while i and j:
        steps += 1
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            found.append((i, j))
        elif rows[i - 1][j] > rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    assert lcs_trace(a, b) == (found, steps)


@pytest.mark.parametrize("bits", [1, 60, 5000])
def test_rows_that_are_made_again_are_the_same(monkeypatch, bits):
    monkeypatch.setattr("ragvlc.text.subsequences.WHOLE", bits)
    a, b = [n * n % 17 for n in range(90)], [n * 7 % 23 for n in range(70)]
    found, steps = lcs_trace(a, b)
    monkeypatch.undo()
    assert lcs_trace(a, b) == (found, steps)
    assert len(found) == lcs_length(a, b)


def test_long_sentences_are_scored_where_the_package_gives_up():
    text = " ".join(f"w{n % 70}" for n in range(560))
    other = " ".join(f"w{n * 7 % 90}" for n in range(560))
    package = pytest.importorskip("rouge").Rouge(metrics=["rouge-l"])
    with pytest.raises(RecursionError):
        package.get_scores([text], [other])
    found = pltrdy_rouge("L", other, text)
    assert 0 < found.f < 1
    assert found.steps > 1000
    assert pltrdy_rouge("L", text, text).f == pytest.approx(1)


def test_texts_of_many_words_take_no_table():
    text = " ".join(f"w{n % 1000}{'.' * (n % 20 == 0)}" for n in range(20_000))
    other = " ".join(f"w{n * 7 % 1000}{'.' * (n % 20 == 0)}" for n in range(20_000))
    for kind in (1, "L"):
        assert 0 < score(text, other, type=kind) <= 1
        assert 0 < score(text, other, type=kind, package="pltrdy") <= 1


def test_best_reference_labels_and_settings():
    assert score("one", "two", "one") == 1
    assert score("x") is None
    assert Rouge().label == "rouge_L"
    assert Rouge(type=2, stemmer=True).label == "rouge_2_stemmed"
    assert Rouge(type=1, package="pltrdy", measure="recall").label == "rouge_1_pltrdy_recall"
    for wrong in ({"stemmer": True}, {"type": "Lsum"}):
        with pytest.raises(ValidationError, match="pltrdy has no"):
            Rouge(package="pltrdy", **wrong)
