"""Routers learned within a replay, each on one half of the documents and tested on the other half."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ragvlc.core.answer import Prediction
from ragvlc.core.data import Example
from ragvlc.core.engines import Generation
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Choice
from ragvlc.replay.deciding import Decider, Decision
from ragvlc.replay.spec import Halves
from ragvlc.routing.features import measured
from ragvlc.routing.fitting import TrainingRow, fit
from ragvlc.routing.learned_rule import LearnedRule
from ragvlc.routing.ranking_signals import look, metadata_numbers

__all__ = ["Crossed", "halves"]

Quality = Callable[[Prediction, Example], float | None]


@dataclass(frozen=True)
class Crossed:
    """Choices of two learned routers, each for the documents on which it was not trained.

    Attributes:
        decided: by question.
        note: documents and questions of the halves, and ties left out of learning.
    """

    decided: Mapping[str, Decision]
    note: str


@dataclass(frozen=True, slots=True)
class _Seen:
    features: Mapping[str, float]
    decision: Decision


def halves(
    learned: Halves,
    examples: Sequence[Example],
    rows: Mapping[str, Mapping[str, Prediction]],
    decider: Decider,
    quality: Quality,
) -> Crossed:
    """Returns the choices of two routers, each trained on one half of the documents and applied to the other.

    Args:
        learned: settings.
        examples: of one group of questions.
        rows: the stored answers, scored, by route and question.
        decider: ranks passages.
        quality: of a row.

    Raises:
        ConfigError: there are no two routes named, or a half has nothing to learn from.
    """
    missing = [route for route in (learned.rag, learned.full) if route not in rows]
    if missing:
        raise ConfigError(f"learned: no answers of route '{missing[0]}' are stored. Known: {', '.join(rows)}.")
    seen = {example.id: _look(learned, example, decider) for example in examples}
    first, second = _dealt(examples, learned.seed)
    decided: dict[str, Decision] = {}
    ties, words = 0, []
    for place, (learn, ask) in enumerate(((first, second), (second, first))):
        known = [row for example in learn if (row := _row(learned, example, seen, rows, quality)) is not None]
        fitted = fit(
            known,
            (learned.rag, learned.full),
            chunker=learned.chunker,
            retriever=learned.retriever,
            metadata=learned.metadata,
            settings=learned.settings(),
        )
        ties += fitted.estimate.ties
        for example in ask:
            decided[example.id] = _decide(fitted.rule, seen[example.id], half=place + 1)
        clusters = len({example.cluster or example.id for example in learn})
        words.append(f"{len(known)} questions over {clusters} documents")
    note = f"learned on {words[0]}, and on {words[1]}, each tested on the other half; {ties} ties taught nothing."
    return Crossed({example.id: decided[example.id] for example in examples}, note)


def _dealt(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Returns the questions in two parts, one for each random half of the documents."""
    names = sorted({example.cluster or example.id for example in examples})
    if len(names) < 4:
        raise ConfigError(f"learned: two halves need at least 4 documents between them; there are {len(names)}.")
    random.Random(seed).shuffle(names)  # noqa: S311 - a repeatable division, not a secret
    chosen = set(names[: len(names) // 2])
    one = [example for example in examples if (example.cluster or example.id) in chosen]
    return one, [example for example in examples if (example.cluster or example.id) not in chosen]


def _look(learned: Halves, example: Example, decider: Decider) -> _Seen:
    """Returns the features that a router may use for a question, and the cost of computing them."""

    def seen() -> _Seen:
        run, documents = decider.run(example), example.documents
        chunks, ranking = look(learned.chunker, learned.retriever, example.query, documents, run, role="main")
        features = measured(example.query, documents, ranking, len(chunks))
        cost = run.answer(Generation(""))
        decision = Decision(Choice(""), dict(cost.bills), cost.timing, run.trace, cost.long_prompts)
        return _Seen(features | metadata_numbers(documents, learned.metadata), decision)

    found: _Seen = decider.remembered((learned.key, example.key), seen)
    return found


def _row(
    learned: Halves,
    example: Example,
    seen: Mapping[str, _Seen],
    rows: Mapping[str, Mapping[str, Prediction]],
    quality: Quality,
) -> TrainingRow | None:
    values = {route: quality(rows[route][example.id], example) for route in (learned.rag, learned.full)}
    known = {route: value for route, value in values.items() if value is not None}
    if len(known) < 2:
        return None
    return TrainingRow(seen[example.id].features, example.cluster or example.id, known)


def _decide(rule: LearnedRule, seen: _Seen, *, half: int) -> Decision:
    probability = rule.probability(seen.features)
    route = rule.routes[int(probability >= rule.threshold)]
    signals = {"score": probability, "favours": rule.routes[1], "learned_on_half": half}
    choice = Choice(route, f"'{rule.routes[1]}' does better with a probability of {probability:.2f}", signals)
    return replace(seen.decision, choice=choice)
