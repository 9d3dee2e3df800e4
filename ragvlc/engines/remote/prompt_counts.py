"""Compares the prompt tokens that a server counted with those that were sent, to notice prompts that it cut in silence.

A count that is short is not always a cut. Some servers count only what was not in their prefix cache, and some chat
templates add a system prompt that the server's own does not have. A cut is what neither explains.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ragvlc.core.answer import UNREAD, Usage
from ragvlc.core.engines import Generation, Prompt
from ragvlc.engines.remote.tokenizers import RemoteTokenizer

__all__ = ["PromptCounts", "SentPrompt", "counted"]

_SHARE, _TOKENS = 0.02, 32  # of a prompt, and in tokens, that a count may be short
_BLOCK = 16
_CACHE_BLOCK = 128  # the largest piece of a prompt that servers cache as one
_MOST_MARKS = 500_000
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """A prompt that is being read by the server.

    Attributes:
        number: in the order of sending.
        tokens: its length, chat template included.
        marks: hash of everything up to the end of each block of 16 tokens.
    """

    number: int
    tokens: int
    marks: tuple[int, ...]


class PromptCounts:
    """The prompts that a server has read whole, and those that it is reading. Safe to use from many threads.

    Args:
        tokenizer: the exact one of the model.
        system: the system message.
    """

    def __init__(self, tokenizer: RemoteTokenizer, system: str | None) -> None:
        # What our template adds to a message beyond the system message may be missing in the server's template.
        added = len(tokenizer.render(Prompt("a"))) - tokenizer.count("a") - tokenizer.count(system or "")
        self._slack = max(_TOKENS, added)
        self._changed = threading.Condition()
        self._reading: dict[int, SentPrompt] = {}
        self._whole: OrderedDict[tuple[int, ...], None] = OrderedDict()
        self._marks = 0
        self._sent = 0

    @contextmanager
    def reading(self, ids: Sequence[int]) -> Iterator[SentPrompt]:
        """Opens a scope in which the server reads the prompt with these token ids."""
        marks: list[int] = []
        for start in range(0, len(ids), _BLOCK):
            marks.append(hash((marks[-1] if marks else 0, tuple(ids[start : start + _BLOCK]))))
        with self._changed:
            self._sent += 1
            sent = SentPrompt(self._sent, len(ids), tuple(marks))
            self._reading[sent.number] = sent
        try:
            yield sent
        finally:
            with self._changed:
                self._reading.pop(sent.number, None)
                self._changed.notify_all()

    def unread(self, sent: SentPrompt, usage: Usage | None, check: Callable[[], None]) -> int:
        """Returns the number of tokens of a prompt that the server did not read; 0 if it may have read all of them.

        Waits for prompts sent earlier whose beginning this one may share with them in the server's cache.

        Args:
            sent: the prompt, still in its scope.
            usage: as the server counted; None if it did not.
            check: called while waiting; may raise.
        """
        if usage is None or usage.prompt_tokens <= 0:
            return 0
        missing = sent.tokens - usage.prompt_tokens
        most = max(self._slack, _SHARE * sent.tokens)
        # Most servers count cached tokens among the prompt's; for those that count them apart, the sum is right.
        if missing <= most or (usage.cached_tokens and abs(missing - usage.cached_tokens) <= most):
            self._add(sent)
            return 0
        with self._changed:
            while not self._explained(sent, missing, list(self._whole)):
                others = [one.marks for one in self._reading.values() if one.number < sent.number]
                if not self._explained(sent, missing, others):
                    return missing
                self._changed.wait(_POLL_SECONDS)
                check()
        self._add(sent)
        return 0

    def _explained(self, sent: SentPrompt, missing: int, others: Sequence[tuple[int, ...]]) -> bool:
        """Returns whether the missing tokens are a beginning that the prompt shares with another one."""
        return any(
            -self._slack - _BLOCK <= _shared(sent.marks, other) * _BLOCK - missing <= _CACHE_BLOCK for other in others
        )

    def _add(self, sent: SentPrompt) -> None:
        with self._changed:
            if sent.marks not in self._whole:
                self._whole[sent.marks] = None
                self._marks += len(sent.marks)
            self._whole.move_to_end(sent.marks)
            while self._marks > _MOST_MARKS and len(self._whole) > 1:
                self._marks -= len(self._whole.popitem(last=False)[0])
            self._changed.notify_all()


def counted(
    counts: PromptCounts | None, ids: Sequence[int], answer: Callable[[], Generation], check: Callable[[], None]
) -> Generation:
    """Returns the generation of `answer`, with a note if the server did not read all of the prompt.

    Args:
        counts: of the server; None if tokens are estimates.
        ids: of the prompt.
        answer: asks the server.
        check: called while waiting for other prompts; may raise.
    """
    if counts is None:
        return answer()
    with counts.reading(ids) as sent:
        found = answer()
        usage = None if "usage_from" in found.notes else found.usage  # else it is our own count
        unread = counts.unread(sent, usage, check)
    return replace(found, notes={**found.notes, UNREAD: unread}) if unread else found


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    """Returns the number of marks at which two prompts agree: from the first on, as each covers those before it."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[middle - 1] == right[middle - 1]:
            low = middle
        else:
            high = middle - 1
    return low
