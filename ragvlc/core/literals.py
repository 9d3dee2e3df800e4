"""Reads Python literals in data files: lists, tuples, mappings, texts and numbers. Nothing is evaluated."""

from __future__ import annotations

import ast

from ragvlc.core.limits import LINE_BYTES

__all__ = ["parse_literal"]


def parse_literal(text: str) -> object:
    """Returns the value of a Python literal.

    Raises:
        ValueError: it is no literal, nested too deeply or too long; in one sentence.
    """
    if len(text) > LINE_BYTES.value:
        raise ValueError(f"it has {len(text):,} characters. {LINE_BYTES.advice()}")
    try:
        return ast.literal_eval(text.strip())
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"it is no Python literal: {str(error) or 'nested too deeply'}") from error
    except ValueError as error:  # its sentence names an object by its address
        raise ValueError("it is no Python literal: it has a name or a call") from error
