"""Asking over the whole set, and over contexts of one length."""

from __future__ import annotations

import copy
import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ragvlc.core.data import Span
from ragvlc.core.errors import DatasetError
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.datasets.python_reference import PythonReference
from ragvlc.datasets.toy import Toy
from ragvlc.documents.padding import _halving
from ragvlc.documents.tokenizing import data_tokenizer
from ragvlc.families import Dataset
from ragvlc.text import matching as _matching
from ragvlc.text import normalising
from ragvlc.text.folding import fold

LENGTHS = (120, 200, 320, 600)


def sentences(seed: int, count: int) -> str:
    """Sentences of three to nine words that are in no answer."""
    chance = random.Random(seed)
    made = (" ".join(f"w{chance.randrange(500)}" for _ in range(chance.randrange(3, 10))) for _ in range(count))
    return " ".join(f"It {one}." for one in made)


DOCUMENTS = [
    {
        "doc_id": f"d{n:02}",
        "title": f"Title {n}",
        "text": sentences(n, 3 + n % 9),
        "meta": {"in": {"lang": "ab"[n % 2]}},
    }
    for n in range(40)
]


def own(name: str, text: str, **fields):
    return {"doc_id": name, "text": text, "meta": {"in": {"lang": "a"}}, **fields}


def write(folder, questions, documents=DOCUMENTS):
    for stem, rows in (("documents", documents), ("questions", questions)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{stem}.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def question(name="q", **fields):
    given = {"question_id": name, "doc_ids": ["own"], "question": "What is it?", "answers": ["forty carp"]}
    return {**given, **fields}


@pytest.fixture
def pond(tmp_path) -> str:
    """A folder with a question over two documents of its own, among forty others and some that must not be used."""
    evidence = [{"doc_id": "own", "start": 4, "end": 8}]
    ask = [
        question(f"q{n}", doc_ids=["own", "second"], answers=["Forty Carp", "4", "yes"], evidence=evidence)
        for n in range(8)
    ]
    extra = [
        own("own", "The pond is large. Forty carp live there.", title="The  Pond"),
        own("second", "Nobody fishes, and 4 say yes."),
        own("tells", "Some say (forty carp) are many. It is so."),
        own("own@long", "Another form of the same. It is longer."),
        own("other", "The same title means the same.", title="the pond"),
    ]
    return write(tmp_path, ask, [*extra, *DOCUMENTS])


def padded(path, tokens, model, **fields):
    return Jsonl(path=path, pad_to_tokens=tokens, pad_tokenizer=model, **fields)


def others(example):
    return [document for document in example.documents if document.id not in ("own", "second")]


def test_corpus_asks_over_the_whole_set_by_one_tuple(tmp_path):
    ask = [question("a", evidence=[{"doc_id": "own", "start": 0, "end": 3}]), question("b", unanswerable=True)]
    path = write(tmp_path, ask, [*DOCUMENTS, own("own", "The pond.")])
    first, second = Jsonl(path=path, scope="corpus").load()
    assert [document.id for document in first.documents] == [*(row["doc_id"] for row in DOCUMENTS), "own"]
    assert first.documents is second.documents
    assert first.relevant == {"own": 1.0}
    assert second.relevant == {}
    assert first.evidence == (Span("own", 0, 3),)
    assert first.cluster == "own"
    assert first.tags["documents"] == 41
    assert first.tags["document_words"] == sum(len(document.text.split()) for document in first.documents)
    small = Jsonl(path=path, scope="corpus", limit=1).load()
    assert len(small[0].documents) == 41  # the limit is on questions
    assert first.key != Jsonl(path=path).load()[0].key


def test_corpus_by_group(tmp_path):
    path = write(tmp_path, [question("a"), question("b", doc_ids=["d01"])], [*DOCUMENTS, own("own", "The pond.")])
    first, second = Jsonl(path=path, scope="corpus", group_by="in.lang").load()
    assert [document.id for document in first.documents] == [*(f"d{n:02}" for n in range(0, 40, 2)), "own"]
    assert {document.metadata["in"]["lang"] for document in second.documents} == {"b"}
    with pytest.raises(DatasetError, match=r"no document has 'in\.lagn'\. Known: in, in\.lang\. Nearest: in\.lang\."):
        Jsonl(path=path, scope="corpus", group_by="in.lagn").load()


def test_questions_that_search_a_collection_stay_as_they_are():
    which = {example.id: example for example in Toy(scope="corpus").load()}["toy-which"]
    assert which == next(example for example in Toy().load() if example.id == "toy-which")


def test_a_thousand_questions_over_ten_thousand_documents_share_everything(tmp_path):
    documents = [{"doc_id": f"d{n}", "text": f"Text number {n}."} for n in range(10_000)]
    ask = [question(f"q{n}", doc_ids=[f"d{n}"]) for n in range(1_000)]
    examples = Jsonl(path=write(tmp_path, ask, documents), scope="corpus").load()
    assert len({id(example.documents) for example in examples}) == 1
    assert len(examples[0].documents) == 10_000


@pytest.mark.parametrize("tokens", LENGTHS)
def test_a_padded_context_has_the_length_and_the_whole_own_documents(pond, word_model, tokens):
    tokenizer = data_tokenizer(word_model)
    plain = {example.id: example for example in Jsonl(path=pond).load()}
    for example in padded(pond, tokens, word_model).load():
        assert 0.98 * tokens <= sum(tokenizer.count(one.text) for one in example.documents) <= tokens
        assert example.tags["context_tokens"] <= tokens
        kept = [document for document in example.documents if document.id in ("own", "second")]
        assert tuple(kept) == plain[example.id].documents
        assert len({document.id for document in example.documents}) == len(example.documents)
        assert example.evidence == plain[example.id].evidence
        assert example.tags["documents"] == len(example.documents)


def test_what_answers_or_is_the_same_document_is_left_out(pond, word_model):
    for example in padded(pond, 1900, word_model).load():
        ids = {document.id for document in example.documents}
        assert not ids & {"tells", "own@long", "other"}
        assert len(ids) > 30  # the references 4 and yes stand nearly everywhere and rule nothing out


def test_shorter_contexts_begin_longer_ones(pond, word_model):
    contexts = [padded(pond, tokens, word_model, pad_depth=1.0).load() for tokens in LENGTHS]
    for shorter, longer in pairwise(contexts):
        for less, more in zip(shorter, longer, strict=True):
            assert less.id == more.id
            texts, over = others(less), others(more)
            assert texts[:-1] == over[: len(texts) - 1]
            assert over[len(texts) - 1].id == texts[-1].id
            assert over[len(texts) - 1].text.startswith(texts[-1].text)


def test_the_last_document_ends_with_a_sentence_and_orders_differ(pond, word_model):
    examples = padded(pond, 600, word_model, pad_depth=1.0).load()
    assert all(others(example)[-1].text.endswith(".") for example in examples)
    assert len({tuple(document.id for document in others(example)[:3]) for example in examples}) == len(examples)
    again = padded(pond, 600, word_model, pad_depth=1.0, pad_seed=1).load()
    assert [others(example)[0].id for example in again] != [others(example)[0].id for example in examples]


@pytest.mark.parametrize(("depth", "place"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_the_own_documents_stand_at_the_depth(pond, word_model, depth, place):
    for example in padded(pond, 600, word_model, pad_depth=depth).load():
        ids = [document.id for document in example.documents]
        assert ids.index("second") == ids.index("own") + 1
        assert example.tags["own_depth"] == pytest.approx(place, abs=0.1)


def test_spread_goes_evenly_over_the_questions_and_scatter_keeps_the_order(pond, word_model):
    examples = padded(pond, 1300, word_model).load()
    depths = sorted(example.tags["own_depth"] for example in examples)
    assert depths == pytest.approx([(n + 1) / 9 for n in range(8)], abs=0.12)
    limited = padded(pond, 1300, word_model, limit=3).load()
    assert all(example in examples for example in limited)  # raising the limit changes no example
    apart = padded(pond, 1300, word_model, pad_depth="scatter").load()
    gaps = []
    for example in apart:
        ids = [document.id for document in example.documents]
        gaps.append(ids.index("second") - ids.index("own"))
    assert min(gaps) >= 1
    assert max(gaps) > 1


def test_points_are_spread_evenly_whatever_their_number():
    for count in (1, 3, 8, 21):
        points = sorted(_halving(place) for place in range(count))
        assert max(high - low for low, high in pairwise([0.0, *points, 1.0])) <= 2.2 / (count + 1)


def test_pieces_of_other_documents(pond, word_model):
    tokenizer = data_tokenizer(word_model)
    for example in padded(pond, 300, word_model, pad_document_tokens=25).load():
        assert all(tokenizer.count(document.text) <= 25 for document in others(example))
        assert all(document.text.endswith(".") for document in others(example)[:-1])


def test_other_text_may_be_named(pond, word_model, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    for n in range(9):
        (more / f"{n}.md").write_text(f"# Text {n}\n\n{sentences(n, 9)}", encoding="utf-8")
    (more / "own").mkdir()
    for source in (more, tmp_path / "documents.jsonl", more / "3.md"):
        for example in padded(pond, 60, word_model, pad_from=str(source)).load():
            assert others(example)
            assert all(document.id.startswith("padding/") for document in others(example))
    with pytest.raises(DatasetError, match=r"mroe: no such file or folder\. Nearest: more\."):
        padded(pond, 60, word_model, pad_from=str(tmp_path / "mroe")).load()


def test_documents_of_another_group_are_no_padding(pond, word_model):
    for example in padded(pond, 400, word_model, group_by="in.lang").load():
        assert {document.metadata["in"]["lang"] for document in example.documents} == {"a"}


def test_a_search_keeps_its_relevant_documents(tmp_path, word_model):
    row = question(task="retrieval", doc_ids=["d03"])
    (example,) = padded(write(tmp_path, [row]), 100, word_model).load()
    assert "d03" in {document.id for document in example.documents}
    assert example.tags["context_tokens"] == pytest.approx(99, abs=1)


def test_too_little_text_is_told_with_its_size(pond, word_model):
    with pytest.raises(DatasetError) as caught:
        padded(pond, 9000, word_model).load()
    message = str(caught.value)
    assert "question 'q0' cannot be asked over 9,000 tokens: its own documents have 18," in message
    assert "1 left out, holding an answer; 2 left out, the same document, or another form of one" in message


def test_questions_whose_documents_are_too_long_are_counted(tmp_path, word_model):
    documents = [*DOCUMENTS, own("own", "Forty carp."), own("long", sentences(99, 60))]
    path = write(tmp_path, [question("short"), question("long", doc_ids=["long"])], documents)
    examples = padded(path, 100, word_model).load()
    assert [example.id for example in examples] == ["short"]
    assert examples.skipped == {"own documents longer than 100 tokens": 1}
    with pytest.raises(DatasetError, match="the shortest have 3 tokens. Raise pad_to_tokens"):
        padded(path, 2, word_model).load()


def test_the_key_and_the_name_show_the_shape(pond, word_model):
    plain, data = Jsonl(path=pond), padded(pond, 200, word_model)
    shapes = [plain, data, padded(pond, 300, word_model), padded(pond, 200, word_model, pad_depth=0.5)]
    shapes += [padded(pond, 200, "org/model"), padded(pond, 200, word_model, pad_from=pond)]
    shapes += [Jsonl(path=pond, scope="corpus"), padded(pond, 200, word_model, group_by="in.lang")]
    assert len({shape.key for shape in shapes}) == len(shapes)
    assert data.name == f"{plain.name}, 200 tokens"
    assert Jsonl(path=pond, scope="corpus", group_by="in.lang").name == f"{plain.name}, corpus by in.lang"
    assert Dataset.build(data.spec()) == data
    assert Jsonl(path=pond, pad_tokenizer=word_model).key == plain.key  # without a length it changes nothing
    before = copy.deepcopy(data.load())
    assert data.load() == before
    assert {example.key for example in before}.isdisjoint(example.key for example in plain.load())


def test_settings_that_do_not_go_together(pond, word_model, tmp_path):
    with pytest.raises(ValidationError, match="Choose one"):
        padded(pond, 200, word_model, scope="corpus")
    with pytest.raises(DatasetError, match="needs pad_tokenizer"):
        Jsonl(path=pond, pad_to_tokens=200).load()
    with pytest.raises(DatasetError, match=r"holds no tokenizer\.json"):
        padded(pond, 200, str(tmp_path)).load()
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match="cannot be read"):
        padded(pond, 200, str(tmp_path)).load()


def test_control_strings_are_counted_as_text(word_model):
    tokenizer = data_tokenizer(word_model)
    assert tokenizer.control == ("<|end|>",)
    assert tokenizer.count("one <|end|> two") == 5
    text = "one two.  three"
    spans = tokenizer.spans(text)
    assert "".join(text[start:end] for start, end in spans) == text


@given(text=st.text(alphabet="ab .?!\n三。", max_size=60), most=st.integers(0, 30), slack=st.integers(0, 10))
def test_a_head_is_a_beginning_that_fits(word_model, text, most, slack):
    tokenizer = data_tokenizer(word_model)
    head = tokenizer.head(text, most, most - slack)
    assert text.startswith(head)
    assert tokenizer.count(head) <= most or head == text


@pytest.mark.parametrize(
    ("text", "most", "least", "head"),
    [
        ("It rains. Dr. v. hill sleeps. More", 8, 2, "It rains."),
        ("It rains and snows on", 4, 0, ""),
        ("It rains. It snows and snows on", 6, 1, "It rains."),
        ("It rains. It snows and snows on", 6, 5, "It rains. It snows and"),
        ("雨。雪。", 3, 1, "雨。"),
    ],
)
def test_cuts_are_at_the_end_of_a_sentence_else_of_a_word(word_model, text, most, least, head):
    assert data_tokenizer(word_model).head(text, most, least) == head


ODD = st.sampled_from("aA the3.5-'“”。《》茶カ ßé\n") | st.characters(codec="utf-8")


@given(text=st.text(alphabet=ODD, max_size=60), cjk=st.booleans())
def test_answers_are_looked_for_as_metrics_do(text, cjk):
    assert _matching.normalise(text, cjk=cjk).strip() == normalising.normalise(fold(text), cjk=cjk)
    assert _matching.has_cjk([text]) == normalising.has_cjk(text)


@pytest.mark.parametrize(
    ("references", "kept"),
    [
        (["yes", "4", "The 1868!", "true", "NONE", "no way"], [" 1868 ", " no way "]),
        (["茶", "花茶"], [" 花 茶 "]),
    ],
)
def test_only_telling_references_rule_out(references, kept):
    assert list(_matching.distinctive(references, cjk=_matching.has_cjk(references))) == kept


def test_the_reference_pads_from_all_topics(word_model):
    data = PythonReference(lengths=("short",), pad_to_tokens=3000, pad_tokenizer=word_model)
    examples = data.load()
    assert len(examples) == len(PythonReference(lengths=("short",)).load())
    assert not examples.skipped
    assert {document.id for document in PythonReference().collection()} > {
        document.id for example in PythonReference().load() for document in example.documents
    }
    used = {document.id for example in examples for document in example.documents}
    assert len(used) > 60
