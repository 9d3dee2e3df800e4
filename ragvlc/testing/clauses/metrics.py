"""The contract of metrics, tested on the toy set and a retrieval query, with a rule-based judge and word vectors."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from math import isfinite

from ragvlc.core.families import Metric, Score, ScoredQuestion
from ragvlc.testing.benchmark_examples import BENCHMARKS
from ragvlc.testing.engines import FunctionEngine, ScriptedPool
from ragvlc.testing.materials import SEARCH, answers_to
from ragvlc.testing.trial import Broken, Trial, require, toy

__all__ = ["CLAUSES", "scores_of"]


def verdict(prompt: str) -> str:
    """Returns a rule-based judge's verdict: a reply is right if it occurs earlier in the prompt, as a reference."""
    before, _, after = prompt.rpartition("Answer to check:\n")
    return f"{after.partition(chr(10))[0] in before}."


def a_score_is_a_share_or_does_not_apply(trial: Trial) -> None:
    """A score is None or from 0 to 1, and equal in a second run; whether it applies depends only on the example."""
    metric: Metric = trial.build()
    applied = 0
    with ScriptedPool(FunctionEngine(verdict), trial.new_folder()) as engines:
        for example in (*toy(), SEARCH, *BENCHMARKS):
            before, applies = copy.deepcopy(example), metric.applies(example)
            for answer in answers_to(example):
                score: object = metric.assess(answer, example, engines)
                if not isinstance(score, Score):
                    raise Broken(f"assess() returns {type(score).__name__}. Return a Score.")
                shown = f"the answer {answer.text[:40]!r} to '{example.id}'"
                require(
                    score.value is None or (isinstance(score.value, float) and 0 <= score.value <= 1),
                    f"{shown} scores {score.value!r} ({type(score.value).__name__}). Return a float from 0 to 1, or "
                    "None where the metric does not apply.",
                )
                require(
                    (score.value is not None or score.missing) == applies,
                    f"whether it applies to '{example.id}' depends on the answer ({shown}: {score.value!r}, "
                    f"applies: {applies}). Return None for examples, never for answers: a bad answer scores 0.",
                )
                require(
                    score == metric.assess(answer, example, engines),
                    f"{shown} scores otherwise the second time. Let a score depend on answer and example only.",
                )
                require(
                    all(isinstance(flag, str) and flag for flag in score.flags),
                    f"{shown} has the flags {score.flags!r}. Return short words.",
                )
            require(example == before, f"it changes the example '{example.id}'. Work on copies.")
            applied += applies
    if not applied:
        trial.notes.append("it applies to none of the examples that it is tried with, so no score was looked at.")


def scores_tell_right_from_wrong(trial: Trial) -> None:
    """Different answers get different scores."""
    scores = scores_of(trial)
    require(
        len(scores) != 1,
        f"every answer scores {next(iter(scores), None)}: right, wrong, empty. Compare the answer with the example.",
    )


def its_label_is_a_name(trial: Trial) -> None:
    """A metric's label is a name that tables and trackers accept: letters, digits, spaces and ``. / - _``."""
    label = trial.build().label
    require(
        re.fullmatch(r"[\w. /:-]+", label),
        f"its label is {label!r}. Use letters, digits, blanks, points, slashes, dashes and underscores.",
    )


def official_figures_are_numbers(trial: Trial) -> None:
    """Official figures are finite numbers by name, from whatever questions a cell has, and equal a second time."""
    metric: Metric = trial.build()
    label = metric.label
    one = ScoredQuestion("a", 1.0, {label: 1.0}, tags={"dataset": "x", "length": 100})
    other = ScoredQuestion("b", 0.5, {label: 0.5}, ("unparsed",), tags={"dataset": "y", "length": "short"})
    failed = ScoredQuestion("c", metric.worst, {label: metric.worst}, failed=True, replied=False, unanswerable=True)
    none = ScoredQuestion("d", None, {label: None})
    for questions in ([], [none], [one], [failed], [one, other, failed, none]):
        shown = f"official() of {len(questions)} questions"
        try:
            figures: object = metric.official(questions)
        except Exception as error:
            raise Broken(f"{shown} raises {type(error).__name__}: {error}. Return no figure in place of it.") from error
        require(
            isinstance(figures, Mapping)
            and all(isinstance(name, str) and name and _is_number(value) for name, value in figures.items()),
            f"{shown} returns {figures!r}. Return finite numbers by name.",
        )
        require(
            metric.official(questions) == figures, f"{shown} is otherwise a second time. Compute it from them alone."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def scores_of(trial: Trial) -> set[float]:
    """Returns the different scores that answers of many forms get."""
    metric: Metric = trial.build()
    with ScriptedPool(FunctionEngine(verdict), trial.new_folder()) as engines:
        found = {
            metric.assess(answer, example, engines).value
            for example in (*toy(), SEARCH, *BENCHMARKS)
            for answer in answers_to(example)
        }
    return {value for value in found if value is not None}


CLAUSES = (
    a_score_is_a_share_or_does_not_apply,
    scores_tell_right_from_wrong,
    its_label_is_a_name,
    official_figures_are_numbers,
)
