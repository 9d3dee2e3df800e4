"""Published benchmarks whose authors' prompts, answer lengths and cuts are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from ragvlc.core.official import OfficialPrompt
from ragvlc.documents.released import Released

__all__ = ["Prompted"]


class Prompted(Released):
    """A published benchmark that can be asked as its authors ask it.

    A kind gives each query `official=self.official(OfficialPrompt(...))`, and states `prompts` and `cut` in `release`.

    Attributes:
        prompts: `ragvlc` asks with the prompts and answer lengths of the routes, so that routes and data sets compare;
            `official` with those of the benchmark's authors, in routes that read and ask in one call (`full_context`,
            `retrieve`, `long_embedding`, `closed_book`, `oracle_evidence`). Other routes, and those with a `decline`
            word, go on with their own; `ragvlc plan` and the report say which do.
        cut: `ragvlc` shortens the documents alone, as the route's `truncation` says; `official` the whole prompt, as
            the authors do.
    """

    asks_closed: ClassVar[bool] = False
    """Whether the authors have a prompt for the question without documents, as `closed_book` asks it."""

    prompts: Literal["ragvlc", "official"] = "ragvlc"
    cut: Literal["ragvlc", "official"] = "ragvlc"

    @property
    def source(self) -> str:
        """The kind with its subset, and what of the authors' protocol is used."""
        words = [name for name in ("prompts", "cut") if getattr(self, name) == "official"]
        return f"{super().source}, official {' and '.join(words)}" if words else super().source

    def remarks(self) -> Sequence[str]:
        """Returns what to know before a run: whether a real file was ever read, and what is the authors'."""
        found = list(super().remarks())
        if self.prompts == "official":
            found.append(
                f"{self.kind}: asked with its authors' prompts and answer lengths, not with those of the routes."
            )
        if self.cut == "official":
            cut = self.release.cut or "no cut of theirs is known, so nothing changes"
            found.append(f"{self.kind}: what is too long is cut as its authors do: {cut}.")
        return found

    def official(self, prompt: OfficialPrompt) -> OfficialPrompt | None:
        """Returns what the settings use of the authors' prompt; None if nothing."""
        if self.prompts == "official":
            return prompt if self.cut == "official" else replace(prompt, cut="")
        return OfficialPrompt(cut=prompt.cut) if self.cut == "official" else None
