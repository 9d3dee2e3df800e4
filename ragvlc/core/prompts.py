"""Prompt templates of components: declares and checks their fields, and fills them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

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

    def problems(self, part: object, name: str) -> Sequence[str]:
        """Returns one sentence for each required field that a template lacks and each unknown field in it."""
        more = frozenset(getattr(part, self.needs_of)) if self.needs_of else frozenset()
        declines = self.declines and bool(getattr(part, "decline", None))
        return _problems(self, name, getattr(part, name), more, declines)


@lru_cache(maxsize=1024)  # a sweep builds a part for every cell, mostly with the same templates
def _problems(
    mark: Template,
    name: str,
    template: str,
    more: frozenset[str],
    declines: bool,
) -> Sequence[str]:
    needed = mark.needs | more
    known = needed | mark.knows | ({"decline"} if mark.declines else set())
    found = set(placeholders(template))
    wrong = [f"{name} must contain {{{missing}}}." for missing in sorted(needed - found)]
    wrong += [
        f"{name} has no field {{{unknown}}}. Known: {', '.join(sorted(known))}.{nearest(unknown, known)}"
        for unknown in sorted(found - known)
    ]
    if declines and "decline" not in found:
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
