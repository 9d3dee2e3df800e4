"""Vectors of a text's parts as they stand within it, and how texts are put into batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.engines import SpanVectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.embedders._tokenized_texts import batches_of, tokenize
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder


def opened(folder, **settings):
    return SentenceTransformerEmbedder(model=folder, device="cpu", **settings).open()


def spans_in(text, *counts):
    """Returns the characters of runs of so many words, one after the other."""
    found, start, words = [], 0, text.split(" ")
    for count in counts:
        size = len(" ".join(words[:count]))
        found.append((start, start + size))
        start, words = start + size + 1, words[count:]
    return found


def states_of(folder, text, prompt=""):
    """Returns the last states of a text's own words, from the library's model itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")
    with torch.inference_mode():
        ids = model.tokenizer([prompt + text], return_tensors="pt")["input_ids"]
        states = model.transformers_model(ids).last_hidden_state[0]
    return states[1 + len(prompt.split()) : -1].numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "mistral"])
def test_parts_are_pooled_from_the_tokens_of_the_whole_text(built, words, kind):
    engine = opened(built(kind))
    assert isinstance(engine, SpanVectorEngine)
    texts = [words(12, 1), words(7, 2)]
    parts = [spans_in(texts[0], 5, 4, 3), [(0, len(texts[1]))]]
    found = engine.embed_spans(texts, parts)
    first, second = (states_of(built(kind), text) for text in texts)
    assert [rows.dtype for rows in found] == [np.float32] * 2
    assert found[0] == pytest.approx(
        unit(np.stack([first[:5].mean(0), first[5:9].mean(0), first[9:].mean(0)])), abs=1e-5
    )
    assert found[1] == pytest.approx(unit(second.mean(0)[None]), abs=1e-5)


def test_parts_see_what_stands_around_them_and_chunks_alone_do_not(built, words):
    engine = opened(built("bert"))
    text = words(12, 1)
    start, end = spans_in(text, 5, 4)[1]
    within = engine.embed_spans([text], [[(start, end)]])[0]
    elsewhere = engine.embed_spans(
        [words(5, 9) + text[start - 1 :]], [spans_in(words(5, 9) + text[start - 1 :], 5, 4)[1:]]
    )
    assert np.abs(within - elsewhere[0]).max() > 1e-3


def test_the_prompt_is_read_and_not_pooled(built, words):
    engine = opened(built("bert"), passage_prompt="w1 w2 ")
    text = words(9)
    found = engine.embed_spans([text], [[(0, len(text))]])[0]
    assert found == pytest.approx(unit(states_of(built("bert"), text, "w1 w2 ").mean(0)[None]), abs=1e-5)


def test_a_text_beyond_the_window_is_read_in_windows(built, words):
    engine = opened(built("bert"))
    text = words(33)
    each = text.split()
    # Windows of 14 words and two marks: 0-14, 14-28, and 19-33, of which the last five are new.
    pieces = [" ".join(each[start:end]) for start, end in ((0, 14), (14, 28), (19, 33))]
    rows = [states_of(built("bert"), piece) for piece in pieces]
    states = np.concatenate([rows[0], rows[1], rows[2][9:]])
    found = engine.embed_spans([text], [spans_in(text, 10, 10, 13)])[0]
    want = np.stack([states[:10].mean(0), states[10:20].mean(0), states[20:].mean(0)])
    assert found == pytest.approx(unit(want), abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "way"), [("bert", "grouped"), ("nomic", "self_extend"), ("nomic", "parallel_windows")]
)
def test_an_extended_pass_tells_parts_whatever_the_batch(built, words, kind, way):
    engine = opened(built(kind), extension=way, max_length=64)
    texts = [words(n, n) for n in (40, 5, 61, 20)]
    parts = [spans_in(text, 2, 3) for text in texts]
    together = engine.embed_spans(texts, parts)
    small = opened(built(kind), extension=way, max_length=64, batch_tokens=30)
    for row, (text, own) in enumerate(zip(texts, parts, strict=True)):
        assert engine.embed_spans([text], [own])[0] == pytest.approx(together[row], abs=1e-5)
        assert small.embed_spans([text], [own])[0] == pytest.approx(together[row], abs=1e-5)


def test_parts_without_a_token_take_the_one_before(built):
    engine = opened(built("bert"))
    text = "w1 w2    w3"
    found = engine.embed_spans([text, "", "w1"], [[(6, 8), (3, 5), (20, 30), (9, 11)], [(0, 0)], []])
    assert (found[0][0] == found[0][1]).all()
    assert (found[0][2] == found[0][3]).all()
    assert found[1] == pytest.approx(engine.embed([""]), abs=1e-5)
    assert found[2].shape == (0, 32)
    assert engine.embed_spans([], []) == []


def test_models_that_pool_one_token_tell_no_parts(built):
    with pytest.raises(EngineError, match="parts of a text have none within it"):
        opened(built("bert", "cls")).embed_spans(["w1"], [[(0, 2)]])


def test_other_poolings_are_the_models_own(built, words):
    text = words(12, 1)
    states = states_of(built("bert", "max"), text)
    found = opened(built("bert", "max")).embed_spans([text], [spans_in(text, 5, 7)])[0]
    assert found == pytest.approx(unit(np.stack([states[:5].max(0), states[5:].max(0)])), abs=1e-5)
    last = states_of(built("mistral", "lasttoken"), text)
    found = opened(built("mistral", "lasttoken")).embed_spans([text], [spans_in(text, 5, 7)])[0]
    assert found == pytest.approx(unit(last[[4, 11]]), abs=1e-5)


def test_tokens_that_begin_with_the_space_before_them_are_the_texts():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "Ġthe": 1, "Ġcat": 2, "ask:": 3}, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False)
    bare.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]")
    (found,) = tokenize(fast, ["the cat"], "ask: ", "it")
    assert (found.lead, found.own, found.tail) == (2, 2, 0)  # "ask" and ":"
    assert found.starts.tolist() == [0, 3]
    assert found.ends.tolist() == [3, 7]


@given(
    lengths=st.lists(st.integers(0, 50), max_size=30),
    budget=st.integers(1, 120),
    most=st.none() | st.integers(1, 5),
    window=st.none() | st.integers(1, 50),
)
def test_batches_hold_every_text_once_within_their_limits(lengths, budget, most, window):
    batches = batches_of(lengths, budget, most, window)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        own = [lengths[place] for place in batch]
        assert len(batch) == 1 or len(batch) * max(own) <= budget
        assert most is None or len(batch) <= most
        assert window is None or max(own) <= window or min(own) > window
    longest = [max(lengths[place] for place in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)
