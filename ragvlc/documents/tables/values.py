"""Values of cells: yes and no, the question in an object, columns inside a column, quoted evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ragvlc.core.data import Document
from ragvlc.documents.json_lines import Row
from ragvlc.documents.tables.cells import Cells, is_nothing, number_text
from ragvlc.documents.tables.columns import compact, is_known
from ragvlc.documents.tables.files import RawTable
from ragvlc.documents.tables.lists import NotAList, parsed
from ragvlc.text.matching import locate

__all__ = ["evidence_in", "expected_by_promptfoo", "object_in", "question_in", "rough_texts", "said_yes", "unwrap"]

_YES = frozenset({"true", "yes", "y", "1", "1.0", "ja", "wahr", "oui", "vrai"})
_NO = frozenset({"", "false", "no", "n", "0", "0.0", "nein", "falsch", "non", "faux"})
_RULE = re.compile(
    r"(?:not-)?(?:i?(?:equals|contains(?:-any|-all|-json|-sql|-xml|-html)?)|starts-with|similar|factuality|llm-rubric|grade|"
    r"regex|javascript|fn|eval|python|file|is-json|is-sql|is-xml|is-html|cost|latency|rouge-n|bleu|levenshtein|webhook|"
    r"model-graded-\w+|answer-relevance|context-\w+|perplexity|classifier|select-best)(?:\([\d.]+\))?"
)
"""How cells of promptfoo begin that say how to check a reply."""
_WRAPPERS = frozenset(
    {"inputs", "input", "outputs", "output", "expectations", "referenceoutputs", "vars", "data", "example", "row"}
)


def said_yes(value: object) -> object:
    """Returns True or False for a cell that means yes or no, and any other cell unchanged."""
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO else value


def evidence_in(quoted: Iterable[object], documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Returns the evidence in the schema's form: the first position of each text, or no position if it does not occur.

    An item may also be evidence of the schema already.
    """
    found: list[dict[str, Any]] = []
    for item in quoted:
        if isinstance(item, Mapping):
            found.append(dict(item))
            continue
        places = ((document, locate(str(item).strip(), document.text)) for document in documents)
        document, place = next(((one, where) for one, where in places if where), (None, None))
        if document is not None and place is not None:
            found.append({"doc_id": document.id, "start": place[0], "end": place[1]})
        else:
            found.append({"start": None, "end": None, "text": str(item)})
    return found


def question_in(row: Row, name: str, cells: Cells) -> str:
    """Returns the question in a cell: a text, one in an object, or the user's last message; empty if there is none."""
    value = row.values.get(name)
    if is_nothing(value):
        return ""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[{")):
        value = _parsed_or_same(value)
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, (list, tuple)):
        asked = [one for one in value if isinstance(one, Mapping) and one.get("role", "user") == "user"]
        value = asked[-1].get("content", "") if asked else value[0] if len(value) == 1 else value
    if isinstance(value, Mapping):
        texts = cells.items(row, name, value, "question")
        value = texts[0] if len(texts) == 1 else value
    if isinstance(value, (Mapping, list, tuple)):
        row.complain(f"'{name}' holds several values where one question is expected.")
        return ""
    return value if isinstance(value, str) else number_text(value)


def expected_by_promptfoo(text: str) -> list[str]:
    """Returns the answers in an `__expected` cell of promptfoo; none for a rule that is no text, such as a rubric."""
    kind, colon, rest = text.partition(":")
    word = kind.strip().casefold().partition("(")[0].removeprefix("i")
    if not colon or not _RULE.fullmatch(kind.strip()):
        return [text]
    if word in ("contains-any", "contains-all"):
        return [part.strip() for part in rest.split(",") if part.strip()]
    return [rest.strip()] if word in ("equals", "contains", "similar", "starts-with", "factuality") else []


def object_in(value: object) -> dict[str, Any] | None:
    """Returns the object in a cell, which may be written as text; None if there is no object."""
    found = _parsed_or_same(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    return found if isinstance(found, dict) else None


def rough_texts(value: object, separator: str) -> list[object]:
    """Returns the texts of a cell without reporting what cannot be read."""
    found = _parsed_or_same(value) if isinstance(value, str) else value
    if isinstance(found, str):
        return list(found.split(separator)) if separator else [found]
    return list(found) if isinstance(found, (list, tuple)) else [] if found is None else [found]


def unwrap(table: RawTable) -> None:
    """Replaces columns of objects that hold other columns (`inputs: {question: ...}`) by those, with dotted names."""
    for name in [one for one in table.names if compact(one) in _WRAPPERS]:
        cells = [values.get(name) for _, values in table.rows]
        inner = [object_in(one) for one in cells]
        inside = list(dict.fromkeys(key for one in inner for key in one or ()))
        strange = any(one is None and not is_nothing(cell) for one, cell in zip(inner, cells, strict=True))
        if strange or "messages" in inside or not any(is_known(key) for key in inside):
            continue
        for (_, values), one in zip(table.rows, inner, strict=True):
            values.pop(name, None)
            values.update({f"{name}.{key}": value for key, value in (one or {}).items()})
        place = table.names.index(name)
        table.names[place : place + 1] = [f"{name}.{key}" for key in inside]


def _parsed_or_same(value: str) -> object:
    try:
        return parsed(value)
    except NotAList:  # a text that begins with a bracket; where a list is expected, it is reported
        return value
