"""Document metadata that routers may read: the declared fields, except those that reveal the gold answer.

Benchmarks keep facts about the right answer beside their texts: how deep the needle lies, of which kind the question
is. A router that read them would look clever on the benchmark and be useless on documents that nobody has annotated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator

from ragvlc.core.data import Document

__all__ = ["Declared", "declared", "refuse_gold"]

_GOLD = frozenset(
    {
        *("answer", "answers", "answerable", "choice", "choices", "depth", "difficulty", "evidence", "gold", "hallu"),
        *("hop", "hops", "label", "labels", "level", "needle", "needles", "position", "positions", "qrels"),
        *("references", "relevance", "relevant", "target", "targets", "task", "truth", "unanswerable"),
    }
)


def refuse_gold(names: Sequence[str]) -> None:
    """Raises `ValueError` if a field's name suggests that it reveals the right answer or the class of the question."""
    for name in names:
        found = sorted(_GOLD & set(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())))
        if found:
            raise ValueError(
                f"metadata field '{name}': in benchmarks '{found[0]}' tells of the answer or the kind of question. "
                "Nobody knows that of a real document, so routers may not read it; the report shows what an oracle "
                "makes of it. If it means something else in your documents, give it another name there."
            )


def _readable(names: tuple[str, ...]) -> tuple[str, ...]:
    refuse_gold(names)
    return names


Declared = Annotated[tuple[str, ...], AfterValidator(_readable)]
"""Names of fields of the documents' metadata."""


def declared(documents: Sequence[Document], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Returns, for each document, the named metadata fields that it has."""
    return [{name: document.metadata[name] for name in names if name in document.metadata} for document in documents]
