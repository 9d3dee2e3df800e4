"""Collections that hide one fact in each document, at any length: `passkey` and `needle`."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer

from ragvlc import packaged
from ragvlc.core.errors import DatasetError
from ragvlc.datasets._hidden import NAMES
from ragvlc.datasets.needle import PATTERNS, Needle
from ragvlc.datasets.passkey import FILLER, Passkey

MINILM, SMOLLM = "packaged:all-minilm-l6-v2", "packaged:smollm2-135m-instruct"
KINDS = (Passkey, Needle)


@cache
def load(kind, **fields):
    return kind(**fields).load()


def corpus(data):
    return data.load()[0].documents


@pytest.fixture(scope="module")
def tokens():
    """Returns a function that counts as the embedding model does, special tokens included."""
    library = Tokenizer.from_file(f"{packaged.resolve(MINILM)}/tokenizer.json")
    library.no_truncation()
    library.no_padding()
    return lambda text: len(library.encode(text).ids)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [256, 512, 2048])
def test_a_document_fills_its_length_and_no_more(kind, length, tokens):
    """512 tokens fit a table of 512 positions, with the two that the model adds."""
    documents = load(kind, length=length)[0].documents
    sizes = [tokens(document.text) for document in documents]
    assert len(documents) == 100
    assert max(sizes) <= length
    assert min(sizes) >= length - 8
    assert sizes == [document.metadata["tokens"] for document in documents]


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_counted_in_the_tokens_asked_for(kind):
    """In bytes joined to words, joints between sentences take tokens of their own."""
    library = Tokenizer.from_file(f"{packaged.resolve(SMOLLM)}/tokenizer.json")
    data = kind(length=700, documents=12, questions=4, tokenizer=SMOLLM, special_tokens=0)
    sizes = [len(library.encode(document.text).ids) for document in corpus(data)]
    assert min(sizes) >= 685
    assert max(sizes) <= 700


@pytest.mark.parametrize("kind", KINDS)
def test_every_question_has_one_document_with_its_answer(kind):
    found = load(kind, length=512)
    assert len(found) == 50
    texts = {document.id: document.text for document in found[0].documents}
    for example in found:
        [document] = example.relevant
        [span] = example.evidence
        [answer] = example.references
        fact = texts[document][span.start : span.end]
        assert answer in fact
        assert fact.endswith(".")
        [person] = [name for name in NAMES if name in example.query.text]
        assert [name for name, text in texts.items() if person in text] == [document]
        assert example.documents is found[0].documents
        assert (example.task, example.tags["length"]) == ("retrieval", 512)
    names = list(texts)
    places = [names.index(next(iter(example.relevant))) for example in found]
    assert places != sorted(places)
    assert 35 < sum(places) / len(places) < 65  # a ranking in which all are equal is one by chance
    assert len({example.references for example in found}) > 5
    assert len({example.query.text for example in found}) == 50


@pytest.mark.parametrize("kind", KINDS)
def test_facts_stand_everywhere_in_the_documents(kind):
    found = load(kind, length=2048)
    depths = sorted(example.tags["depth"] for example in found)
    assert depths[0] < 0.05
    assert depths[-1] > 0.9
    assert max(b - a for a, b in pairwise(depths)) < 0.1
    scattered = [
        [one.tags["depth"] for one in kind(length=size, documents=50, depth="scatter").load()] for size in (512, 1024)
    ]
    assert scattered[0] == pytest.approx(scattered[1], abs=0.15)
    assert 0.3 < sum(scattered[0]) / len(scattered[0]) < 0.7
    assert max(b - a for a, b in pairwise(sorted(scattered[1]))) > max(b - a for a, b in pairwise(depths))
    for depth in (0.0, 0.5, 1.0):
        for example in kind(length=2048, documents=4, questions=4, depth=depth).load():
            assert example.tags["depth"] == pytest.approx(depth, abs=0.07)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_ask_the_same_questions(kind):
    short, long = load(kind, length=256), load(kind, length=512)
    assert [(one.id, one.query, one.references) for one in short] == [
        (one.id, one.query, one.references) for one in long
    ]
    assert {one.key for one in short}.isdisjoint(one.key for one in long)
    few = kind(length=256, documents=20, questions=10).load()
    assert [one.query.text for one in few] == [one.query.text for one in short[:10]]
    assert few[3].evidence == short[3].evidence


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_draws_others(kind):
    one, same, other = load(kind, length=256), kind(length=256).load(), kind(length=256, text_seed=1).load()
    assert one == same
    assert len({found.query.text for found in one} & {found.query.text for found in other}) < 3


def test_keys_stand_in_repeated_sentences():
    documents = load(Passkey, length=512)[0].documents
    for document in documents:
        rest = [part for part in document.text.split("\n\n") if "pass key" not in part]
        assert len(document.text.split("\n\n")) == len(rest) + 1
        assert set(rest[:-1]) <= {" ".join(FILLER)}
        assert " ".join(FILLER).startswith(rest[-1])


def test_a_longer_stretch_of_hay_goes_on_where_a_shorter_one_ends():
    short, long = (load(Needle, length=length)[0].documents for length in (256, 512))
    grown = 0
    for one, other in zip(short, long, strict=True):
        assert one.text != other.text
        grown += one.text[:60] == other.text[:60] or one.metadata["depth"] < 0.1 or other.metadata["depth"] < 0.1
    assert grown == 100
    assert len({document.text[:200] for document in long}) > 90


def test_a_haystack_of_ones_own(tmp_path, tokens):
    story = tmp_path / "story.txt"
    story.write_text(" ".join(f"On day {n} the heron stood still." for n in range(90)), encoding="utf-8")
    data = Needle(length=256, documents=16, questions=8, haystack=str(story))
    documents = corpus(data)
    assert data.name == "needle in story.txt"
    assert all("heron" in document.text for document in documents)
    assert all(248 <= tokens(document.text) <= 256 for document in documents)
    wrapped = [document for document in documents if "On day 0 " in document.text and "On day 89 " in document.text]
    assert wrapped  # past its end, it begins anew
    assert data.key != Needle(length=256, documents=16, questions=8).key
    with pytest.raises(DatasetError, match=r"the haystack has [\d,]+ tokens, a document 4,096"):
        Needle(length=4096, haystack=str(story)).load()


def test_all_patterns_are_asked():
    texts = [example.query.text for example in load(Needle, length=256)]
    for pattern in PATTERNS:
        assert any(text.startswith(pattern.question.partition("{")[0].strip()) for text in texts)
        assert "{answer}" in pattern.text
        assert "{answer}" not in pattern.question


def test_what_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="questions is 50, documents only 20"):
        Passkey(documents=20)
    with pytest.raises(ValidationError, match="there are 384 different facts"):
        Needle(documents=500)
    with pytest.raises(ValidationError, match="greater than or equal to 96"):
        Passkey(length=20)
