"""Questions of a table over documents that are given, wherever these were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from pydantic import PrivateAttr

from ragvlc.core.data import Document, content_key
from ragvlc.datasets.folder import Folder
from ragvlc.documents.balance import Balance
from ragvlc.documents.dataset import Examples

__all__ = ["GivenDocuments"]


class GivenDocuments(Folder):
    """A table of questions, with its columns as for `folder`, over documents in memory."""

    _documents: tuple[Document, ...] = PrivateAttr(default=())
    _balances: tuple[Balance, ...] = PrivateAttr(default=())

    def over(self, documents: Sequence[Document], balances: Sequence[Balance] = ()) -> Self:
        """Takes these documents, with the balance sheets of their files; returns itself."""
        self._documents, self._balances = tuple(documents), tuple(balances)
        return self

    @property
    def source(self) -> str:
        """What a table calls the documents."""
        return "your documents"

    def identity(self) -> Mapping[str, Any]:
        """Returns a hash of the documents."""
        return {"documents": content_key([[one.id, one.text] for one in self._documents])}

    def read(self) -> Examples:
        """Returns the questions, each a cluster of its own: intervals are for other questions on these documents."""
        found = super().read()
        return Examples([replace(one, cluster=one.id) for one in found], found.skipped, found.notes)

    def collection(self) -> Sequence[Document]:
        """Returns the documents."""
        return self._documents

    def losses(self) -> list[dict[str, Any]]:
        """Returns an account of each file that was not read in full or whose encoding was guessed."""
        return [one.record() for one in self._balances if one.loss or (one.encoding and one.encoding.guessed)]
