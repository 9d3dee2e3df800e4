"""Text files as documents."""

from __future__ import annotations

from pathlib import Path

from ragvlc.core.data import Document
from ragvlc.core.errors import DatasetError

__all__ = ["read_document"]


def read_document(path: str | Path) -> Document:
    """Returns a text file as a document whose id is its name. Raises `DatasetError` if it is not UTF-8 text."""
    file = Path(path).expanduser()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: no such file") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}: not UTF-8 text (byte {error.start}). Convert it to plain text first.") from error
    return Document(file.name, text, file.stem)
