"""Text engine without a model, whose replies are given by a function of the request.

`generators/scripted.py` answers with it by patterns, tests by a function of the prompt, dry runs with fillers as long
as answers are expected to be, and a replay whose routers need no model with a refusal.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragvlc.core.answer import Finish, Timing, Usage
from ragvlc.core.engines import Generation, Prompt, Request, Tokenizer
from ragvlc.core.window import prompt_ids
from ragvlc.engines.scripted.decode_state import ScriptedDecodeState
from ragvlc.engines.scripted.word_tokenizer import WordTokenizer

__all__ = ["FunctionEngine", "ScriptedCall", "ScriptedEngine", "ScriptedReply"]

_NO_SECONDS = Timing()


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A request with its prompt's tokens, as passed to the function that gives a scripted reply.

    Attributes:
        request: prompt and limits.
        prompt_ids: tokens of the prompt as they would be sent.
        opens_state: whether it opens a decode state, which says the reply token by token.
        drafts: whether that is a drafter's, with rows as wide as those of its target.
    """

    request: Request
    prompt_ids: Sequence[int]
    opens_state: bool = False
    drafts: bool = False


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """A scripted reply, with its token counts and log-probability.

    Attributes:
        text: of the reply.
        cached: tokens of the prompt that count as found in a cache of prefixes.
        tokens: of the reply; None has the tokenizer count them.
        logprob: of each token.
    """

    text: str
    cached: int = 0
    tokens: int | None = None
    logprob: float = 0.0


class ScriptedEngine:
    """A text engine whose replies are a function of the request.

    Args:
        answer: gives the reply to a call; for many threads if the engine is.
        window: tokens of prompt and answer together, or a function that returns or refuses them.
        tokenizer: counts prompts and replies; None for words.
        checks_window: raises `WindowExceeded` where prompt and new tokens exceed the window, before any reply is made.
        cuts_replies: ends replies at stop texts and at `max_tokens`, as a model would.
        timing: of each generation.
    """

    def __init__(
        self,
        answer: Callable[[ScriptedCall], ScriptedReply],
        window: int | Callable[[], int],
        tokenizer: Tokenizer | None = None,
        *,
        checks_window: bool = True,
        cuts_replies: bool = False,
        timing: Timing = _NO_SECONDS,
    ) -> None:
        self._answer = answer
        self._tokens = window
        self._tokenizer = tokenizer or WordTokenizer()
        self._checks_window = checks_window
        self._cuts_replies = cuts_replies
        self._timing = timing

    @property
    def window(self) -> int:
        """The largest number of tokens of prompt and answer together."""
        return self._tokens if isinstance(self._tokens, int) else self._tokens()

    @property
    def vocabulary(self) -> str:
        """Identifier of the vocabulary of words, which have the same ids in all decode states of a process."""
        return WordTokenizer.id

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns one reply for each request."""
        prompts = [self._render(request) for request in requests]
        return [self._generation(ScriptedCall(*asked)) for asked in zip(requests, prompts, strict=True)]

    def start(self, request: Request, *, width: int | None = None) -> ScriptedDecodeState:
        """Returns a decode state that produces the reply word by word."""
        ids = self._render(request)
        reply = self._answer(ScriptedCall(request, ids, opens_state=True, drafts=width is not None))
        return ScriptedDecodeState(reply.text, len(ids), max_tokens=request.max_tokens, width=width)

    def close(self) -> None:
        """Does nothing, because there is no memory to free."""

    def _render(self, request: Request) -> Sequence[int]:
        window = self.window if self._checks_window else sys.maxsize
        return prompt_ids(request, self._tokenizer, window)

    def _generation(self, call: ScriptedCall) -> Generation:
        reply = self._answer(call)
        text = reply.text
        finish: Finish = "stop"
        ids: tuple[int, ...] = ()
        if self._cuts_replies:
            text, finish = self._cut(text, call.request)
            ids = tuple(self._tokenizer.render(Prompt(text)))
        new = self._tokenizer.count(text) if reply.tokens is None else reply.tokens
        usage = Usage(len(call.prompt_ids), reply.cached, new, 1)
        logprobs = (reply.logprob,) * new if call.request.logprobs else None
        return Generation(text, ids, finish, usage, self._timing, logprobs)

    def _cut(self, text: str, request: Request) -> tuple[str, Finish]:
        for stop in request.stop:
            text = text.partition(stop)[0]
        spans = self._tokenizer.spans(text)
        if len(spans) <= request.max_tokens:
            return text, "stop"
        return text[: spans[request.max_tokens - 1][1]], "length"


class FunctionEngine(ScriptedEngine):
    """A text engine whose replies are a function of the prompt text; it counts words as tokens.

    Where log-probabilities are asked for, every token of a reply has the one that `sure` gives for the reply: -0.1 by
    default.

    Attributes:
        requests: every request, in the order of arrival.
        most_at_once: the largest number of requests in work at the same time.
        decode_states: every decode state, in the order of opening.
    """

    def __init__(
        self, reply: Callable[[str], str], window: int = 8192, *, sure: Callable[[str], float] | None = None
    ) -> None:
        super().__init__(self._call, window, checks_window=False)
        self._reply = reply
        self._sure = sure or (lambda _: -0.1)
        self._lock = threading.Lock()
        self._working = 0
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.decode_states: list[ScriptedDecodeState] = []

    def generate(self, requests: Sequence[Request]) -> list[Generation]:
        """Returns the function's reply to each request."""
        with self._lock:
            self.requests += requests
            self._working += len(requests)
            self.most_at_once = max(self.most_at_once, self._working)
        try:
            return super().generate(requests)
        finally:
            with self._lock:
                self._working -= len(requests)

    def start(self, request: Request, *, width: int | None = None) -> ScriptedDecodeState:
        """Returns a decode state that produces the function's reply word by word."""
        state = super().start(request, width=width)
        with self._lock:
            self.requests.append(request)
            self.decode_states.append(state)
        return state

    def _call(self, call: ScriptedCall) -> ScriptedReply:
        text = self._reply(call.request.prompt.text())
        return ScriptedReply(text, logprob=self._sure(text))
