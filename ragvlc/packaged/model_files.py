"""What a model's files say before it is loaded: code of its own, and chat templates that print the date.

Only files on this machine are read, and neither torch nor transformers is imported.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from ragvlc import packaged
from ragvlc.core.errors import EngineError
from ragvlc.core.json_text import parse_json
from ragvlc.packaged.model_json import model_json, model_mapping

__all__ = [
    "TemplateDate",
    "code_refusals",
    "date_identity",
    "model_remarks",
    "own_code",
    "prints_date",
    "reason_not_loaded",
    "refuse_own_code",
    "served_date_remarks",
    "weight_bytes",
]

_TEMPLATE_FILES = ("chat_template.jinja", "additional_chat_templates/default.jinja")
_QUOTED = re.compile(r'"([\w.-]+)"')
_CLOCK = "strftime_now"
_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}
_STORED = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}
_LONGEST_HEAD = 100_000_000
"""Bytes; the limit of the format's own library."""


def own_code(model: str) -> tuple[str, ...]:
    """Returns the classes in a model's own files that it cannot be loaded without; empty if they are not known.

    A model type that the transformers library has is loaded with the library's code, whatever else its files name.
    """
    known, found = _library_names(), []
    for folder in ("", *_module_folders(model)):
        config = model_mapping(model, f"{folder}config.json")
        if config.get("auto_map") and config.get("model_type") not in known:
            found += _references(config["auto_map"])
        tokenizer = model_mapping(model, f"{folder}tokenizer_config.json")
        if tokenizer.get("auto_map") and tokenizer.get("tokenizer_class") not in known:
            found += _references(tokenizer["auto_map"])
    found += [kind for kind, _ in _modules(model) if not kind.startswith("sentence_transformers.")]
    return tuple(dict.fromkeys(found))


def code_refusals(model: str, *, trusted: bool) -> list[str]:
    """Returns a sentence if a model needs code of its own that is not trusted, else nothing."""
    code = () if trusted else own_code(model)
    return [_needs(model, f" ({', '.join(code)})")] if code else []


def refuse_own_code(model: str, *, trusted: bool) -> None:
    """Raises `EngineError` if a model needs code of its own that is not trusted."""
    for refusal in code_refusals(model, trusted=trusted):
        raise EngineError(refusal)


def reason_not_loaded(model: str, error: Exception, reason: str) -> str:
    """Returns `reason`, or that the model needs code of its own if that is why a library refused to load it."""
    return _needs(model, "") if "trust_remote_code" in str(error) else reason


def model_remarks(model: str, *, trusted: bool, date: str | None = "") -> list[str]:
    """Returns sentences on code of its own that a model runs, and on a chat template that prints today's date.

    Args:
        model: hub id, folder or `packaged:NAME`.
        trusted: whether its own code is run.
        date: the date that its chat template is given; None for today's.
    """
    code = own_code(model) if trusted else ()
    remarks = [f"'{model}' runs code of its own ({', '.join(code)}): trust_remote_code is true."] if code else []
    if date is None and prints_date(model):
        remarks.append(
            f"The chat template of '{model}' prints today's date, so prompts of different days differ and answers are "
            "not cached for later runs: set template_date."
        )
    return remarks


def served_date_remarks(tokenizer: str | None) -> list[str]:
    """Returns a sentence if the chat template of a served model, known from its tokenizer's files, prints the date."""
    if not tokenizer or not prints_date(tokenizer):
        return []
    said = f"The chat template in '{tokenizer}' (tokenizer_from) prints today's date, and so may the server: "
    return [f"{said}prompts of different days differ, and answers are not cached for later runs."]


def date_identity(model: str, date: str | None) -> dict[str, str]:
    """Returns `template_date` as a part of a key, where it is set and the model's chat template prints a date."""
    return {"template_date": date} if date is not None and _takes_date(model) else {}


def prints_date(model: str) -> bool:
    """Returns whether the chat template prints the date of the day on which it is rendered.

    A template that has `date_string` prints that variable, which is given a fixed date.
    """
    template = _template(model)
    return "date_string" not in template and _CLOCK in template


def _takes_date(model: str) -> bool:
    template = _template(model)
    return "date_string" in template or _CLOCK in template


def _needs(model: str, code: str) -> str:
    return f"'{model}' needs code of its own{code}; set trust_remote_code: true if you trust it."


def _iso_date(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise ValueError(f"'{value}' is no date like 2026-01-31.") from None
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


TemplateDate = Annotated[str | None, BeforeValidator(_iso_date)]
"""A date as `2026-01-31`, which YAML reads as a date."""


def _modules(model: str) -> Iterator[tuple[str, str]]:
    """Yields class and folder of each module of a sentence-transformers model."""
    content = model_json(model, "modules.json")
    for module in content if isinstance(content, list) else []:
        if isinstance(module, dict):
            yield str(module.get("type", "")), str(module.get("path", ""))


def _module_folders(model: str) -> list[str]:
    return [f"{folder}/" for _, folder in _modules(model) if folder]


def _references(mapping: object) -> list[str]:
    """Returns the classes of an `auto_map`, whose values are names or lists of a slow and a fast tokenizer's."""
    values = mapping.values() if isinstance(mapping, dict) else ()
    names = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return [str(name) for name in names if name]


def weight_bytes(model: str, dtype: str) -> int | None:
    """Returns the memory of a model's weights in `dtype`, from the heads of its files; None if they are not here.

    Numbers of 16 bits and more take the size of `dtype`, unless it is `auto`; others, of quantised models, their own.
    """
    folder = Path(packaged.resolve(model)) if model.startswith("packaged:") else Path(model)
    if not folder.is_dir():
        config = packaged.local_file(model, "config.json")
        if config is None:
            return None
        folder = config.parent
    files = sorted(folder.glob("*.safetensors"))
    try:
        if files:
            return sum(_tensor_bytes(path, _SIZES.get(dtype)) for path in files)
        return sum(path.stat().st_size for path in folder.glob("*.bin")) or None
    except (OSError, ValueError, LookupError, TypeError):  # a damaged file: loading the model says what is wrong
        return None


def _tensor_bytes(path: Path, size: int | None) -> int:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEAD:
            raise ValueError(f"{path.name}: a head of {length} bytes")
        head = parse_json(file.read(length).decode("utf-8"))
    total = 0
    for name, tensor in head.items():
        if name != "__metadata__":
            start, end = tensor["data_offsets"]
            own = _STORED.get(tensor["dtype"])
            total += (end - start) * size // own if size and own else end - start
    return total


@cache
def _library_names() -> frozenset[str]:
    """Returns the model types and tokenizer classes that the installed transformers library has."""
    found = importlib.util.find_spec("transformers")
    if found is None or not found.origin:
        return frozenset()
    sources = (Path(found.origin).parent / "models" / "auto").glob("*.py")
    return frozenset(name for source in sources for name in _QUOTED.findall(source.read_text("utf-8")))


def _template(model: str) -> str:
    """Returns the chat template that renders a conversation without tools; empty if none is found."""
    for name in _TEMPLATE_FILES:
        if path := packaged.local_file(model, name):
            try:
                return path.read_text("utf-8")
            except (OSError, ValueError):
                continue
    template = model_mapping(model, "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        template = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else ""
