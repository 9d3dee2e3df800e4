"""Language models of servers with OpenAI's chat protocol: vLLM, Ollama, TGI, llama.cpp, OpenAI and others.

Answers are streamed, to measure the time to the first token. Document text is sent as data: control strings that the
server's tokenizer would recognise are neutralized by a space (see `engines.remote.control_strings`), and the answer's
step in the trace has their number.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from ragvlc import packaged
from ragvlc.core.answer import UNSENT_TEMPERATURE, Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Generator
from ragvlc.core.token_spans import numbers
from ragvlc.core.window import prompt_ids
from ragvlc.engines.remote.api_errors import ApiFailure
from ragvlc.engines.remote.concurrency import CallGroup, ConcurrencyLimit
from ragvlc.engines.remote.control_strings import NeutralizedMessage
from ragvlc.engines.remote.prompt_counts import PromptCounts, counted
from ragvlc.engines.remote.reply_events import ReplyChunks
from ragvlc.engines.remote.sent_fields import FIELDS, advice_on, checked_names, checked_preset, named, sent_names
from ragvlc.engines.remote.server import Address, Server
from ragvlc.engines.remote.streaming import StreamedReply, cut_at_stop, read_stream
from ragvlc.engines.remote.tokenizers import (
    SERVER,
    RemoteTokenizer,
    messages,
    tokenizer_for,
    tokenizer_identity,
    unsent_notes,
)
from ragvlc.generators._model_files import ServedTemplate
from ragvlc.text.replies import finish_of

__all__ = ["OpenAICompatible"]

_OWN_FIELDS = frozenset({*FIELDS, "max_completion_tokens", "messages", "model", "n"})
_DECIDING = ("max_tokens", "temperature", "top_p", "seed")
"""Fields without which a server answers otherwise."""
_Messages = list[dict[str, str]]
_MAX_STOPS = 4  # OpenAI's and similar servers refuse more; text is cut here at the others


def _server_root(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the address of a server, such as http://127.0.0.1:8000/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query. Put the key into a variable named by api_key_env.")
    return url.rstrip("/")


def _variable(name: str | None) -> str | None:
    # Upper case only, and not repeated in the message: the usual mistake is to write the API key itself here.
    if name is not None and not (name.isidentifier() and name.isascii() and name == name.upper()):
        raise ValueError("must be the name of an environment variable in capitals, such as OPENAI_API_KEY, not a key.")
    return name


def _check_extra(fields: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    taken = sorted(_OWN_FIELDS & set(fields))
    if taken:
        raise ValueError(
            f"{', '.join(taken)} cannot be set here: requests and the generator's own settings set them, and send: "
            f"leaves them out or renames them."
        )
    return fields


class OpenAICompatible(ServedTemplate, Generator):
    """A language model served with OpenAI's chat protocol.

    Servers treat prompts that are too long differently: vLLM and OpenAI refuse them, Ollama drops their start silently,
    so set `window` to the length it was started with (`num_ctx`). With a tokenizer from files, or the estimate, a
    prompt that is too long is never sent; with one from files, a prompt that the server cut all the same is noticed by
    the server's own count of tokens.

    Attributes:
        url: of the server, up to and including `/v1`.
        model: the server's name for the model.
        api_key_env: name of the environment variable with the API key, read when the model opens and stored nowhere.
        tokenizer_from: counts tokens: folder, hub id or `packaged:NAME` of the model's tokenizer, `server` for the
            server's own (vLLM's `/tokenize`), or None for an estimate that is rather too high. The key has a hash of
            its files.
        window: the largest number of tokens of prompt and answer together; None takes the server's answer, which vLLM
            and some others give.
        system: a system message.
        server: a known server, whose differences from OpenAI's protocol are set: `openai_reasoning`, `anthropic`,
            `gemini`, `mistral`, `ollama` and others, listed in `docs/servers.md`. What the file sets itself wins.
        send: the server's names for fields of a request, or null to leave one out: `{temperature: null, seed:
            random_seed}`. Fields: max_tokens, temperature, top_p, seed, stop, logprobs, stream, stream_options.
        limit_name: the server's name for the limit of new tokens; OpenAI's newer models need the second.
        extra: further fields of the request's body, such as `top_k: 20`, `reasoning_effort: low` or
            `chat_template_kwargs: {...}`.
        missing_finish: whether a whole stream without a finish reason is an answer (`accept`) or an error (`refuse`).
            A stream that breaks off is never one.
        concurrency: the largest number of requests at a time, over all threads.
        timeout_seconds: the longest time without data from the server before an attempt fails.
        retries: the number of further attempts after 429, 5xx, timeouts and broken connections.
        deadline_seconds: the longest time of a call as a whole, with all attempts, whatever signs of life the server
            sends; None takes ten times `timeout_seconds`.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    version: ClassVar[int] = 1
    later_fields: ClassVar[frozenset[str]] = Generator.later_fields | {"send", "server"}
    url: Annotated[str, AfterValidator(_server_root)]
    model: Annotated[str, Field(min_length=1)]
    api_key_env: Annotated[str | None, AfterValidator(_variable), Execution] = None
    tokenizer_from: Annotated[packaged.Model | None, Execution] = None
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    server: Annotated[str | None, AfterValidator(checked_preset)] = Field(None, examples=["ollama"])
    send: Annotated[Mapping[str, str | None], BeforeValidator(checked_names)] = Field({}, examples=[{"stop": None}])
    limit_name: Annotated[Literal["max_tokens", "max_completion_tokens"], Execution] = "max_tokens"
    extra: Annotated[Mapping[str, JsonValue], AfterValidator(_check_extra)] = Field(default_factory=dict)
    missing_finish: Annotated[Literal["refuse", "accept"], Execution] = "refuse"
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    timeout_seconds: Annotated[float, Field(gt=0), Execution] = 600.0
    retries: Annotated[int, Field(ge=0), Execution] = 5
    deadline_seconds: Annotated[float | None, Field(gt=0), Execution] = None

    @model_validator(mode="after")
    def _sends_what_is_set(self) -> Self:
        names = self.names
        for name, unset in (("temperature", self.temperature == 0), ("top_p", self.top_p == 1)):
            by = "send" if name in self.send else f"server: {self.server}"
            if names[name] is None and not unset:
                raise ValueError(
                    f"{name}: {getattr(self, name):g} would not be sent: {by} leaves {name} out. Take it out, or write "
                    f"send: {{{name}: true}}."
                )
        taken = [f"{name} ({field})" for field, name in names.items() if name in self.extra]
        if taken:
            raise ValueError(f"extra: {', '.join(taken)} is sent already, under this name.")
        return self

    @cached_property
    def names(self) -> Mapping[str, str | None]:
        """The server's name for each field of a request; None for a field that is left out."""
        return sent_names(self.server, self.send, self.limit_name)

    @property
    def greedy(self) -> bool:
        """Whether the temperature is sent; without it the server samples at its own."""
        return self.names["temperature"] is not None

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of the tokenizer's files, and what a preset leaves out. Connects to no server."""
        unsent = [field for field in _DECIDING if self.names[field] is None]
        return {**tokenizer_identity(self.tokenizer_from), **({"unsent": unsent} if unsent else {})}

    @property
    def address(self) -> Address:
        """The address of the model, with timeout and retries."""
        return Address(
            self.url, self.model, self.api_key_env, self.timeout_seconds, self.retries, self.deadline_seconds
        )

    def tokenizer(self) -> RemoteTokenizer:
        """Returns the tokenizer; the server's own tokenizer (`tokenizer_from: server`) connects at its first call."""
        options = self.extra.get("chat_template_kwargs")
        return tokenizer_for(
            self.tokenizer_from, self.system, options if isinstance(options, Mapping) else {}, self.address
        )

    def trial(self, seconds: float) -> Self:
        """Returns a copy whose only attempt ends after `seconds`."""
        limits = {"timeout_seconds": min(seconds, self.timeout_seconds), "deadline_seconds": seconds, "retries": 0}
        return self.model_copy(update=limits)

    def open(self) -> _ServerEngine:
        """Returns the engine of the served model. Raises `EngineError` if the API key or the window is not known."""
        return _ServerEngine(self)


class _ServerEngine:
    """Engine of a served model: the connection, its concurrency limit, and whether the server reports usage."""

    def __init__(self, spec: OpenAICompatible) -> None:
        self._spec = spec
        self._server = Server(spec.address)
        self._tokenizer = spec.tokenizer()
        self._window = spec.window or self._server.window()
        self._limit = ConcurrencyLimit(spec.concurrency, str(spec.address), spec.address.deadline)
        self._requests_usage = True
        exact = not self._tokenizer.estimated and spec.tokenizer_from != SERVER
        self._counts = PromptCounts(self._tokenizer, spec.system) if exact else None

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order; requests run concurrently.

        Raises `WindowExceeded` before any is sent, if the tokens can be counted here; a transient `EngineError` if all
        attempts failed with transient errors.
        """
        return self._limit.run(self._one, [(request, self._prompt_ids(request)) for request in requests])

    def _prompt_ids(self, request: Request) -> Sequence[int]:
        """Returns the ids of a prompt that fits; none where the server counts, and refuses what does not fit."""
        if self._spec.tokenizer_from == SERVER:
            return ()
        model, about = self._spec.model, self._tokenizer.estimated
        found = prompt_ids(request, self._tokenizer, self._window, model=model, estimated=about)
        return () if self._counts is None else numbers(found)  # held until the answer is there: few bytes each

    def close(self) -> None:
        """Finishes running requests, then closes the connections."""
        self._limit.close()
        self._server.close()

    def _one(self, asked: tuple[Request, Sequence[int]], group: CallGroup) -> Generation:
        request, ids = asked
        return counted(self._counts, ids, lambda: self._answered(request, group), group.check)

    def _answered(self, request: Request, group: CallGroup) -> Generation:
        sent = self._tokenizer.control.neutralize(request.prompt)
        body = self._body(request)
        conversation = messages(sent.text, request.prompt.system or self._spec.system)

        def attempt() -> StreamedReply:
            group.check()
            return self._streamed(conversation, body, group)

        def advise(failure: ApiFailure) -> str:
            own = advice_on(failure, body, self._spec.names, urlsplit(self._spec.url).hostname or "")
            return own or (self._server.served() if failure.status == 404 else "")

        if request.logprobs and self._spec.names["logprobs"] is None:
            raise EngineError(
                f"{self._spec.address}: log-probabilities were requested, and logprobs is not sent. Write "
                f"send: {{logprobs: true}} in the generator if the server has them."
            )
        result = self._server.with_retries(attempt, group.cancelled, advise=advise)
        known = [one for one in result.value.logprobs or () if one is not None]
        if request.logprobs and not known and result.value.parts.text:
            raise EngineError(f"{self._spec.address} gives no log-probabilities, which were requested.")
        return self._generation(request, group, sent, result.value, result.failures)

    def _body(self, request: Request) -> dict[str, Any]:
        spec = self._spec
        temperature = spec.temperature if request.temperature is None else request.temperature
        top_p = spec.top_p if request.top_p is None else request.top_p
        body: dict[str, Any] = {"max_tokens": request.max_tokens, "temperature": temperature}
        if temperature > 0 or not spec.greedy:
            body["seed"] = request.seed
        if temperature > 0 and (spec.greedy or top_p < 1):
            body["top_p"] = top_p
        if request.stop:
            body["stop"] = list(request.stop[:_MAX_STOPS])
        if request.logprobs:
            body["logprobs"] = True
        body["stream"] = True
        return {**spec.extra, **named(body, spec.names)}

    def _streamed(self, said: _Messages, body: Mapping[str, Any], group: CallGroup) -> StreamedReply:
        """Returns the reply to one attempt, repeated without `stream_options` if the server refuses that option."""
        import openai

        with_usage = self._requests_usage and self._spec.names["stream_options"] is not None and "stream" in body
        try:
            return self._send(said, {**body, "stream_options": {"include_usage": True}} if with_usage else body, group)
        except openai.APIStatusError as error:
            if not (with_usage and error.status_code in {400, 422} and "stream_options" in error.response.text):
                raise
        self._requests_usage = False
        return self._send(said, body, group)

    def _send(self, said: _Messages, body: Mapping[str, Any], group: CallGroup) -> StreamedReply:
        from openai import Stream
        from openai.types.chat import ChatCompletionChunk

        conversation = {"model": self._spec.model, "messages": said}
        limit = self._spec.names["max_tokens"]
        started = time.perf_counter()
        with (
            self._server.client.post(
                "/chat/completions",
                body={**conversation, **body},
                cast_to=ChatCompletionChunk,
                stream=True,  # of bytes: what the server sends is read here, whether it streams or not
                stream_cls=Stream[ChatCompletionChunk],
            ) as stream,
            group.reading(stream.response),
        ):
            chunks = ReplyChunks(stream.response.iter_bytes(), group.check)
            reply = read_stream(
                chunks,
                started,
                group.check,
                max_tokens=sys.maxsize if limit is None else body[limit],
                ended=lambda: chunks.done,
                accept_unfinished=self._spec.missing_finish == "accept",
            )
        reply.streamed = not chunks.whole
        return reply

    def _generation(
        self, request: Request, group: CallGroup, sent: NeutralizedMessage, reply: StreamedReply, failures: int
    ) -> Generation:
        found = reply.reply
        text, stopped = cut_at_stop(found.text, request.stop)
        finish = "stop" if stopped else finish_of(found.reason)
        # Only for a reply that was cut: a server that takes thoughts out of the text opens and closes them itself.
        opened = "" if found.thought or finish != "length" else str(getattr(self._tokenizer, "opened", ""))
        notes = _notes(reply, self._spec.model)
        notes |= unsent_notes(request.prompt)
        if sent.count:
            notes["control_strings_broken"] = sent.count
        if self._tokenizer.estimated:
            notes["token_counts"] = "estimated"  # noqa: S105 - not that kind of token
        if failures:
            notes["failed_attempts"] = failures
        if not self._spec.greedy:
            notes[UNSENT_TEMPERATURE] = True
        usage = reply.usage
        if usage is None:
            usage = self._counted(request, reply)
            notes["usage_from"] = "estimate" if self._tokenizer.estimated else "tokenizer"
        return Generation(
            text=text,
            finish=finish,
            usage=usage,
            timing=_timing(reply, group),
            logprobs=tuple(reply.logprobs or ()) if request.logprobs else None,
            notes=notes,
            reply=replace(found, text=text, reason="stop" if stopped else found.reason, opened=opened),
        )

    def _counted(self, request: Request, reply: StreamedReply) -> Usage:
        """Returns the token usage counted by our tokenizer, for servers that report no usage."""
        sent = reply.reply
        written = self._tokenizer.count(sent.text) + self._tokenizer.count(sent.thought)
        return Usage(len(self._tokenizer.render(request.prompt)), 0, written, 1)


def _timing(reply: StreamedReply, group: CallGroup) -> Timing:
    """Returns the times of a reply; one that came whole has no time of its first token."""
    seconds = reply.last - reply.started
    first = reply.first - reply.started if reply.streamed and reply.first is not None else None
    return Timing(
        queue_seconds=reply.started - group.queued_at,  # includes failed attempts and the waits after them
        first_token_seconds=first,
        engine_seconds=seconds,
        phases={"decode": seconds} if first is None else {"prefill": first, "decode": seconds - first},
    )


def _notes(reply: StreamedReply, asked: str) -> dict[str, Any]:
    """Returns notes for the trace, e.g. the served model if its name differs, or an unusual finish reason."""
    notes: dict[str, Any] = {}
    if reply.model and reply.model != asked:
        notes["served_model"] = reply.model
    if reply.fingerprint:
        notes["system_fingerprint"] = reply.fingerprint
    if reply.cut_here:
        notes["cut_here"] = True
    if finish_of(reply.parts.reason) not in {"stop", "length"}:
        notes["finish_reason"] = reply.parts.reason
    return notes
