from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.data import Query
from ragvlc.retrievers.bm25 import BM25

TEXTS = ["the red cat", "the dog", "red red fish swims far"]


def ranked(index, text, n=50, choices=()):
    return [(hit.chunk.index, hit.score) for hit in index.search(Query("q", text, choices), n)]


def test_scores_are_lucenes_formula_by_hand(run, chunked):
    # lengths 3, 2, 5: mean 10/3. "red" stands in 2 of 3 chunks, "fish" in 1, "the" in 2.
    red, fish = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    short, long = 1.5 * (0.25 + 0.75 * 0.9), 1.5 * (0.25 + 0.75 * 1.5)
    expected = {0: red / (1 + short), 2: red * 2 / (2 + long) + fish / (1 + long)}
    found = ranked(BM25(stemmer="none").index(chunked(TEXTS), run), "Red fish?")
    assert [place for place, _ in found] == [2, 0, 1]
    assert dict(found) == pytest.approx(expected | {1: 0.0}, abs=1e-12)
    assert all(type(score) is float for _, score in found)


def test_repeated_question_words_count_each_time(run, chunked):
    index = BM25().index(chunked(TEXTS), run)
    assert ranked(index, "dog dog")[0][1] == pytest.approx(2 * ranked(index, "dog")[0][1])


def test_k1_and_b_reach_the_formula(run, chunked):
    # k1 = 0 leaves the weight of the word alone, b = 0 the length out.
    weights = dict(ranked(BM25(k1=0, stemmer="none").index(chunked(TEXTS), run), "red"))
    assert weights[0] == weights[2] == pytest.approx(math.log(1.6))
    flat = dict(ranked(BM25(b=0, stemmer="none").index(chunked(["cat", "cat and dog"]), run), "cat"))
    assert flat[0] == flat[1] == pytest.approx(math.log(1.2) / 2.5)


def test_rank_bm25_gives_the_librarys_numbers(run, chunked):
    from rank_bm25 import BM25Okapi

    texts = ["red cat", "blue dog", "red fish swims", "bird", "tree tree"]
    own = BM25Okapi([text.split() for text in texts], k1=1.2, b=0.5).get_scores(["red", "tree"])
    part = BM25(library="rank_bm25", k1=1.2, b=0.5, stemmer="none")
    found = ranked(part.index(chunked(texts), run), "Red tree")
    assert dict(found) == pytest.approx(dict(enumerate(own)))
    assert run.builds == 0


def test_a_word_of_half_the_chunks_counts_with_bm25s_and_not_with_rank_bm25(run, chunked):
    texts = chunked(["apples are red", "the sky is blue"])
    assert ranked(BM25().index(texts, run), "blue sky")[0][0] == 1
    assert [score for _, score in ranked(BM25(library="rank_bm25").index(texts, run), "blue sky")] == [0.0, 0.0]


def test_chinese_question_finds_its_chunk(run, chunked):
    texts = ["长江是亚洲第一长河", "黄河流经九个省区", "泰山位于山东省中部", "故宫建于明朝永乐年间"]
    index = BM25().index(chunked(texts), run)
    assert ranked(index, "泰山在哪个省?")[0][0] == 2
    assert ranked(index, "故宫是什么时候建的?")[0][0] == 3
    assert ranked(index, "宫")[0][0] == 3


def test_question_is_stemmed_like_the_text(run, chunked):
    texts = chunked(["he repaired bicycles", "she painted a house"])
    assert ranked(BM25().index(texts, run), "repairing a bicycle")[0][0] == 0
    assert {score for _, score in ranked(BM25(stemmer="none").index(texts, run), "repairing bicycle")} == {0.0}


def test_options_of_a_multiple_choice_question_count(run, chunked):
    index = BM25().index(chunked(TEXTS), run)
    assert ranked(index, "which animal?", choices=("a fish", "a horse"))[0][0] == 2


def test_stop_words_are_left_out(run, chunked):
    index = BM25(stop_words=("the",)).index(chunked(TEXTS), run)
    assert {score for _, score in ranked(index, "the")} == {0.0}


@pytest.mark.parametrize("library", ["bm25s", "rank_bm25"])
@pytest.mark.parametrize("text", ["zebra", "", "?!", "宇宙"])
def test_without_a_known_word_all_chunks_come_in_chunk_order_with_score_0(run, chunked, library, text):
    index = BM25(library=library).index(chunked(TEXTS), run)
    assert ranked(index, text) == [(0, 0.0), (1, 0.0), (2, 0.0)]


@pytest.mark.parametrize("library", ["bm25s", "rank_bm25"])
@pytest.mark.parametrize("texts", [[], [""], ["", " … "], ["cat"], ["", "cat", "", "cat cat"]])
def test_few_and_empty_chunks(run, chunked, library, texts):
    found = ranked(BM25(library=library).index(chunked(texts), run), "a cat")
    assert sorted(place for place, _ in found) == list(range(len(texts)))
    assert all(math.isfinite(score) for _, score in found)


def test_one_chunk_with_the_word_scores_above_zero(run, chunked):
    assert ranked(BM25().index(chunked(["the cat sat"]), run), "cat")[0][1] > 0


@pytest.mark.parametrize("library", ["bm25s", "rank_bm25"])
def test_ties_keep_chunk_order_at_every_depth(run, chunked, library):
    texts = [text for number in range(20) for text in (f"a cat {number}", "a dog", "a dog")]
    index = BM25(library=library).index(chunked(texts), run)
    whole = ranked(index, "cat", 60)
    assert [place for place, _ in whole] == [*range(0, 60, 3), *sorted({*range(60)} - {*range(0, 60, 3)})]
    for n in (0, 1, 7, 31, 60, 99):
        assert ranked(index, "cat", n) == whole[:n]


WORDS = st.sampled_from(["red", "cat", "dog", "fish", "泰山", "tree", "swims", "far", "the"])
SENTENCE = st.lists(WORDS, max_size=8).map(" ".join)


@given(st.lists(SENTENCE, min_size=1, max_size=12), SENTENCE)
@settings(max_examples=60, deadline=None)
def test_kept_index_ranks_like_a_fresh_one_and_sorted(make_run, chunked, texts, question):
    run, chunks = make_run(), chunked(texts)
    first = ranked(BM25().index(chunks, run), question)
    again = ranked(BM25().index(chunks, run), question)
    assert run.builds == 1
    assert first == again
    assert first == sorted(first, key=lambda hit: (-hit[1], hit[0]))


def test_other_settings_are_another_index(run, chunked):
    chunks = chunked(TEXTS)
    for part in (BM25(), BM25(k1=1.2), BM25(stemmer="none")):
        part.index(chunks, run)
    assert run.builds == 3


def test_one_index_serves_many_threads(run, chunked):
    texts = [f"{word} chunk number {number}" for number in range(50) for word in ("cat", "dog", "fish")]
    index = BM25().index(chunked(texts), run)
    questions = [f"{word} {number}" for number in range(50) for word in ("fish", "cat")]
    alone = [ranked(index, question) for question in questions]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda question: ranked(index, question), questions)) == alone


def test_nothing_is_printed_or_logged(run, chunked, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    index = BM25().index(chunked(TEXTS), run)
    ranked(index, "cat")
    ranked(index, "")
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("bm25s")] == []


@pytest.mark.parametrize("settings", [{"b": 1.5}, {"k1": -1}, {"stemmer": "klingon"}, {"library": "lucene"}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        BM25(**settings)
