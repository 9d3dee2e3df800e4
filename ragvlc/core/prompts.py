"""Prompt templates of parts: do they name their fields, and the message that one makes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import PydanticCustomError

from ragvlc.core.engines import Prompt, placeholders
from ragvlc.core.errors import nearest

__all__ = ["Fields", "check_prompts", "filled"]

Fields = tuple[frozenset[str], frozenset[str]]
"""Of a prompt: the fields it needs, and all that it may have."""


def check_prompts(prompts: Mapping[str, tuple[str, Fields]], *, decline: bool = False) -> None:
    """Raises a pydantic error that lists every field that a prompt lacks or does not know.

    Args:
        prompts: template and fields by the setting's name.
        decline: each of them has to offer the decline word as well.
    """
    wrong: list[str] = []
    for name, (template, (needed, known)) in prompts.items():
        found = set(placeholders(template))
        wrong += [f"{name} must contain {{{missing}}}." for missing in sorted(needed - found)]
        wrong += [
            f"{name} has no field {{{unknown}}}. Known: {', '.join(sorted(known))}.{nearest(unknown, known)}"
            for unknown in sorted(found - known)
        ]
        if decline and "decline" not in found:
            wrong.append(f"{name} must contain {{decline}} where `decline` is set.")
    if wrong:
        raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})


def filled(template: str, fields: Mapping[str, str]) -> Prompt:
    """Returns the message of a template; fields that it does not name are left out."""
    return Prompt(template, {name: fields[name] for name in placeholders(template)})
