"""How a benchmark's authors ask one question: their prompt, its limits, and how they shorten what is too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Cut", "OfficialPrompt"]

Cut = Literal["", "middle", "middle_odd", "left", "right", "words_left", "words_right", "refuse"]
"""Which part of the whole prompt is left out.

`middle` leaves the same number of tokens on both sides, `middle_odd` one more on the last side of an odd number. `left`
leaves out the beginning, `right` the end, `words_left` and `words_right` words of the document, as L-Eval does. With
`refuse` their code shortens nothing, and a prompt that is too long fails. Empty: as the route does.
"""


@dataclass(frozen=True, slots=True)
class OfficialPrompt:
    """The authors' prompt for one question, used by routes that read and answer in one call.

    Placeholders are `{document}`, `{question}`, `{choices}` and the names in `fields`; each template has `{document}`
    at most once.

    Attributes:
        template: of the whole message; empty for the route's own.
        closed: of the question without documents; empty where the authors have none.
        passages: where passages are retrieved; empty for `template`.
        passage: how each retrieved passage is written, with `{number}` from 1 or `{index}` from 0, and `{text}`.
        separator: between documents.
        fields: texts of further placeholders, and those that replace the route's.
        system: the system message; empty for the generator's own.
        lead: what the reply is made to begin with, after the chat template; servers are sent none.
        chat: whether the model's chat template is used.
        max_tokens: of the answer; 0 for the route's own.
        stop: texts that end the answer.
        cut: how a prompt is shortened that is too long for the window.
    """

    template: str = ""
    closed: str = ""
    passages: str = ""
    passage: str = "{text}"
    separator: str = "\n\n"
    fields: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    lead: str = ""
    chat: bool = True
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    cut: Cut = ""

    def __post_init__(self) -> None:
        for template in (self.template, self.closed, self.passages):
            if template.count("{document}") > 1:
                raise ValueError("a benchmark's template has {document} at most once.")

    def facts(self) -> list[Any]:
        """Returns everything in it as JSON, for keys."""
        texts = [self.template, self.closed, self.passages, self.passage, self.separator, self.system, self.lead]
        return [texts, dict(self.fields), self.chat, self.max_tokens, list(self.stop), self.cut]
