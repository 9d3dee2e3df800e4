"""Names and values that MLflow accepts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragvlc.trackers._mlflow_values import finite, legal_names, param_text, table_text, tag_text

validation = pytest.importorskip("mlflow.utils.validation")

NAMES = st.lists(st.text(alphabet="ab@[]/._ :é\n", max_size=8) | st.text(max_size=300), unique=True, max_size=8)


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("recall@5", "recall_at_5"),
        ("routes.rag.chunker.size", "routes.rag.chunker.size"),
        ("tags[kind]", "tags_kind_"),
        ("../x", "_../x"),
        ("a//b", "a/_/b"),
        ("中文 f1", "中文 f1"),
    ],
)
def test_mapping(name: str, legal: str) -> None:
    assert legal_names([name]) == {name: legal}


def test_a_taken_name_is_not_taken_twice() -> None:
    names = legal_names(["recall@5", "recall_at_5", "a[0", "a]0"])
    assert names["recall_at_5"] == "recall_at_5"
    assert names["recall@5"].startswith("recall_at_5_")
    assert len(set(names.values())) == 4


@given(NAMES)
def test_names_are_legal_and_stay_apart(names: list[str]) -> None:
    mapping = legal_names(names)
    assert set(mapping) == set(names)
    assert len(set(mapping.values())) == len(names)
    for legal in mapping.values():
        validation._validate_metric_name(legal)
        assert len(legal) <= 250


@given(NAMES)
def test_the_order_of_names_does_not_matter(names: list[str]) -> None:
    assert legal_names(names) == legal_names(reversed(names))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (64, "64"),
        ("64", "64"),
        (None, "null"),
        (True, "true"),
        ({"kind": "top_k", "k": 4}, '{"kind": "top_k", "k": 4}'),
    ],
)
def test_params_are_spelled_like_yaml(value: object, text: str) -> None:
    assert param_text(value) == text


def test_long_values_are_cut() -> None:
    assert len(param_text("x" * 6_000)) == 6_000
    assert param_text("x" * 6_001) == "x" * 5_999 + "…"
    assert len(tag_text("x" * 9_000)) == 8_000


def test_only_numbers_are_metrics() -> None:
    metrics = {"a": 1, "b": None, "c": math.nan, "d": math.inf, "e": 0.0}
    assert finite(metrics) == {"a": 1.0, "e": 0.0}


def test_a_table_has_every_column_of_every_row() -> None:
    table = json.loads(table_text([{"id": 1, "f1": math.nan}, {"id": 2, "note": (1, {"x": math.inf})}]))
    assert table == {"columns": ["id", "f1", "note"], "data": [[1, None, None], [2, None, [1, {"x": None}]]]}


def test_a_table_is_made_of_rows_that_are_read_once() -> None:
    rows: list[dict[str, Any]] = [{}, {"b": "é\n"}, {"a": 1, "b": [None, math.inf]}, {"c": {"x": 1}, "a": "], ["}]
    text = table_text(iter(rows))
    data = [[None, None, None], ["é\n", None, None], [[None, None], 1, None], [None, "], [", {"x": 1}]]
    assert text == json.dumps({"columns": ["b", "a", "c"], "data": data}, ensure_ascii=False)
    assert json.loads(table_text(iter([]))) == {"columns": [], "data": []}
    assert json.loads(table_text(iter([{}, {}]))) == {"columns": [], "data": [[], []]}
