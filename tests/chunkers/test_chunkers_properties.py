"""What every chunker keeps to, for any text and tokenizer."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ragvlc.chunkers.recursive import Recursive
from ragvlc.chunkers.sentences import Sentences
from ragvlc.chunkers.tokens import Tokens
from ragvlc.chunkers.whole import Whole
from ragvlc.core.component import known_kinds
from ragvlc.core.data import Document

SIZED = [Tokens, Sentences, Recursive]
PIECES = [
    *("The cat sat. ", "Dr. Smith (3.14 m) said: ", "Why?", ' "No!" ', "a", " ", "  ", "\t", "\u00a0", "\n", "\r\n"),
    *(
        "\n\n",
        "\r\n\r\n",
        "天地玄黄",
        "。",
        "！”",
        "مرحبا ",
        "؟ ",
        "e\u0301",
        "👩‍🚀",
        "🏳️‍🌈",
        "\u200b",
        "\ufeff",
        "\x00",
        "ab" * 40,
        "\u2028",
    ),
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=30).map("".join)
# Lone surrogates cannot be encoded, so no byte-level tokenizer reads them.
texts = texts.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))
sizes = st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))

generous = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def weights(text, tokenizer):
    """Counts the tokens of each stretch of text that no token's end divides, by brute force: (start, end, tokens)."""
    spans = list(tokenizer.spans(text))
    whole = [place for place in range(1, len(text)) if not any(start < place < end for start, end in spans)]
    edges = [0, *whole, len(text)]
    return [
        (first, last, sum(first <= min(start, len(text) - 1) < last for start, _ in spans))
        for first, last in pairwise(edges)
    ]


def tokens_between(stretches, start, end):
    return sum(count for first, last, count in stretches if start <= first and last <= end)


def test_all_kinds_are_tested_here():
    assert set(known_kinds("chunkers")) == {kind.__module__.rpartition(".")[2] for kind in [*SIZED, Whole]}


@pytest.mark.parametrize("kind", SIZED)
@generous
@given(text=texts, size=sizes)
@example(text="\n。", size=(1, 0))  # one token, in which two sentences end
def test_chunks_cover_the_text(kind, tokenizer, text, size):
    size, overlap = size
    chunks = kind(size=size, overlap=overlap).split(Document("d", text), tokenizer)

    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.document_id == "d" for chunk in chunks)
    assert all(chunk.text and chunk.text == text[chunk.start : chunk.end] for chunk in chunks)
    assert bool(chunks) == bool(text)
    if chunks:
        assert (chunks[0].start, chunks[-1].end) == (0, len(text))
    for one, other in pairwise(chunks):
        assert one.start < other.start <= one.end < other.end
        assert overlap or other.start == one.end
    if not overlap:
        assert "".join(chunk.text for chunk in chunks) == text


@pytest.mark.parametrize("kind", SIZED)
@generous
@given(text=texts, size=sizes)
def test_sizes_and_overlaps_hold_in_tokens_of_the_text(kind, tokenizer, text, size):
    size, overlap = size
    stretches = weights(text, tokenizer) if text else []
    edges = {0, *(last for _, last, _ in stretches)}
    chunks = kind(size=size, overlap=overlap).split(Document("d", text), tokenizer)

    for chunk in chunks:
        assert {chunk.start, chunk.end} <= edges, "a cut through a token"
        single = (chunk.start, chunk.end) in {(first, last) for first, last, _ in stretches}
        assert single or tokens_between(stretches, chunk.start, chunk.end) <= size
    for one, other in pairwise(chunks):
        assert tokens_between(stretches, other.start, one.end) <= overlap


@generous
@given(text=texts, size=sizes)
@pytest.mark.parametrize("name", ["words", "characters"])
def test_token_windows_are_exact(request, name, text, size):
    size, overlap = size
    tokenizer = request.getfixturevalue(name)
    starts = [start for start, _ in tokenizer.spans(text)]
    chunks = Tokens(size=size, overlap=overlap).split(Document("d", text), tokenizer)

    places = [(bisect_left(starts, chunk.start), bisect_left(starts, chunk.end)) for chunk in chunks]
    assert all(last - first == size for first, last in places[:-1])
    assert all(last - first <= size for first, last in places)
    assert all(one[1] - other[0] == overlap for one, other in pairwise(places))
    assert len(chunks) == -(-max(len(starts) - overlap, bool(starts)) // (size - overlap))


@pytest.mark.parametrize("kind", SIZED)
def test_overlap_must_leave_something_new(kind):
    with pytest.raises(ValueError, match="overlap 8 must be less than the size 8. Use at most 7."):
        kind(size=8, overlap=8)
    assert kind(size=8, overlap=7).overlap == 7


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize("fields", [{"size": 0}, {"overlap": -1}, {"size": 300, "overlap": 300}])
def test_impossible_sizes_are_refused(kind, fields):
    with pytest.raises(ValueError, match="size|overlap"):
        kind(**fields)


@pytest.mark.parametrize("kind", SIZED)
@pytest.mark.parametrize("text", [" " * 100_000 + "x", "." * 100_000, "\n" * 100_000, ". ((" * 25_000])
@pytest.mark.timeout(120)
def test_monotonous_texts_are_cut_before_anybody_loses_patience(kind, text, words):
    """Takes well under a second; a step that is quadratic in the text takes minutes."""
    chunks = kind(size=512, overlap=64).split(Document("d", text), words)
    assert chunks[-1].end == len(text)


@pytest.mark.parametrize("kind", SIZED)
def test_a_text_is_tokenised_once(kind, words):
    """Counting every candidate anew is what makes splitters slow."""
    seen = []

    class Listening:
        id = "listening"

        def spans(self, text):
            seen.append(text)
            return words.spans(text)

        count = spans

    text = "One two. Three\n\nfour five six. " * 40
    kind(size=7, overlap=2).split(Document("d", text), Listening())
    assert seen == [text]


@generous
@given(text=texts)
def test_whole_document_is_one_chunk(words, text):
    chunks = Whole().split(Document("d", text), words)
    assert [(chunk.index, chunk.start, chunk.end, chunk.text) for chunk in chunks] == [(0, 0, len(text), text)] * bool(
        text
    )
