"""What a sweep comes to: which cells, under which names and keys, without opening anything."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from ragvlc import config
from ragvlc.core.component import Component
from ragvlc.core.engines import TextEngine, Tokenizer
from ragvlc.core.errors import ConfigError
from ragvlc.core.families import Generator
from ragvlc.core.paths import walk
from ragvlc.pipeline import Pipeline
from ragvlc.sweep.plan import Cell, distinct_work, plan
from ragvlc.sweep.settings import Changer
from ragvlc.sweep.spec import Sweep

GENERATORS = {"main": {"kind": "scripted"}}
PIPELINES: dict[str, Any] = {
    "closed": {"generators": GENERATORS, "routes": {"closed": "closed_book"}},
    "rag": {"generators": GENERATORS, "routes": {"rag": {"kind": "retrieve"}}},
}
SIZE, K, SELECTOR, ORDER = "chunker.size", "selector.k", "selector", "order"


def swept(pipelines: Any = None, **fields: Any) -> Sweep:
    data = {"name": "s", "dataset": "toy", "pipelines": pipelines or PIPELINES, "metrics": ["contains"]}
    return config.build(Sweep, data | {"tracker": "none"} | fields, "s.yaml")


def of_rag(**axes: list[Any]) -> dict[str, list[Any]]:
    return {f"routes.rag.{path.replace('__', '.')}": values for path, values in axes.items()}


def names(cells: list[Cell]) -> list[str]:
    return [cell.name for cell in cells]


def rag(cell: Cell) -> Any:
    return cell.pipeline.routes["rag"]


def problems(build: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        build()
    return caught.value.problems


def test_without_axes_each_pipeline_is_a_cell() -> None:
    cells = plan(swept())
    assert names(cells) == ["closed", "rag"]
    assert [cell.settings for cell in cells] == [{}, {}]
    assert cells[1].pipeline == swept().pipelines["rag"]


def test_a_grid_multiplies_only_pipelines_that_have_the_paths() -> None:
    cells = plan(swept(axes=of_rag(chunker__size=[64, 128], selector__k=[1, 2])))
    assert names(cells) == ["closed", *(f"rag size={size} k={k}" for size in (64, 128) for k in (1, 2))]
    assert [(rag(cell).chunker.size, rag(cell).selector.k) for cell in cells[1:]] == [
        (64, 1),
        (64, 2),
        (128, 1),
        (128, 2),
    ]
    assert cells[0].settings == {}
    assert cells[1].settings == {"routes.rag.chunker.size": 64, "routes.rag.selector.k": 1}


def test_what_is_not_varied_stays_as_it_is() -> None:
    pipelines = {"rag": {"generators": GENERATORS, "routes": {"rag": {"kind": "retrieve", "answer_tokens": 7}}}}
    [one, two] = plan(swept(pipelines, axes=of_rag(chunker__size=[64, 128])))
    assert rag(one).answer_tokens == rag(two).answer_tokens == 7
    assert rag(one).selector == rag(two).selector
    assert one.pipeline.generators == two.pipeline.generators


def test_a_named_axis_sets_paths_together() -> None:
    axes = {
        "matched": [{"routes.rag.chunker.size": 128, "routes.rag.selector.k": 16}, {"routes.rag.chunker.size": 512}]
    }
    cells = plan(swept(axes=axes))
    assert [(rag(cell).chunker.size, rag(cell).selector.k) for cell in cells[1:]] == [
        (128, 16),
        (512, swept().pipelines["rag"].routes["rag"].selector.k),
    ]
    assert names(cells) == ["closed", "rag size=128 k=16", "rag size=512"]


def test_a_field_of_the_pipeline_is_an_axis_even_if_its_values_are_mappings() -> None:
    two = {
        "generators": GENERATORS,
        "routes": {"a": "closed_book", "b": "full_context"},
        "router": {"kind": "always", "route": "a"},
    }
    cells = plan(swept({"two": two}, axes={"router": [{"kind": "always", "route": name} for name in "ab"]}))
    assert names(cells) == ["two router=always(route=a)", "two router=always(route=b)"]


def test_one_value_is_an_override_and_not_in_the_name() -> None:
    cells = plan(swept(axes=of_rag(selector=[{"kind": "token_budget", "tokens": 99}], chunker__size=[64, 128])))
    assert names(cells) == ["closed", "rag size=64", "rag size=128"]
    assert all(rag(cell).selector.tokens == 99 for cell in cells[1:])
    assert cells[1].settings["routes.rag.selector"] == {"kind": "token_budget", "tokens": 99}


@pytest.mark.parametrize("child_first", [True, False])
def test_parents_apply_before_children_wherever_they_stand(child_first: bool) -> None:
    axes = of_rag(selector__k=[1, 2], selector=["top_k", {"kind": "token_budget", "tokens": 99}])
    if not child_first:
        axes = dict(reversed(axes.items()))
    cells = plan(swept(axes=axes))
    found = {(rag(cell).selector.kind, getattr(rag(cell).selector, "k", None)) for cell in cells[1:]}
    assert found == {("top_k", 1), ("top_k", 2), ("token_budget", None)}
    assert len(cells) == 4, "the child that is gone multiplies nothing"
    budget = next(cell for cell in cells[1:] if rag(cell).selector.kind == "token_budget")
    assert "routes.rag.selector.k" not in budget.settings


def test_equal_cells_are_one_and_know_all_their_pipelines() -> None:
    edges = {"generators": GENERATORS, "routes": {"rag": {"kind": "retrieve", "order": "edges_best_first"}}}
    pipelines = {"rag": PIPELINES["rag"], "edges": edges}
    cells = plan(swept(pipelines, axes=of_rag(order=["document", "edges_best_first"])))
    assert names(cells) == ["rag order=document", "rag order=edges_best_first"]
    assert [cell.pipelines for cell in cells] == [("rag", "edges"), ("rag", "edges")]
    cells = plan(swept(pipelines, axes=of_rag(chunker__size=[256])))
    assert [cell.pipelines for cell in cells] == [("rag",), ("edges",)]


def test_values_that_mean_the_same_are_one_cell() -> None:
    assert len(plan(swept({"rag": PIPELINES["rag"]}, axes=of_rag(order=["document", {"kind": "document"}])))) == 1


def test_repeats_multiply_random_cells_only() -> None:
    cells = plan(swept(axes=of_rag(order=["document", "random"]), repeats=3, seed=5))
    assert names(cells) == [
        "closed",
        "rag order=document",
        "rag order=random",
        "rag order=random #2",
        "rag order=random #3",
    ]
    seeds = [cell.seed for cell in cells[2:]]
    assert len(set(seeds)) == 3
    assert len({cell.key for cell in cells}) == 5
    assert [cell.seed for cell in plan(swept(axes=of_rag(order=["random"]), repeats=3, seed=6))][1:] != seeds


def test_more_repeats_and_a_changed_seed_keep_the_keys_they_can() -> None:
    def keys(**fields: Any) -> dict[str, str]:
        return {cell.name: cell.key for cell in plan(swept(axes=of_rag(order=["document", "random"]), **fields))}

    one, three, reseeded = keys(), keys(repeats=3), keys(seed=1)
    assert one.items() <= three.items()
    assert one["rag order=document"] == reseeded["rag order=document"]
    assert one["rag order=random"] != reseeded["rag order=random"]


def test_data_sets_are_an_axis(tmp_path: Path) -> None:
    sets = ["toy", {"kind": "jsonl", "path": str(tmp_path)}]
    cells = plan(swept({"closed": PIPELINES["closed"]}, axes={"dataset": sets}))
    assert [cell.dataset.kind for cell in cells] == ["toy", "jsonl"]
    assert len({cell.key for cell in cells}) == 2
    assert names(cells)[0] == "closed dataset=toy"


def test_a_setting_of_the_data_set_is_an_axis(tmp_path: Path) -> None:
    cells = plan(swept(dataset={"kind": "jsonl", "path": str(tmp_path)}, axes={"dataset.tasks": [["qa"], ["needle"]]}))
    assert [list(cell.dataset.tasks) for cell in cells] == [["qa"], ["needle"], ["qa"], ["needle"]]
    assert len(set(names(cells))) == 4


def test_every_unknown_path_is_named_with_the_nearest() -> None:
    found = problems(lambda: plan(swept(axes=of_rag(chunker__sise=[1], selektor=["top_k"]) | {"dataset.limmit": [1]})))
    assert found == (
        "s: axes['routes.rag.chunker.sise'] matches no pipeline. Nearest: routes.rag.chunker.size.",
        "s: axes['routes.rag.selektor'] matches no pipeline. Nearest: routes.rag.selector.",
        "s: axes['dataset.limmit'] matches no pipeline. Nearest: dataset.limit.",
    )


def test_a_kind_is_changed_by_its_part() -> None:
    [found] = problems(lambda: plan(swept(axes=of_rag(order__kind=["random"]))))
    assert found == "s: axes['routes.rag.order.kind'] matches no pipeline. Vary 'routes.rag.order' itself."


def test_refused_values_name_pipeline_and_setting_once_and_unknown_paths_are_still_told() -> None:
    axes = of_rag(chunker__size=[0, 64], selector__k=[1, "many"], order=["documnet"], chunker__sise=[1])
    found = problems(lambda: plan(swept(axes=axes)))
    assert any(one.startswith("s: rag: routes.rag.order: 'documnet' is no kind of orders") for one in found)
    assert any("Nearest: document" in one for one in found)
    assert found[-1].startswith("s: axes['routes.rag.chunker.sise'] matches no pipeline")
    found = problems(lambda: plan(swept(axes=of_rag(chunker__size=[0, 64], selector__k=[1, "many"]))))
    assert [one.split(": ")[:3] for one in found] == [
        ["s", "rag", "routes.rag.chunker.size"],
        ["s", "rag", "routes.rag.selector.k"],
    ]
    assert "greater than or equal to 1" in found[0]
    assert "'many'" in found[1]


def test_a_refused_data_set_is_told() -> None:
    [found] = problems(lambda: plan(swept(axes={"dataset.limit": [0]})))
    assert re.search(r"dataset\.limit: .*greater than or equal to 1", found)


def test_names_are_unique_short_and_of_one_line() -> None:
    prompts = ["A long instruction that is\nspread over lines {document} {question} " + end for end in ("one", "two")]
    cells = plan(swept(axes=of_rag(question_prompt=prompts, retriever=["bm25", {"kind": "bm25", "k1": 1.2}])))
    assert len(set(names(cells))) == len(cells) == 5
    assert all("\n" not in name and len(name) < 100 for name in names(cells))
    assert names(cells)[2].endswith("retriever=bm25(k1=1.2)")


def test_settings_that_end_alike_are_told_apart() -> None:
    two = {
        "generators": GENERATORS,
        "routes": {"a": "full_context", "b": "full_context"},
        "router": {"kind": "always", "route": "a"},
    }
    axes = {"routes.a.answer_tokens": [1, 2], "routes.b.answer_tokens": [3, 4]}
    assert names(plan(swept({"two": two}, axes=axes)))[0] == "two a.answer_tokens=1 b.answer_tokens=3"


def test_keys_depend_on_what_can_change_an_answer_only() -> None:
    def keys(pipelines: Any = None, **fields: Any) -> list[str]:
        return [cell.key for cell in plan(swept(pipelines, axes=of_rag(order=["document", "random"]), **fields))]

    slow = {
        name: {**spec, "generators": {"main": {"kind": "scripted", "seconds_per_call": 1}}}
        for name, spec in PIPELINES.items()
    }
    told = {name: {**spec, "description": "words"} for name, spec in PIPELINES.items()}
    same = keys()
    assert keys(tracker="mlflow") == same
    assert keys(concurrency=1, description="x", max_failures=1) == same
    assert keys(dataset={"kind": "toy", "limit": 2, "seed": 3}) == same
    assert keys(metrics=["token_f1"], baseline="rag", name="other") == same
    assert keys(slow) == same
    assert keys(told) == same
    other = {
        name: {**spec, "generators": {"main": {"kind": "scripted", "default": "x"}}} for name, spec in PIPELINES.items()
    }
    assert not set(keys(other)) & set(same)


class Sealed(Generator):
    """Must not be opened."""

    def tokenizer(self) -> Tokenizer:
        raise AssertionError("a plan opens nothing")

    def open(self) -> TextEngine:
        raise AssertionError("a plan opens nothing")


def test_a_plan_is_pure_and_opens_nothing(tmp_path: Path) -> None:
    pipelines = {name: {**spec, "generators": {"main": Sealed()}} for name, spec in PIPELINES.items()}
    sweep = swept(
        pipelines, dataset={"kind": "jsonl", "path": str(tmp_path / "absent")}, axes=of_rag(chunker__size=[64, 128])
    )
    before = sweep.spec()
    first, second = plan(sweep), plan(sweep)
    assert first == second
    assert sweep.spec() == before
    assert distinct_work(first) == {"chunkings": 2, "rankings": 2}
    assert list(tmp_path.iterdir()) == []


def test_shared_work_is_counted_once() -> None:
    axes = of_rag(chunker__size=[64, 128], selector__k=[1, 2, 3], order=["document", "reverse"])
    axes |= {"routes.rag.retriever": ["bm25", {"kind": "bm25", "k1": 1.2}]}
    assert distinct_work(plan(swept(axes=axes))) == {"chunkings": 2, "rankings": 4}


SPEC = swept().pipelines["rag"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "routes.rag.chunker": st.sampled_from(["whole", {"kind": "tokens", "size": 32}]),
    "routes.rag.chunker.size": st.sampled_from([16, 64]),
    "routes.rag.selector": st.sampled_from(["top_k", {"kind": "token_budget", "tokens": 9}]),
    "routes.rag.selector.k": st.sampled_from([1, 3]),
    "routes.rag.order": st.sampled_from(["reverse", "random"]),
    "routes.rag.decline": st.sampled_from([None, "no"]),
    "generators.main.default": st.sampled_from(["a", "b"]),
    "router": st.just({"kind": "always", "route": "rag"}),
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(VALUES)), unique=True).flatmap(
        lambda paths: st.fixed_dictionaries({path: VALUES[path] for path in paths})
    )
)
def test_changing_parts_is_editing_the_yaml(chosen: dict[str, Any]) -> None:
    """The quick way (parts kept where nothing changes) gives what building the edited YAML gives, key and all."""
    expected: Component = SPEC
    used = set()
    for _, paths in itertools.groupby(sorted(chosen, key=lambda path: path.count(".")), lambda path: path.count(".")):
        spec = expected.spec()
        for path in paths:
            *parents, last = path.split(".")
            place = spec
            for step in parents:
                place = place[step]
            if last in place:
                place[last] = chosen[path]
                used.add(path)
        expected = Pipeline.model_validate(spec)
    for _ in range(2):
        found, placed = Changer[Pipeline]("s").change(SPEC, chosen)
        assert (found, found.key, placed) == (expected, expected.key, used)


def test_paths_reach_everything_that_can_be_set() -> None:
    found = {path for path, _ in walk(SPEC)}
    assert {"router", "routes.rag", "routes.rag.chunker.size", "generators.main.default"} <= found
    assert all(not path.endswith(".kind") for path in found)


@pytest.mark.parametrize("flags", [{"avx2"}, {"avx2", "avx512_bf16"}], ids=["32-bit only", "16-bit"])
def test_planning_imports_no_heavy_library(flags) -> None:
    import subprocess

    code = (
        "import sys; from ragvlc.sweep.spec import Sweep; from ragvlc.sweep.plan import plan\n"
        "from ragvlc.engines.batching import dtypes\n"
        f"dtypes.cpu_flags = lambda: frozenset({flags})\n"
        "plan(Sweep.load('quickstart'))\n"
        "print([name for name in ('torch', 'transformers', 'mlflow', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Holder(Component):
    values: dict[str, int] = Field(default_factory=lambda: {"a": 1, "b": 2})


def test_an_entry_of_a_plain_mapping_can_be_set() -> None:
    found, used = Changer[Holder]("s").change(Holder(), {"values.a": 5, "values.c": 6})
    assert found.values == {"a": 5, "b": 2}
    assert used == {"values.a"}


DECIDE = {"metric": "contains", "margin": 0.03}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"margin": None}, "decide: needs `margin`: how much of contains may be lost"),
        (
            {"metric": "contain"},
            "decide.metric: 'contain' is no metric of this sweep. Known: ['contains']. Nearest: con",
        ),
        ({"margin": 3}, "decide.margin: 3 is all of contains, which is from 0 to 1. Three hundredths are 0.03."),
        ({"margin": "3%"}, "decide: margin: '3%' is not a number. Three hundredths are 0.03."),
        ({"margin": True}, "decide: margin: True is not a number."),
        ({"margin": 0}, "decide: margin: must be above 0"),
        ({"metric": {"contains": 0.1}}, "decide: has margins in `metric` and a `margin`"),
        ({"metric": [1, 2]}, "decide: metric: must name metrics by their labels"),
        ({"metric": ["contains", "contains"]}, "decide: metric names one twice"),
        ({"cost": "dollars"}, "decide.cost: 'dollars' is not known. Known: tokens, money, seconds, first_token."),
        ({"cost": "money"}, "decide.cost: money needs prices, and no generator of closed, rag has one."),
        ({"baseline": "close"}, "decide.baseline: 'close' is none of ['closed', 'rag'"),
        ({"costs": "money"}, "decide.costs: decide has no field 'costs'. Known: metric, margin, cost, baseline."),
    ],
)
def test_a_decision_that_cannot_be_made_is_refused_before_anything_runs(changes, expected) -> None:
    [found] = problems(lambda: plan(swept(decide=DECIDE | changes)))
    assert expected in found


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"kind": "loogle_bleu", "order": 2}, "metrics[0].order: '2' is not known. Known: 1, 4."),
        ({"kind": "rouge", "type": 3}, "metrics[0].type: '3' is not known. Known: 1, 2, L, Lsum."),
        (
            {"kind": "rouge", "type": "Lsun"},
            "'Lsun' is not known. Known: 1, 2, L, Lsum. Nearest: Lsum.",
        ),
    ],
)
def test_choices_that_are_numbers_are_named_too(metric, expected) -> None:
    [found] = problems(lambda: swept(metrics=[metric]))
    assert found.endswith(expected)


def test_a_decision_is_no_part_of_a_key_and_may_name_a_cell() -> None:
    axes = of_rag(chunker__size=[64, 128])
    plain = plan(swept(axes=axes))
    assert [cell.key for cell in plan(swept(axes=axes, decide=DECIDE | {"baseline": "rag size=64"}))] == [
        cell.key for cell in plain
    ]
    assert [problem for problem in problems(lambda: swept(decide="contains")) if "needs a mapping such as" in problem]


@pytest.mark.parametrize(
    ("fields", "expected"), [({}, "full"), ({"baseline": "rag"}, "rag"), ({"pipelines": PIPELINES}, "closed")]
)
def test_a_decision_is_about_full_context_unless_the_sweep_names_its_baseline(fields, expected) -> None:
    full = {"full": {"generators": GENERATORS, "routes": {"all": "full_context"}}}
    assert swept(**({"pipelines": PIPELINES | full} | fields)).replaceable == expected
