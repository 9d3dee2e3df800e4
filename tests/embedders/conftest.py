"""Tiny models with random weights, one for each way of telling positions."""

from __future__ import annotations

import pytest

WORDS = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(200))]
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
MARKS = {"pad_token_id": 1, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}


SHAPES = {
    "bert": ("Bert", {"max_position_embeddings": 16}),
    "roberta": ("Roberta", {"max_position_embeddings": 18, "type_vocab_size": 1}),
    "mpnet": ("MPNet", {"max_position_embeddings": 18}),
    "deberta": ("DebertaV2", {"relative_attention": True, "position_biased_input": False}),
    "modernbert": (
        "ModernBert",
        {"max_position_embeddings": 16, "global_attn_every_n_layers": 2, "local_attention": 8},
    ),
    "nomic": ("NomicBert", {"max_position_embeddings": 16}),
    "mistral": (
        "Mistral",
        {"max_position_embeddings": 64, "sliding_window": 16, "num_key_value_heads": 1, "head_dim": 16},
    ),
}


def _inner(kind):
    import transformers as library

    name, own = SHAPES[kind]
    settings = {**SIZES, **MARKS, "vocab_size": len(WORDS), "initializer_range": 0.4, **own}
    return getattr(library, f"{name}Model")(getattr(library, f"{name}Config")(**settings))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Returns the folder of a model of a kind, made once; `pooling` is the library's word."""
    made = {}

    def build(kind, pooling="mean"):
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Normalize, Pooling, Transformer
        from transformers import BertTokenizerFast

        if (kind, pooling) not in made:
            root = tmp_path_factory.mktemp(kind)
            (root / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
            tokens = BertTokenizerFast(vocab=str(root / "vocab.txt"), do_lower_case=True, model_max_length=64)
            tokens.save_pretrained(root / "inner")
            torch.manual_seed(0)
            _inner(kind).save_pretrained(root / "inner")
            inner = Transformer(str(root / "inner"), max_seq_length=16)
            parts = [inner, Pooling(SIZES["hidden_size"], pooling_mode=pooling), Normalize()]
            SentenceTransformer(modules=parts, device="cpu").save(str(root / "model"))
            made[kind, pooling] = str(root / "model")
        return made[kind, pooling]

    return build


@pytest.fixture(scope="session")
def words():
    """Returns a text of `n` words drawn by `seed`: as many tokens, and two special ones."""
    import random

    def drawn(n, seed=0):
        chosen = random.Random(seed)
        return " ".join(chosen.choice(WORDS[5:]) for _ in range(n))

    return drawn
