"""Neutralizes strings in data that a server would read as control tokens, before the data are sent.

A space is inserted after the first character (`<|im_end|>` is sent as `< |im_end|>`). Not an invisible character: some
tokenizers drop those before they look for control tokens. Text without control strings is never changed, nor is the
prompt's own template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ragvlc.core.engines import Prompt

__all__ = ["ControlStrings", "NeutralizedMessage"]

_KNOWN = re.compile(
    r"<\|/?[A-Za-z0-9_.:/\-]{1,64}\|?>"  # ChatML, Llama 3 and 4, Phi, GLM, Granite, Kimi, gpt-oss, Gemma 4
    r"|<[A-Za-z0-9_]{1,32}\|>"  # Gemma 4's closing ones
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
_TEMPLATE, _DATA = "t", "d"  # of each character of a message


@dataclass(frozen=True, slots=True)
class NeutralizedMessage:
    """A message with its control strings neutralized, ready to send.

    Attributes:
        text: template and data, without a control string that has a character of data in it.
        count: the number of control strings that were neutralized.
    """

    text: str
    count: int


class ControlStrings:
    """Strings that a model reads as control tokens.

    Args:
        tokens: the model's control tokens; None takes the chat markers of the model families known here.
        template: the model's chat template: markers that it writes as plain text, such as `[INST]`, count too.
    """

    def __init__(self, tokens: Iterable[str] | None = None, template: str = "") -> None:
        if tokens is None:
            self._pattern: re.Pattern[str] | None = _KNOWN
            return
        # A single character cannot be split. Longest first, or a match of `<s` would hide `<s>`.
        own = {token for token in tokens if len(token) > 1} | {found[0] for found in _KNOWN.finditer(template)}
        listed = "|".join(map(re.escape, sorted(own, key=lambda token: (-len(token), token))))
        self._pattern = re.compile(listed) if own else None

    def neutralize(self, prompt: Prompt) -> NeutralizedMessage:
        """Returns the message of `prompt` with its control strings neutralized.

        Unpaired surrogates become U+FFFD, because no server accepts them.
        """
        text, origin = _filled(prompt)
        count = 0
        # Again until none is left: an inserted space may complete another control string.
        while places := self._places(text, origin):
            count += len(places)
            for place in reversed(places):  # from the end, so that the earlier places stay right
                text, origin = f"{text[:place]} {text[place:]}", f"{origin[:place]}{_DATA}{origin[place:]}"
        return NeutralizedMessage(text, count)

    def neutralize_text(self, text: str) -> NeutralizedMessage:
        """Returns `text` with all control strings neutralized; the whole text counts as data."""
        return self.neutralize(Prompt("{text}", {"text": text}))

    def _places(self, text: str, origin: str) -> list[int]:
        """Returns the positions, inside control strings that contain data, at which spaces must be inserted.

        The template's own control strings are left unchanged.
        """
        if self._pattern is None:
            return []
        found = (match.span() for match in self._pattern.finditer(text))
        return [start + 1 for start, end in found if _DATA in origin[start:end]]


def _filled(prompt: Prompt) -> tuple[str, str]:
    """Returns the message, and one mark per character that says whether it comes from the template or from data."""
    pieces, kinds = [], []
    for place, piece in enumerate(_FIELD.split(prompt.template)):  # texts and field names alternate
        is_field = place % 2 == 1
        known = is_field and piece in prompt.fields
        text = prompt.fields[piece] if known else f"{{{piece}}}" if is_field else piece
        pieces.append(text)
        kinds.append((_DATA if known else _TEMPLATE) * len(text))
    return _SURROGATE.sub("\ufffd", "".join(pieces)), "".join(kinds)
