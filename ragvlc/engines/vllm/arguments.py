"""Arguments of vLLM's engine: the known names, and the arguments that have their own field in the generator."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import JsonValue

from ragvlc.core.errors import nearest

__all__ = ["FIELDS", "check_arguments", "known_arguments"]

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "model": "model",
        "dtype": "dtype",
        "max_model_len": "window",
        "enable_prefix_caching": "prefix_caching",
        "tensor_parallel_size": "tensor_parallel",
        "pipeline_parallel_size": "pipeline_parallel",
        "quantization": "quantization",
        "gpu_memory_utilization": "gpu_memory",
        "max_num_seqs": "batch_size",
        "enforce_eager": "eager",
        "load_format": "load_format",
        "trust_remote_code": "trust_remote_code",
    }
)
"""The generator's field by the name of vLLM's argument."""

_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "disable_log_stats": "times are read from its statistics",
        "runner": "answers are generated",
        "skip_tokenizer_init": "stop texts need the tokenizer",
        "tokenizer": "prompts are rendered by the tokenizer in the model's folder",
    }
)


def check_arguments(arguments: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """Returns additional vLLM engine arguments unchanged; raises `ValueError` for any that cannot be set this way."""
    for name in arguments:
        if name in FIELDS:
            raise ValueError(f"'{name}' has a field of its own: set {FIELDS[name]}: in the generator instead.")
        if name in _FIXED:
            raise ValueError(f"'{name}' cannot be set: {_FIXED[name]}.")
    known = known_arguments()
    for name in arguments:
        if known and name not in known:
            raise ValueError(f"vLLM's engine has no argument '{name}'.{nearest(name, known - set(FIELDS))}")
    return arguments


@cache
def known_arguments() -> frozenset[str]:
    """Returns the names of the engine arguments of the installed vLLM; an empty set without vLLM.

    They are read from its source: importing it takes seconds, and every reader of a YAML file would pay for it.
    """
    found = importlib.util.find_spec("vllm")
    if found is None or not found.origin:
        return frozenset()
    source = Path(found.origin).parent / "engine" / "arg_utils.py"
    try:
        tree = ast.parse(source.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return frozenset()  # unknown ones are then refused by the engine itself
    return frozenset(
        line.target.id
        for part in tree.body
        if isinstance(part, ast.ClassDef) and part.name in {"EngineArgs", "AsyncEngineArgs"}
        for line in part.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and not line.target.id.startswith("_")
    )
