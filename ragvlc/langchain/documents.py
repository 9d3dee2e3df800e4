"""Conversion of documents from LangChain to ragvlc and back."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ragvlc.core.data import Document, Span
from ragvlc.core.errors import DatasetError

if TYPE_CHECKING:
    from langchain_core.documents import Document as LangChainDocument

__all__ = ["from_langchain", "passage", "to_langchain"]


def from_langchain(documents: Iterable[LangChainDocument | Document | str]) -> list[Document]:
    """Returns ragvlc documents made from LangChain documents, ragvlc documents or plain texts.

    The name is the document's `id`, or its metadata `document_id` or `source`, or `document-1`, `document-2` ...; a
    repeated name gets a number. A text in the metadata's `title` becomes the title. Metadata are made JSON: dates
    become ISO texts, tuples and sets lists, anything else unknown its text.

    Raises:
        DatasetError: for anything that is not a document, or for two ragvlc documents with one name.
    """
    found: list[Document] = []
    taken: set[str] = set()
    for place, given in enumerate(_listed(documents), 1):
        document = given if isinstance(given, Document) else _ours(given, place)
        if document.id in taken:
            if isinstance(given, Document):
                raise DatasetError(f"documents[{place - 1}]: two documents are called '{document.id}'.")
            document = Document(_free(document.id, taken), document.text, document.title, document.metadata)
        taken.add(document.id)
        found.append(document)
    return found


def to_langchain(documents: Iterable[Document]) -> list[LangChainDocument]:
    """Returns LangChain documents, with the name as `id` and the title in the metadata under `title`.

    `from_langchain` gives equal documents back, unless their metadata had a `title` besides.
    """
    from langchain_core.documents import Document as LangChainDocument

    return [
        LangChainDocument(page_content=document.text, id=document.id, metadata=_metadata(document))
        for document in documents
    ]


def _metadata(document: Document) -> dict[str, Any]:
    return {**document.metadata, **({"title": document.title} if document.title else {})}


def _listed(documents: object) -> Iterable[Any]:
    if isinstance(documents, (str, Mapping)) or not isinstance(documents, Iterable):
        raise DatasetError(f"documents: needs a list of documents or texts, not {type(documents).__name__}.")
    return documents


def _ours(given: object, place: int) -> Document:
    if isinstance(given, str):
        return Document(f"document-{place}", given)
    text = getattr(given, "page_content", None)
    if not isinstance(text, str):
        raise DatasetError(
            f"documents[{place - 1}]: a {type(given).__name__} is not a document. Give LangChain's Document, ragvlc's "
            "Document, or a text."
        )
    metadata = {str(name): _json(value) for name, value in getattr(given, "metadata", {}).items()}
    names = (getattr(given, "id", None), metadata.get("document_id"), metadata.get("source"))
    name = next((str(name) for name in names if name not in (None, "")), f"document-{place}")
    title = metadata.pop("title") if metadata.get("title") and isinstance(metadata["title"], str) else ""
    return Document(name, text, title, metadata)


def _free(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _json(value: Any) -> Any:  # noqa: ANN401 - any metadata in, JSON out
    if hasattr(value, "tolist"):  # numbers and arrays of numpy, some of which are floats of Python too
        value = value.tolist()
    if value is None or type(value) in (str, bool, int) or (type(value) is float and math.isfinite(value)):
        found = value
    elif isinstance(value, Mapping):
        found = {str(name): _json(item) for name, item in value.items()}
    elif isinstance(value, (set, frozenset)):
        found = sorted((_json(item) for item in value), key=str)
    elif isinstance(value, (list, tuple)):
        found = [_json(item) for item in value]
    else:
        found = value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)
    return found


def passage(document: Document, span: Span, **facts: Any) -> LangChainDocument:  # noqa: ANN401 - JSON
    """Returns a passage of `document` as a LangChain document, with its position and `facts` in the metadata."""
    from langchain_core.documents import Document as LangChainDocument

    where = {"document_id": document.id, "start": span.start, "end": span.end}
    return LangChainDocument(
        page_content=document.text[span.start : span.end],
        id=f"{document.id}:{span.start}-{span.end}",
        metadata={**_metadata(document), **where, **facts},
    )
