"""The real sets load, and hold what their own statistics say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ragvlc.datasets.jsonl import Jsonl

DATA = Path(__file__).parents[3] / "shared" / "data"
SETS = sorted(file.parent.name for file in DATA.glob("*/dataset.json"))

pytestmark = pytest.mark.skipif(not SETS, reason="../shared/data is absent")


@pytest.mark.parametrize("name", SETS)
def test_a_set_holds_what_it_says(name):
    statistics = json.loads((DATA / name / "dataset.json").read_text(encoding="utf-8"))["statistics"]
    examples = Jsonl(path=str(DATA / name)).load()
    assert len(examples) == statistics["questions"]
    assert Counter(example.task for example in examples) == statistics["tasks"]
    assert sum(example.unanswerable for example in examples) == statistics["unanswerable"]
    with_evidence = sum(example.tags["evidence"] not in ("none", "not located") for example in examples)
    assert with_evidence == statistics["with_evidence"]
    for example in examples:
        assert bool(example.references) == (not example.unanswerable and example.task != "retrieval")
        assert not example.query.choices or set(example.references) <= set(example.query.choices)
        assert example.documents
        assert example.cluster
        assert set(example.relevant) <= {document.id for document in example.documents}


@pytest.mark.parametrize("name", [name for name in SETS if (DATA / name / "retrieval_queries.jsonl").is_file()])
def test_queries_over_the_whole_set(name):
    statistics = json.loads((DATA / name / "dataset.json").read_text(encoding="utf-8"))["statistics"]
    examples = Jsonl(path=str(DATA / name), questions="retrieval_queries.jsonl").load()
    assert len(examples) == statistics["retrieval_queries"]
    assert {len(example.documents) for example in examples} == {statistics["documents"]}
    assert all(example.relevant for example in examples)


def only(name: str) -> Path:
    if name not in SETS:
        pytest.skip(f"{name} is absent")
    return DATA / name


def test_candidates_have_the_length_of_the_query():
    for example in Jsonl(path=str(only("longembed_passkey"))).load():
        assert {document.metadata["length"] for document in example.documents} == {example.tags["length"]}
        assert 8 <= len(example.documents) <= 20


def test_variants_of_a_question_share_a_cluster():
    path = str(only("quality_mc"))
    variants = Counter(example.cluster for example in Jsonl(path=path, cluster="id_prefix").load())
    assert sum(count == 2 for count in variants.values()) == 112
    parallel = Jsonl(path=str(only("xquad_parallel")), cluster="meta.parallel_id").load()
    assert set(Counter(example.cluster for example in parallel).values()) == {4}


def test_coarse_spans_are_left_out():
    examples = Jsonl(path=str(only("quality_mc")), tags={"evidence": "whole story"}).load()
    assert len(examples) == 112
    assert not any(example.evidence for example in examples)
