"""Channels of gpt-oss's replies (OpenAI's harmony format): only the channel `final` is the answer.

Most servers take the channels apart. Where they do not, the reply has the control tokens
(`<|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...`), or what is left of them
where special tokens are dropped (`analysis...assistantfinal...`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Channels", "channels"]

_HEADER = re.compile(
    r"(?:<\|start\|>\s*[^<\n]{0,80}?\s*)?<\|channel\|>\s*(?P<channel>[a-z]+)(?P<rest>[^<]{0,120})"
    r"(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_UNFINISHED = re.compile(r"(?:<\|start\|>[^<\n]{0,80})?(?:<\|channel\|>(?P<channel>[a-z]*)[^<]{0,120})?\Z")
_END = re.compile(r"<\|(?:end|return|call)\|>")
_BARE_START = re.compile(
    r"\A\s*(analysis|commentary)(?=[A-Z\"'(<{]|\s*to=)|\A\s*(analysis|commentary)(?=.*assistant\n{0,3}final)", re.DOTALL
)
_BARE_HEADER = re.compile(r"assistant\s*(?P<channel>analysis|commentary|final)(?P<rest>\s*to=[\w.]+[^{\n]{0,40})?")


@dataclass(frozen=True, slots=True)
class Channels:
    """What the channels of a reply hold.

    Attributes:
        answer: the text of the channel `final`.
        thought: the text of the others.
        unclosed: the reply ended before the channel `final` began.
        tool_call: the last message calls a tool.
        start: where the answer begins in the text; None if it is in several pieces, or there is none.
    """

    answer: str
    thought: str
    unclosed: bool = False
    tool_call: bool = False
    start: int | None = None


def channels(text: str) -> Channels | None:
    """Returns what a reply's channels hold; None for a reply without channels."""
    if "<|channel|>" in text or text.lstrip().startswith("<|message|>"):
        return _marked(text)
    if "analysis" in text[:40] or "commentary" in text[:40]:
        return _bare(text)
    return None


@dataclass(frozen=True, slots=True)
class _Part:
    channel: str
    to: str
    text: str
    start: int


def _marked(text: str) -> Channels | None:
    headers = list(_HEADER.finditer(text))
    before = text[: headers[0].start()] if headers else ""
    if not headers:
        # Cut off in the middle of a header, or a text that speaks of channels.
        found = _UNFINISHED.search(text)
        if found is None or found["channel"] is None or text[: found.start()].strip():
            return None
        return Channels("", "", unclosed=True)
    spoken_of = headers[0]["channel"] not in {"analysis", "commentary", "final"} or "`" in before
    if before.strip() and not _END.search(before) and spoken_of:
        return None
    parts = (
        [_Part("final" if not before.strip() else "analysis", "", _END.split(before)[0], 0)] if before.strip() else []
    )
    for here, following in zip(headers, [*headers[1:], None], strict=True):
        body = text[here.end() : following.start() if following else len(text)]
        message, *rest = _END.split(body)
        parts.append(_Part(here["channel"], here["rest"], message, here.end()))
        after = _UNFINISHED.sub("", "".join(rest), count=1).strip()
        if after and following is None and here["channel"] != "final":
            parts.append(_Part("final", "", after, here.end() + body.rfind(after)))  # its header is missing
    return _of(parts)


def _bare(text: str) -> Channels | None:
    start = _BARE_START.match(text)
    if start is None:
        return None
    parts, channel, to, place = [], start[1] or start[2], "", start.end()
    for header in _BARE_HEADER.finditer(text, place):
        parts.append(_Part(channel, to, text[place : header.start()], place))
        channel, to, place = header["channel"], header["rest"] or "", header.end()
    parts.append(_Part(channel, to, text[place:], place))
    if to == "" and parts[0].channel == "commentary" and parts[0].text.lstrip().startswith("to="):
        parts[-1] = _Part("commentary", parts[-1].text, parts[-1].text, parts[-1].start)
    return _of(parts)


def _of(parts: list[_Part]) -> Channels:
    answers = [part for part in parts if part.channel == "final"]
    thoughts = [part.text.strip() for part in parts if part.channel != "final"]
    calls = "to=" in parts[-1].to
    return Channels(
        answer="".join(part.text for part in answers).strip(),
        thought="\n\n".join(filter(None, thoughts)),
        unclosed=not answers and not calls,
        tool_call=calls and not answers,
        start=answers[0].start if len(answers) == 1 else None,
    )
