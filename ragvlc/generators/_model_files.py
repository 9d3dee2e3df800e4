"""What generators share that read a chat template: from the model's own files, or from those of a served model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragvlc import packaged
from ragvlc.packaged.model_files import code_refusals, date_identity, model_remarks, prints_date, served_date_remarks

__all__ = ["OwnFiles", "ServedTemplate"]


class OwnFiles:
    """Mixin of generators that load a model's files: `model`, `template_date` and `trust_remote_code` are fields."""

    if TYPE_CHECKING:
        model: str
        template_date: str | None
        trust_remote_code: bool

    def refusals(self) -> list[str]:
        """Returns a sentence if the model needs code of its own that is not trusted."""
        return code_refusals(self.model, trusted=self.trust_remote_code)

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of the model's files, and the date in its chat template if it prints one that is set."""
        return {"model": packaged.fingerprint(self.model), **date_identity(self.model, self.template_date)}

    @cached_property
    def dated(self) -> bool:
        """Whether the chat template prints the date of the day."""
        return self.template_date is None and prints_date(self.model)

    def remarks(self) -> list[str]:
        """Returns sentences on the model's own code and on a chat template that prints today's date."""
        return model_remarks(self.model, trusted=self.trust_remote_code, date=self.template_date)


class ServedTemplate:
    """Mixin of generators whose model is served: `tokenizer_from` is a field."""

    if TYPE_CHECKING:
        tokenizer_from: str | None

    @cached_property
    def dated(self) -> bool:
        """Whether the chat template prints the date of the day."""
        return bool(self.remarks())

    def remarks(self) -> list[str]:
        """Returns a sentence on a chat template that prints today's date."""
        return served_date_remarks(self.tokenizer_from)
