"""Prompt templates of components: declares and checks their fields, and fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from ragvlc.core.engines import Prompt, placeholders
from ragvlc.core.errors import nearest

__all__ = ["Template", "check_templates", "filled"]


@dataclass(frozen=True, eq=False)
class Template:
    """Marks a string field as a prompt template, which is checked when its component is built.

        merge_prompt: Annotated[str, Template({"notes"}, knows={"question"})] = MERGE

    A subclass that gives the field another default need not say so again.

    Attributes:
        needs: fields in braces that it must contain.
        knows: those that it may contain besides.
        needs_of: class variable of the part that holds further fields that it must contain.
        declines: it may contain `{decline}`, and must where the part's setting `decline` is given.
    """

    needs: AbstractSet[str] = frozenset()
    knows: AbstractSet[str] = frozenset()
    needs_of: str = ""
    declines: bool = False

    def problems(self, part: object, name: str) -> list[str]:
        """Returns one sentence for each required field that a template lacks and each unknown field in it."""
        needed = self.needs | (getattr(part, self.needs_of) if self.needs_of else set())
        known = needed | self.knows | ({"decline"} if self.declines else set())
        found = set(placeholders(getattr(part, name)))
        wrong = [f"{name} must contain {{{missing}}}." for missing in sorted(needed - found)]
        wrong += [
            f"{name} has no field {{{unknown}}}. Known: {', '.join(sorted(known))}.{nearest(unknown, known)}"
            for unknown in sorted(found - known)
        ]
        if self.declines and getattr(part, "decline", None) and "decline" not in found:
            wrong.append(f"{name} must contain {{decline}} where `decline` is set.")
        return wrong


def check_templates(part: object, templates: Mapping[str, Template]) -> None:
    """Raises a pydantic error that lists every problem in a component's templates, which are keyed by field name."""
    wrong = [problem for name, template in templates.items() for problem in template.problems(part, name)]
    if wrong:
        raise PydanticCustomError("several", "{text}", {"text": " ".join(wrong), "each": tuple(wrong)})


def filled(template: str, fields: Mapping[str, str]) -> Prompt:
    """Returns the prompt made of a template and fields; fields that the template does not name are left out."""
    return Prompt(template, {name: fields[name] for name in placeholders(template)})
