"""YAML in, parts out; every mistake of a file at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from ragvlc import config
from ragvlc.core.component import Component, FilePath, ModelName, Role, known_kinds
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Order, Route
from ragvlc.core.yaml_text import parse_mapping
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.spec import Sweep


class Outside(Route):
    """A route of somebody else's, with a file, a model and a role."""

    path: FilePath = "."
    model: ModelName = "packaged:some-model"
    drafter: Annotated[str, Role("generators", "TokenEngine")] = "main"

    def answer(self, query, documents, run):
        raise NotImplementedError


class Harmless(Order):
    """An order of somebody else's."""

    def arrange(self, hits, seed):
        return list(hits)


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a YAML file."""

    def write(text, name="p.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def problems(write):
    """Returns a function from the text of a pipeline's file to what is wrong with it, the file's name taken off."""

    def problems(text):
        path = write(text)
        with pytest.raises(ConfigError) as raised:
            Pipeline.load(path)
        assert all(problem.startswith(f"{path}: ") for problem in raised.value.problems)
        assert str(raised.value) == "\n".join(raised.value.problems)
        return [problem.removeprefix(f"{path}: ") for problem in raised.value.problems]

    return problems


BASE = "generators: {main: scripted}\n"


def kinds(family):
    return ", ".join(known_kinds(family))


# ---------------------------------------------------------------- every mistake at once


def test_every_mistake_of_a_file_comes_at_once(problems):
    found = problems(
        """
generators:
  main: {kind: scripted, window: 1, defalt: x}
embedders: {main: sentence_transformr}
routes:
  rag:
    kind: retrieve
    chunker: {kind: tokens, size: 0, overlp: 3}
    retriever: {kind: bm25, library: bm25}
    selector: {k: 3}
    truncation: midle
    answer_tokens: many
  other: 7
router: alway
descripton: x
"""
    )
    places = {problem.split(": ")[0]: problem.split(": ", 1)[1] for problem in found}
    assert places == {
        "generators.main.window": "input should be greater than or equal to 2 (given: 1)",
        "generators.main.defalt": "generators kind 'scripted' has no field 'defalt'. Known: temperature, top_p, price, "
        "thinking, thinking_tokens, replies, default, window, seconds_per_call. Nearest: default.",
        "embedders.main": f"'sentence_transformr' is no kind of embedders. Known: {kinds('embedders')}, or "
        "module:Class. Nearest: sentence_transformer.",
        "routes.rag.answer_tokens": "input should be a valid integer, unable to parse string as an integer "
        "(given: 'many')",
        "routes.rag.truncation": "'midle' is not known. Known: middle, head, tail, refuse. Nearest: middle.",
        "routes.rag.chunker.size": "input should be greater than or equal to 1 (given: 0)",
        "routes.rag.chunker.overlp": "chunkers kind 'tokens' has no field 'overlp'. Known: size, overlap. "
        "Nearest: overlap.",
        "routes.rag.retriever.library": "'bm25' is not known. Known: bm25s, rank_bm25. Nearest: bm25s.",
        "routes.rag.selector": f"needs a kind of selectors: {kinds('selectors')}, or module:Class.",
        "routes.other": f"needs a kind of routes: {kinds('routes')}, or module:Class.",
        "router": f"'alway' is no kind of routers. Known: {kinds('routers')}, or module:Class. Nearest: always.",
        "descripton": "pipeline has no field 'descripton'. Known: description, generators, embedders, routes, router. "
        "Nearest: description.",
    }
    assert len(found) == len(places)


def test_roles_and_targets_that_do_not_exist(problems):
    assert problems(
        """
generators: {main: scripted}
routes:
  rag: {kind: retrieve, retriever: dense, generator: mian}
  full: {kind: full_context, generator: reader}
router: {kind: always, route: ful}
"""
    ) == [
        "routes.rag: needs embedders.main. Known: none.",
        "routes.rag: needs generators.mian. Known: main. Nearest: main.",
        "routes.full: needs generators.reader. Known: main.",
        "router: names route 'ful'. Known: rag, full. Nearest: full.",
    ]


def test_a_missing_role_and_a_router_without_a_route(problems):
    assert problems(BASE + "routes: {a: {kind: full_context, generator: x}, b: closed_book}") == [
        "routes.a: needs generators.x. Known: main.",
        "router: needs a route, since the pipeline has several: a, b.",
    ]


def test_a_role_whose_model_cannot_do_what_is_needed(problems):
    served = "{kind: openai_compatible, url: 'http://127.0.0.1:9/v1', model: m}"
    [problem] = problems(f"generators: {{main: {served}}}\nroutes: {{a: {{kind: 'test_config:Outside'}}}}")
    assert problem == (
        "routes.a: needs a TokenEngine; generators.main (openai_compatible) is none. "
        "Use: kind: scripted, kind: transformers."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("routes: {a: closed_book}", "generators: is missing."),
        (BASE, "routes: is missing."),
        (BASE + "routes: {}", "routes: dictionary should have at least 1 item after validation, not 0 (given: {})"),
        (BASE + "routes: closed_book", "routes: input should be a valid dictionary (given: 'closed_book')"),
        (
            BASE + "routes: {a: {kind: closed_book, decline: 3}}",
            "routes.a.decline: input should be a valid string (given: 3)",
        ),
        (
            BASE + "routes: {a: {kind: retrieve, retriever: {kind: bm25, stop_words: [a, 2]}}}",
            "routes.a.retriever.stop_words[1]: input should be a valid string (given: 2)",
        ),
    ],
)
def test_missing_and_of_the_wrong_type(problems, text, expected):
    assert problems(text) == [expected]


# ---------------------------------------------------------------- bad YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("routes:\n  rag: retrieve\n  rag: full_context\n", "line 3, column 3: 'rag' is given twice"),
        (
            "routes:\n  rag:\n    chunker: {size: 1, size: 2}\n",
            "line 3, column 24: 'size' is given twice",
        ),
        ("a: [1, 2\nb: 3\n", "line 2, column 2: expected ',' or ']', but got ':'"),
        ("a: 1\n\tb: 2\n", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("? [a, b]\n: 3\n", "line 1, column 3: ['a', 'b'] cannot be a name"),
        ("", "needs a mapping of names to values, not nothing."),
        ("- a\n- b\n", "needs a mapping of names to values, not a list."),
    ],
)
def test_bad_yaml_is_placed(problems, text, expected):
    assert problems(text) == [expected]


def test_yaml_runs_no_code(problems, tmp_path):
    [problem] = problems(f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    assert "line 1, column 4" in problem
    assert not (tmp_path / "made").exists()


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"description: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"p\.yaml: cannot be read: .*utf-8"):
        Pipeline.load(path)


# ---------------------------------------------------------------- kinds from outside


def test_a_kind_from_outside(write):
    route = "routes: {rag: {kind: retrieve, order: 'test_config:Harmless'}}"
    pipeline = Pipeline.load(write(BASE + route))
    order = pipeline.routes["rag"].order
    assert order.kind == "test_config:Harmless"
    assert config.build(Pipeline, pipeline.spec(), "again") == pipeline


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("no_such_module:Thing", "'no_such_module:Thing' cannot be imported: No module named 'no_such_module', "),
        ("test_config:Missing", "'test_config:Missing' cannot be imported: test_config has no 'Missing'."),
        ("test_config:Harmless", "'test_config:Harmless' is not a subclass of ragvlc.families.Route."),
        ("test_config:pytest", "'test_config:pytest' is not a subclass of ragvlc.families.Route."),
        (":Thing", "':Thing' needs a module and a class: module:Class."),
        ("test_config.Outside", "'test_config.Outside' is no kind of routes. Known: "),
        ("_asking", "'_asking' is no kind of routes. Known: "),
        ("../routes/retrieve", "'../routes/retrieve' is no kind of routes. Known: "),
    ],
)
def test_a_kind_that_is_none(problems, kind, expected):
    [problem] = problems(BASE + f"routes: {{a: '{kind}'}}")
    assert problem.startswith(f"routes.a: {expected}")


# ---------------------------------------------------------------- files and shipped names


def outside(write, fields, name="deep/down/p.yaml"):
    data = {"kind": "test_config:Outside", **fields}
    path = write(config.to_yaml({"route": data}), name)

    class Holder(Component):
        route: Route

    return config.build(Holder, config.read_yaml(path), str(path), path.parent).route


def test_paths_are_relative_to_their_file(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    found = outside(write, {"path": "../data", "model": "./models/x"})
    assert found.path == str(tmp_path.resolve() / "deep/data")
    assert found.model == str(tmp_path.resolve() / "deep/down/models/x")


def test_what_is_no_relative_path_stays(write, tmp_path):
    found = outside(write, {"path": str(tmp_path / "data"), "model": "maker/some-model"})
    assert found.path == str(tmp_path / "data")
    assert found.model == "maker/some-model"
    assert outside(write, {"path": "~/data", "model": "~/model"}).path == str(Path.home() / "data")
    assert outside(write, {}).model == "packaged:some-model"


def test_paths_given_in_python_are_left_alone():
    assert Outside(path="data").path == "data"


def test_a_spec_moves_to_another_folder_unchanged(write, tmp_path):
    found = outside(write, {"path": "../data"})
    spec = found.spec()
    spec.pop("kind")
    assert outside(write, spec, "elsewhere/p.yaml") == found


def test_shipped_files_by_name():
    known = config.shipped("pipelines")
    assert {"rag", "full_context", "closed_book"} <= set(known)
    assert config.find_file("rag", "pipelines") == known["rag"]
    assert Pipeline.load("rag") == Pipeline.load(known["rag"])
    assert {"quickstart"} <= set(config.shipped("experiments"))


def test_a_file_wins_over_a_shipped_name_and_the_folder_over_the_working_folder(write, tmp_path, monkeypatch):
    here = write("a: 1", "here/rag")
    there = write("a: 1", "there/rag")
    monkeypatch.chdir(here.parent)
    assert config.find_file("rag", "pipelines", there.parent) == there.resolve()
    assert config.find_file("rag", "pipelines") == here.resolve()
    monkeypatch.chdir(tmp_path)
    assert config.find_file("rag", "pipelines") == config.shipped("pipelines")["rag"]


def test_a_name_that_is_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"'rga' is neither a file nor one of the shipped pipelines: .*Nearest: rag\."
    ):
        Pipeline.load("rga")


# ---------------------------------------------------------------- files in files


def sweep_problems(path):
    with pytest.raises(ConfigError) as raised:
        Sweep.load(path)
    return raised.value.problems


def test_mistakes_in_the_files_of_an_experiment_come_with_its_own(write):
    good = write(BASE + "routes: {a: closed_book}", "good.yaml")
    bad = write(BASE + "routes: {a: {kind: closed_book, answer_tokns: 3}}", "bad.yaml")
    worse = write("a: [", "worse.yaml")
    found = sweep_problems(
        write(f"dataset: toi\npipelines: [{good.name}, {bad.name}, {worse.name}]\nmetrics: [contains]\n", "e.yaml")
    )
    assert [problem.split(": ")[:3] for problem in found[:1]] == [
        [str(good.parent / "e.yaml"), "dataset", "'toi' is no kind of datasets. Known"]
    ]
    assert found[1].startswith(f"pipelines.bad: {bad}: routes.a.answer_tokns: routes kind 'closed_book' has no field")
    assert found[2].startswith(f"pipelines.worse: {worse}: line 1, column 5: ")
    assert len(found) == 3


def test_a_pipeline_written_into_an_experiment_knows_its_own_fields(write):
    text = (
        "dataset: toy\nmetrics: [contains]\npipelines: {own: {generators: {main: scripted}, rutes: {a: closed_book}}}"
    )
    found = sweep_problems(write(text, "e.yaml"))
    assert [problem.split("e.yaml: ")[1] for problem in found] == [
        "pipelines.own.routes: is missing.",
        (
            "pipelines.own.rutes: pipeline has no field 'rutes'. Known: description, generators, embedders, routes, "
            "router. Nearest: routes."
        ),
    ]


def test_yaml_goes_out_as_it_came_in():
    value = {"b": [1, None, True, "ja: nein"], "a": {"text": "线\nzwei ", "no": "no", "number": "1.0"}}
    text = config.to_yaml(value)
    assert parse_mapping(text, "x") == value
    assert list(parse_mapping(text, "x")) == ["b", "a"]
    assert "线" in text


def test_an_experiment_named_like_stored_results_is_pointed_to_their_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "papers").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"^'papers' is neither a file .*[a-z_]\.$"):
        config.find_file("papers", "experiments")
    (tmp_path / "runs" / "papers" / "sweep.yaml").write_text("name: papers\n")
    with pytest.raises(ConfigError, match=r"top_k\. Its results are in runs/papers: name that folder\.$"):
        config.find_file("papers", "experiments")
    with pytest.raises(ConfigError, match=r"[a-z_]\.$"):
        config.find_file("papers", "pipelines")
