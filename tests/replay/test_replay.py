"""Stored answers of another system: read, chosen between, scored, billed, and written as results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import replay_things as things
from replay_things import RECORDS, folder_with, replayed, spec

from ragvlc.analysis._routing_measures import SINGLE
from ragvlc.analysis.results import Results
from ragvlc.analysis.routing import routing_reports
from ragvlc.core.errors import ConfigError, DatasetError, EngineError, StoreError
from ragvlc.replay.folders import read_stored, write_replayed
from ragvlc.replay.spec import Replay


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path / "set")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz", "a.csv", "a.tsv", "a.csv.gz"])
def test_every_form_of_file_reads_alike(tmp_path: Path, name: str) -> None:
    stored = read_stored(spec(folder_with(tmp_path, name=name), answers={"file": name}))
    [block] = stored.blocks
    assert stored.dropped == {}
    assert list(block.rows) == ["small", "large"]
    assert {route: len(rows) for route, rows in block.rows["small"].items()} == {"rag": 48, "full": 48}
    answer = block.rows["small"]["full"]["d01-2"].answer
    assert answer is not None
    assert answer.text == "Not mentioned."


def test_what_has_no_pair_is_dropped_and_counted_for_its_model_alone(tmp_path: Path) -> None:
    rows = [one for one in RECORDS if (one["qid"], one["who"], one["how"]) != ("d01-0", "small", "whole")]
    rows += [{**RECORDS[0], "qid": "unknown"}, {**RECORDS[0], "how": "third"}, {**RECORDS[2], "said": "again"}]
    stored = read_stored(spec(folder_with(tmp_path, rows)))
    assert stored.dropped == {
        "answers to unknown questions": 1,
        "answers of routes that are not compared": 1,
        "answers given twice": 1,
        "questions without an answer of every route": 1,
    }
    [block] = stored.blocks
    assert "d01-0" not in block.rows["small"]["rag"]
    assert "d01-0" in block.rows["large"]["rag"]
    again = block.rows["small"]["full" if RECORDS[2]["how"] == "whole" else "rag"][RECORDS[2]["qid"]].answer
    assert again is not None
    assert again.text == "again", "the last of two counts"


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            {"columns": {**things.NAMES, "text": "sayd"}},
            "has no field 'sayd'. Known: qid, who, how, said. Nearest: said",
        ),
        (
            {"routes": {"pieces": "rag", "hole": "full"}},
            "no answer is of a route 'hole'. Routes: pieces, whole. Nearest",
        ),
        ({"models": ["smal"]}, "no answer is of a model 'smal'"),
        ({"file": "none.jsonl"}, "no such file of answers"),
        ({"columns": {**things.NAMES, "prompt_tokens": "said"}}, "'said' must be a number"),
    ],
)
def test_a_name_that_does_not_fit_is_told(folder: Path, answers: dict[str, Any], words: str) -> None:
    with pytest.raises(DatasetError) as error:
        read_stored(spec(folder, answers=answers))
    assert words in str(error.value)


def test_a_replay_with_wrong_names_is_refused_when_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "answers: {routes: {a: rag, b: full}}\n"
        "routers: {rag: random}\n"
        "wrappers: {self: {rule: self_route, first: rag, then: fill}}\n"
        "by_model: {small: {ruels.model: weak}}\n"
    )
    with pytest.raises(ConfigError) as error:
        Replay.load(file)
    text = str(error.value)
    for words in ("'rag' is a route and a router", "no route 'fill'", "Nearest: full", "no router 'ruels'"):
        assert words in text
    file.write_text("answers: {}\nwrappers: {always: {rule: full_context, first: rag, then: full}}\n")
    with pytest.raises(ConfigError, match="full_context is no wrapper"):
        Replay.load(file)


def test_a_router_gets_the_stored_answer_of_the_route_it_takes(folder: Path) -> None:
    given = replayed(folder, routers={"by_length": {"kind": "by_length", "unit": "words", "limit": 200}})
    small = {cell.facts["arm"]: cell for cell in given.results.cells if cell.facts["settings"]["model"] == "small"}
    assert list(small) == ["rag", "full", "by_length"]
    for name, row in small["by_length"].rows.items():
        route = "full" if things.WORDS[name[:3]] <= 200 else "rag"
        stored = small[route].rows[name]
        assert row.answer is not None
        assert stored.answer is not None
        assert (row.answer.text, row.scores, row.answer.route) == (stored.answer.text, stored.scores, route)
        assert row.answer.trace[0].facts["route"] == route
    [report] = [one for one in routing_reports(given.results) if one.group.title.startswith("small")]
    shares = report.rows[2].shares
    assert shares == {"rag": pytest.approx(0.5), "full": pytest.approx(0.5)}


def test_a_router_sees_neither_gold_nor_answers(tmp_path: Path) -> None:
    routers = {"rules": {"kind": "rules", "unit": "words"}, "similarity": "similarity", "random": "random"}
    one = replayed(folder_with(tmp_path / "one"), routers=routers)
    other = folder_with(tmp_path / "other", [{**row, "said": "nothing of the kind"} for row in RECORDS])
    lines = [json.loads(line) for line in (other / "questions.jsonl").read_text().splitlines()]
    turned = [{**line, "answers": ["another"], "unanswerable": False, "meta": {"level": "turned"}} for line in lines]
    (other / "questions.jsonl").write_text(things.lines(turned))
    again = replayed(other, routers=routers)
    for mine, theirs in zip(one.results.cells, again.results.cells, strict=True):
        routes = [{name: row.answer.route for name, row in cell.rows.items() if row.answer} for cell in (mine, theirs)]
        assert routes[0] == routes[1], mine.name


def test_tokens_follow_the_rule_and_a_wrapper_pays_for_both_calls(folder: Path) -> None:
    rows = [
        {**one, "said": "The text does not mention it."} if one["how"] == "pieces" and one["qid"] == "d03-0" else one
        for one in RECORDS
    ]
    given = replayed(
        folder_with(folder, rows),
        wrappers={"self_route": {"rule": "self_route", "first": "rag", "then": "full"}},
        prices={"small": {"prompt": 1.0, "completion": 10.0}},
    )
    small = {cell.facts["arm"]: cell for cell in given.results.cells if cell.facts["settings"]["model"] == "small"}
    text = next(one["text"] for one in things.documents() if one["doc_id"] == "d03")
    question = next(one["question"] for one in things.questions() if one["question_id"] == "d03-0")
    tokens = {arm: small[arm].rows["d03-0"].answer for arm in ("rag", "full", "self_route")}
    first, second, both = (tokens[arm] for arm in ("rag", "full", "self_route"))
    assert first is not None
    assert second is not None
    assert both is not None
    assert second.usage.prompt_tokens == -(-len(text) // 5) + -(-len(question) // 5) + 10
    assert first.usage.prompt_tokens == 20 + -(-len(question) // 5) + 10
    assert both.text == second.text, "the first declined"
    assert both.usage.prompt_tokens == first.usage.prompt_tokens + second.usage.prompt_tokens
    assert both.usage.calls == 2
    kept = small["self_route"].rows["d14-0"].answer
    assert kept is not None
    assert kept.usage == small["rag"].rows["d14-0"].answer.usage  # type: ignore[union-attr]
    [report] = [one for one in routing_reports(given.results) if one.group.title.startswith("small")]
    wrapper = report.rows[2]
    declined = sum("not ment" in (row.answer.text if row.answer else "").lower() for row in small["rag"].rows.values())
    assert wrapper.shares["full"] == pytest.approx(declined / 48)
    assert wrapper.money == pytest.approx(
        sum(
            (row.answer.usage.prompt_tokens + 10 * row.answer.usage.completion_tokens) / 1e6
            for row in small["self_route"].rows.values()
            if row.answer
        )
        / 48
    )


def test_a_router_that_asks_a_model_is_charged_for_it_and_needs_one(folder: Path) -> None:
    with pytest.raises(EngineError, match="this replay names none"):
        replayed(folder, routers={"asked": "pre_route"})
    model = {"kind": "scripted", "default": '{"route": "full"}', "price": {"prompt": 5.0, "completion": 5.0}}
    given = replayed(
        folder,
        routers={"asked": "pre_route"},
        generators={"main": model},
        prices={"small": {"prompt": 1.0, "completion": 1.0}},
    )
    small = {cell.facts["arm"]: cell for cell in given.results.cells if cell.facts["settings"]["model"] == "small"}
    asked, stored = small["asked"].rows["d01-0"].answer, small["full"].rows["d01-0"].answer
    assert asked is not None
    assert stored is not None
    assert asked.usage.calls == stored.usage.calls + 1
    assert asked.usage.prompt_tokens > stored.usage.prompt_tokens
    assert asked.bills["main"] == stored.usage, "the answering model's own price"
    assert small["asked"].summary["cost"] > small["full"].summary["cost"]


def test_settings_by_model_reach_that_model_alone(folder: Path) -> None:
    routers = {"by_length": {"kind": "by_length", "unit": "words", "limit": 0}}
    given = replayed(folder, routers=routers, by_model={"large": {"by_length.limit": 100_000}})
    taken = {
        cell.facts["settings"]["model"]: {row.answer.route for row in cell.rows.values() if row.answer}
        for cell in given.results.cells
        if cell.facts["arm"] == "by_length"
    }
    assert taken == {"small": {"rag"}, "large": {"full"}}
    with pytest.raises(ConfigError, match="no setting of by_length"):
        replayed(folder, routers=routers, by_model={"large": {"by_length.limitt": 1}})


def test_a_learned_router_never_decides_on_documents_it_learned_from(folder: Path) -> None:
    given = replayed(folder, learned={"learned": {"seed": 3}}, answers={"models": ["small"]})
    [cell] = [cell for cell in given.results.cells if cell.facts["arm"] == "learned"]
    halves: dict[str, set[int]] = {}
    for name, row in cell.rows.items():
        assert row.answer is not None
        halves.setdefault(name[:3], set()).add(row.answer.trace[0].facts["learned_on_half"])
    assert set(halves) == set(things.WORDS)
    assert all(len(own) == 1 for own in halves.values()), "a document is in one half"
    assert {min(own) for own in halves.values()} == {1, 2}
    [report] = routing_reports(given.results)
    learned = next(row for row in report.rows if row.arm.name == "learned")
    assert (learned.gain.mean or 0) > 0.2, "length tells the routes apart here"
    assert learned.gain.clusters == 16
    assert "tested on the other half" in given.notes[0]


def test_groups_and_breakdowns_come_from_tags(folder: Path) -> None:
    given = replayed(
        folder,
        groups=["size"],
        breakdowns={
            "task class": {"tag": "level", "values": {"look": "one place", "compare": "two places"}},
            "position": {"tag": "place", "thirds": True},
        },
        answers={"models": ["small"]},
    )
    reports = routing_reports(given.results)
    assert [one.group.title for one in reports] == ["small, set size=short", "small, set size=long"]
    assert [one.group.best.name for one in reports] == ["full", "rag"]
    parts = reports[0].group.parts
    assert set(parts["task class"].values()) == {"one place", "two places"}
    assert parts["position"]["d01-1"] == "middle third"
    with pytest.raises(ConfigError, match="no question has the tag 'sise'.*Nearest: size"):
        replayed(folder, groups=["sise"])


def test_a_replay_is_written_as_results_and_over_no_sweep(folder: Path, tmp_path: Path) -> None:
    given = spec(folder, routers={"random": "random"}, groups=["size"])
    made = replayed(folder, routers={"random": "random"}, groups=["size"])
    out = tmp_path / "runs" / "tried"
    for _ in range(2):  # again, in its own place
        loaded = write_replayed(made, given, out)
        assert [cell.name for cell in loaded.cells] == [cell.name for cell in made.results.cells]
        for mine, theirs in zip(made.results.cells, loaded.cells, strict=True):
            assert theirs.complete
            assert (mine.rows, mine.summary) == (theirs.rows, theirs.summary)
    assert [one.sentences for one in routing_reports(loaded)] == [
        one.sentences for one in routing_reports(made.results)
    ]
    shutil.rmtree(out)
    out.mkdir()
    (out / "sweep.yaml").write_text("name: tried\npipelines: {}\n")
    with pytest.raises(StoreError, match="holds the results of a sweep"):
        write_replayed(made, given, out)


def test_a_route_that_is_not_stored_cannot_be_chosen(folder: Path) -> None:
    with pytest.raises(ConfigError, match="may take 'whole', of which no answers are stored. Known: rag, full"):
        replayed(folder, routers={"by_length": {"kind": "by_length", "unit": "words", "limit": 5, "full": "whole"}})


RUN: dict[str, Any] = {
    "dataset": "toy",
    "metrics": ["contains", "token_f1"],
    "tracker": "none",
    "pipelines": {
        "full": {
            "generators": {"main": {"kind": "scripted", "replies": {"high": "31 metres"}}},
            "routes": {"full": "full_context"},
        },
        "rag": {"generators": {"main": {"kind": "scripted", "default": "83 years"}}, "routes": {"rag": "retrieve"}},
    },
}


def test_routers_over_an_earlier_run_do_what_they_would_have_done_live(tmp_path: Path) -> None:
    from ragvlc.sweep.runner import run_sweep
    from ragvlc.sweep.spec import Sweep

    one = {"kind": "scripted", "replies": {"high": "31 metres"}}
    routes = {"full": "full_context", "rag": "retrieve"}
    router = {"kind": "by_length", "unit": "characters", "limit": 600}
    both = {"generators": {"main": one}, "routes": routes}
    pipelines = {
        "full": {**both, "router": {"kind": "always", "route": "full"}},
        "rag": {**both, "router": {"kind": "always", "route": "rag"}},
        "live": {**both, "router": router},
    }
    run = run_sweep(Sweep.model_validate({**RUN, "name": "earlier", "pipelines": pipelines}), tmp_path)
    given = Replay.model_validate({"name": "later", "answers": {"file": str(run.folder)}, "routers": {"again": router}})
    from ragvlc.replay.replaying import replay_answers

    replay = replay_answers(given, read_stored(given))
    live, again = (
        Results.load(run.folder).cell("live"),
        next(c for c in replay.results.cells if c.facts["arm"] == "again"),
    )
    assert {row.answer.route for row in live.rows.values() if row.answer} == {"full", "rag"}
    for name, row in live.rows.items():
        other = again.rows[name]
        assert row.answer is not None
        assert other.answer is not None
        assert (other.answer.text, other.answer.route, other.scores) == (row.answer.text, row.answer.route, row.scores)
        assert other.answer.usage == row.answer.usage
    assert [one.rows[2].gain for one in routing_reports(Results.load(run.folder))] == [
        one.rows[2].gain for one in routing_reports(replay.results)
    ]


def test_an_earlier_run_must_have_the_cells_that_are_named(tmp_path: Path) -> None:
    from ragvlc.sweep.runner import run_sweep
    from ragvlc.sweep.spec import Sweep

    run = run_sweep(Sweep.model_validate({**RUN, "name": "earlier"}), tmp_path)
    for routes, words in (
        ({"fulll": "full", "rag": "rag"}, "no cell or pipeline of earlier is called 'fulll'"),
        ({"full": "full"}, "no two cells with different routes"),
    ):
        given = Replay.model_validate({"name": "later", "answers": {"file": str(run.folder), "routes": routes}})
        with pytest.raises(ConfigError, match=words):
            read_stored(given)


def test_a_learned_router_that_could_look_would_do_better_than_it_may(tmp_path: Path) -> None:
    """In one half of the documents one route always wins, in the other half the other: nothing learned carries over."""
    from ragvlc.replay._halves import _dealt

    examples = list(read_stored(spec(folder_with(tmp_path / "first"))).blocks[0].examples)
    first = {example.id for example in _dealt(examples, 3)[0]}
    rows = []
    for one in things.questions():
        for route in ("whole", "pieces"):
            right = (one["question_id"] in first) == (route == "whole")
            text = (one["answers"] or ["Not mentioned."])[0] if right else "The answer is yellow"
            rows.append({"qid": one["question_id"], "who": "small", "how": route, "said": text})
    given = replayed(folder_with(tmp_path / "second", rows), learned={"learned": {"seed": 3}})
    [report] = routing_reports(given.results)
    learned = next(row for row in report.rows if row.arm.name == "learned")
    assert learned.quality.mean == 0
    assert report.rows[-1].quality.mean == 1
    assert learned.quality.mean == 0
    single = next(row for row in report.rows if row.arm.name == SINGLE)
    assert learned.gain.mean == pytest.approx(-(single.quality.mean or 0)), "said, though it is worse than none"
    assert learned.gain.high is not None
    assert learned.gain.high < 0
    assert learned.right is not None
    assert learned.right.mean == 0


def test_a_tracker_is_told_what_each_way_of_choosing_was_worth(folder: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from ragvlc.replay.reporting import tell

    made = replayed(folder, routers={"random": "random"}, groups=["size"])
    given = spec(
        folder, routers={"random": "random"}, groups=["size"], tracker={"kind": "mlflow", "system_metrics": False}
    )
    loaded = write_replayed(made, given, tmp_path / "runs" / "tried")
    for _ in range(2):  # again, without a second set of runs
        tell(loaded, given, {})
    client = MlflowClient(given.tracker.store(tmp_path / "runs"))
    experiment = client.get_experiment_by_name("tried")
    runs = client.search_runs([experiment.experiment_id], "tags.`ragvlc.stale` = 'false'")
    assert sorted(run.info.run_name for run in runs) == sorted(cell.name for cell in loaded.cells)
    [own] = [run for run in runs if run.info.run_name == "random model=small size=long"]
    report = next(one for one in routing_reports(loaded) if one.group.title == "small, set size=long")
    random = next(row for row in report.rows if row.arm.name == "random")
    assert own.data.metrics["routing/gain"] == random.gain.mean
    area = report.curves[0].costs["tokens"].over_random
    assert report.curves[0].arm.name == "random"
    assert own.data.metrics["routing/area_over_random_tokens"] == area.mean
    assert own.data.metrics["routing/area_over_random_tokens_low"] == area.low
    assert own.data.metrics.get("routing/of_possible") == random.normalised.mean
    assert own.data.metrics["routing/to_full"] == random.shares["full"]
