"""Paths among values that no part has checked yet: which fields take paths, and where those are seen from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragvlc import config, families
from ragvlc.core.component import Component, FilePath, fields_of, find_kind, known_kinds
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Router
from ragvlc.core.paths import Base, Spot, placed_choices
from ragvlc.pipeline import Pipeline
from ragvlc.replay.spec import Replay
from ragvlc.sweep.plan import plan
from ragvlc.sweep.spec import Sweep

FAMILIES = [one for one in vars(families).values() if isinstance(one, type) and "family" in vars(one) and one.family]
KINDS = [find_kind(family, kind) for family in FAMILIES for kind in known_kinds(family.family)]
WITH_PATHS = sorted(
    (kind.__module__.removeprefix("ragvlc."), name, kind)
    for kind in [*KINDS, Replay]
    for name, info in fields_of(kind).items()
    if "PathMark" in repr((info.annotation, info.metadata))
)
MLFLOW = {"tracker.uri": "y", "tracker": "mlflow"}
PIPELINE = "generators: {main: scripted}\nroutes: {rag: retrieve}\n"
JSONL = (
    '{"doc_id": "d", "text": "The tower is 31 metres high."}\n',
    ('{"question_id": "q", "doc_id": "d", "question": "How high?", "answers": ["31 metres"]}\n'),
)


class Filed(Router):
    """A router of somebody else's, with a file."""

    file: FilePath = "rule.json"

    def targets(self, routes):
        return frozenset()

    def choose(self, query, documents, routes, run):
        raise NotImplementedError


def data_in(folder: Path) -> Path:
    """Writes a data set of one question."""
    folder.mkdir(parents=True)
    for name, text in zip(("documents", "questions"), JSONL, strict=True):
        (folder / f"{name}.jsonl").write_text(text)
    return folder.resolve()


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes a sweep into one folder, and moves to another."""
    (tmp_path / "far" / "lists").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "far" / "one.yaml").write_text(PIPELINE)
    file = tmp_path / "far" / "sweep.yaml"
    file.write_text("dataset: toy\npipelines: [one.yaml]\nmetrics: [contains]\ntracker: none\n")
    return file


# ---------------------------------------------------------------- which fields take paths


def test_the_known_fields_with_paths_are_looked_at() -> None:
    found = {(module, name) for module, name, _ in WITH_PATHS}
    assert {("datasets.jsonl", "path"), ("datasets.huggingface", "data_files"), ("routers.learned", "model")} <= found
    assert {
        ("generators.transformers", "model"),
        ("datasets.needle", "haystack"),
        ("replay.spec", "questions"),
    } <= found


@pytest.mark.parametrize(("module", "name", "kind"), WITH_PATHS, ids=[f"{one[0]}.{one[1]}" for one in WITH_PATHS])
def test_a_path_is_made_whole_in_every_field_that_takes_one(
    tmp_path: Path, module: str, name: str, kind: type[Component]
) -> None:
    info = fields_of(kind)[name]
    many = "tuple" in repr(info.annotation)
    placed = Spot({name: ["./x"] if many else "./x"}, kind).placed(Base(tmp_path))
    whole = str(tmp_path.resolve() / "x")
    assert placed == {name: [whole] if many else whole}
    dotted = "dotted=True" in repr((info.annotation, info.metadata))
    bare = Spot({name: ["x"] if many else "x"}, kind).placed(Base(tmp_path))[name]
    assert bare == ("x" if dotted else [whole] if many else whole)


def test_what_is_no_path_stays(tmp_path: Path) -> None:
    value = {"kind": "jsonl", "path": "/a/b", "questions": "./q.jsonl", "tags": {"path": "./x"}, "pad_from": None}
    assert Spot(value, families.Dataset).placed(Base(tmp_path)) == value
    assert Spot({"kind": "jsnl", "path": "x"}, families.Dataset).placed(Base(tmp_path)) == {"kind": "jsnl", "path": "x"}
    assert Spot("./jsonl", families.Dataset).placed(Base(tmp_path)) == "./jsonl"


def test_a_path_is_seen_from_what_another_axis_puts_there(tmp_path: Path) -> None:
    roots = [Spot({"dataset": families.Dataset.build("longembed")}, dict[str, families.Dataset])]
    whole, base = str(tmp_path.resolve() / "x"), [Base(tmp_path)] * 2
    for axes in (
        [[{"dataset": "jsonl"}], [{"dataset.path": "x"}]],
        [[{"dataset": {"kind": "jsonl"}}], [{"dataset.path": "x"}]],
    ):
        assert placed_choices(axes, roots, base) == [axes[0], [{"dataset.path": whole}]]
    together = [[{"dataset": "jsonl"}, {"dataset.limit": 1}], [{"dataset.path": "x"}]]
    with pytest.raises(ValueError, match="'x' is a path to some and a name to others"):
        placed_choices(together, roots, base)


# ---------------------------------------------------------------- settings on top of a file


@pytest.mark.parametrize(
    "overrides",
    [
        {"dataset": {"kind": "jsonl", "path": "../data"}},
        {"dataset": "jsonl", "dataset.path": "../data"},
        {"dataset.path": "../data", "dataset.kind": "jsonl"},
        {"dataset.path": "../data", "dataset": "jsonl"},
        {"axes": {"dataset": [{"kind": "jsonl", "path": "../data"}]}},
        {"axes": {"data": [{"dataset": "jsonl", "dataset.path": "../data"}]}},
    ],
)
def test_a_path_on_top_of_a_file_is_seen_from_the_current_folder(sweep: Path, tmp_path: Path, overrides: dict) -> None:
    """The same cell, and the same stored settings, as with the path in full."""
    data = data_in(tmp_path / "data")
    found = Sweep.load(sweep, overrides=overrides)
    [cell] = plan(found)
    assert cell.dataset.path == str(data)
    whole = Sweep.load(sweep, overrides={"dataset": {"kind": "jsonl", "path": str(data)}})
    assert [cell.key] == [one.key for one in plan(whole)]
    assert str(data) in config.to_yaml(found.spec())
    assert "../data" not in config.to_yaml(found.spec())


def test_a_caller_may_say_which_folder(sweep: Path, tmp_path: Path) -> None:
    data = data_in(tmp_path / "else" / "data")
    for folder in (tmp_path / "else", "../else"):
        found = Sweep.load(sweep, overrides={"dataset": {"kind": "jsonl", "path": "data"}}, folder=folder)
        assert found.dataset.path == str(data)


def test_a_setting_that_becomes_an_axis_leaves_the_file_alone(sweep: Path, tmp_path: Path) -> None:
    far, here = data_in(tmp_path / "far" / "data"), data_in(tmp_path / "here" / "mine")
    sweep.write_text(sweep.read_text().replace("dataset: toy", "dataset: {kind: jsonl, path: data}"))
    sweep.write_text(f"{sweep.read_text()}axes: {{dataset: [{{kind: jsonl, path: data}}]}}\n")
    found = Sweep.load(sweep, overrides={"dataset.path": "mine"})
    assert found.dataset.path == found.axes["dataset"][0]["path"] == str(far)
    assert [cell.dataset.path for cell in plan(found)] == [str(here)]


@pytest.mark.parametrize(
    "overrides",
    [
        {"dataset": {"kind": "jsonl", "path": "data"}},
        {"axes": {"dataset": [{"kind": "jsonl", "path": "data"}]}},
        {"pipelines": ["one.yaml"]},
        {"pipelines": {"mine": "one.yaml"}},
    ],
)
def test_what_stands_beside_the_file_alone_is_refused(sweep: Path, tmp_path: Path, overrides: dict) -> None:
    data_in(tmp_path / "far" / "data")
    with pytest.raises(ConfigError) as raised:
        Sweep.load(sweep, overrides=overrides)
    [problem] = raised.value.problems
    given = "one.yaml" if "pipelines" in overrides else "data"
    assert problem.startswith(f"{sweep}: ")
    assert f"'{given}' is seen from {tmp_path / 'here'}, " in problem
    assert str(tmp_path.resolve() / "far" / given) in problem


def test_pipelines_on_top_of_a_file(sweep: Path, tmp_path: Path) -> None:
    Path("two.yaml").write_text(PIPELINE.replace("retrieve", "full_context"))
    (tmp_path / "far" / "two.yaml").write_text(PIPELINE)
    found = Sweep.load(sweep, overrides={"pipelines": ["two.yaml", "rag", "../far/one.yaml"]})
    assert list(found.pipelines) == ["two", "rag", "one"]
    assert found.pipelines["two"].routes["rag"].kind == "full_context"
    assert found.pipelines["rag"] == Pipeline.load("rag")
    with pytest.raises(ConfigError, match="pipelines.rga: 'rga' is neither a file nor .* Nearest: rag"):
        Sweep.load(sweep, overrides={"pipelines": ["rga"]})
    inside = {"own": {"generators": {"main": "scripted"}, "embedders": {"main": {"kind": "sentence_transformer"}}}}
    inside["own"]["embedders"]["main"]["model"] = "./models/x"
    own = Sweep.load(sweep, overrides={"pipelines": {"own": {**inside["own"], "routes": {"rag": "retrieve"}}}})
    assert own.pipelines["own"].embedders["main"].model == str(Path.cwd().resolve() / "models/x")


# ---------------------------------------------------------------- axes in a file


def test_axes_of_a_file_are_seen_from_the_file(sweep: Path, tmp_path: Path) -> None:
    data = data_in(tmp_path / "far" / "data")
    text = sweep.read_text()
    axes = "axes: {dataset: [toy, {kind: jsonl, path: data}], generators.main: [{kind: transformers, model: ./m}]}\n"
    sweep.write_text(text + axes)
    found = Sweep.load(sweep)
    cells = plan(found)
    assert [getattr(cell.dataset, "path", None) for cell in cells] == [None, str(data)]
    assert cells[0].pipeline.generators["main"].model == str(tmp_path.resolve() / "far" / "m")
    again = Sweep.load(sweep, overrides={"name": "again"})
    stored = tmp_path / "runs" / "sweep.yaml"
    stored.parent.mkdir()
    stored.write_text(config.to_yaml(again.spec()))
    assert [cell.key for cell in plan(Sweep.load(stored))] == [cell.key for cell in cells]
    sweep.write_text(text + "axes: {dataset: [toy, {kind: jsonl, path: mine}]}\n")
    data_in(tmp_path / "here" / "mine")
    with pytest.raises(ConfigError, match=r"axes: 'mine' is seen from .*far, and .* Write it as seen from"):
        Sweep.load(sweep)


def test_long_paths_are_told_apart_by_their_ends(sweep: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        data_in(tmp_path / "far" / "sets" / "with a long name" / name)
    values = ", ".join(f"{{kind: jsonl, path: sets/with a long name/{name}}}" for name in ("first", "second"))
    sweep.write_text(f"{sweep.read_text()}axes: {{dataset: [{values}]}}\n")
    assert [
        cell.name.endswith(f"/{end})") for cell, end in zip(plan(Sweep.load(sweep)), ("first", "second"), strict=True)
    ]


# ---------------------------------------------------------------- replays


def test_a_replay_sees_its_files_from_where_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, far = tmp_path / "here", tmp_path / "far"
    for folder in (here, far):
        data_in(folder / "set")
        (folder / "set" / "beside.jsonl").touch()
    (far / "answers.jsonl").touch()
    (here / "mine.jsonl").touch()
    monkeypatch.chdir(here)
    file = far / "again.yaml"
    file.write_text(
        "answers: {file: answers.jsonl}\nquestions: set\n"
        "routers: {r: 'test_paths:Filed'}\nby_model: {m: {r.file: m.json}}\n"
    )
    as_written = Replay.load(file)
    assert as_written.answers.file == str(far.resolve() / "answers.jsonl")
    assert as_written.questions == str(far.resolve() / "set")
    assert as_written.by_model == {"m": {"r.file": str(far.resolve() / "m.json")}}
    given = Replay.load(
        file,
        overrides={
            "answers.file": "mine.jsonl",
            "questions": "set",
            "routers.r": {"kind": "test_paths:Filed", "file": "x"},
        },
    )
    assert given.answers.file == str(here.resolve() / "mine.jsonl")
    assert given.questions == str(here.resolve() / "set")
    assert given.routers["r"].file == str(here.resolve() / "x")
    bare = Replay.load(file, overrides={"answers.file": "mine.jsonl", "routers.r.file": "x", **MLFLOW})
    assert (bare.routers["r"].file, bare.tracker.uri) == (str(here.resolve() / "x"), "y")
    with pytest.raises(ConfigError, match=r"again\.yaml: --set seed\.x: 'seed' has no settings of its own here\."):
        Replay.load(file, overrides={"seed.x": 1})
    beside = Replay.load(file, overrides={"answers.file": "beside.jsonl", "questions": "set"})
    assert beside.answers.file == str(here.resolve() / "set" / "beside.jsonl")
    with pytest.raises(ConfigError, match=r"answers\.file: 'answers\.jsonl' is seen from .*here, and"):
        Replay.load(file, overrides={"answers.file": "answers.jsonl"})
    assert Replay.load(file, overrides={"questions": ""}).questions == ""
