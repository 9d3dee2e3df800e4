"""Names that become folders, on every operating system."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["FolderName"]

_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows gives to devices, whatever follows after a dot."""


def _usable(name: str) -> str:
    if name.endswith((".", " ")):
        raise ValueError("must not end in a dot or a space: Windows drops it from a folder's name.")
    if name.partition(".")[0].strip().lower() in _DEVICES:
        raise ValueError(f"must not be '{name}': Windows gives this name to a device. Add a word to it.")
    return name


FolderName = Annotated[str, Field(pattern=r"^[\w][\w .+-]*$", max_length=120), AfterValidator(_usable)]
"""A name of letters, digits, spaces and `_.+-` that can be a folder's on Linux, macOS and Windows."""
