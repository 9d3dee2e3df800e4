"""The contract of metrics, tested on the toy set and a retrieval query, with a rule-based judge and word vectors."""

from __future__ import annotations

import copy
import re

from ragvlc.core.families import Metric, Score
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


CLAUSES = (a_score_is_a_share_or_does_not_apply, scores_tell_right_from_wrong, its_label_is_a_name)
