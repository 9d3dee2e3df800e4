"""Data that a server tokenises for itself: strings that it would take for control are broken up before they are sent.

A blank goes in after the first character (`<|im_end|>` is sent as `< |im_end|>`). A blank and not an invisible
character: some tokenizers drop invisible ones before they look for control tokens. Text without control strings is
never changed, nor is the template, which is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ragvlc.core.engines import Prompt

__all__ = ["Broken", "ControlStrings"]

_KNOWN = re.compile(
    r"<\|/?[A-Za-z0-9_.:/\-]{1,64}\|?>"  # ChatML, Llama 3 and 4, Phi, GLM, Granite, Kimi, gpt-oss, Gemma 4
    r"|<[A-Za-z0-9_]{1,32}\|>"  # Gemma 4's ends
    r"|<｜[^｜<>\n]{1,64}｜>"  # DeepSeek, Hunyuan
    r"|</?(?:s|bos|eos|pad|unk|mask|start_of_turn|end_of_turn|start_of_image|end_of_image|think|tool_call|tool_response"
    r"|fim_prefix|fim_middle|fim_suffix|endoftext)>"
    r"|<(?:unused|reserved_|extra_id_)[0-9]{1,5}>|<seed:[a-z_:]{1,40}>|<(?:BOS|EOS|PAD|UNK)_TOKEN>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|THINK|IMG)\]"
    r"|<</?SYS>>"
    r"|\[gMASK\]|\]~[!b]?b?\[|\]~b\]|\[e~\["  # GLM, MiniMax
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIELD = re.compile(r"\{(\w+)\}")
_OURS, _DATA = "t", "d"


@dataclass(frozen=True, slots=True)
class Broken:
    """A message as it is sent.

    Attributes:
        text: template and data, with no control string left that holds a character of data.
        count: control strings that were broken up.
    """

    text: str
    count: int


class ControlStrings:
    """Strings that mean more than their letters to a model.

    Args:
        tokens: the model's own control tokens; None takes the chat markers of the families known here.
        template: the model's chat template: markers that it writes as plain text, such as `[INST]`, are control too.
    """

    def __init__(self, tokens: Iterable[str] | None = None, template: str = "") -> None:
        if tokens is None:
            self._pattern: re.Pattern[str] | None = _KNOWN
            return
        # A single character has no inside to break; longest first, or `<s` would hide `<s>`.
        own = {token for token in tokens if len(token) > 1} | {found[0] for found in _KNOWN.finditer(template)}
        listed = "|".join(map(re.escape, sorted(own, key=lambda token: (-len(token), token))))
        self._pattern = re.compile(listed) if own else None

    def break_up(self, prompt: Prompt) -> Broken:
        """Returns the message that `prompt` makes; halves of surrogate pairs become U+FFFD, as no server takes them."""
        text, origin = _assembled(prompt)
        count = 0
        while places := self._places(text, origin):
            count += len(places)
            for place in reversed(places):
                text, origin = f"{text[:place]} {text[place:]}", f"{origin[:place]}{_DATA}{origin[place:]}"
        return Broken(text, count)

    def break_text(self, text: str) -> Broken:
        """Returns `text`, all of it data."""
        return self.break_up(Prompt("{text}", {"text": text}))

    def _places(self, text: str, origin: str) -> list[int]:
        """Returns where blanks must go."""
        if self._pattern is None:
            return []
        found = (match.span() for match in self._pattern.finditer(text))
        return [start + 1 for start, end in found if _DATA in origin[start:end]]


def _assembled(prompt: Prompt) -> tuple[str, str]:
    """Returns the message, and for each of its characters whether it is ours or data."""
    pieces, kinds = [], []
    for place, piece in enumerate(_FIELD.split(prompt.template)):  # texts and field names take turns
        is_field = place % 2 == 1
        known = is_field and piece in prompt.fields
        text = prompt.fields[piece] if known else f"{{{piece}}}" if is_field else piece
        pieces.append(text)
        kinds.append((_DATA if known else _OURS) * len(text))
    return _SURROGATE.sub("\ufffd", "".join(pieces)), "".join(kinds)
