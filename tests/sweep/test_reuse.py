"""What a sweep finds again that another one computed, on disk and in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sweep_things as things

from ragvlc.memo.disk import Cache
from ragvlc.sweep.runner import run_sweep

ASKED = {"generators": {"main": {"kind": "scripted", "default": "red"}}, "routes": things.RAG["routes"]}
SAMPLED = {"generators": {"main": {"kind": "scripted", "default": "red", "temperature": 1}}, "routes": ASKED["routes"]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return things.write_set(tmp_path / "data", things.questions())


def swept(data: Path, runs: Path, pipeline: Any = ASKED, **fields: Any) -> Any:
    return run_sweep(things.sweep_over(data, pipelines={"rag": pipeline}, **fields), runs)


def test_another_sweep_finds_rankings_and_greedy_answers(data, tmp_path):
    first = swept(data, tmp_path / "one")
    again = swept(data, tmp_path / "two")
    assert first.counts.stored == {"chunk": 0, "rank": 0, "generate": 0}
    assert again.counts.stored == {"chunk": 3, "rank": 12, "generate": 12}
    assert again.counts.computed == {"chunk": 0, "rank": 0, "generate": 0}, "no index was made"
    before, after = (outcome.results().cells[0] for outcome in (first, again))
    for name, row in before.rows.items():
        answer, found = row.answer, after.rows[name].answer
        assert found.reused
        assert not answer.reused
        assert (found.text, found.usage, found.timing, found.ranking) == (
            answer.text, answer.usage, answer.timing, answer.ranking,
        )  # fmt: skip
    assert after.summary["index_seconds"] == before.summary["index_seconds"] > 0
    assert after.summary["reused"] == 12


def test_a_deeper_ranking_another_model_and_samples_are_computed(data, tmp_path):
    swept(data, tmp_path / "one")
    other = {**ASKED, "generators": {"main": {"kind": "scripted", "default": "blue"}}}
    found = swept(data, tmp_path / "two", other).counts
    assert (found.stored["generate"], found.stored["rank"]) == (0, 12)
    deeper = {"kind": "retrieve", **ASKED["routes"]["rag"], "retriever": {"kind": "bm25", "candidates": 3}}
    found = swept(data, tmp_path / "three", {**ASKED, "routes": {"rag": deeper}}).counts
    assert (found.computed["rank"], found.stored["generate"]) == (12, 12), "the best passage is the same"
    swept(data, tmp_path / "four", SAMPLED)
    found = swept(data, tmp_path / "five", SAMPLED).counts
    assert "generate" not in found.stored or not found.stored["generate"]


def test_a_sweep_may_do_without(data, tmp_path):
    swept(data, tmp_path / "one", cache=False)
    again = swept(data, tmp_path / "two", cache=False)
    assert again.counts.computed["generate"] == again.counts.computed["rank"] == 12
    assert not any(Cache().held(stage).entries for stage in ("answers", "rankings", "chunkings"))


def test_damaged_entries_are_computed_again_in_a_sweep(data, tmp_path, caplog):
    first = swept(data, tmp_path / "one")
    for stage in ("chunkings", "rankings", "answers"):
        path = next((Cache().folder / stage).glob("??/*"))
        path.write_bytes(path.read_bytes()[:-3])
    again = swept(data, tmp_path / "two")
    assert (again.counts.computed["generate"], again.counts.computed["rank"]) == (1, 1)
    assert len({one.getMessage() for one in caplog.records if "is damaged" in one.getMessage()}) == 3
    assert things.standing(again.folder) == things.standing(first.folder)
