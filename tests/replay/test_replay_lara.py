"""LaRA's stored answers: the report against a direct computation from the files, and the command line."""

from __future__ import annotations

import gzip
import json
import random
import re
import statistics
import string
import sys
from collections import Counter
from pathlib import Path

import pytest

from ragvlc.analysis.routing import RoutingReport, routing_reports
from ragvlc.cli.main import main
from ragvlc.replay.folders import read_stored
from ragvlc.replay.replaying import replay_answers
from ragvlc.replay.spec import Replay
from ragvlc.text.refusals import refuses

MODEL = "claude-3-5-sonnet-20241022"
"""The one with unpaired answers."""


@pytest.fixture(scope="module")
def lara() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "data" / "lara"
    if not folder.is_dir():
        pytest.skip("../shared/data/lara is absent")
    return folder


def tokens_of(text: str) -> list[str]:
    """SQuAD's normalisation, written again."""
    kept = "".join(mark for mark in text.lower() if mark not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def f1(reply: str, reference: str) -> float:
    one, two = tokens_of(reply), tokens_of(reference)
    common = sum((Counter(one) & Counter(two)).values())
    return 2 * common / (len(one) + len(two)) if one and two else float(one == two)


class ByHand:
    """Both routes' qualities for a model and a length, straight from the files."""

    def __init__(self, folder: Path, size: str) -> None:
        rows = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
        asked = {row["question_id"]: row for row in rows if row["meta"]["size"] == size}
        with gzip.open(folder / "predictions.jsonl.gz", "rt", encoding="utf-8") as file:
            said = [json.loads(line) for line in file]
        self.text = {(one["question_id"], one["route"]): one["prediction"] for one in said if one["model"] == MODEL}
        routes = ("rag", "long_context")
        self.names = [name for name in asked if all((name, route) in self.text for route in routes)]
        self.dropped = sum(any((name, route) in self.text for route in routes) for name in asked) - len(self.names)
        self.quality = {
            route: {n: self._quality(asked[n], self.text[n, route]) for n in self.names} for route in routes
        }
        self.level = {name: asked[name]["meta"]["level"] for name in self.names}
        self.document = {name: asked[name]["doc_id"] for name in self.names}

    def _quality(self, asked: dict, reply: str) -> float:
        return float(refuses(reply)) if asked.get("unanswerable") else max(f1(reply, one) for one in asked["answers"])

    def mean(self, chosen: dict[str, str]) -> float:
        return statistics.fmean(self.quality[chosen[name]][name] for name in self.names)

    def interval(self, values: dict[str, float]) -> tuple[float, float]:
        """A bootstrap over documents of its own."""
        drawn, documents = random.Random(5), sorted(set(self.document.values()))
        members = {one: [values[n] for n in self.names if self.document[n] == one] for one in documents}
        means = []
        for _ in range(2000):
            some = [value for one in drawn.choices(documents, k=len(documents)) for value in members[one]]
            means.append(statistics.fmean(some))
        means.sort()
        return means[50], means[1949]


@pytest.fixture(scope="module")
def reports(lara: Path) -> dict[str, RoutingReport]:
    """The reports of one model, without the router that is learned."""
    overrides = {
        "questions": str(lara),
        "answers.models": [MODEL],
        "learned": {},
        "metrics": ["token_f1", "refusal_recall"],
    }
    given = Replay.load("routing_lara", overrides=overrides)
    given = given.model_copy(update={"routers": {"rules": given.routers["rules"], "random": given.routers["random"]}})
    stored = read_stored(given)
    assert stored.dropped == {
        "answers of models that are not compared": 4 * 651 * 2,
        "questions without an answer of every route": 2,
    }
    found = routing_reports(replay_answers(given, stored).results)
    return {one.group.title.rpartition("=")[2]: one for one in found}


@pytest.mark.parametrize("size", ["32k", "128k"])
def test_the_report_is_what_the_files_say(lara: Path, reports: dict[str, RoutingReport], size: str) -> None:
    by_hand, report = ByHand(lara, size), reports[size]
    rows = {row.arm.name: row for row in report.rows}
    assert set(report.group.questions) == set(by_hand.names)
    always = {route: by_hand.mean(dict.fromkeys(by_hand.names, route)) for route in by_hand.quality}
    assert rows["rag"].quality.mean == pytest.approx(always["rag"])
    assert rows["full"].quality.mean == pytest.approx(always["long_context"])
    best, other = sorted(always, key=lambda route: -always[route])
    assert report.group.best.route == {"rag": "rag", "long_context": "full"}[best]

    oracle = {
        name: max(("rag", "long_context"), key=lambda route: by_hand.quality[route][name]) for name in by_hand.names
    }
    top = by_hand.mean(oracle)
    assert rows["question oracle"].quality.mean == pytest.approx(top)
    levels = {
        level: [name for name in by_hand.names if by_hand.level[name] == level] for level in set(by_hand.level.values())
    }
    choice = {}
    for members in levels.values():
        means = {route: statistics.fmean(by_hand.quality[route][name] for name in members) for route in by_hand.quality}
        choice |= dict.fromkeys(members, max(means, key=lambda route: means[route]))
    assert rows["task oracle"].quality.mean == pytest.approx(by_hand.mean(choice))

    declined = {name for name in by_hand.names if refuses(by_hand.text[name, "rag"])}
    wrapped = {name: "long_context" if name in declined else "rag" for name in by_hand.names}
    found = rows["self_route"]
    assert found.shares["full"] == pytest.approx(len(declined) / len(by_hand.names))
    assert found.quality.mean == pytest.approx(by_hand.mean(wrapped))
    gain = by_hand.mean(wrapped) - always[best]
    assert found.gain.mean == pytest.approx(gain)
    assert found.regret.mean == pytest.approx(top - by_hand.mean(wrapped))
    assert found.normalised.mean == pytest.approx(gain / (top - always[best]))
    differences = {n: by_hand.quality[wrapped[n]][n] - by_hand.quality[best][n] for n in by_hand.names}
    low, high = by_hand.interval(differences)
    assert (found.gain.low, found.gain.high) == (pytest.approx(low, abs=6e-3), pytest.approx(high, abs=6e-3))


def test_a_routers_choice_meets_the_answer_that_the_file_has(lara: Path, reports: dict[str, RoutingReport]) -> None:
    by_hand, report = ByHand(lara, "32k"), reports["32k"]
    rules = next(row for row in report.rows if row.arm.name == "rules")
    routes = {"rag": "rag", "full": "long_context"}
    chosen = {name: routes[(rules.arm.sent or {})[name]] for name in by_hand.names}
    assert len(set(chosen.values())) == 2
    assert rules.quality.mean == pytest.approx(by_hand.mean(chosen))
    differ = [n for n in by_hand.names if abs(by_hand.quality["rag"][n] - by_hand.quality["long_context"][n]) > 0.05]
    right = statistics.fmean(
        by_hand.quality[chosen[n]][n] == max(by_hand.quality[route][n] for route in by_hand.quality) for n in differ
    )
    assert rules.right is not None
    assert rules.right.n == len(differ)
    assert rules.right.mean == pytest.approx(right, abs=0.02)


def test_the_command_prints_the_report_and_leaves_results(
    lara: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ("answers.models=[gpt-4o]", "learned={}", "by_model={}", "routers={random: random}")
    settings = [word for change in changes for word in ("--set", change)]
    command = [
        "ragvlc",
        "replay",
        str(lara / "predictions.jsonl.gz"),
        "--with",
        "routing_lara",
        "--questions",
        str(lara),
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--limit", "60", *settings])
    main_or_exit()
    said = capsys.readouterr().out
    assert "Routing: gpt-4o, lara size=32k" in said
    assert "question oracle" in said
    assert "Left out: " in said
    folder = tmp_path / "runs" / "routing_lara"
    assert (folder / "report.html").stat().st_size > 20_000
    monkeypatch.setattr(sys, "argv", ["ragvlc", "report", str(folder)])
    main_or_exit()
    assert "Routing: gpt-4o, lara size=128k" in capsys.readouterr().out
    for words, problem in (
        (["nothing.jsonl"], "is neither a file of answers, a results folder nor a shipped replay: routing_lara."),
        (["routing_lara", "--with", "routing_lara"], "is a YAML file itself"),
        (["routing_lara", "--set", "answers.file="], "answers.file: input should be a valid string"),
        (["routing_lara"], "name the folder of questions"),
    ):
        monkeypatch.setattr(sys, "argv", ["ragvlc", "replay", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert problem in capsys.readouterr().err


def main_or_exit() -> None:
    """Runs the command line; an exit with any status but 0 fails."""
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    assert not code


def test_a_replay_is_not_run_as_a_sweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ragvlc", "run", "routing_lara"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "describes a replay of stored answers. Run: ragvlc replay routing_lara" in capsys.readouterr().err
