"""Scores that need a model, prices, and questions that a data set leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sweep_things import FULL, questions, ran, reader, sweep_over, write_set

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Usage
from ragvlc.core.data import Example
from ragvlc.core.engines import Prompt, Request
from ragvlc.core.errors import ConfigError
from ragvlc.core.run import Engines
from ragvlc.datasets.jsonl import Jsonl
from ragvlc.families import Examples, Generator, Metric, Price, Score
from ragvlc.generators.scripted import Scripted
from ragvlc.sweep.plan import plan
from ragvlc.sweep.tracking import rescore

SILENT: set[str] = set()


class Judge(Metric):
    """Asks an opened model for the verdict; says nothing about the questions in `SILENT`."""

    def assess(self, answer: Answer, example: Example, engines: Engines) -> Score:
        if example.id in SILENT:
            return Score(None, ("unjudged",), missing=True)
        asked = Prompt("thing 0? {text}", {"text": f"Thing 0 is {answer.text}"})
        [verdict] = engines.text(Scripted()).generate([Request(asked, 4)])
        return Score(float(verdict.text == example.references[0]), usage=Usage(5, 0, 1, 1))

    def applies(self, example: Example) -> bool:
        return bool(example.references)

    def objection(self, candidates: Sequence[Generator]) -> str | None:
        return "it would judge itself." if any(one.temperature == 0.5 for one in candidates) else None


class Paid(Judge):
    """The same, with a model that the sweep knows of."""

    judge: Generator
    letter: str = "a"


class Picky(Jsonl):
    """Leaves two questions out."""

    def load(self) -> Examples:
        return Examples(super().load()[2:], {"too long": 2})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    SILENT.clear()
    return write_set(tmp_path / "data", questions())


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def judged(data: Path, **fields: Any):
    return sweep_over(data, pipelines={"full": FULL}, metrics=[Judge()], **fields)


def test_a_metric_may_ask_an_opened_model_and_its_tokens_are_counted(data: Path, runs: Path) -> None:
    outcome, engine = ran(judged(data), runs)
    [cell] = outcome.results().cells
    assert set(cell.scores(Judge().label).values()) == {1.0}
    assert len(engine.requests) == 24
    assert cell.summary["scoring_tokens"] == 12 * 6
    assert cell.summary["prompt_tokens"] > 5


def test_a_missing_score_is_no_zero_and_is_tried_again(data: Path, runs: Path) -> None:
    SILENT.update({"q1", "q2"})
    outcome, _ = ran(judged(data), runs)
    [cell] = outcome.results().cells
    assert cell.summary["metrics"][Judge().label]["n"] == 10
    assert cell.summary["metrics"][Judge().label]["mean"] == 1.0
    assert cell.rows["q1"].flags == ("unjudged",)
    assert cell.summary["flags"] == {"unjudged": 2}
    assert set(outcome.status.values()) == {"pending"}
    assert cell.rows["q1"].failure is None
    SILENT.clear()
    SILENT.update(f"q{n}" for n in range(3, 12))  # judged already: they are not judged again
    outcome, engine = ran(judged(data), runs)
    [cell] = outcome.results().cells
    assert cell.summary["metrics"][Judge().label]["n"] == 12
    assert len(engine.requests) == 2


def test_a_further_metric_pays_for_no_verdict_again(data: Path, runs: Path) -> None:
    def engine_of(*metrics: Any) -> tuple[Any, Any]:
        outcome, engine = ran(sweep_over(data, pipelines={"full": FULL}, metrics=[*metrics]), runs)
        [cell] = outcome.results().cells
        return cell, engine

    first = Paid(judge=Scripted())
    engine_of(first)
    cell, engine = engine_of("contains", first)
    assert engine.requests == []
    assert cell.summary["metrics"][first.label]["n"] == cell.summary["metrics"]["contains"]["n"] == 12
    assert cell.summary["scoring_tokens"] == 12 * 6, "what it cost stays on the bill"
    assert len(engine_of("contains", Paid(judge=Scripted(), letter="b"))[1].requests) == 12, "another judge is asked"


def test_a_failed_question_scores_zero_without_a_judge(data: Path, runs: Path) -> None:
    def reply(prompt: str) -> str:
        if "thing 3?" in prompt:
            raise RuntimeError("no")
        return reader(prompt)

    outcome, engine = ran(judged(data), runs, reply)
    [cell] = outcome.results().cells
    assert cell.rows["q3"].scores == {Judge().label: 0.0}
    assert len([one for one in engine.requests if "thing 3?" in one.prompt.text()]) == 1


def test_a_metric_may_object_to_a_pipeline(data: Path) -> None:
    same = FULL | {"generators": {"main": {"kind": "scripted", "temperature": 0.5}}}
    sweep = sweep_over(data, pipelines={"full": FULL, "same": same}, metrics=[Judge()])
    with pytest.raises(ConfigError, match=r"and pipelines\.same: it would judge itself") as caught:
        plan(sweep)
    assert len(caught.value.problems) == 1


def test_rescoring_opens_the_models_of_metrics(data: Path, runs: Path) -> None:
    outcome, _ = ran(sweep_over(data, pipelines={"full": FULL}), runs)
    assert rescore(judged(data), runs) == outcome.folder
    [cell] = Results.load(outcome.folder).cells
    assert cell.complete
    assert cell.metrics == (Judge().label,)
    assert len([score for score in cell.scores(Judge().label).values() if score is not None]) == 12


def test_prices_make_costs_and_change_no_key(data: Path, runs: Path) -> None:
    price = {"prompt": 2.0, "completion": 10.0}
    priced = FULL | {"generators": {"main": {"kind": "scripted", "price": price}}}
    first, _ = ran(sweep_over(data, pipelines={"full": FULL}), runs)
    [free] = first.results().cells
    assert free.summary["cost"] is None
    again, engine = ran(sweep_over(data, pipelines={"full": priced}), runs)
    [cell] = again.results().cells
    assert engine.requests == []
    usage = [row.answer.usage for row in cell.rows.values()]
    expected = sum(2.0 * one.prompt_tokens + 10.0 * one.completion_tokens for one in usage) / 1e6 / len(usage)
    assert cell.summary["cost"] == pytest.approx(expected)
    assert expected > 0


def test_cached_tokens_have_a_price_of_their_own() -> None:
    usage = Usage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=100_000)
    assert Price(prompt=1.0, completion=5.0).of(usage) == pytest.approx(1.5)
    assert Price(prompt=1.0, completion=5.0, cached=0.25).of(usage) == pytest.approx(0.6 + 0.1 + 0.5)


def test_questions_that_a_data_set_leaves_out_are_counted(data: Path, runs: Path) -> None:
    outcome, engine = ran(sweep_over(data, dataset=Picky(path=str(data)), pipelines={"full": FULL}), runs)
    [cell] = outcome.results().cells
    assert cell.summary["skipped"] == 2
    assert cell.facts["skipped"] == {"too long": 2}
    assert len(engine.requests) == 10


class Wrong(Metric):
    """Counts what is better small."""

    smaller_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 1.0

    def score(self, answer: Answer, example: Example) -> float | None:
        return float(answer.text != example.references[0])


def test_a_failed_question_counts_as_the_worst_and_the_smallest_is_best(data: Path, runs: Path) -> None:
    def reply(prompt: str) -> str:
        if "thing 3?" in prompt:
            raise RuntimeError("no")
        return reader(prompt)

    outcome, _ = ran(sweep_over(data, metrics=[Wrong()]), runs, reply)
    full, rag = outcome.results().cells
    assert full.rows["q3"].scores == rag.rows["q3"].scores == {Wrong().label: 1.0}
    assert full.summary["metrics"][Wrong().label]["mean"] == pytest.approx(1 / 12)
    assert rag.summary["metrics"][Wrong().label]["mean"] > 1 / 12
    [difference] = outcome.results().comparisons("full")
    assert difference.difference > 0
    assert difference.better == 0 < difference.worse
