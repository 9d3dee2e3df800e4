"""Language models of servers with OpenAI's chat protocol: vLLM, Ollama, TGI, llama.cpp, OpenAI and others.

Answers are streamed, to measure the time to the first token. Document text is sent as data: control strings that the
server's tokenizer would recognise are neutralized by a space (see `engines.remote.control_strings`), and the answer's
step in the trace has their number.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, JsonValue

from ragvlc import packaged
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.component import Execution
from ragvlc.core.engines import Generation, Request
from ragvlc.core.errors import EngineError
from ragvlc.core.families import Generator
from ragvlc.core.window import prompt_ids
from ragvlc.engines.remote.concurrency import CallGroup, ConcurrencyLimit
from ragvlc.engines.remote.control_strings import NeutralizedMessage
from ragvlc.engines.remote.server import Address, Server
from ragvlc.engines.remote.streaming import StreamedReply, cut_at_stop, read_stream
from ragvlc.engines.remote.tokenizers import RemoteTokenizer, messages, tokenizer_for, tokenizer_identity
from ragvlc.text.replies import finish_of

__all__ = ["OpenAICompatible"]

_OWN_FIELDS = frozenset(
    {
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
    }
)
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
        raise ValueError(f"{', '.join(taken)} cannot be set here: requests and the generator's own settings set them.")
    return fields


class OpenAICompatible(Generator):
    """A language model served with OpenAI's chat protocol.

    Servers treat prompts that are too long differently: vLLM and OpenAI refuse them, Ollama drops their start silently,
    so set `window` to the length it was started with (`num_ctx`). With a tokenizer from files, or the estimate, a
    prompt that is too long is never sent.

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
        limit_name: the server's name for the limit of new tokens; OpenAI's newer models need the second.
        extra: further fields of the request's body, such as `top_k: 20` or `chat_template_kwargs: {...}`.
        concurrency: the largest number of requests at a time, over all threads.
        timeout_seconds: the longest time without data from the server before an attempt fails.
        retries: the number of further attempts after 429, 5xx, timeouts and broken connections.
        deadline_seconds: the longest time of a call as a whole, with all attempts, whatever signs of life the server
            sends; None takes ten times `timeout_seconds`.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    version: ClassVar[int] = 1
    url: Annotated[str, AfterValidator(_server_root)]
    model: Annotated[str, Field(min_length=1)]
    api_key_env: Annotated[str | None, AfterValidator(_variable), Execution] = None
    tokenizer_from: Annotated[packaged.Model | None, Execution] = None
    window: Annotated[int, Field(ge=2)] | None = None
    system: str | None = None
    limit_name: Annotated[Literal["max_tokens", "max_completion_tokens"], Execution] = "max_tokens"
    extra: Annotated[Mapping[str, JsonValue], AfterValidator(_check_extra)] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    timeout_seconds: Annotated[float, Field(gt=0), Execution] = 600.0
    retries: Annotated[int, Field(ge=0), Execution] = 5
    deadline_seconds: Annotated[float | None, Field(gt=0), Execution] = None

    def identity(self) -> Mapping[str, Any]:
        """Returns the hash of the tokenizer's files. Connects to no server."""
        return tokenizer_identity(self.tokenizer_from)

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

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation for each request, in order; requests run concurrently.

        Raises `WindowExceeded` before any is sent, if the tokens can be counted here; a transient `EngineError` if all
        attempts failed with transient errors.
        """
        if self._spec.tokenizer_from != "server":  # the server counts, and vLLM refuses what does not fit
            estimated = self._tokenizer.estimated
            for request in requests:
                prompt_ids(request, self._tokenizer, self._window, model=self._spec.model, estimated=estimated)
        return self._limit.run(self._one, requests)

    def close(self) -> None:
        """Finishes running requests, then closes the connections."""
        self._limit.close()
        self._server.close()

    def _one(self, request: Request, group: CallGroup) -> Generation:
        sent = self._tokenizer.control.neutralize(request.prompt)
        body = self._body(request)

        def attempt() -> StreamedReply:
            group.check()
            return self._streamed(sent.text, body, group)

        result = self._server.with_retries(attempt, group.cancelled)
        if request.logprobs and result.value.logprobs is None and result.value.parts.text:
            raise EngineError(f"{self._spec.address} gives no log-probabilities, which were requested.")
        return self._generation(request, group, sent, result.value, result.failures)

    def _body(self, request: Request) -> dict[str, Any]:
        spec = self._spec
        temperature = spec.temperature if request.temperature is None else request.temperature
        body: dict[str, Any] = {**spec.extra, spec.limit_name: request.max_tokens, "temperature": temperature}
        if temperature > 0:
            body["top_p"] = spec.top_p if request.top_p is None else request.top_p
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop[:_MAX_STOPS])
        if request.logprobs:
            body["logprobs"] = True
        return body

    def _streamed(self, text: str, body: Mapping[str, Any], group: CallGroup) -> StreamedReply:
        """Returns the reply to one attempt, repeated without `stream_options` if the server refuses that option."""
        import openai

        with_usage = self._requests_usage
        try:
            return self._send(text, {**body, "stream_options": {"include_usage": True}} if with_usage else body, group)
        except openai.APIStatusError as error:
            if not (with_usage and error.status_code in {400, 422} and "stream_options" in error.response.text):
                raise
        self._requests_usage = False
        return self._send(text, body, group)

    def _send(self, text: str, body: Mapping[str, Any], group: CallGroup) -> StreamedReply:
        conversation: Any = messages(text, self._spec.system)
        started = time.perf_counter()
        with (
            self._server.client.chat.completions.create(
                model=self._spec.model, messages=conversation, stream=True, extra_body=dict(body)
            ) as stream,
            group.reading(stream.response),
        ):
            return read_stream(stream, started, group.check, max_tokens=body[self._spec.limit_name])

    def _generation(
        self, request: Request, group: CallGroup, sent: NeutralizedMessage, reply: StreamedReply, failures: int
    ) -> Generation:
        found = reply.reply
        text, stopped = cut_at_stop(found.text, request.stop)
        finish = "stop" if stopped else finish_of(found.reason)
        # Only for a reply that was cut: a server that takes thoughts out of the text opens and closes them itself.
        opened = "" if found.thought or finish != "length" else str(getattr(self._tokenizer, "opened", ""))
        first = reply.first if reply.first is not None else reply.last
        notes = _notes(reply, self._spec.model)
        if sent.count:
            notes["control_strings_broken"] = sent.count
        if self._tokenizer.estimated:
            notes["token_counts"] = "estimated"  # noqa: S105 - not that kind of token
        if failures:
            notes["failed_attempts"] = failures
        usage = reply.usage
        if usage is None:
            usage = self._counted(request, reply)
            notes["usage_from"] = "estimate" if self._tokenizer.estimated else "tokenizer"
        return Generation(
            text=text,
            finish=finish,
            usage=usage,
            timing=Timing(
                queue_seconds=reply.started - group.queued_at,  # includes failed attempts and the waits after them
                first_token_seconds=first - reply.started,
                engine_seconds=reply.last - reply.started,
                phases={"prefill": first - reply.started, "decode": reply.last - first},
            ),
            logprobs=tuple(reply.logprobs or ()) if request.logprobs else None,
            notes=notes,
            reply=replace(found, text=text, reason="stop" if stopped else found.reason, opened=opened),
        )

    def _counted(self, request: Request, reply: StreamedReply) -> Usage:
        """Returns the token usage counted by our tokenizer, for servers that report no usage."""
        sent = reply.reply
        written = self._tokenizer.count(sent.text) + self._tokenizer.count(sent.thought)
        return Usage(len(self._tokenizer.render(request.prompt)), 0, written, 1)


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
