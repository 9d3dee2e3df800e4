"""What `run`, `show`, `score`, `report` and the page say of failed questions, and that following their advice helps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import Cli, Said

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Failure, Prediction
from ragvlc.results.columns import columns_of
from ragvlc.results.summary import metric_values, summarise

OUTSIDE = '''
from pathlib import Path

from ragvlc.core.errors import EngineError
from ragvlc.core.families import Metric
from ragvlc.routes.full_context import FullContext


class Ratio(Metric):
    """Divides by zero until the file `mended` is there."""

    def score(self, answer, example):
        return 1.0 if Path("mended").exists() else 1 / 0


class Raising(FullContext):
    """Fails in many ways until the file `mended` is there."""

    transient: bool = False

    def answer(self, query, documents, run):
        if Path("mended").exists():
            return super().answer(query, documents, run)
        if self.transient:
            raise EngineError(f"http://10.0.0.{len(query.id)}:80 does not answer", transient=True)
        match query.id:
            case "toy-height":
                raise ValueError("\\x1b[31mred\\x1b[0m alert\\x07\\nsecond line " + "long " * 100 + "the end")
            case "toy-fog":
                raise AssertionError
            case "toy-keepers":
                raise TypeError("expected str, got NoneType")
            case _:
                raise KeyError(f"document {len(query.text)}")
'''
IN_FULL = "In full: ragvlc show runs/sweep --question toy-height"
FULL = {"generators": {"main": "scripted"}, "routes": {"full": "full_context"}}
RAG = {"generators": {"main": "scripted"}, "routes": {"rag": "retrieve"}}


def raising(**fields: Any) -> dict[str, Any]:
    return {"generators": {"main": "scripted"}, "routes": {"full": {"kind": "outside_parts:Raising", **fields}}}


def flaky(route: str, **fields: Any) -> dict[str, Any]:
    return {"generators": {"main": {"kind": "ragvlc.testing:Flaky", "fails": ".", **fields}}, "routes": {route: route}}


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ragvlc: Cli) -> None:  # noqa: ARG001 - sets the folder
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("outside_parts.py").write_text(OUTSIDE, encoding="utf-8")


def experiment(pipelines: dict[str, Any], **fields: Any) -> str:
    sweep = {"dataset": "toy", "metrics": ["contains"], "tracker": "none", "pipelines": pipelines} | fields
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return "sweep.yaml"


def why(said: Said, name: str) -> list[str]:
    """Returns the lines about the cells whose list begins with a name."""
    lines = said.out.splitlines()
    start = next(place for place, line in enumerate(lines) if re.match(rf"{name}\b.*: ", line))
    end = next((place for place in range(start + 1, len(lines)) if not lines[place].startswith("  ")), len(lines))
    return lines[start:end]


def test_a_metric_that_raises_is_named_wherever_results_are_read_and_mending_it_helps(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": FULL}, metrics=["contains", "outside_parts:Ratio"], max_failures=1))
    assert said.code == 0
    expected = [
        "full: complete, 9 of 9 questions asked failed.",
        "  9 x ZeroDivisionError (score): metric outside_parts:Ratio: division by zero (first: toy-height)",
        f"  Fix the metric, then score again with `ragvlc score`; stored answers are used. {IN_FULL}",
    ]
    assert why(said, "full") == expected
    for command in ("score", "report", "show"):
        assert why(ragvlc(command, "sweep.yaml"), "full") == expected, command
    assert re.search(r"^ full +9/9 +9 ", said.out, re.MULTILINE), "an answer without scores is one question"
    shown = ragvlc("show", "sweep.yaml", "--question", "toy-height")
    assert "not scored: ZeroDivisionError (score): metric outside_parts:Ratio: division by zero" in shown.out
    page = Path("runs/sweep/report.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError (score): metric outside_parts:Ratio: division by zero" in page
    assert "Fix the metric" in page
    Path("mended").touch()
    mended = ragvlc("score", "sweep.yaml")
    assert "ZeroDivisionError" not in mended.out
    assert Results.load("runs/sweep").cells[0].summary["failed"] == 0


def test_a_metric_that_stops_a_cell_is_mended_by_running_again(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": FULL}, metrics=["outside_parts:Ratio"], max_failures=0))
    assert said.code == 1
    head, _, advice = why(said, "full")
    assert re.fullmatch(r"full: stopped, (\d) of \1 questions? asked failed, more than max_failures allows\.", head)
    assert advice.startswith("  Fix the metric, then run the experiment again;")
    Path("mended").touch()
    again = ragvlc("run", "sweep.yaml")
    assert (again.code, Results.load("runs/sweep").cells[0].complete) == (0, True)


def test_a_stopped_cell_says_why_and_retrying_helps_once_the_cause_is_mended(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": raising(), "rag": RAG}))
    assert said.code == 1
    assert why(said, "full")[0].startswith("full: stopped, ")
    advice = "  Fix the cause, then run the experiment again with --retry failed. In full: ragvlc show "
    assert why(said, "full")[-1].startswith(advice)
    assert "\nrag: " not in said.out, "nothing failed there"
    shown = why(ragvlc("show", "sweep.yaml"), "full")
    assert shown[0].startswith("full: not complete, ")
    assert shown[1:] == why(said, "full")[1:]
    Path("mended").touch()
    assert ragvlc("run", "sweep.yaml").code == 1
    assert ragvlc("run", "sweep.yaml", "--retry", "failed").code == 0


def test_a_transient_failure_says_to_run_again_and_that_helps(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": raising(transient=True)}, max_failures=0))
    assert said.code == 1
    head, reason, advice = why(said, "full")
    assert head.startswith("full: stopped, ")
    assert re.fullmatch(
        r"  \d+ x EngineError \(generate\): http://10\.0\.0\.\d+:80 does not answer \(transient, first: toy-\w+\)",
        reason,
    ), "messages that differ in numbers are one reason"
    assert advice.startswith("  Transient: run the experiment again. ")
    Path("mended").touch()
    assert ragvlc("run", "sweep.yaml").code == 0


def test_several_kinds_are_counted_shortened_and_cleaned(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": raising()}, max_failures=1))
    assert said.code == 0
    head, *reasons, rest, advice = why(said, "full")
    assert head == "full: complete, 9 of 9 questions asked failed."
    assert reasons[0] == "  6 x KeyError (route): 'document 35' (first: toy-price)", "most frequent first"
    assert re.fullmatch(
        r"  1 x ValueError \(route\): red alert second line (long )+lon \.\.\. \(first: toy-height\)", reasons[1]
    )
    assert len(reasons[1]) < 200
    assert reasons[2:] == ["  1 x AssertionError (route): no message (first: toy-fog)"]
    assert rest == "  and 1 more kind (1 question)"
    command = advice.split("In full: ragvlc ")[1]
    assert "failed: KeyError (route): 'document 35'" in ragvlc(*shlex.split(command)).out
    shown = ragvlc("show", "sweep.yaml", "--question", "toy-height")
    assert "failed: ValueError (route): red alert " in shown.out
    assert "the end" in shown.out, "in full"
    page = Path("runs/sweep/report.html").read_text(encoding="utf-8")
    for text in (said.out, shown.out, page):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


def test_cells_that_fail_of_the_same_cause_are_told_together(ragvlc: Cli) -> None:
    axes = {"routes.retrieve.chunker.size": [16, 24, 32, 40, 48, 56]}
    pipelines = {"down": flaky("retrieve", transient=True), "full": flaky("full_context")}
    said = ragvlc("run", experiment(pipelines, axes=axes, max_failures=1))
    assert said.code == 1
    names = "down size=16, down size=24, down size=32, down size=40 and 2 more cells"
    assert why(said, "down") == [
        f"{names}: not complete, 54 of 54 questions asked failed.",
        "  54 x EngineError (generate): this prompt fails on purpose (transient, first: toy-height)",
        f"  Transient: run the experiment again. {IN_FULL}",
    ]
    assert why(said, "full")[1] == "  9 x EngineError (generate): this prompt fails on purpose (first: toy-height)"
    assert said.out.count("on purpose") == 2


def test_nothing_is_said_where_nothing_failed(ragvlc: Cli) -> None:
    said = ragvlc("run", experiment({"full": FULL}))
    assert said.code == 0
    for one in (said, *(ragvlc(command, "sweep.yaml") for command in ("report", "show", "score"))):
        assert "asked failed" not in one.out


def test_a_narrow_terminal_breaks_no_command(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    said = ragvlc("run", experiment({"full": raising()}, max_failures=1))
    assert why(said, "full")[-1].endswith(IN_FULL.replace("height", "price"))


def test_a_cell_in_which_every_question_failed_has_no_score_and_is_never_the_best(ragvlc: Cli) -> None:
    """A server that was down is no evidence against full context: the other cell scores 0 and is still the best."""
    down = {"generators": {"main": {"kind": "ragvlc.testing:Flaky", "fails": "."}}, "routes": {"full": "full_context"}}
    wrong = {**FULL, "generators": {"main": {"kind": "scripted", "default": "wrong"}}}
    said = ragvlc("run", experiment({"down": down, "wrong": wrong}, max_failures=1, baseline="wrong"))
    assert re.search(r"^ down +-", said.out, re.MULTILINE), said.out
    assert "Best contains: wrong, 0.000." in said.out
    assert "down: complete, 9 failed" in said.err or "down: pending, 9 failed" in said.err
    results = Results.load("runs/sweep")
    assert [cell.mean("contains") for cell in results.cells] == [None, 0.0]
    assert results.table()["contains"].isna().tolist() == [True, False]
    frame = results.frame()
    assert frame[frame.cell == "down"]["contains"].isna().all()
    assert [one.difference for one in results.comparisons()] == [None]
    assert "score/contains" not in metric_values(results.cells[0].summary)
    report = ragvlc("report", "sweep.yaml")
    assert "Best contains: wrong, 0.000." in report.out
    assert "down" in ragvlc("compare", "sweep.yaml", "down", "wrong").out


def test_a_sweep_in_which_every_question_failed_has_no_best_cell(ragvlc: Cli) -> None:
    down = {"generators": {"main": {"kind": "ragvlc.testing:Flaky", "fails": "."}}, "routes": {"full": "full_context"}}
    said = ragvlc("run", experiment({"down": down}, max_failures=1))
    assert "Best" not in said.out
    assert "No cell has a score for contains yet." in said.out


def test_a_cell_that_answered_nothing_is_never_the_best(ragvlc: Cli) -> None:
    mute = {"generators": {"main": {"kind": "scripted", "default": ""}}, "routes": {"full": "full_context"}}
    wrong = {"generators": {"main": {"kind": "scripted", "default": "wrong"}}, "routes": {"full": "full_context"}}
    said = ragvlc("run", experiment({"mute": mute}))
    assert "Best" not in said.out
    assert "No cell answered a question, so none is the best in contains" in said.out
    said = ragvlc("run", experiment({"mute": mute, "wrong": wrong}))
    assert "Best contains: wrong, 0.000." in said.out


def test_one_answer_makes_failures_count_as_zeros(ragvlc: Cli) -> None:
    """Failing never pays: as soon as a cell was asked in earnest, a failed question is a wrong one."""
    rows = {
        "a": Prediction("a", answer=Answer("red"), scores={"contains": 1.0}),
        "b": Prediction("b", failure=Failure("generate", "EngineError", "down"), scores={"contains": 0.0}),
    }
    facts = [{"id": name, "cluster": name, "group": name} for name in rows]
    found = [summarise(facts, columns_of(own, facts), ["contains"]) for own in (rows, {"b": rows["b"]})]
    assert [one["metrics"]["contains"]["mean"] for one in found] == [0.5, None]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_a_machine_without_memory_or_threads_is_one_sentence(
    ragvlc: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("ragvlc.cli.main.app", lacking)
    said = ragvlc("models")
    assert said.code == 2
    assert said.err == (
        f"error: {error or 'out of memory'}: free some memory or processes, or lower `concurrency`. Stored results are "
        "safe: run the same command again to continue.\n"
    ).replace("error: : ", "error: out of memory: ")


def test_an_error_of_the_program_is_no_lack_of_memory(ragvlc: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("ragvlc.cli.main.app", broken)
    with pytest.raises(RuntimeError, match="a fault"):
        ragvlc("models")
