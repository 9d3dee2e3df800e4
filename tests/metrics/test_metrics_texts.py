"""BLEU, chrF and semantic similarity: known values, the library's own, and what counts as nothing."""

from __future__ import annotations

import math

import pytest

from ragvlc.core.answer import Answer
from ragvlc.core.data import Example, Query
from ragvlc.metrics.bleu import Bleu
from ragvlc.metrics.chrf import Chrf
from ragvlc.metrics.semantic_similarity import SemanticSimilarity
from ragvlc.pool import EnginePool
from ragvlc.testing import FunctionEngine, ScriptedPool


def example(*references, **facts) -> Example:
    return Example(Query("q", "?"), (), references, **facts)


def score(metric, reply, *references, **facts):
    return metric.score(Answer(reply), example(*references, **facts))


CAT = "the cat sat on the mat"


@pytest.mark.parametrize(
    ("reply", "references", "expected"),
    [
        (CAT, [CAT], 1),
        ("31 metres", ["31 metres"], 1),  # two words have no 4-gram: the order is the effective one
        ("dog", [CAT], 0),
        ("", [CAT], 0),
        # Unigrams 5/6, bigrams 3/5, trigrams 2/4, 4-grams 1/3.
        ("the cat sat on a mat", [CAT], (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25),
        # Clipped: two of seven `the`; the orders above have no match and count 1/2, 1/4, 1/8 of one.
        ("the the the the the the the", [CAT], (2 / 7 * 0.5 / 6 * 0.25 / 5 * 0.125 / 4) ** 0.25),
        # Brevity: three words for six.
        ("the cat sat", [CAT], math.exp(1 - 6 / 3)),
        # Several references serve together: each half stands in one of them.
        ("a b c d", ["a b x x", "y y c d"], (4 / 4 * 2 / 3 * 0.5 / 2 * 0.25 / 1) ** 0.25),
        ("the cat", ["unlike", "the cat"], 1),
    ],
)
def test_bleu_by_hand(reply, references, expected):
    assert score(Bleu(), reply, *references) == pytest.approx(expected, rel=1e-6)


def test_bleu_settings():
    assert score(Bleu(max_order=1), "the cat sat on a mat", CAT) == pytest.approx(5 / 6)
    assert score(Bleu(smoothing="none"), "cat the", CAT) == 0
    assert score(Bleu(smoothing="add-k", max_order=2), "cat the", CAT) == pytest.approx(
        (2 / 2 * 1 / 2) ** 0.5 * math.exp(1 - 6 / 2)
    )
    assert score(Bleu(lowercase=True), "THE CAT", "the cat") == 1 > score(Bleu(), "THE CAT", "the cat")


def test_bleu_reads_languages_without_blanks():
    assert score(Bleu(), "茉莉花茶", "茉莉绿茶") > 0.3
    assert score(Bleu(), "ラーメンが好き", "ラーメンは好き") > 0.3
    assert score(Bleu(tokenizer="13a"), "茉莉花茶", "茉莉绿茶") == 0


def test_chrf_by_hand():
    # Characters a b c against a b d: 2/3 of unigrams, 1/2 of bigrams, no trigram; equal lengths, so F is the mean.
    assert score(Chrf(), "abc", "abd") == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # Recall counts beta squared times: one character of a word of two.
    precision, recall = 1, 1 / 2
    assert score(Chrf(char_order=1), "a", "ab") == pytest.approx(5 * precision * recall / (4 * precision + recall))
    assert score(Chrf(char_order=1, beta=1), "a", "ab") == pytest.approx(2 / 3)


def test_chrf_takes_the_best_reference_and_ignores_blanks():
    assert score(Chrf(), CAT, "quite another", CAT) == 1
    assert score(Chrf(), "thecat", "the cat") == 1 > score(Chrf(word_order=2), "thecat", "the cat")
    assert score(Chrf(), "茉莉花茶", "茉莉绿茶") > 0.2
    assert score(Chrf(), "", CAT) == score(Chrf(), "🫖", CAT) == 0
    assert [Chrf().label, Chrf(word_order=2).label] == ["chrf", "chrf_words_2"]


@pytest.mark.parametrize("metric", [Bleu(), Chrf()])
def test_what_counts_as_nothing(metric):
    assert metric.score(Answer(CAT, finish="declined"), example(CAT)) == 0
    assert score(metric, CAT, unanswerable=True) is None
    assert score(metric, CAT, CAT, unanswerable=True) is None
    assert score(metric, CAT) is score(metric, CAT, " ") is None
    assert (
        score(metric, "June July", "June", "July", answer_mode="all")
        == 1
        > score(metric, "June", "June", "July", answer_mode="all")
    )


@pytest.fixture
def words(tmp_path):
    with ScriptedPool(FunctionEngine(lambda prompt: "x"), tmp_path) as pool:
        yield pool


def similarity(pool, reply, *references, **facts):
    answer = reply if isinstance(reply, Answer) else Answer(reply)
    return SemanticSimilarity().assess(answer, example(*references, **facts), pool)


def test_similarity_is_the_best_cosine(words):
    assert similarity(words, "red blue", "red blue").value == 1
    assert similarity(words, "red", "green grey", "red").value == 1
    half = similarity(words, "red blue", "red green").value  # one word of two, and the constant 0.1 of a text
    assert half == pytest.approx(1.01 / 2.01, abs=1e-5)
    assert words.word_vectors.embedded[-2:] == [("passage", "red blue"), ("passage", "red green")]


def test_similarity_of_nothing(words):
    assert similarity(words, "  ", "red").value == 0
    assert similarity(words, Answer("red", finish="declined"), "red").value == 0
    assert similarity(words, "red").value is similarity(words, "red", "red", unanswerable=True).value is None
    assert words.word_vectors.embedded == []
    assert similarity(words, "red blue", "red", "blue", answer_mode="all").value == 1
    assert SemanticSimilarity().applies(example("red"))
    assert not SemanticSimilarity().applies(example(" "))


class Opposed:
    """Vectors that point away from each other; a window of three words."""

    window = 3

    def embed(self, texts, *, side="passage"):
        import numpy as np

        return np.array([[1.0], *([-1.0] for _ in texts[1:])], np.float32)

    def lengths(self, texts):
        return [len(text.split()) for text in texts]

    def close(self):
        pass


def test_opposite_is_0_and_a_text_that_was_cut_is_flagged(words):
    words.word_vectors = Opposed()
    assert similarity(words, "a b c", "b").value == 0
    assert similarity(words, "a b c", "b").flags == ()
    assert similarity(words, "a b c d", "b").flags == similarity(words, "a", "b", "a b c d").flags == ("embedding_cut",)


def test_similarity_with_a_real_model(embedding_model, tmp_path):
    with EnginePool() as pool:
        same = similarity(pool, "The tower is 31 metres high.", "It has a height of 31 metres.").value
        other = similarity(pool, "The tower is 31 metres high.", "Dogs pay half fare on the ferry.").value
        assert similarity(pool, "31 metres", "31 metres").value == 1
    assert same > 0.5
    assert other < 0.3
