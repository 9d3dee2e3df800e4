"""Tiny model folders that cannot be loaded without code of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tiny_chat import make_tokenizer

CODE = """
from transformers import LlamaConfig, LlamaForCausalLM


class OwnConfig(LlamaConfig):
    model_type = "of_our_own"


class OwnModel(LlamaForCausalLM):
    config_class = OwnConfig
"""


def chat_model(folder: Path) -> Path:
    """Writes a chat model of random weights whose classes are in its folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings = {"vocab_size": len(tokenizer), "num_key_value_heads": 2, "max_position_embeddings": 256, **sizes}
    LlamaForCausalLM(LlamaConfig(**settings)).save_pretrained(folder)
    (folder / "own_model.py").write_text(CODE)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "of_our_own", "architectures": ["OwnModel"]}
    config["auto_map"] = {"AutoConfig": "own_model.OwnConfig", "AutoModelForCausalLM": "own_model.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def embedder(folder: Path, source: Path) -> Path:
    """Writes a copy of a sentence-transformers model with a last module of its own."""
    shutil.copytree(source, folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "own_module.OwnNormalize"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "own_module.py").write_text(
        "from sentence_transformers.models import Normalize\n\n\nclass OwnNormalize(Normalize):\n    pass\n"
    )
    return folder
