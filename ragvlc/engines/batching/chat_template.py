"""Tokenizer and chat template of a model; text from documents is never read as control tokens."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from ragvlc.core.data import content_key
from ragvlc.core.engines import Prompt
from ragvlc.core.errors import EngineError
from ragvlc.core.texts import library_words
from ragvlc.core.token_spans import TokenSpans, numbers
from ragvlc.text.thoughts import marks_thought, opened_mark

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer
    from transformers import PreTrainedTokenizerBase

__all__ = ["ChatTokenizer", "SpanCache", "one_at_a_time"]

_MESSAGE = "RAGVLC0MESSAGE1GOES2HERE"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_AGO = datetime(2001, 2, 3, 4, 5, 6)  # noqa: DTZ001 - templates print the local time
_CLOCK = (
    "{%- macro strftime_now(format) -%}{{ ragvlc_dates[format] if format in ragvlc_dates else "
    "raise_exception('template_date cannot be printed: its format is not written in the template') }}"
    "{%- endmacro +%}"
)
"""Replaces the library's clock: the library makes strings of functions among a template's variables."""
_CACHED_CHARACTERS = 8_000_000
_FRAMES = 64
"""Templates in memory, one a system message: of benchmarks that send others than the generator's."""

Spans = Sequence[tuple[int, int]]
_LONG = 1_000_000
"""Characters of a text of which one is tokenized at a time."""
_LONG_TEXTS = threading.RLock()


def one_at_a_time(text: str) -> AbstractContextManager[object]:
    """Returns a lock for a long text: while it is tokenized, a token takes over a hundred bytes."""
    return _LONG_TEXTS if len(text) >= _LONG else nullcontext()


class SpanCache:
    """Cache of the token spans of recent texts, because routes tokenize the same documents many times.

    Args:
        characters: capacity, as the total length of the texts.
    """

    def __init__(self, characters: int = _CACHED_CHARACTERS) -> None:
        self._capacity = characters
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Spans] = OrderedDict()
        self._size = 0

    def computed(self, text: str, compute: Callable[[str], Spans]) -> Spans:
        """Returns the token spans of `text`, from the cache or else from `compute`, and stores them."""
        found = self.get(text)
        if found is None:
            with one_at_a_time(text):
                found = self.get(text)  # another thread may have computed them in the meantime
                if found is None:
                    found = compute(text)
                    self.put(text, found)
        return found

    def get(self, text: str) -> Spans | None:
        """Returns the token spans of `text`; None if they are not cached."""
        with self._lock:
            if text in self._entries:
                self._entries.move_to_end(text)
            return self._entries.get(text)

    def put(self, text: str, spans: Spans) -> None:
        """Stores the token spans of `text`; evicts the least recently used texts beyond the capacity."""
        with self._lock:
            if text in self._entries or len(text) > self._capacity:
                return
            self._entries[text] = spans
            self._size += len(text)
            while self._size > self._capacity:
                evicted, _ = self._entries.popitem(last=False)
                self._size -= len(evicted)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands around the user's message.

    Attributes:
        head: token ids before it, up to the last control token.
        before: text between those and the message, tokenised with it.
        after: text between the message and the next control token.
        tail: token ids from that one on.
        opened: the mark of a thought that the template opens before the answer.
        whole: the rendered template with a placeholder.
        strips: whether the template strips the message.
    """

    head: Sequence[int]
    before: str = ""
    after: str = ""
    tail: Sequence[int] = ()
    opened: str = ""
    whole: str = ""
    strips: bool = False


class ChatTokenizer:
    """Tokenizer of the `transformers` library that never encodes text from documents as control tokens.

    The template is rendered once, around a placeholder for the message. The text between the control tokens next to the
    placeholder is joined with the message and tokenised with control tokens switched off, so ordinary text gives the
    ids of `apply_chat_template`, and `<|im_end|>` in a document gives the ids of its characters.

    Args:
        tokenizer: a fast tokenizer; not changed, and safe to use elsewhere.
        system: a system message; without a chat template it is put before the message.
        options: variables for the chat template.
        date: the date that templates print, as `2026-01-31`; None for today's, or the variable's fixed one.

    Attributes:
        opened: the mark of a thought that the template opens before the answer; empty if it opens none.

    Raises:
        EngineError: no fast tokenizer, or a template that cannot be used this way.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        system: str | None = None,
        options: Mapping[str, object] | None = None,
        date: str | None = None,
    ) -> None:
        from tokenizers import Tokenizer as FastTokenizer

        if not getattr(tokenizer, "is_fast", False):
            raise EngineError(f"The tokenizer of '{tokenizer.name_or_path}' is not a fast one: it cannot place tokens.")
        # Truncation and padding are state that other users of the tokenizer set: ours must not depend on it.
        state = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
        template = _template(tokenizer)
        control = _control_tokens(state["added_tokens"], template)
        self.id = content_key([state, template, system, dict(options or {})])[:32]
        self._name = tokenizer.name_or_path
        self.end_ids = frozenset[int](() if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,))
        self._control = frozenset(control.values())
        special = {str(one["content"]): int(one["id"]) for one in state["added_tokens"] if one["special"]}
        self._special = frozenset(special.values())
        marks = {name for name in special if marks_thought(name, among=special)}
        self._marks = frozenset(special[name] for name in marks)
        self._control_aware = FastTokenizer.from_str(json.dumps(state))
        self._data = _without_control(state, control)
        self._cache = SpanCache()
        self._source, self._system, self._bos = tokenizer, system, self._opening(tokenizer.bos_token_id)
        now = datetime.fromisoformat(date) if date else None
        self._talk = _Conversation(template, system, options or {}, now) if template is not None else None
        self._frames: dict[str | None, _Frame] = {}
        self._frame_lock = threading.Lock()
        frame = self._frame(system)
        self.opened = frame.opened
        if self._talk and self._talk.dated(tokenizer, frame.whole):
            self.id = content_key([self.id, frame.whole])[:32]  # prompts of another date are others

    @cached_property
    def vocabulary(self) -> str:
        """Identifier of the vocabulary, without the chat template; models with equal identifiers share token ids."""
        return content_key(self._control_aware.get_vocab(with_added_tokens=True))[:32]

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`, encoded as plain text."""
        return len(self.spans(text))

    def spans(self, text: str) -> Spans:
        """Returns the character span of each token; together they cover `text`.

        A character that is cut into several tokens belongs to the first; the others are empty. Characters that belong
        to no token are given to the next one, at the end to the last.
        """
        return self._cache.computed(text, self._spans)

    def _spans(self, text: str) -> Spans:
        # The running maximum keeps the spans in order where a tokenizer's offsets are not.
        ends = numbers(accumulate((end for _, end in self._encode(text)), max))
        if ends:
            ends[-1] = len(text)
        return TokenSpans(ends)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the whole prompt: chat template, system message, user message and lead."""
        message = prompt.text()
        with one_at_a_time(message):
            return self._rendered(prompt, message)

    def _rendered(self, prompt: Prompt, message: str) -> list[int]:
        if prompt.raw:
            return [*self._bos, *(token for token, _ in self._encode(message + prompt.lead))]
        frame = self._frame(prompt.system or self._system)
        if frame.strips:
            message = message.strip()
        body = self._encode(frame.before + message + frame.after)
        lead = self._encode(prompt.lead) if prompt.lead else []
        return [*frame.head, *(token for token, _ in body), *frame.tail, *(token for token, _ in lead)]

    def opened_by(self, prompt: Prompt) -> str:
        """Returns the mark of a thought that the reply to a prompt begins in; none after raw text or a lead."""
        return "" if prompt.raw or prompt.lead else self._frame(prompt.system or self._system).opened

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of generated token ids; of control tokens, only those that mark a thought or a channel."""
        if self._marks.isdisjoint(ids):
            return self._control_aware.decode(list(ids), skip_special_tokens=True)
        shown = [token for token in ids if token in self._marks or token not in self._special]
        return self._control_aware.decode(shown, skip_special_tokens=False)

    def _encode(self, text: str) -> list[tuple[int, int]]:
        """Returns (token id, end of its characters) for each token of `text`, encoded as plain text."""
        try:
            try:
                encoding = self._data.encode(text, add_special_tokens=False)
            except TypeError:  # the library refuses half of a surrogate pair this way
                text = _SURROGATE.sub("\ufffd", text)
                encoding = self._data.encode(text, add_special_tokens=False)
        except MemoryError:
            raise
        except Exception as error:  # a plain one, such as that a vocabulary lacks its word for unknown ones
            raise EngineError(
                f"The tokenizer of '{self._name}' cannot encode a text: {library_words(error)}. Its tokenizer.json is "
                "damaged, or lacks a word for unknown ones: download it again."
            ) from error
        ids, offsets = encoding.ids, encoding.offsets
        if self._control.isdisjoint(ids):
            return [(token, end) for token, (_, end) in zip(ids, offsets, strict=True)]
        return self._encode_apart(
            text, [span for token, span in zip(ids, offsets, strict=True) if token in self._control]
        )

    def _encode_apart(self, text: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Encodes text in parts, split inside each control string so that none is encoded as a control token."""
        if any(end - start < 2 for start, end in places):
            start, end = next(place for place in places if place[1] - place[0] < 2)
            raise EngineError(f"The text {text[start:end]!r} is a control token of this model and cannot be data.")
        # After the first character, so that no half is the control token again; the halves are encoded by themselves.
        cuts = [0, *(start + 1 for start, _ in places), len(text)]
        return [(token, start + end) for start, stop in pairwise(cuts) for token, end in self._encode(text[start:stop])]

    def _opening(self, bos: int | None) -> list[int]:
        """Returns a list with the start-of-sequence (BOS) id if the tokenizer adds one itself, else an empty list."""
        own = self._control_aware.encode("", add_special_tokens=True).ids
        return own[:1] if own and own[0] == bos else []

    def _frame(self, system: str | None) -> _Frame:
        """Returns what stands around the user's message with this system message; read from the template once."""
        with self._frame_lock:
            if system not in self._frames:
                if len(self._frames) >= _FRAMES:
                    self._frames.pop(next(name for name in self._frames if name != self._system))
                self._frames[system] = self._read_template(system)
            return self._frames[system]

    def _read_template(self, system: str | None) -> _Frame:
        """Splits the rendered template into token ids before the message, text around it, and token ids after it."""
        if self._talk is None:
            return _Frame(self._bos, f"{system}\n\n" if system else "")
        tokenizer, talk = self._source, replace(self._talk, system=system)
        # Some templates strip the message. The rendered placeholder shows it, and then messages are stripped here too.
        strips = f" {_MESSAGE} " not in talk.rendered(tokenizer, f" {_MESSAGE} ")
        whole = talk.rendered(tokenizer, _MESSAGE)
        before, found, after = whole.partition(_MESSAGE)
        if not found or _MESSAGE in after:
            raise EngineError(f"The chat template of {tokenizer.name_or_path} does not show the user's message once.")
        head, plain_before = self._until_last_control(before)
        plain_after, tail = self._from_first_control(after)
        return _Frame(head, plain_before, plain_after, tail, opened_mark(after), whole, strips=strips)

    def _until_last_control(self, text: str) -> tuple[list[int], str]:
        """Returns the token ids up to the last control token in `text`, and the text after that token."""
        encoding = self._control_aware.encode(text, add_special_tokens=False)
        places = [i for i, token in enumerate(encoding.ids) if token in self._control]
        if not places:
            return [], text
        return encoding.ids[: places[-1] + 1], text[encoding.offsets[places[-1]][1] :]

    def _from_first_control(self, text: str) -> tuple[str, list[int]]:
        """Returns the text before the first control token in `text`, and the token ids from that token on."""
        encoding = self._control_aware.encode(text, add_special_tokens=False)
        for i, token in enumerate(encoding.ids):
            if token in self._control:
                return text[: encoding.offsets[i][0]], encoding.ids[i:]
        return text, []


def _control_tokens(added: Sequence[Mapping[str, Any]], template: str | None) -> dict[str, int]:
    """Returns the control tokens and their ids: special tokens, and added tokens that the chat template contains."""
    return {
        str(token["content"]): int(token["id"])
        for token in added
        if token["special"] or (template is not None and token["content"].strip() and token["content"] in template)
    }


def _without_control(state: Mapping[str, Any], control: Mapping[str, int]) -> FastTokenizer:
    """Returns a copy of the tokenizer that encodes control strings as ordinary text."""
    from tokenizers import Tokenizer as FastTokenizer

    added = [{**token, "special": token["special"] or token["content"] in control} for token in state["added_tokens"]]
    copy = FastTokenizer.from_str(json.dumps({**state, "added_tokens": added, "post_processor": None}))
    copy.encode_special_tokens = True
    return copy


def _template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Returns the chat template for a conversation without tools; None if there is none."""
    try:
        return tokenizer.get_chat_template() if tokenizer.chat_template else None
    except ValueError as error:
        known = ", ".join(sorted(tokenizer.chat_template)) if isinstance(tokenizer.chat_template, dict) else ""
        message = f"'{tokenizer.name_or_path}' has several chat templates and none is called default: {known}."
        raise EngineError(message) from error


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What a chat template is rendered with, apart from the user's message."""

    template: str
    system: str | None
    options: Mapping[str, object]
    now: datetime | None
    """What the template's clock shows; None for the time of the day."""

    def rendered(self, tokenizer: PreTrainedTokenizerBase, message: str) -> str:
        """Returns the conversation as text."""
        from jinja2.exceptions import TemplateError

        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        messages.append({"role": "user", "content": message})
        # Llama's templates print today's date unless they are given one, so that no prompt would be the same tomorrow.
        variables: dict[str, Any] = {"date_string": "26 Jul 2024", **self.options}
        if self.now is not None:
            dates = {text: self.now.strftime(text) for text in _strings(self.template) if "%" in text}
            variables |= {"chat_template": _CLOCK + self.template, "ragvlc_dates": dates}
            variables |= {"date_string": f"{self.now:%d %b %Y}", **self.options}
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **variables)
        except TemplateError as error:
            reason = f"The chat template of {tokenizer.name_or_path} refuses these messages: {error}"
            raise EngineError(reason) from error
        return str(text)

    def dated(self, tokenizer: PreTrainedTokenizerBase, whole: str) -> bool:
        """Returns whether `whole`, the rendered placeholder, has a date that depends on the clock or the setting."""
        if "strftime_now" not in self.template and "date_string" not in self.template:
            return False
        if self.now is None:
            options = {"date_string": "26 Jul 2024", **self.options}
            return whole != replace(self, now=_LONG_AGO, options=options).rendered(tokenizer, _MESSAGE)
        return whole != replace(self, now=None).rendered(tokenizer, _MESSAGE)


def _strings(template: str) -> set[str]:
    """Returns the strings in the expressions of a template."""
    from jinja2 import Environment, TemplateError

    try:
        tokens = list(Environment(autoescape=False).lex(template))  # noqa: S701 - read, not rendered
    except TemplateError:
        return set()  # rendering says what is wrong with it
    quoted = (value[1:-1] for _, kind, value in tokens if kind == "string")
    return {text.encode("ascii", "backslashreplace").decode("unicode-escape") for text in quoted}
