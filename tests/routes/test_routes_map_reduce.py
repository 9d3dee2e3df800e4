"""Notes side by side, merged level by level, answered from what is left."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
from pydantic import ValidationError
from reading_engines import WORDS, echo, lossy, read, sentences

from ragvlc.core.data import Query
from ragvlc.routes.map_reduce import MapReduce

ROUTE = {"kind": "map_reduce", "note_tokens": 24, "window": 300, "fan_in": 3}


def stage(prompt):
    if "notes alone" in prompt:
        return "answer"
    return "merge" if "neighbouring parts" in prompt else "map"


def test_maps_go_together_and_merges_level_by_level(tmp_path):
    asked = read(ROUTE, "Which?", sentences(300), lambda prompt: f"note {crc32(prompt.encode())}", tmp_path)
    stages = [stage(prompt) for prompt in asked.prompts]
    maps = stages.count("map")
    assert maps > 9  # so that two levels are needed
    assert stages == ["map"] * maps + ["merge"] * stages.count("merge") + ["answer"]
    expected, left = [maps], maps
    while left > 3:
        merged = [3] * (left // 3) + [left % 3] * bool(left % 3)
        expected.append(sum(size > 1 for size in merged))
        left = len(merged)
    assert asked.batches == [*expected, 1]
    assert asked.answer.usage.calls == sum(expected) + 1


def test_every_note_is_merged_once_and_in_order(tmp_path):
    def numbered(prompt):
        seen = re.findall(r"number (\d+) tells", prompt) or re.findall(r"\d+", prompt.partition("\n\nQuestion")[0])
        return f"{seen[0]} {seen[-1]}"

    asked = read(ROUTE, "Which?", sentences(120), numbered, tmp_path)
    for prompt in asked.prompts:
        if stage(prompt) == "merge":
            numbers = list(map(int, re.findall(r"\d+", prompt.partition("\n\nQuestion")[0])))
            assert numbers == sorted(numbers)
    final = asked.prompts[-1].partition("noted:\n\n")[2].partition("\n\nAnswer")[0]
    assert final.split()[0] == "0"
    assert final.split()[-1] == "119"
    assert 1 <= len(final.split("\n\n")) <= 3


@pytest.mark.parametrize("place", [0, 40, 80, 119])
def test_a_planted_fact_survives_the_merges_or_a_lossy_worker_loses_it(tmp_path, place):
    text = sentences(120, planted=place)
    assert read(ROUTE, "Which?", text, echo, tmp_path / "e").answer.text == "amber7"
    assert read(ROUTE, "Which?", text, lossy, tmp_path / "l").answer.text == "unknown"


def test_a_short_text_needs_no_merge(tmp_path):
    asked = read(ROUTE, "Which?", "A cat.", echo, tmp_path)
    assert [stage(prompt) for prompt in asked.prompts] == ["map", "answer"]
    assert [stage(prompt) for prompt in read(ROUTE, "Which?", "", echo, tmp_path / "b").prompts] == ["answer"]


def test_notes_longer_than_the_window_are_merged_though_they_are_few(tmp_path):
    route = {**ROUTE, "fan_in": 50, "note_tokens": 200, "window": 200, "answer_tokens": 8}
    asked = read(route, "Which?", sentences(60), lambda prompt: "talk " * 300, tmp_path)
    assert any(stage(prompt) == "merge" for prompt in asked.prompts)
    assert all(len(WORDS.render(request.prompt)) + request.max_tokens <= 200 for request in asked.requests)


def test_whole_summaries_have_prompts_of_their_own(tmp_path):
    query = Query("q", "Sum up the storm.", form="summary")
    asked = read({**ROUTE, "summaries": "whole", "summary_tokens": 40}, query, sentences(120), echo, tmp_path)
    assert not asked.with_word("storm")


def test_merge_prompts_are_checked():
    with pytest.raises(ValidationError, match=r"merge_prompt must contain \{question\}"):
        MapReduce(merge_prompt="{notes}")
