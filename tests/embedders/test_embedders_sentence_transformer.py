from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydantic import ValidationError

from ragvlc.core.engines import VectorEngine
from ragvlc.core.errors import EngineError
from ragvlc.embedders.sentence_transformer import SentenceTransformerEmbedder
from ragvlc.testing import check

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "cat", "dog", "fish", "query", "passage", ":", "##s"]
TEXTS = ["red cat", "dog", "red fish dogs cats red", "", "fish " * 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random BERT of two layers with a window of 8 tokens and 32 positions."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    root = tmp_path_factory.mktemp("embedder")
    (root / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    BertTokenizerFast(vocab=str(root / "vocab.txt"), do_lower_case=True).save_pretrained(root / "bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, initializer_range=0.5, **sizes)
    BertModel(config).save_pretrained(root / "bert")
    bert = Transformer(str(root / "bert"), max_seq_length=8)
    SentenceTransformer(modules=[bert, Pooling(16)], device="cpu").save(str(root / "model"))
    return str(root / "model")


@pytest.fixture(scope="module")
def engine(folder):
    return SentenceTransformerEmbedder(model=folder, device="cpu").open()


def test_vectors_are_float32_unit_rows_of_the_library(engine, folder):
    from sentence_transformers import SentenceTransformer

    vectors = engine.embed(TEXTS)
    assert isinstance(engine, VectorEngine)
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 16))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    own = SentenceTransformer(folder, device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert vectors == pytest.approx(own, abs=1e-6)


def test_no_texts_give_no_rows(engine):
    assert engine.embed([]).shape == (0, 16)
    assert engine.embed([]).dtype == np.float32
    assert engine.lengths([]) == []


def test_lengths_count_special_tokens_and_cut_nothing(engine, caplog, capfd):
    caplog.set_level(logging.WARNING)
    assert engine.window == 8
    assert engine.lengths(TEXTS) == [4, 3, 9, 2, 102]
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_beyond_the_window_nothing_is_read(engine, folder):
    kept, other = "red cat dog fish red cat", "red cat dog fish red cat dog dog"
    assert engine.embed([kept]) == pytest.approx(engine.embed([other]), abs=1e-6)
    longer = SentenceTransformerEmbedder(model=folder, max_length=16).open()
    assert longer.window == 16
    assert longer.embed([kept]) != pytest.approx(longer.embed([other]), abs=1e-3)


def test_counting_between_two_calls_does_not_undo_the_cut(engine):
    before = engine.embed(TEXTS)
    engine.lengths(TEXTS)
    assert (engine.embed(TEXTS) == before).all()


def test_prompts_stand_before_the_text_of_their_side(engine, folder):
    part = SentenceTransformerEmbedder(model=folder, query_prompt="query: ", passage_prompt="passage: ")
    prompted = part.open()
    assert prompted.embed(["red"], side="query") == pytest.approx(engine.embed(["query: red"]), abs=1e-6)
    assert prompted.embed(["red"], side="passage") == pytest.approx(engine.embed(["passage: red"]), abs=1e-6)
    assert prompted.lengths(["red"]) == [5]


def test_the_models_own_prompts_hold_unless_the_spec_says_otherwise(engine, folder, tmp_path):
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "query: ", "document": "passage: "}
    SentenceTransformer(folder, device="cpu", prompts=prompts).save(str(tmp_path / "model"))
    own = SentenceTransformerEmbedder(model=str(tmp_path / "model")).open()
    assert own.embed(["red"], side="query") == pytest.approx(engine.embed(["query: red"]), abs=1e-6)
    assert own.embed(["red"], side="passage") == pytest.approx(engine.embed(["passage: red"]), abs=1e-6)
    none = SentenceTransformerEmbedder(model=str(tmp_path / "model"), query_prompt="", passage_prompt="").open()
    assert none.embed(["red"], side="query") == pytest.approx(engine.embed(["red"]), abs=1e-6)


@pytest.mark.parametrize(("dtype", "near"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_gives_float32_unit_rows_close_by(engine, folder, dtype, near):
    vectors = SentenceTransformerEmbedder(model=folder, dtype=dtype).open().embed(TEXTS)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert (vectors * engine.embed(TEXTS)).sum(axis=1) == pytest.approx(np.ones(5), abs=near)


def test_threads_get_what_one_caller_gets(engine):
    texts = [" ".join(["cat"] * (number % 11)) + " red" for number in range(24)]
    alone = [(engine.embed([text]), engine.lengths([text])) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda text: (engine.embed([text]), engine.lengths([text])), texts))
    for (vectors, lengths), (expected, counted) in zip(together, alone, strict=True):
        assert (vectors == expected).all()
        assert lengths == counted


def test_a_model_of_static_vectors_has_no_window(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    static = StaticEmbedding(tokenizer, embedding_weights=np.random.default_rng(0).normal(size=(len(WORDS), 4)))
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path / "static"))
    engine = SentenceTransformerEmbedder(model=str(tmp_path / "static")).open()
    assert engine.window == sys.maxsize
    assert engine.lengths(["red cat", "dog " * 600]) == [2, 600]
    assert engine.embed(["red cat"]).shape == (1, 4)


def test_loading_and_embedding_print_nothing(folder, capfd):
    engine = SentenceTransformerEmbedder(model=folder).open()
    engine.embed(TEXTS)
    assert capfd.readouterr() == ("", "")


def test_close_frees_the_model(folder):
    import gc
    import weakref

    engine = SentenceTransformerEmbedder(model=folder).open()
    model = weakref.ref(engine._model)
    engine.close()
    engine.close()
    gc.collect()
    assert model() is None


def test_a_missing_folder_and_a_foreign_one_are_named(tmp_path):
    for model in (tmp_path / "absent", tmp_path):
        with pytest.raises(EngineError, match="cannot be loaded") as caught:
            SentenceTransformerEmbedder(model=str(model)).open()
        assert str(model) in str(caught.value)
        assert "packaged:all-minilm-l6-v2" in str(caught.value)


def test_a_device_that_is_not_there_is_named(folder):
    with pytest.raises(EngineError, match="device 'gpu9'"):
        SentenceTransformerEmbedder(model=folder, device="gpu9").open()


def test_max_length_beyond_the_positions_is_refused(folder):
    with pytest.raises(EngineError, match="max_length 33 exceeds the 32 positions"):
        SentenceTransformerEmbedder(model=folder, max_length=33).open()


@pytest.mark.parametrize("settings", [{"max_length": 2}, {"batch_size": 0}, {"dtype": "int8"}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValidationError):
        SentenceTransformerEmbedder(**settings)


def test_numbers_that_are_not_finite_are_an_error(folder):
    import torch

    engine = SentenceTransformerEmbedder(model=folder).open()
    with torch.no_grad():
        engine._model.transformers_model.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(EngineError, match="not finite"):
        engine.embed(["red"])


def test_key_follows_the_files_not_the_device(folder, tmp_path):
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    key = SentenceTransformerEmbedder(model=str(copy)).key
    assert SentenceTransformerEmbedder(model=str(copy), device="cpu", batch_size=1).key == key
    assert SentenceTransformerEmbedder(model=str(copy), query_prompt="query: ").key != key
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert SentenceTransformerEmbedder(model=str(copy)).key != key


@pytest.fixture(scope="module")
def minilm(embedding_model):
    return SentenceTransformerEmbedder(model="packaged:all-minilm-l6-v2", device="cpu").open()


def test_minilm_holds_related_texts_closer(minilm):
    question = minilm.embed(["How many cats are there?"], side="query")[0]
    related, unrelated = minilm.embed(["Three cats live in the house.", "Bond yields rose on Monday."]) @ question
    assert related > unrelated + 0.3


def test_minilm_reads_256_tokens_and_says_how_many_it_is_given(minilm):
    assert minilm.window == 256
    assert minilm.lengths(["hello world", "cat " * 1000]) == [4, 1002]
    same = minilm.embed(["cat " * 300 + "dog", "cat " * 300 + "bond yields"])
    assert same[0] @ same[1] == pytest.approx(1, abs=1e-6)


def test_it_keeps_the_contract_of_embedders(folder):
    report = check("sentence_transformer", model=folder, device="cpu", dtype="float32")
    assert [note for result in report.results for note in result.notes] == []
