"""Jobs over the same documents stay together, all workers have work, and a deadly job takes no others with it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.core.data import Example, Query
from ragvlc.core.jobs import Job
from ragvlc.executors._ray_queue import JobQueue, QueuedJob
from ragvlc.executors.ray import Ray
from ragvlc.pipeline import Pipeline

PIPELINE = Pipeline.model_validate({"generators": {"main": "scripted"}, "routes": {"full": "full_context"}})


def queued(group: str, question: str, cell: str = "c") -> QueuedJob:
    return QueuedJob(Job(cell, PIPELINE, Example(Query(question, "?"), ()), 0, group=group))


def test_a_worker_keeps_a_group_while_there_are_others() -> None:
    waiting = JobQueue([queued(f"g{n // 3}", f"q{n}") for n in range(12)], retries=3)
    taken = defaultdict(list)
    for n in range(12):
        worker = n % 2
        taken[worker].append(waiting.take(worker, suspects=True).job.group)
    assert taken == {0: ["g0"] * 3 + ["g2"] * 3, 1: ["g1"] * 3 + ["g3"] * 3}


def test_a_single_group_is_split_by_questions_that_no_worker_has_started() -> None:
    waiting = JobQueue([queued("g", f"q{n}", cell) for cell in "ab" for n in range(8)], retries=3)
    first = [waiting.take(0, suspects=True) for _ in range(3)]
    other = [waiting.take(1, suspects=True) for _ in range(6)]
    begun = {one.job.example.id for one in first}
    assert begun == {"q0", "q1", "q2"}
    assert not begun & {one.job.example.id for one in other}
    assert {one.job.cell for one in other} == {"a", "b"}  # both cells of a question: the second reuses its ranking


@given(
    sizes=st.lists(st.integers(1, 9), max_size=5),
    turns=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60),
    retries=st.integers(0, 4),
)
def test_every_job_is_done_once_whatever_is_lost(sizes: list[int], turns: list[tuple[int, bool]], retries: int) -> None:
    jobs = [queued(f"g{group}", f"q{n}") for group, size in enumerate(sizes) for n in range(size)]
    waiting, working, ended = JobQueue(jobs, retries), defaultdict(list), []
    for worker, dies in turns:
        suspected = any(map(waiting.is_suspect, working[worker]))
        one = None if suspected else waiting.take(worker, suspects=not working[worker])
        working[worker] += [one] if one else []
        assert len(working[worker]) == 1 or not any(map(waiting.is_suspect, working[worker]))
        if dies:
            lost = working.pop(worker)
            for gone in lost:
                gone.losses += 1
            ended += [gone for gone in lost if gone.losses > retries]
            waiting.lost(worker, [gone for gone in lost if gone.losses <= retries])
    left = []
    while (one := waiting.take(9, suspects=True)) is not None:
        left.append(one)
    assert len(waiting) == 0
    seen = [*left, *ended, *(one for lost in working.values() for one in lost)]
    assert sorted(map(id, seen)) == sorted(map(id, jobs))


def test_what_was_lost_twice_comes_last_and_alone() -> None:
    waiting = JobQueue([queued("g", f"q{n}") for n in range(4)], retries=3)
    two = [waiting.take(0, suspects=True) for _ in range(2)]
    for _ in range(2):
        for one in two:
            one.losses += 1
    waiting.lost(0, two)
    order = [waiting.take(1, suspects=True) for _ in range(3)]
    assert [one.job.example.id for one in order] == ["q2", "q3", "q0"]
    assert waiting.take(1, suspects=False) is None
    assert waiting.take(1, suspects=True) is two[1]


GPU_NODE = {"CPU": 128.0, "GPU": 8.0}
HEAD = {"CPU": 4.0}


def parallel(**fields: int) -> Pipeline:
    main = {"kind": "vllm", "dtype": "bfloat16"} | fields
    return Pipeline.model_validate({"generators": {"main": main}, "routes": {"full": "full_context"}})


@pytest.mark.parametrize(
    ("settings", "pipeline", "nodes", "expected"),
    [
        ({}, PIPELINE, [{"CPU": 8.0}], (1, 0, 8)),
        ({"workers": 2}, PIPELINE, [{"CPU": 2.0}], (2, 0, 1)),
        ({"workers": 4}, PIPELINE, [{"CPU": 2.0}], (4, 0, 0.5)),
        ({}, PIPELINE, [GPU_NODE, GPU_NODE, HEAD], (16, 1, 16)),
        ({}, parallel(tensor_parallel=4), [GPU_NODE, GPU_NODE, HEAD], (4, 4, 64)),
        ({}, parallel(tensor_parallel=2, pipeline_parallel=2), [GPU_NODE], (2, 4, 64)),
        ({"gpus": 0.5, "cpus": 3}, PIPELINE, [GPU_NODE], (16, 0.5, 3)),
        ({"workers": 3}, parallel(tensor_parallel=8), [GPU_NODE, GPU_NODE], (3, 8, 128)),
        ({}, parallel(tensor_parallel=16), [GPU_NODE, GPU_NODE], (1, 16, 1)),
    ],
)
def test_the_resources_requested_from_a_cluster(
    settings: dict[str, Any], pipeline: Pipeline, nodes: list[dict[str, float]], expected: tuple[float, float, float]
) -> None:
    needs = Ray(**settings).requirements([PIPELINE, pipeline], nodes)
    assert (needs.workers, needs.gpus, needs.cpus) == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"gpus": 1.5}, "must be a whole number"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"address": "ray://head:10001"}, "on one of its nodes"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Ray(**settings)


def test_the_page_on_clusters_names_every_setting_and_its_examples_are_yaml() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert table == set(Ray.model_fields)
    sweep, job = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    assert sweep["executor"].pop("kind") == "ray"
    Ray(**sweep["executor"])
    assert job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["volumes"]
