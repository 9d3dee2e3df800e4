"""Folders of a test: a cache of its own, a data set, results."""

from __future__ import annotations

from pathlib import Path

import pytest
from estimate_things import write_set


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other work left on this machine's disk is not there."""
    monkeypatch.setenv("RAGVLC_STORE", str(tmp_path / "store"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three documents and twelve questions."""
    return write_set(tmp_path / "things")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder for results."""
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a two-layer Llama with random weights, a window of 700 and a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    model = Tokenizer(BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<end>", pad_token="<end>")
    folder = tmp_path_factory.mktemp("tiny_llama")
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(letters),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=700,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
