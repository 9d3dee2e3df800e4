"""Chat models of LangChain (langchain-core 1.x), for services that have a LangChain package.

LangChain's chat models share calls, messages and usage, but not the names of their settings: each model is made with
the limit, temperature, top_p and seed of a request under the names that its class has, and cached for the next one.
Document text is data: control strings in it are neutralized by a space (see `engines.remote.control_strings`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from ragvlc import packaged
from ragvlc.core.answer import UNSENT_TEMPERATURE, Finish, Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError, nearest
from ragvlc.core.families import Generator
from ragvlc.core.token_spans import numbers
from ragvlc.core.window import prompt_ids
from ragvlc.engines.remote.api_errors import ApiFailure, is_unreachable, read_failure
from ragvlc.engines.remote.concurrency import CallGroup, ConcurrencyLimit
from ragvlc.engines.remote.langchain_models import NAMES, ChatModels, is_reference
from ragvlc.engines.remote.prompt_counts import PromptCounts, counted
from ragvlc.engines.remote.reply_parts import ReplyParts
from ragvlc.engines.remote.sent_fields import advice_on
from ragvlc.engines.remote.streaming import CHARACTERS_PER_TOKEN, cut_at_stop
from ragvlc.engines.remote.tokenizers import (
    SERVER,
    RemoteTokenizer,
    messages,
    tokenizer_for,
    tokenizer_identity,
    unsent_notes,
)
from ragvlc.generators._model_files import ServedTemplate
from ragvlc.text.replies import broken_off, finish_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

__all__ = ["LangChainGenerator"]

_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_SECRET = re.compile(r"(?i)(^|[_-])(key|token|secret|password|authorization|credentials?)$")


def _class_name(name: str) -> str:
    module, colon, cls = name.partition(":")
    if not (colon and all(part.isidentifier() for part in module.split(".")) and cls.isidentifier()):
        raise ValueError("must be module:Class of a chat model, such as langchain_openai:ChatOpenAI.")
    return name


def _without_secrets(arguments: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    for name, value in _leaves(arguments):
        if _SECRET.search(name) and isinstance(value, str):
            raise ValueError(
                f"'{name}' looks like a secret, and files with secrets get shared. Put it into an environment variable "
                f"and write {name}: {{env: NAME}}."
            )
    for name in sorted(set(arguments) & {other for names in NAMES.values() for other in names}):
        raise ValueError(f"'{name}' cannot be set here: requests and the generator's own settings set it.")
    return arguments


def _leaves(value: JsonValue | Mapping[str, JsonValue], name: str = "") -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, Mapping):
        if not is_reference(value):
            for inner_name, inner in value.items():
                yield from _leaves(inner, inner_name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value


def _known_settings(names: Mapping[str, str | None]) -> Mapping[str, str | None]:
    for name in names:
        if name not in NAMES:
            raise ValueError(f"'{name}' is no setting of a request. Known: {', '.join(NAMES)}.{nearest(name, NAMES)}")
    return names


class LangChainGenerator(ServedTemplate, Generator):
    """A LangChain chat model.

    Its class is imported when the model opens: a file that names one is trusted like code. Retries are the model's own
    (`arguments: {max_retries: 6}`).

    Attributes:
        chat_model: `module:Class`, such as `langchain_openai:ChatOpenAI`.
        arguments: for the class, as JSON; `{env: NAME}` is replaced by an environment variable, which is read when the
            model opens and stored nowhere.
        names: the class's names for `max_tokens`, `temperature`, `top_p` or `seed`, if they are unusual; null never
            sets one.
        tokenizer_from: counts tokens: folder, hub id or `packaged:NAME` of the model's tokenizer, or None for an
            estimate that is rather too high. The key has a hash of its files.
        window: the largest number of tokens of prompt and answer together; None takes the model's profile.
        system: a system message.
        concurrency: the largest number of calls at a time, over all threads.
        deadline_seconds: the longest time of a call as a whole; timeouts of its parts are the model's own settings.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    version: ClassVar[int] = 1
    chat_model: Annotated[str, AfterValidator(_class_name)]
    arguments: Annotated[Mapping[str, JsonValue], AfterValidator(_without_secrets)] = Field(default_factory=dict)
    names: Annotated[Mapping[str, str | None], AfterValidator(_known_settings)] = Field(default_factory=dict)
    tokenizer_from: Annotated[packaged.Model | None, Execution] = None
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    concurrency: Annotated[int, Field(ge=1), Execution] = 8
    deadline_seconds: Annotated[float, Field(gt=0), Execution] = 6000.0

    @model_validator(mode="after")
    def _has_no_server(self) -> Self:
        if self.tokenizer_from == SERVER:
            raise ValueError("tokenizer_from: 'server' needs kind: openai_compatible. Name a folder or hub id here.")
        for name, unset in (("temperature", self.temperature == 0), ("top_p", self.top_p == 1)):
            if name in self.names and self.names[name] is None and not unset:
                raise ValueError(
                    f"{name}: {getattr(self, name):g} would not be sent: names leaves {name} out. Take out one of them."
                )
        return self

    @property
    def greedy(self) -> bool:
        """Whether the temperature is set; without it the service samples at its own."""
        return self.names.get("temperature", "temperature") is not None

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of the tokenizer's files. Imports no model and uses no network."""
        return tokenizer_identity(self.tokenizer_from)

    def tokenizer(self) -> RemoteTokenizer:
        """Returns the tokenizer that counts tokens for the chat model."""
        return tokenizer_for(self.tokenizer_from, self.system, {})

    def trial(self, seconds: float) -> Self:
        """Returns a copy whose calls end after `seconds`."""
        return self.model_copy(update={"deadline_seconds": min(seconds, self.deadline_seconds)})

    def open(self) -> _LangChainEngine:
        """Returns the engine of the chat model. Raises `EngineError` or `MissingExtra` if it cannot be created."""
        return _LangChainEngine(self)


@dataclass(slots=True)
class _StreamedMessages:
    """The answer collected from a stream of messages, with its times and usage.

    Attributes:
        most: characters at which reading ends, because the model ignores its limit of tokens.
        cut_here: whether it has ended there.
    """

    started: float
    most: int
    parts: ReplyParts = field(default_factory=ReplyParts)
    first: float | None = None
    last: float = 0.0
    usage: Usage | None = None
    cut_here: bool = False


class _LangChainEngine:
    """Engine of a LangChain chat model, with a limit on concurrent calls."""

    def __init__(self, spec: LangChainGenerator) -> None:
        self._spec = spec
        self._tokenizer = spec.tokenizer()
        self._models = ChatModels(spec.chat_model, spec.arguments, spec.names)
        self._window = spec.window or _own_window(spec, self._models.get({}))
        self._limit = ConcurrencyLimit(spec.concurrency, f"'{spec.chat_model}'", spec.deadline_seconds)
        self._counts = None if self._tokenizer.estimated else PromptCounts(self._tokenizer, spec.system)

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order; requests run concurrently.

        Raises `WindowExceeded` before any is sent, and `EngineError` for what the model raises: transient for 429, 5xx,
        timeouts and broken connections.
        """
        return self._limit.run(self._one, [(request, self._prompt_ids(request)) for request in requests])

    def close(self) -> None:
        """Finishes running calls and refuses later ones."""
        self._limit.close()

    def _prompt_ids(self, request: Request) -> Sequence[int]:
        """Returns the ids of a prompt, after checking that it fits and can be asked for."""
        if request.logprobs:
            raise EngineError(
                f"{self._spec.chat_model}: LangChain's chat models share no setting for log-probabilities. Use "
                f"kind: openai_compatible or transformers."
            )
        model, about = self._spec.chat_model, self._tokenizer.estimated
        found = prompt_ids(request, self._tokenizer, self._window, model=model, estimated=about)
        return () if self._counts is None else numbers(found)  # held until the answer is there: few bytes each

    def _one(self, asked: tuple[Request, Sequence[int]], group: CallGroup) -> Generation:
        request, ids = asked
        return counted(self._counts, ids, lambda: self._answered(request, group), group.check)

    def _answered(self, request: Request, group: CallGroup) -> Generation:
        sent = self._tokenizer.control.neutralize(request.prompt)
        model = self._models.get(self._settings(request))
        conversation = _conversation(sent.text, request.prompt.system or self._spec.system)
        streamed = _StreamedMessages(time.perf_counter(), CHARACTERS_PER_TOKEN * request.max_tokens)
        failure = None
        try:
            self._read_stream(model, conversation, list(request.stop) or None, streamed, group)
        except Exception as error:
            if group.cancelled.is_set():
                raise
            failure = replace(read_failure(error, self._models.secrets), unreachable=is_unreachable(error))
        if failure is None and broken_off(streamed.parts.reason):
            words = f"the model broke off its answer: its finish reason is '{streamed.parts.reason}'"
            failure = ApiFailure(words, transient=True)
        if failure is not None:  # outside the handler, or it would be chained to the model's error, with its key
            names = self._models.names
            known = {name: None for name in names.values() if name is not None}
            raise failure.exception(self._spec.chat_model, advice_on(failure, known, names, setting="names"))
        return self._generation(request, group, streamed, _streams(model), sent.count)

    def _settings(self, request: Request) -> dict[str, Any]:
        spec = self._spec
        temperature = spec.temperature if request.temperature is None else request.temperature
        settings: dict[str, Any] = {"max_tokens": request.max_tokens, "temperature": temperature}
        if temperature > 0:
            settings["top_p"] = spec.top_p if request.top_p is None else request.top_p
        if temperature > 0 or not spec.greedy:
            settings["seed"] = request.seed
        return settings

    @staticmethod
    def _read_stream(
        model: BaseChatModel,
        conversation: list[BaseMessage],
        stop: list[str] | None,
        streamed: _StreamedMessages,
        group: CallGroup,
    ) -> None:
        for chunk in model.stream(conversation, stop=stop):
            group.check()
            now = time.perf_counter()
            found = streamed.parts.take(_fields(chunk))
            streamed.last = now
            if found and streamed.first is None:
                streamed.first = now
            streamed.usage = _added(streamed.usage, getattr(chunk, "usage_metadata", None))
            reasons = (chunk.response_metadata.get(name) for name in _REASONS)
            streamed.parts.reason = next((str(reason) for reason in reasons if reason), streamed.parts.reason)
            if streamed.parts.sent > streamed.most:
                streamed.cut_here = True
                streamed.parts.cut(streamed.most)
                break

    def _generation(
        self, request: Request, group: CallGroup, streamed: _StreamedMessages, streams: bool, broken: int
    ) -> Generation:
        usage = streamed.usage
        sent = streamed.parts.reply(thought_tokens=(usage.thought_tokens or None) if usage else None)
        text, stopped = cut_at_stop(sent.text, request.stop)
        finish: Finish = "stop" if stopped else finish_of(sent.reason)
        notes: dict[str, Any] = {"control_strings_broken": broken} if broken else {}
        notes |= unsent_notes(request.prompt)
        if self._tokenizer.estimated:
            notes["token_counts"] = "estimated"  # noqa: S105 - not that kind of token
        if usage is None:
            written = self._tokenizer.count(sent.text) + self._tokenizer.count(sent.thought)
            usage = Usage(len(self._tokenizer.render(request.prompt)), 0, written, 1)
            notes["usage_from"] = "estimate" if self._tokenizer.estimated else "tokenizer"
        if not self._models.names["max_tokens"] and len(spans := self._tokenizer.spans(text)) > request.max_tokens:
            text, finish = text[: spans[request.max_tokens - 1][1]], "length"
            streamed.cut_here = True
        if self._models.names["temperature"] is None:
            notes[UNSENT_TEMPERATURE] = True
        if streamed.cut_here:
            notes["cut_here"] = True
        seconds = streamed.last - streamed.started
        first = streamed.first - streamed.started if streams and streamed.first is not None else None
        return Generation(
            text=text,
            finish=finish,
            usage=usage,
            timing=Timing(
                queue_seconds=streamed.started - group.queued_at,
                first_token_seconds=first,
                engine_seconds=seconds,
                phases={"decode": seconds} if first is None else {"prefill": first, "decode": seconds - first},
            ),
            notes=notes,
            reply=replace(sent, text=text, reason=sent.reason if finish_of(sent.reason) == finish else finish),
        )


def _fields(message: BaseMessage) -> dict[str, Any]:
    """Returns the content of a message, and what some models put beside it: thoughts, refusals and tool calls."""
    calls = [
        *(getattr(message, "tool_calls", None) or ()),
        *(getattr(message, "tool_call_chunks", None) or ()),
        *(getattr(message, "invalid_tool_calls", None) or ()),
    ]
    return {**message.additional_kwargs, "content": message.content, **({"tool_calls": calls} if calls else {})}


def _own_window(spec: LangChainGenerator, model: BaseChatModel) -> int:
    profile = getattr(model, "profile", None) or {}
    window = profile.get("max_input_tokens")
    if not window:
        raise EngineError(f"{spec.chat_model} does not say how long its window is. Set window: in the generator.")
    return int(window)


def _streams(model: BaseChatModel) -> bool:
    """Whether the model streams its answer; without streaming, the time of the first token is unknown."""
    from langchain_core.language_models import BaseChatModel

    return type(model)._stream is not BaseChatModel._stream and model.disable_streaming is not True  # noqa: SLF001


def _conversation(text: str, system: str | None) -> list[BaseMessage]:
    from langchain_core.messages import convert_to_messages

    return convert_to_messages(messages(text, system))


def _added(before: Usage | None, counted: Mapping[str, Any] | None) -> Usage | None:
    """Returns the usage plus that of one more chunk; some models report usage in the first and in the last chunk."""
    if not counted:
        return before
    details = counted.get("input_token_details") or {}
    thought = (counted.get("output_token_details") or {}).get("reasoning") or 0
    one = Usage(
        counted["input_tokens"],
        details.get("cache_read") or 0,
        counted["output_tokens"],
        thought_tokens=thought,
        written_tokens=details.get("cache_creation") or 0,
    )
    return (before or Usage(calls=1)) + one
