"""Answers with their usage, timing and trace, failures stored as data, and rows of results."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ragvlc.core.data import Hit, Span
from ragvlc.core.errors import RagvlcError, lacks_resources
from ragvlc.core.replies import Reply

__all__ = [
    "PROMPT_CUT",
    "UNREAD",
    "UNSENT_TEMPERATURE",
    "Answer",
    "Failure",
    "Finish",
    "Prediction",
    "Step",
    "Timing",
    "Usage",
    "has_answer",
]

log = logging.getLogger("ragvlc")

Finish = Literal["stop", "length", "declined", "filtered", "tool_call", "refused", "none"]
"""Why a generation ended: `stop` by itself, `length` at its token limit, `declined` with the route's decline word,
`filtered` by a content filter, `tool_call` with a tool call, `refused` by the sender's refusal field or reason, `none`
without a reason that is known."""
Stage = Literal["dataset", "retrieve", "generate", "score", "route"]

UNREAD = "unread_tokens"
"""Name of the fact that a server counted so many fewer prompt tokens than were sent: it cut the prompt somewhere."""
PROMPT_CUT = "prompt_cut"
"""Flag of such an answer: what was in its context is not known."""
UNSENT_TEMPERATURE = "temperature_unsent"
"""Name of the fact that no temperature was sent, so that the server sampled at its own."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens and calls, as counted by the engine.

    `cached_tokens` (found in a prefix cache) and `written_tokens` (put into it, as reported by the server) are part of
    `prompt_tokens`, and `thought_tokens` of `completion_tokens`. `longest_prompt` is that of several calls; see
    `longest`.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    drafted: int = 0
    accepted: int = 0
    thought_tokens: int = 0
    written_tokens: int = 0
    longest_prompt: int = field(default=0, compare=False)

    @property
    def longest(self) -> int | None:
        """The most prompt tokens of a single call; None if unknown, as of several calls in older rows."""
        return self.prompt_tokens if self.calls <= 1 else self.longest_prompt or None

    def __add__(self, other: Usage) -> Usage:
        sides, calls = (self.longest, other.longest), self.calls + other.calls
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            calls,
            self.drafted + other.drafted,
            self.accepted + other.accepted,
            self.thought_tokens + other.thought_tokens,
            self.written_tokens + other.written_tokens,
            0 if None in sides or calls <= 1 else max(one or 0 for one in sides),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds, measured by the code that does the work.

    Attributes:
        queue_seconds: waiting for a turn at the engine; never the route's own time.
        first_token_seconds: from the engine's start on the first request to its first token; None if unknown.
        engine_seconds: the engine at work for this answer.
        phases: seconds by phase: search, rerank, prefill, decode. Making an index is charged apart, once a cell.
            `saved` is no part of the others: what computing the cached tokens took when it was done, where known.
    """

    queue_seconds: float = 0.0
    first_token_seconds: float | None = None
    engine_seconds: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Timing) -> Timing:
        phases = dict(self.phases)
        for name, seconds in other.phases.items():
            phases[name] = phases.get(name, 0.0) + seconds
        return Timing(
            self.queue_seconds + other.queue_seconds,
            self.first_token_seconds if self.first_token_seconds is not None else other.first_token_seconds,
            self.engine_seconds + other.engine_seconds,
            phases,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a route, with its inner steps. `facts` are scalars and ids, never whole documents."""

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = Usage()
    seconds: float = 0.0
    steps: tuple[Step, ...] = ()

    def walk(self) -> Iterator[Step]:
        """Yields this step and all steps inside it, depth first."""
        yield self
        for step in self.steps:
            yield from step.walk()


def has_answer(text: str, finish: str) -> bool:
    """Returns whether a reply with this text that ended so is an answer: see `Answer.answered`."""
    return finish == "declined" or (bool(text.strip()) and finish not in {"tool_call", "refused"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, with its ranking, context, usage, timing and trace.

    Attributes:
        text: the reply, stripped.
        route: name of the route in its pipeline.
        ranking: retrieved hits, best first, before selection; empty for routes that do not retrieve.
        context: the characters really sent, in prompt order, after truncation, for every route.
        usage: summed over every call.
        timing: summed over every call.
        trace: the steps taken, in order.
        finish: why the last generation ended, or `declined` when the model said that the text does not answer.
        reused: some generation was found in memory or on disk; its usage and timing are those of the first time.
        bills: usage by the generator's role, for prices.
        long_prompts: the part of `bills` of calls whose prompt is charged as a long one, by `role>limit`.
        memory: bytes that `process` and `device` held at most while this question was in work, everything else that
            was in work with it included.
        thought: what was read as thought in the last reply, or sent apart as thought; no part of the answer.
        reply: the last reply as it came; None if it was the text and nothing else, or is not known.
    """

    text: str
    route: str = ""
    ranking: tuple[Hit, ...] = ()
    context: tuple[Span, ...] = ()
    usage: Usage = Usage()
    timing: Timing = Timing()
    trace: tuple[Step, ...] = ()
    finish: Finish = "stop"
    reused: bool = False
    bills: Mapping[str, Usage] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    thought: str = ""
    reply: Reply | None = None
    long_prompts: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether there is an answer: no answer is no refusal, and a decline word is an answer."""
        return has_answer(self.text, self.finish)

    def facts(self, name: str) -> Iterator[Any]:
        """Yields the value of the fact `name` from every step that has this fact."""
        for root in self.trace:
            for step in root.walk():
                if name in step.facts:
                    yield step.facts[name]

    @property
    def dropped_tokens(self) -> int:
        """Number of document tokens left out by truncation; 0 if all documents fitted."""
        return sum(self.facts("dropped_tokens"))

    @property
    def unread_tokens(self) -> int:
        """Number of prompt tokens that servers did not read, at unknown places; 0 if none is known."""
        return sum(self.facts(UNREAD))

    @property
    def sampled_by_server(self) -> bool:
        """Whether a server sampled at a temperature of its own, because none could be sent."""
        return any(self.facts(UNSENT_TEMPERATURE))

    @property
    def flags(self) -> tuple[str, ...]:
        """Remarks for the row, whatever the metrics say."""
        return (PROMPT_CUT,) if self.unread_tokens else ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that one example failed with. `transient` means that trying again later may help."""

    stage: str
    type: str
    message: str
    transient: bool = False

    @classmethod
    def of(cls, stage: str, error: Exception) -> Failure:
        """Returns a failure that records the error's type and message."""
        if not isinstance(error, RagvlcError):
            log.debug("a question failed", exc_info=error)
        transient = bool(getattr(error, "transient", False)) or lacks_resources(error)
        return cls(stage, type(error).__name__, str(error), transient)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One row of a results file: an answer or a failure, with its scores.

    Attributes:
        example_id: whose row it is.
        example_key: content hash of the example it was made from.
        answer: None when it failed.
        failure: None when it answered.
        scores: by metric label; None where a metric does not apply.
        flags: remarks of metrics, such as `unparsed`.
        scored_by: key of the metric behind each score, so that an edited metric is noticed.
        scoring: tokens and calls of models that scored it.
        version: of the format in which the row was stored.
        unknown: fields of other versions, at the places where they were stored; written again with the row.
    """

    example_id: str
    example_key: str = ""
    answer: Answer | None = None
    failure: Failure | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    scored_by: Mapping[str, str] = field(default_factory=dict)
    scoring: Usage = Usage()
    version: int = 3
    unknown: Mapping[str, Any] = field(default_factory=dict)
