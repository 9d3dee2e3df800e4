"""Records of another tool's log: who answered what, with the log's own scores."""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragvlc.core.answer import Finish, Usage

__all__ = [
    "Log",
    "LogRecord",
    "as_choices",
    "first_text",
    "label_of",
    "listed",
    "mapping",
    "number",
    "scalars",
    "short_hash",
    "texts_in",
]

LONGEST_LITERAL = 100_000


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One answer in a log.

    Attributes:
        place: where it is in the file, such as `line 3`.
        id: of the question in the log; empty if the log has none.
        question: empty if the log does not say.
        choices: options, without letters.
        references: accepted answers; None if the log does not say.
        document: the text that was asked about, where the log has all of it.
        text: the reply.
        failure: why there is no reply; empty if there is one.
        finish: why the reply ended.
        repeat: how often the question was answered before, by the same system.
        usage: tokens, where the log says.
        seconds: what the answer took, where the log says.
        scores: the log's own, by its names.
        tags: further facts.
        check: further content that tells questions apart, such as the length of the document.
        cluster: what counts together in intervals; empty: the document, or the question itself.
        scoring: further gold, as in `Example.scoring`.
    """

    place: str
    id: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] | None = None
    document: str = ""
    text: str = ""
    failure: str = ""
    finish: Finish = "stop"
    repeat: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    check: str = ""
    cluster: str = ""
    scoring: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """The answers of one system to one set of questions.

    Attributes:
        path: of the file.
        format: the tool that wrote it.
        system: who answered: a model, or a model with its settings.
        task: what was answered; logs of equal tasks are paired.
        records: in the order of the file.
        dropped: records that were not read, by reason.
        noted: what is to be known of the records that were read, by reason.
    """

    path: Path
    format: str
    system: str
    task: str
    records: tuple[LogRecord, ...]
    dropped: Mapping[str, int] = field(default_factory=Counter)
    noted: Mapping[str, int] = field(default_factory=Counter)


def first_text(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Returns the first of these fields that holds a text that is not blank."""
    for name in names:
        value = values.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def texts_in(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """Returns accepted answers as texts: one text or number, or a list of them, of lists too."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(dict.fromkeys(text for one in value for text in texts_in(one)))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return (text,) if text.strip() else ()


def listed(text: str) -> tuple[str, ...]:
    """Returns the items of a text that is a Python list of texts or numbers; otherwise the text itself."""
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]") and len(bare) <= LONGEST_LITERAL:
        try:
            found = ast.literal_eval(bare)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return texts_in(text)
        if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
            return texts_in(found)
    return texts_in(text)


def as_choices(targets: Sequence[str], choices: Sequence[str]) -> tuple[str, ...]:
    """Returns targets that are letters of options as the options' texts."""
    found = []
    for target in targets:
        bare = target.strip().strip("().")
        place = ord(bare.upper()) - ord("A") if len(bare) == 1 and bare.isascii() and bare.isalpha() else -1
        found.append(choices[place] if target not in choices and 0 <= place < len(choices) else target)
    return tuple(dict.fromkeys(found))


def mapping(value: object) -> dict[str, Any]:
    """Returns a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> float | None:
    """Returns a finite number, or a truth value as 0 or 1; None for anything else."""
    if isinstance(value, (bool, int, float)):
        try:
            found = float(value)
        except OverflowError:
            return None
        return found if math.isfinite(found) else None
    return None


def scalars(values: object) -> dict[str, Any]:
    """Returns the fields of an object that hold short texts, numbers or truth values."""
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): value
        for name, value in values.items()
        if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 100)
    }


def label_of(name: str) -> str:
    """Returns the column name of one of a log's own scores."""
    return f"log_{re.sub(r'[^A-Za-z0-9_.@-]+', '_', name).strip('_') or 'score'}"


def short_hash(*texts: str) -> str:
    """Returns a short name for texts that is the same on every machine."""
    whole = "\x00".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:12]
