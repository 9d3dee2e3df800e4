"""Results from stored answers: one cell per fixed route, router and wrapper, for each model and question group.

What comes out are the results of a sweep that was never run: `ragvlc report`, `show` and `compare` read them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Prediction, Step, Usage
from ragvlc.core.data import Example, content_key
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Choice, Metric
from ragvlc.metrics.choice_accuracy import ChoiceAccuracy
from ragvlc.metrics.refusal_recall import RefusalRecall
from ragvlc.metrics.token_f1 import TokenF1
from ragvlc.pool import EnginePool
from ragvlc.reading.escalation import Wrapper
from ragvlc.replay._halves import halves
from ragvlc.replay._questions import Group, grouped
from ragvlc.replay.deciding import Decider, Decision
from ragvlc.replay.spec import Replay, Wrapped
from ragvlc.replay.stored import Block, Stored
from ragvlc.results.loading import CellResult
from ragvlc.results.official import official_metrics
from ragvlc.sweep.scoring import failed_scores
from ragvlc.sweep.settings import Changer

__all__ = ["Replayed", "replay_answers"]

Rows = Mapping[str, Prediction]


@dataclass(frozen=True)
class Replayed:
    """The results of a replay, with the numbers of answers left out and notes on learned routers.

    Attributes:
        results: a cell for each fixed route, router and wrapper, by model and group of questions.
        dropped: what was left out of the stored answers, by reason.
        notes: what there is to say about routers that were learned.
    """

    results: Results
    dropped: Mapping[str, int]
    notes: tuple[str, ...] = ()


def replay_answers(
    replay: Replay, stored: Stored, *, folder: Path | None = None, pool: EnginePool | None = None
) -> Replayed:
    """Returns the results of every fixed route, router and wrapper on the stored answers.

    Args:
        replay: routers, metrics and names.
        stored: what was read.
        folder: where the results will stand, for their name; nothing is written.
        pool: opened models to work with; left open.

    Raises:
        ConfigError: a router may choose what is not stored, or a group's tag is no question's.
        EngineError: a router asks a model that the replay does not name.
    """
    if pool is None:
        with EnginePool() as own:
            return replay_answers(replay, stored, folder=folder, pool=own)
    notes: list[str] = []
    several = len(stored.blocks) > 1
    works = [_Work(replay, block, pool, notes, several=several) for block in stored.blocks]
    labels = tuple(dict.fromkeys(label for work in works for label in work.labels))
    first = Counter(route for work in works for route in work.routes).most_common(1)[0][0] if works else ""
    for work in works:  # the same columns and the same baseline everywhere
        work.labels, work.baseline = labels, first if first in work.routes else work.baseline
    cells = [cell for work in works for cell in work.cells()]
    for cell in cells:  # said where failures and truncation are
        cell.facts["skipped"].update(stored.dropped)
        cell.facts["notes"].extend(stored.notes)
    said = tuple(dict.fromkeys([*stored.notes, *notes]))
    return Replayed(Results(folder or Path(replay.name), cells, first), stored.dropped, said)


class _Work:
    """Turns the stored answers on one data set into cells."""

    def __init__(self, replay: Replay, block: Block, pool: EnginePool, notes: list[str], *, several: bool) -> None:
        self.replay = replay
        self.block = block
        self.title = block.dataset if several else ""
        self.notes = notes
        self.routes = list(dict.fromkeys(route for own in block.rows.values() for route in own))
        self.baseline = self.routes[0] if self.routes else ""
        self.decider = Decider(replay, self.routes, pool)
        self.metrics: tuple[Metric, ...] = replay.metrics
        if not self.metrics and (block.foreign or not block.metrics):
            chosen = any(example.query.choices for example in block.examples)
            refusals = not block.foreign or any(example.unanswerable for example in block.examples)
            self.metrics = (
                *block.scorers,
                *((ChoiceAccuracy(),) if chosen else ()),
                TokenF1(),
                *((RefusalRecall(),) if refusals else ()),
            )
        self.labels = tuple(dict.fromkeys([*(metric.label for metric in self.metrics), *block.metrics]))
        self.lengths: dict[str, int] = {}
        for name, wrapped in replay.wrappers.items():
            if missing := [place for place in (wrapped.first, wrapped.then) if place not in self.routes]:
                known = ", ".join(self.routes)
                raise ConfigError(f"wrappers.{name}: no answers of route '{missing[0]}' are stored. Known: {known}.")

    def cells(self) -> Iterator[CellResult]:
        """Yields the cells of every group of questions and every model."""
        for group in grouped(self.block.examples, self.replay):
            for model, own in self.block.rows.items():
                kept = [example for example in group.examples if all(example.id in rows for rows in own.values())]
                if kept:
                    yield from self._cells(group, model, own, kept)

    def _cells(
        self, group: Group, model: str, own: Mapping[str, Rows], examples: Sequence[Example]
    ) -> Iterator[CellResult]:
        facts = {example.id: group.facts[example.id] for example in examples}
        rows = {
            route: {example.id: self._scored(given[example.id], route, example) for example in examples}
            for route, given in own.items()
        }
        arms: dict[str, Rows] = {route: self._fixed(route, given) for route, given in rows.items()}
        if missing := [route for route in self.routes if route not in own]:
            if self.replay.choosers:
                self.notes.append(f"{model or 'all answers'}: no router, since it has no answers of {missing[0]}.")
        else:
            arms |= self._chosen(group, model, rows, examples)
        for arm, scored in arms.items():
            own_facts = {name: facts[name] for name in facts if name in scored}
            keyed = {name: replace(scored[name], example_key=one["key"]) for name, one in own_facts.items()}
            yield CellResult(self._facts(group, model, arm), own_facts, keyed, True, self.labels)

    def _chosen(
        self, group: Group, model: str, rows: Mapping[str, Rows], examples: Sequence[Example]
    ) -> Iterator[tuple[str, Rows]]:
        """Yields the name and rows of every router, wrapper and learned router."""
        for name, router in self._routers(model).items():
            self.decider.check(name, router)
            decided = {example.id: self.decider.decide(router, example) for example in examples}
            yield name, _chosen(decided, rows)
        for name, wrapped in self.replay.wrappers.items():
            yield name, _wrapped(name, wrapped, rows)
        for name, learned in self.replay.learned.items():
            found = halves(learned, examples, rows, self.decider, self._quality)
            self.notes.append(f"{name}, {model or 'all answers'}, {group.title or self.block.dataset}: {found.note}")
            yield name, _chosen(found.decided, rows)

    def _routers(self, model: str) -> dict[str, Any]:
        """Returns the routers, with the settings that the replay gives for this model."""
        found: dict[str, Any] = dict(self.replay.routers)
        for path, value in self.replay.by_model.get(model, {}).items():
            name, _, inner = path.partition(".")
            changer = Changer[Any](f"{self.replay.name}: by_model.{model}")
            found[name], used = changer.change(found[name], {inner: value})
            if not used:
                raise ConfigError(
                    f"{self.replay.name}: by_model.{model}: '{path}' is no setting of {found[name].kind}."
                )
        return found

    def _scored(self, row: Prediction, route: str, example: Example) -> Prediction:
        """Returns a stored row with its scores, and with token counts where the source has none."""
        answer = row.answer
        if answer is None:  # failed: as in a run, the worst score
            return replace(row, scores={**failed_scores(example, self.metrics), **row.scores})
        if not answer.usage.prompt_tokens and not answer.bills:
            answer = replace(answer, usage=self._usage(answer, route, example))
        answer = replace(answer, bills=answer.bills or {"main": answer.usage})
        scores = dict(row.scores)
        for metric in self.metrics:
            if metric.label not in scores:
                scores[metric.label] = metric.assess(answer, example, self.decider.pool).value
        return replace(row, answer=answer, scores=scores)

    def _usage(self, answer: Answer, route: str, example: Example) -> Usage:
        """Returns estimated token counts for an answer without recorded ones; see `answers.reads`."""
        reads = self.replay.answers.reads.get(route)
        if reads is None:
            return answer.usage
        length = sum(self._length(document.key, document.text) for document in example.documents)
        read = length if reads == "document" else min(length, reads)
        prompt = read + self._tokens(example.query.search_text) + self.replay.answers.frame
        written = answer.usage.completion_tokens or self._tokens(answer.text)
        return Usage(prompt, answer.usage.cached_tokens, written, 1)

    def _length(self, key: str, text: str) -> int:
        if key not in self.lengths:
            self.lengths[key] = self._tokens(text)
        return self.lengths[key]

    def _tokens(self, text: str) -> int:
        each = self.replay.answers.characters_per_token
        return self.decider.tokens(text) if each is None else math.ceil(len(text) / each)

    def _fixed(self, route: str, rows: Rows) -> Rows:
        decision = Decision(Choice(route, "always"))
        return {
            name: replace(row, answer=decision.applied(row.answer)) if row.answer else row for name, row in rows.items()
        }

    def _quality(self, row: Prediction, example: Example) -> float | None:
        """Returns the quality of a row as the router report defines quality: the refusal score or the first metric."""
        if example.unanswerable and (refusal := row.scores.get("refusal_recall")) is not None:
            return refusal
        score = row.scores.get(self.labels[0])
        return -score if score is not None and self.labels[0] in self._smaller else score

    @property
    def _smaller(self) -> set[str]:
        return {metric.label for metric in self.metrics if metric.smaller_is_better} | set(self.block.smaller_is_better)

    def _facts(self, group: Group, model: str, arm: str) -> dict[str, Any]:
        words = [arm, *([f"model={model}"] if model else []), *([group.title] if group.title else [])]
        prices = dict(self.block.prices.get(model, {}))
        if model in self.replay.prices:
            prices["main"] = self.replay.prices[model].spec()
        for role, generator in self.replay.generators.items():
            if generator.price is not None:
                prices[f"router.{role}"] = generator.price.spec()
        name = " ".join([*words, *([self.title] if self.title else [])])
        return {
            "key": content_key([self.replay.name, self.block.dataset, name])[:16],
            "name": name,
            "arm": arm,
            "pipeline": arm,
            "pipelines": [arm],
            "settings": {**({"model": model} if model else {}), **group.settings},
            "dataset": self.block.dataset,
            "repeat": 0,
            "seed": self.replay.seed,
            "control": False,
            "latency": "warm",
            "examples": f"{self.block.dataset} {group.title}",
            "metrics": list(self.labels),
            "baseline": self.baseline,
            "skipped": {},
            "notes": [],
            "smaller_is_better": sorted(self._smaller),
            **({"official": official} if (official := self._official()) else {}),
            "prices": prices,
        }

    def _official(self) -> dict[str, Any]:
        """Returns the metrics with figures of a benchmark's authors: those given, and those of the stored results."""
        given = {metric.label for metric in self.metrics}
        stored = {label: spec for label, spec in self.block.official.items() if label not in given}
        return {**stored, **official_metrics(self.metrics)}


def _chosen(decided: Mapping[str, Decision], rows: Mapping[str, Rows]) -> Rows:
    """Returns the stored row of the chosen route for each question."""
    found: dict[str, Prediction] = {}
    for name, decision in decided.items():
        row = rows[decision.choice.route][name]
        found[name] = row if row.answer is None else replace(row, answer=decision.applied(row.answer))
    return found


def _wrapped(name: str, wrapped: Wrapped, rows: Mapping[str, Rows]) -> Rows:
    """Returns each question's row of the first route or, if it escalates, of the second with both routes' costs."""
    rule = wrapped.rule
    if not isinstance(rule, Wrapper):
        raise ConfigError(f"wrappers.{name}: {rule.kind} is no wrapper.")
    found: dict[str, Prediction] = {}
    chosen = Step("route", {"route": name, "reason": f"{rule.kind} over stored answers"})
    for question, row in rows[wrapped.first].items():
        first, second = row.answer, rows[wrapped.then][question]
        if first is None or second.answer is None:
            continue
        verdict = rule.verdict(first)
        judged = {"route": wrapped.first, "escalate": verdict.escalate, "verdict": verdict.reason, **verdict.signals}
        if "score" in judged:
            judged["favours"] = wrapped.then
        outcome = rule.outcome(verdict, second.answer if verdict.escalate else None)
        step = Step("first", {**judged, "outcome": outcome}, first.usage, first.timing.engine_seconds, first.trace)
        if not verdict.escalate:
            answer = replace(first, route=name, trace=(chosen, step))
            found[question] = replace(row, answer=answer)
            continue
        then = second.answer
        last = Step(
            "then", {"route": wrapped.then, "outcome": outcome}, then.usage, then.timing.engine_seconds, then.trace
        )
        answer = replace(
            then,
            route=name,
            usage=first.usage + then.usage,
            timing=first.timing + then.timing,
            trace=(chosen, step, last),
            bills=_summed(first.bills, then.bills),
            long_prompts=_summed(first.long_prompts, then.long_prompts),
        )
        found[question] = replace(second, answer=answer)
    return found


def _summed(one: Mapping[str, Usage], other: Mapping[str, Usage]) -> dict[str, Usage]:
    return {role: one.get(role, Usage()) + other.get(role, Usage()) for role in dict.fromkeys([*one, *other])}
