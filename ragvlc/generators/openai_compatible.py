"""Language models behind a server that speaks OpenAI's chat protocol: vLLM, Ollama, TGI, llama.cpp, OpenAI and others.

Answers are streamed, for a true time to the first token. Document text goes to the server as data: strings that its
tokenizer would take for control are broken up by a blank (see `engines.remote.control_strings`), and the answer's step
says how many.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
from ragvlc.engines.remote.concurrency import Lanes, Turn
from ragvlc.engines.remote.control_strings import Broken
from ragvlc.engines.remote.server import Address, Server
from ragvlc.engines.remote.streaming import Reply, cut_at, read
from ragvlc.engines.remote.tokenizers import RemoteTokenizer, identity, messages, tokenizer_for

__all__ = ["OpenAICompatible"]

_OURS = frozenset(
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
_LENGTH = frozenset({"length", "max_tokens"})
_STOP = frozenset({"stop", "eos_token", "end_turn", "stop_sequence"})
_MOST_STOPS = 4  # servers after OpenAI's pattern refuse more; the rest is cut here


def _server_root(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the address of a server, such as http://127.0.0.1:8000/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query. Put the key into a variable named by api_key_env.")
    return url.rstrip("/")


def _variable(name: str | None) -> str | None:
    # Upper case only, and the message does not repeat it: what is written here by mistake is the key itself.
    if name is not None and not (name.isidentifier() and name.isascii() and name == name.upper()):
        raise ValueError("must be the name of an environment variable in capitals, such as OPENAI_API_KEY, not a key.")
    return name


def _free(fields: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    taken = sorted(_OURS & set(fields))
    if taken:
        raise ValueError(f"{', '.join(taken)} cannot be set here: requests and the generator's own settings set them.")
    return fields


class OpenAICompatible(Generator):
    """A model that a server answers for.

    Servers cut prompts differently when they are too long: vLLM and OpenAI refuse them, Ollama drops the beginning
    without a word, so give `window` the length it was started with (`num_ctx`). With a tokenizer from files, or the
    estimate, a prompt too long is never sent.

    Attributes:
        url: of the server, up to and including `/v1`.
        model: the server's name for the model.
        api_key_env: name of the environment variable that holds the key, read when the model opens and kept nowhere.
        tokenizer_from: what counts tokens: folder, hub id or `packaged:NAME` of the model's tokenizer, `server` for
            the server's own (vLLM's `/tokenize`), or None for an estimate that is rather too high. Part of the key by
            what its files hold.
        window: tokens of prompt and answer together; None asks the server, which vLLM and some others answer.
        system: a system message.
        limit_name: what the server calls the limit of new tokens; OpenAI's newer models want the second.
        extra: further fields of the request's body, such as `top_k: 20` or `chat_template_kwargs: {...}`.
        concurrency: requests in work at a time, over all threads.
        timeout_seconds: an attempt is given up after so long without a sign of life from the server.
        retries: further attempts after 429, 5xx, timeouts and broken connections.
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
    extra: Annotated[Mapping[str, JsonValue], AfterValidator(_free)] = Field(default_factory=dict)
    concurrency: Annotated[int, Field(ge=1), Execution] = 16
    timeout_seconds: Annotated[float, Field(gt=0), Execution] = 600.0
    retries: Annotated[int, Field(ge=0), Execution] = 5

    def identity(self) -> Mapping[str, Any]:
        """Returns what the tokenizer's files hold. Asks no server."""
        return identity(self.tokenizer_from)

    @property
    def address(self) -> Address:
        """Where the model is served."""
        return Address(self.url, self.model, self.api_key_env, self.timeout_seconds, self.retries)

    def tokenizer(self) -> RemoteTokenizer:
        """Returns what counts tokens; `server` connects at the first question."""
        options = self.extra.get("chat_template_kwargs")
        return tokenizer_for(
            self.tokenizer_from, self.system, options if isinstance(options, Mapping) else {}, self.address
        )

    def open(self) -> _ServerEngine:
        """Returns the connection. Raises `EngineError` if there is no key, or no window where it must be asked for."""
        return _ServerEngine(self)


class _ServerEngine:
    """The connection, its lanes, and what was learned about the server."""

    def __init__(self, spec: OpenAICompatible) -> None:
        self._spec = spec
        self._server = Server(spec.address)
        self._tokenizer = spec.tokenizer()
        self._window = spec.window or self._server.window()
        self._lanes = Lanes(spec.concurrency, str(spec.address))
        self._asks_usage = True

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""
        return self._window

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one generation a request, in order; they are in work side by side.

        Raises `WindowExceeded` before any is sent, where the tokens can be counted here; a transient `EngineError` once
        all attempts failed for passing reasons.
        """
        if self._spec.tokenizer_from != "server":  # which counts for itself, and vLLM refuses what does not fit
            about = self._tokenizer.estimated
            for request in requests:
                prompt_ids(request, self._tokenizer, self._window, model=self._spec.model, estimated=about)
        return self._lanes.run(self._one, requests)

    def close(self) -> None:
        """Closes the connections; requests under way run out."""
        self._lanes.close()
        self._server.close()

    def _one(self, request: Request, turn: Turn) -> Generation:
        sent = self._tokenizer.control.break_up(request.prompt)
        body = self._body(request)

        def attempt() -> Reply:
            turn.check()
            return self._streamed(sent.text, body, turn)

        tried = self._server.patiently(attempt, turn.abandoned)
        if request.logprobs and tried.value.logprobs is None and tried.value.text:
            raise EngineError(f"{self._spec.address} gives no log-probabilities, which were asked for.")
        return self._generation(request, turn, sent, tried.value, tried.failures)

    def _body(self, request: Request) -> dict[str, Any]:
        spec = self._spec
        temperature = spec.temperature if request.temperature is None else request.temperature
        body: dict[str, Any] = {**spec.extra, spec.limit_name: request.max_tokens, "temperature": temperature}
        if temperature > 0:
            body["top_p"] = spec.top_p if request.top_p is None else request.top_p
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop[:_MOST_STOPS])
        if request.logprobs:
            body["logprobs"] = True
        return body

    def _streamed(self, text: str, body: Mapping[str, Any], turn: Turn) -> Reply:
        """Returns the answer to one attempt. A server that does not know `stream_options` is asked without, at once."""
        import openai

        with_usage = self._asks_usage
        try:
            return self._call(text, {**body, "stream_options": {"include_usage": True}} if with_usage else body, turn)
        except openai.APIStatusError as error:
            if not (with_usage and error.status_code in {400, 422} and "stream_options" in error.response.text):
                raise
        self._asks_usage = False
        return self._call(text, body, turn)

    def _call(self, text: str, body: Mapping[str, Any], turn: Turn) -> Reply:
        conversation: Any = messages(text, self._spec.system)
        started = time.perf_counter()
        with self._server.client.chat.completions.create(
            model=self._spec.model, messages=conversation, stream=True, extra_body=dict(body)
        ) as stream:
            return read(stream, started, turn.check)

    def _generation(self, request: Request, turn: Turn, sent: Broken, reply: Reply, failures: int) -> Generation:
        text, stopped = cut_at(reply.text, request.stop)
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
            finish="length" if reply.reason in _LENGTH and not stopped else "stop",
            usage=usage,
            timing=Timing(
                queue_seconds=reply.started - turn.asked,  # failed attempts and the waits after them are in it
                first_token_seconds=first - reply.started,
                engine_seconds=reply.last - reply.started,
                phases={"prefill": first - reply.started, "decode": reply.last - first},
            ),
            logprobs=tuple(reply.logprobs or ()) if request.logprobs else None,
            notes=notes,
        )

    def _counted(self, request: Request, reply: Reply) -> Usage:
        """Returns our own count, for servers that do not give theirs."""
        return Usage(len(self._tokenizer.render(request.prompt)), 0, self._tokenizer.count(reply.text), 1)


def _notes(reply: Reply, asked: str) -> dict[str, Any]:
    """Returns what the trace should say beside the answer: only what is out of the ordinary, and who answered."""
    notes: dict[str, Any] = {}
    if reply.model and reply.model != asked:
        notes["served_model"] = reply.model
    if reply.fingerprint:
        notes["system_fingerprint"] = reply.fingerprint
    if reply.reasoning:
        notes["reasoning_characters"] = reply.reasoning
    if reply.reason not in _LENGTH | _STOP:
        notes["finish_reason"] = reply.reason
    return notes
