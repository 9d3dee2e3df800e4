"""The figures of a cell's rows as columns: all that means, tables and figures need, in about 300 bytes a row.

A row is read once, its figures go into the columns, and the row is dropped: what the columns do not have (texts,
ranking, trace) is read again from its line, for the few rows that are shown. An entry of a column belongs to the
question at the same place in `ids`, which has the order of the questions.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from math import inf, isnan, nan
from struct import Struct
from typing import Any

from msgspec import UNSET

from ragvlc.core.answer import Answer, Failure, Prediction, Usage, has_answer
from ragvlc.core.answer_json import read_steps, step_json
from ragvlc.core.prices import bill_money, prices_of
from ragvlc.results.applicable import blank_labels
from ragvlc.results.cuts import TextCuts, text_cuts
from ragvlc.results.positions import context_position, read_from_start
from ragvlc.results.questions import StoredQuestions
from ragvlc.results.row_form import AnswerForm, RowForm, StepForm, row_form, trace_values
from ragvlc.results.speculation import Speculation, speculation_of
from ragvlc.results.trace_facts import TraceFacts
from ragvlc.results.unanswered import cause

__all__ = ["CellColumns", "ColumnsBuilder", "columns_of", "known"]

NUMBERS = (
    *("prompt_tokens", "cached_tokens", "completion_tokens", "thought_tokens", "calls"),
    *("queue_seconds", "first_token_seconds", "engine_seconds", "search_seconds", "rerank_seconds", "saved_seconds"),
    *("dropped_tokens", "empty_replies", "agents", "paths", "attention_pairs"),
    *("process_bytes", "device_bytes", "money", "evidence_position", "signal"),
    *("written_tokens", "longest_prompt", "sent_characters", "lead_characters"),
)
"""Of an answer; NaN for a number that is not known, and for all of a question without an answer."""
MARKS = ("answered", "replied", "reused", "sampled_by_server", "thoughts_read", "routed", "always")
WORDS = ("route", "finish", "cause", "wrapped", "taken", "favours", "role")
NO_WORDS = ("",) * len(WORDS)
Indexes = tuple[tuple[str | int, float], ...]
Bills = Mapping[str, Usage]
_NUMBERS, _MARKS = Struct(f"{len(NUMBERS)}d"), Struct(f"{len(MARKS)}?")
_NO_BILL = nan, "", (nan, nan)


def known(values: Iterable[float]) -> list[float | None]:
    """Returns the numbers, with None in place of NaN."""
    found = list(values)
    if not isnan(sum(found)):  # as in nearly all columns
        return found  # type: ignore[return-value]
    return [None if value != value else value for value in found]  # noqa: PLR0124 - NaN alone differs from itself


@dataclass
class CellColumns:
    """CellColumns of the rows of one cell.

    Attributes:
        ids: of the questions with a row.
        scores: by metric label; NaN where there is none.
        numbers: of the answers, by name: see `NUMBERS`. `money` is that of the prices with which they were built,
            `evidence_position` is -1 where none of the evidence was sent, and `signal` the router's score. The longest
            prompt is 0 where it is not known; characters (see `read_from_start`) are read where there are prices.
        marks: 1 or 0, by name: see `MARKS`. `replied`: there is a reply;
            `routed`: the trace begins with the choice of a route; `always`: for the
            only route there is.
        words: by name: see `WORDS`. `cause`: why there is no answer; `wrapped`: which route of a wrapper ran last;
            `taken`: name of the route that answered; `favours`: the route for which the router's score speaks; `role`:
            of the only model whose usage is on the bill, where there are prices.
        flags: remarks of each row.
        scoring_tokens: of models that scored.
        scored_by: labels of the metrics with a score that is up to date, or was when it was stored.
        indexes: index and its seconds, of each step that made or found one.
        cuts: texts that were not read whole, by place.
        speculation: sums of speculative decoding, by place.
        failures: by place.
        bills: usage by role, and that of long prompts, by place, where there are prices and the word `role` is empty.
    """

    ids: Sequence[str]
    scores: dict[str, array[float]] = field(default_factory=dict)
    numbers: dict[str, array[float]] = field(default_factory=dict)
    marks: dict[str, bytearray] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    flags: list[tuple[str, ...]] = field(default_factory=list)
    scoring_tokens: array[int] = field(default_factory=lambda: array("q"))
    scored_by: list[frozenset[str]] = field(default_factory=list)
    indexes: list[Indexes] = field(default_factory=list)
    cuts: dict[int, TextCuts] = field(default_factory=dict)
    speculation: dict[int, Speculation] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    bills: dict[int, tuple[Bills, Bills]] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """Number of rows with an answer."""
        return self.marks["answered"].count(1)

    def of(self, name: str) -> list[float]:
        """Returns a number of all answers; NaN where it is not known."""
        return list(compress(self.numbers[name], self.marks["answered"]))

    def a_call(self, name: str) -> list[float]:
        """Returns a number of all answers, divided by their calls; 0 for an answer without any."""
        return [value / calls if calls else 0.0 for value, calls in zip(self.of(name), self.of("calls"), strict=True)]

    def bill(self, place: int) -> Bills:
        """Returns the usage of an answer by role; empty where none was charged, or without prices."""
        if place in self.bills:
            return self.bills[place][0]
        role = self.words["role"][place]
        names = ("prompt_tokens", "cached_tokens", "completion_tokens", "calls", "written_tokens", "longest_prompt")
        prompt, cached, completion, calls, written, longest = (
            int(self.numbers[name][place] if role else 0) for name in names
        )
        usage = Usage(prompt, cached, completion, calls, written_tokens=written, longest_prompt=longest)
        return {role: usage} if role else {}

    def whole_seconds(self) -> list[float]:
        """Returns the seconds of search, reranking and engine of all answers, without indexing."""
        parts = (self.of(name) for name in ("engine_seconds", "search_seconds", "rerank_seconds"))
        return [engine + (search + rerank) for engine, search, rerank in zip(*parts, strict=True)]

    def marked(self, name: str) -> int:
        """Returns the number of rows with a mark."""
        return self.marks[name].count(1)

    def named(self, name: str) -> list[str]:
        """Returns a word of all answers."""
        return list(compress(self.words[name], self.marks["answered"]))

    def scored(self, label: str) -> list[float | None]:
        """Returns the scores by a metric, in the order of `ids`."""
        return known(self.scores[label]) if label in self.scores else [None] * len(self.ids)

    def numbered(self, name: str) -> Iterator[tuple[str, float]]:
        """Yields question and number of each answer."""
        answered = self.marks["answered"]
        return zip(compress(self.ids, answered), compress(self.numbers[name], answered), strict=True)

    def blank(self, by_route: Mapping[str, Sequence[str]]) -> None:
        """Takes out scores of metrics that do not apply to the route, and all of them if nothing was answered."""
        if not self.answers:
            for column in self.scores.values():
                column[:] = array("d", [nan]) * len(column)
        if by_route:
            answered, routes = self.marks["answered"], self.words["route"]
            for place in range(len(self.ids)):
                for label in blank_labels(routes[place] if answered[place] else None, by_route):
                    if label in self.scores:
                        self.scores[label][place] = nan

    def any_unfinished(self, labels: Collection[str]) -> bool:
        """Returns whether another run may complete some row: a transient failure, or a missing score."""
        wanted = set(labels)
        return any(
            not wanted <= scored_by if (failure := self.failures.get(place)) is None else failure.transient
            for place, scored_by in enumerate(self.scored_by)
        )

    def index_seconds(self) -> dict[str | int, float]:
        """Returns the seconds that each index took, by its id."""
        return {index: seconds for one in self.indexes for index, seconds in one}


class ColumnsBuilder:
    """Takes rows in any order; of several rows of a question the last counts.

    Args:
        questions: all of them.
        prices: of the generators, by role.
    """

    def __init__(self, questions: StoredQuestions, prices: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        n = len(questions)
        self._questions, self._evidence = questions, questions.evidence
        self._ids = questions.ids
        self._there = bytearray(n)
        self._prices = prices_of(prices)
        self._shared: dict[Any, Any] = {}
        self._labels: dict[tuple[str, ...], frozenset[str]] = {}
        # All numbers of a row lie side by side until the end: one assignment a row.
        self._numbers = array("d", [nan]) * (n * len(NUMBERS))
        self._marks = bytearray(n * len(MARKS))
        self._words: list[tuple[str, ...]] = [NO_WORDS] * n
        self._columns = CellColumns(
            self._ids,
            flags=[()] * n,
            scoring_tokens=array("q", [0]) * n,
            scored_by=[frozenset()] * n,
            indexes=[()] * n,
        )

    def add(self, place: int, row: RowForm, source: bytes | Prediction) -> None:
        """Puts the figures of a row at the place of its question.

        Args:
            place: of the question.
            row: its values.
            source: the line, or the row in memory, that they are from.
        """
        if self._there[place]:
            self.remove(place)
        self._there[place] = 1
        found, shared = self._columns, self._shared
        for label, score in row.scores.items():
            column = found.scores.get(label)
            if column is None:
                column = found.scores[label] = array("d", [nan]) * len(self._ids)
            column[place] = nan if score is None else score
        if row.flags:
            flags = tuple(row.flags)
            found.flags[place] = shared.setdefault(flags, flags)
        labels = tuple(row.scored_by)
        found.scored_by[place] = self._labels.get(labels) or self._labels.setdefault(labels, frozenset(labels))
        found.scoring_tokens[place] = row.scoring.prompt_tokens + row.scoring.completion_tokens
        if row.failure is not None:
            found.failures[place] = shared.setdefault(row.failure, row.failure)
        if row.answer is not None:
            self._answer(place, row.answer, source)

    def done(self) -> CellColumns:
        """Returns the columns of the questions that have a row."""
        found = self._columns
        found.numbers = {name: self._numbers[at :: len(NUMBERS)] for at, name in enumerate(NUMBERS)}
        found.marks = {name: self._marks[at :: len(MARKS)] for at, name in enumerate(MARKS)}
        found.words = {name: [words[at] for words in self._words] for at, name in enumerate(WORDS)}
        keep = self._there
        self._shared, self._numbers, self._marks, self._words = {}, array("d"), bytearray(), []
        if len(self._ids) == sum(keep):
            return found
        places = {old: new for new, old in enumerate(compress(range(len(keep)), keep))}
        return CellColumns(
            list(compress(self._ids, keep)),
            {label: array("d", compress(column, keep)) for label, column in found.scores.items()},
            {name: array("d", compress(column, keep)) for name, column in found.numbers.items()},
            {name: bytearray(compress(column, keep)) for name, column in found.marks.items()},
            {name: list(compress(column, keep)) for name, column in found.words.items()},
            list(compress(found.flags, keep)),
            array("q", compress(found.scoring_tokens, keep)),
            list(compress(found.scored_by, keep)),
            list(compress(found.indexes, keep)),
            {places[place]: one for place, one in found.cuts.items()},
            {places[place]: one for place, one in found.speculation.items()},
            {places[place]: one for place, one in found.failures.items()},
            {places[place]: one for place, one in found.bills.items()},
        )

    def remove(self, place: int) -> None:
        """Takes out the figures of a question's row."""
        found = self._columns
        self._there[place] = 0
        for column in found.scores.values():
            column[place] = nan
        self._put(place, [nan] * len(NUMBERS), [False] * len(MARKS), NO_WORDS)
        found.flags[place], found.indexes[place], found.scoring_tokens[place] = (), (), 0
        for sparse in (found.cuts, found.speculation, found.failures, found.bills):
            sparse.pop(place, None)

    def _put(self, place: int, numbers: Sequence[float], marks: Sequence[bool], words: tuple[str, ...]) -> None:
        _NUMBERS.pack_into(self._numbers, place * _NUMBERS.size, *numbers)
        _MARKS.pack_into(self._marks, place * _MARKS.size, *marks)
        self._words[place] = self._shared.setdefault(words, words)

    def _answer(self, place: int, row: AnswerForm, source: bytes | Prediction) -> None:
        found, trace, memory, usage, timing = self._columns, row.trace, row.memory, row.usage, row.timing
        facts, evidence, phases = TraceFacts(trace), self._evidence[place], timing.phases
        replied = has_answer(row.text, row.finish)
        none = not replied and usage.calls > 0
        sent = context_position(evidence, row.context) if evidence else nan
        money, role, read = self._bills(place, row) if self._prices else _NO_BILL
        names = [step.name for step in trace]
        wrapped = "then" if "then" in names else "first" if "first" in names else ""
        score, favours = _signals(trace, wrapped)
        numbers = (
            usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.thought_tokens, usage.calls,
            timing.queue_seconds, nan if timing.first_token_seconds is None else timing.first_token_seconds,
            timing.engine_seconds, phases.get("search", 0.0), phases.get("rerank", 0.0), phases.get("saved", 0.0),
            facts.dropped_tokens, max(0, facts.no_answer - none), facts.agents, facts.paths, facts.pairs(usage),
            memory.get("process", 0), memory.get("device", 0), money,
            -1.0 if sent is None else sent, score,
            usage.written_tokens, usage.prompt_tokens if usage.calls <= 1 else usage.longest_prompt, *read,
        )  # fmt: skip
        routed = bool(names) and names[0] == "route"
        always = routed and trace[0].facts.reason == "always"
        marks = (True, replied, row.reused, facts.sampled_by_server, facts.thoughts_read, routed, always)
        taken = _taken(trace, wrapped) if wrapped else row.route
        words = (row.route, row.finish, cause(row) if none else "", wrapped, taken, favours, role)
        self._put(place, numbers, marks, words)
        if facts.indexes:
            indexes = tuple(facts.indexes)
            found.indexes[place] = self._shared.setdefault(indexes, indexes)
        if facts.cut:
            cuts = text_cuts(_trace_of(source))
            found.cuts[place] = self._shared.setdefault(cuts, cuts)
        if facts.speculated:
            sums = speculation_of([Answer("", trace=read_steps(_trace_of(source)))])
            if sums is not None:
                found.speculation[place] = sums

    def _bills(self, place: int, row: AnswerForm) -> tuple[float, str, tuple[float, float]]:
        """Returns the money, the only role on the bill, and the characters sent and those from the start."""
        bills = {role: one.usage() for role, one in row.bills.items()}
        long_prompts = {role: one.usage() for role, one in row.long_prompts.items()}
        role = next(iter(bills)) if len(bills) == 1 and not long_prompts and row.usage.usage() in bills.values() else ""
        if bills and not role:
            self._columns.bills[place] = bills, long_prompts
        found = bill_money(bills, long_prompts, self._prices)
        read = read_from_start(row.context, self._questions.lengths[place])
        return nan if found is None else found, role, read


def columns_of(
    rows: Mapping[str, Prediction],
    examples: Sequence[Mapping[str, Any]],
    prices: Mapping[str, Mapping[str, Any]] | None = None,
) -> CellColumns:
    """Returns the columns of rows in memory; rows of no example are left out."""
    builder = ColumnsBuilder(StoredQuestions(examples), prices)
    for place, one in enumerate(examples):
        if one["id"] in rows:
            builder.add(place, row_form(rows[one["id"]]), rows[one["id"]])
    found = builder.done()
    found.blank({})
    return found


def _trace_of(source: bytes | Prediction) -> Sequence[Mapping[str, Any]]:
    """Returns the JSON values of a row's trace, with all facts."""
    if isinstance(source, bytes):
        return trace_values(source)
    return [] if source.answer is None else [step_json(step) for step in source.answer.trace]


def _taken(trace: Sequence[StepForm], wrapped: str) -> str:
    """Returns the name of a wrapper's inner route that ran last."""
    routes = (step.facts.route for step in trace if step.name == wrapped)
    return next(str(wrapped if route is UNSET else route) for route in routes)


def _signals(trace: Sequence[StepForm], wrapped: str) -> tuple[float, str]:
    """Returns the router's score, NaN without one, and which route it favours.

    Of a wrapper, they are those of its verdict on the first answer.
    """
    if not trace:
        return nan, ""
    facts, favours = trace[0].facts, ""
    for step in trace if wrapped else ():
        if step.name == "first" and step.facts.score is not UNSET:
            facts, favours = step.facts, "then"
            break
    score = facts.score
    if score is None and facts.escalate:
        score = inf  # no score: the first to be escalated
    known = isinstance(score, (int, float))
    return float(score) if known else nan, favours if facts.favours is UNSET else str(facts.favours)
