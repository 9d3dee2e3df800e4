"""A cross-encoder of random weights, with MiniLM's tokenizer: the library's numbers, ties, windows, refusals, keys."""

from __future__ import annotations

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from ragvlc.core.data import Chunk, Document, Hit, Query
from ragvlc.core.errors import EngineError
from ragvlc.generators.scripted import Scripted
from ragvlc.pipeline import Pipeline
from ragvlc.pool import EnginePool
from ragvlc.rerankers.cross_encoder import CrossEncoder
from ragvlc.roles import Models
from ragvlc.run import LiveRun

QUERY = Query("q", "How high is the tower?")
TEXTS = [
    "The tower is 31 metres high.",
    "Bread is baked at night.",
    "A bird sings.",
    "",
    "The mill has four sails. " * 30,
]


def make(folder: Path, tokenizer: Path, *, labels: int = 1) -> str:
    """Saves a random two-layer BERT that scores pairs of up to 64 tokens."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    words = AutoTokenizer.from_pretrained(tokenizer)
    words.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(
        vocab_size=len(words), max_position_embeddings=64, num_labels=labels, initializer_range=0.5, **sizes
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, embedding_model):
    return make(tmp_path_factory.mktemp("cross_encoder"), embedding_model)


@pytest.fixture(scope="module")
def part(folder):
    return CrossEncoder(model=folder, device="cpu")


@pytest.fixture(scope="module")
def library(folder):
    """The library's own class on the same folder."""
    from sentence_transformers import CrossEncoder as Library

    return Library(folder, device="cpu")


@pytest.fixture
def start(tmp_path):
    """Returns a function that starts a run; all of one test share opened models, and nothing else."""
    with EnginePool() as pool:
        yield lambda: LiveRun(Models({"main": Scripted()}, {}), pool, None)


def hits_of(texts):
    """Returns hits in the order of the texts, as a retriever would."""
    return [Hit(Chunk("d", place, 0, len(text), text), -float(place)) for place, text in enumerate(texts)]


def test_scores_are_the_librarys_before_its_sigmoid(start, part, library):
    import torch

    hits = part.rerank(QUERY, hits_of(TEXTS), start())
    expected = library.predict([(QUERY.text, text) for text in TEXTS])
    found = {hit.chunk.text: hit.score for hit in hits}
    assert torch.sigmoid(torch.tensor([found[text] for text in TEXTS])).numpy() == pytest.approx(expected, abs=1e-6)
    ranked = [TEXTS[row["corpus_id"]] for row in library.rank(QUERY.text, TEXTS)]
    assert [hit.chunk.text for hit in hits] == ranked != TEXTS
    assert all(type(hit.score) is float for hit in hits)


def test_equal_texts_tie_and_keep_the_retrievers_order(start, part):
    texts = ["A bird sings.", TEXTS[0], "A bird sings.", TEXTS[4], "A bird sings."]
    for batch_size in (1, 2, 32):
        hits = part.model_copy(update={"batch_size": batch_size}).rerank(QUERY, hits_of(texts), start())
        birds = [hit for hit in hits if hit.chunk.text == "A bird sings."]
        assert [hit.chunk.index for hit in birds] == [0, 2, 4]
        assert len({hit.score for hit in birds}) == 1


def test_it_keeps_the_best(start, part, folder):
    whole = part.rerank(QUERY, hits_of(TEXTS), start())
    for keep in (1, 3, 9):
        assert (
            CrossEncoder(model=folder, device="cpu", keep=keep).rerank(QUERY, hits_of(TEXTS), start()) == whole[:keep]
        )
    assert part.rerank(QUERY, [], start()) == []


def test_options_of_a_multiple_choice_question_are_part_of_it(start, part, library):
    query = Query("q", "How high?", choices=("31 metres", "9 metres"))
    scores = {hit.chunk.text: hit.score for hit in part.rerank(query, hits_of(TEXTS), start())}
    pairs = [("How high?\n31 metres\n9 metres", text) for text in TEXTS]
    import torch

    expected = library.predict(pairs, activation_fn=torch.nn.Identity())
    assert [scores[text] for text in TEXTS] == pytest.approx(list(expected), abs=1e-5)


def test_what_the_window_cut_stands_in_the_trace(start, part, library):
    run = start()
    part.rerank(QUERY, hits_of([*TEXTS, TEXTS[4]]), run)
    length = len(library.tokenizer(QUERY.text, TEXTS[4])["input_ids"])
    assert length > 64 == run.opened(part, part.open).window
    [step] = run.trace
    assert step.name == "cross_encoder"
    assert step.facts == {"passages": 6, "reranker_cut_passages": 2, "reranker_dropped_tokens": 2 * (length - 64)}


def test_counting_between_two_calls_does_not_undo_the_cut(part):
    engine = part.open()
    before = engine.score(QUERY.text, TEXTS)
    engine.lengths(QUERY.text, TEXTS)
    assert engine.score(QUERY.text, TEXTS) == before
    assert engine.score(QUERY.text, []) == engine.lengths(QUERY.text, []) == []


def test_max_length_cuts_sooner(folder):
    short = CrossEncoder(model=folder, device="cpu", max_length=16).open()
    assert short.window == 16
    text = "The tower is made of stone and "
    far = [text + "glass from the valley", text + "wood from the forest far away"]
    assert short.score("How?", [far[0][: len(text)] + "glass"]) != short.score("How?", far[:1])
    padded = ["a " * 40 + "x", "a " * 40 + "y"]
    assert len(set(short.score("How?", padded))) == 1


def test_a_pipeline_ranks_by_it(folder, library, tmp_path):
    documents = [Document(f"d{place}", text) for place, text in enumerate(TEXTS[:3])]
    rag = {"kind": "retrieve", "chunker": "whole", "selector": {"kind": "top_k", "k": 1}}
    reranker = {"kind": "cross_encoder", "model": folder, "device": "cpu"}
    pipeline = Pipeline(generators={"main": "scripted"}, routes={"rag": {**rag, "reranker": reranker}})
    with EnginePool() as pool:
        answer = pipeline.answer(QUERY, documents, pool=pool)
    ranked = [row["corpus_id"] for row in library.rank(QUERY.text, TEXTS[:3])]
    assert [hit.chunk.document_index for hit in answer.ranking] == ranked != [0, 1, 2]
    assert answer.context[0].document_id == f"d{ranked[0]}"
    assert answer.timing.phases["rerank"] > 0
    assert [step.name for root in answer.trace for step in root.walk()].count("cross_encoder") == 1


def test_threads_share_one_model_and_get_what_one_caller_gets(start, part, monkeypatch):
    opened = []
    monkeypatch.setattr(CrossEncoder, "open", lambda self, own=CrossEncoder.open: opened.append(1) or own(self))
    queries = [Query(str(number), "cat " * (number % 13) + "tower") for number in range(24)]
    alone = [part.rerank(query, hits_of(TEXTS), start()) for query in queries]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda query: part.rerank(query, hits_of(TEXTS), start()), queries)) == alone
    assert opened == [1]


def test_half_precision_scores_close_by(folder, part):
    half = CrossEncoder(model=folder, device="cpu", dtype="bfloat16").open().score(QUERY.text, TEXTS)
    assert half == pytest.approx(part.open().score(QUERY.text, TEXTS), abs=0.1)


def test_an_embedding_model_is_no_cross_encoder():
    # The library would add a last layer of random numbers.
    with pytest.raises(EngineError, match="is no cross-encoder: it was published as BertModel"):
        CrossEncoder(model="packaged:all-minilm-l6-v2", device="cpu").open()


def test_models_that_cannot_rank_are_refused(folder, tmp_path, embedding_model):
    with pytest.raises(EngineError, match="gives 3 numbers for a pair"):
        CrossEncoder(model=make(tmp_path / "nli", embedding_model, labels=3), device="cpu").open()
    with pytest.raises(EngineError, match="has 64 positions; max_length 65 exceeds them"):
        CrossEncoder(model=folder, device="cpu", max_length=65).open()
    with pytest.raises(EngineError, match="device 'gpu9'"):
        CrossEncoder(model=folder, device="gpu9").open()
    with pytest.raises(EngineError, match="absent' cannot be loaded.*Give a folder"):
        CrossEncoder(model=str(tmp_path / "absent")).open()


def test_numbers_that_are_not_finite_are_an_error(part):
    import torch

    engine = part.open()
    with torch.no_grad():
        engine._model.transformers_model.classifier.bias.fill_(float("nan"))
    with pytest.raises(EngineError, match="not finite"):
        engine.score(QUERY.text, TEXTS)


def test_loading_and_scoring_print_nothing(part, capfd):
    engine = part.open()
    engine.score(QUERY.text, TEXTS)
    engine.lengths(QUERY.text, TEXTS)
    assert capfd.readouterr() == ("", "")


def test_close_frees_the_model(part):
    engine = part.open()
    model = weakref.ref(engine._model)
    engine.close()
    engine.close()
    gc.collect()
    assert model() is None


def test_key_follows_the_files_not_the_device(folder, part, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    key = CrossEncoder(model=str(copy)).identity()
    assert key == part.identity()
    assert CrossEncoder(model=folder, batch_size=1).key == part.key
    assert CrossEncoder(model=folder, keep=5).key != part.key
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert CrossEncoder(model=str(copy)).identity() != key


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"keep": 0}, "keep"),
        ({"max_length": 4}, "max_length"),
        ({"dtype": "int8"}, "dtype"),
        ({"model": "packaged:minilm"}, "no packaged model"),
    ],
)
def test_bad_settings_are_refused(settings, problem):
    with pytest.raises(ValidationError, match=problem):
        CrossEncoder(**settings)
