"""Tables from stored rows, checked against figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sweep_folders as made
from sweep_folders import cell, example, failed, row, write

from ragvlc.analysis.results import Results
from ragvlc.core.answer import Timing, Usage
from ragvlc.core.data import content_key
from ragvlc.core.errors import ConfigError, StoreError

NAMES = ("a", "b", "c", "d")
EXAMPLES = [example(name) for name in NAMES]


def rows(*scores: float | None) -> list[Any]:
    return [row(name, {"m": score}) for name, score in zip(NAMES, scores, strict=True)]


def compared(results: Results, baseline: str | None = None) -> dict[str, str]:
    return {one.cell: one.baseline for one in results.comparisons(baseline)}


def test_rows_come_in_the_order_of_the_questions(tmp_path: Path) -> None:
    results = write(tmp_path / "hand", EXAMPLES, [cell("full", rows(1, 0, 1, 0)[::-1])])
    assert list(results.cells[0].rows) == list(NAMES)
    assert results.name == "hand"
    assert results.metrics == ("m",)


def test_the_frame_has_a_row_for_each_cell_and_question(tmp_path: Path) -> None:
    cells = [
        cell("full", rows(1, 0, 1, 0)),
        cell("rag k=2", [*rows(1, 1, 0, None)[:3], failed("d", {"m": 0.0})], settings={"routes.rag.k": 2}),
    ]
    frame = write(tmp_path, EXAMPLES, cells).frame()
    assert len(frame) == 8
    last = frame.iloc[7]
    assert (last["cell"], last["pipeline"], last["routes.rag.k"], last["id"]) == ("rag k=2", "rag", 2, "d")
    assert (last["m"], last["failure"]) == (0.0, "on purpose")
    assert frame["answer"].isna().tolist() == [False] * 7 + [True]
    first = frame.iloc[0]
    assert (first["answer"], first["prompt_tokens"], first["engine_seconds"]) == ("reply to a", 100, 2.0)
    assert (first["references"], first["cluster"], first["tag_level"]) == (("right a",), "a", "hard")
    assert frame.groupby("cell")["m"].mean().to_dict() == {"full": 0.5, "rag k=2": 0.5}


def test_the_table_has_a_row_for_each_cell(tmp_path: Path) -> None:
    long = row(
        "a",
        {"m": 1.0},
        usage=Usage(300, 100, 10, 2),
        timing=Timing(engine_seconds=5.0),
        finish="length",
        trace=made.dropping(7),
        reused=True,
    )
    odd = row("b", {"m": None}, finish="declined")
    cells = [cell("full", [long, odd, failed("c", {"m": 0.0})], settings={"x.y": 1})]
    table = write(tmp_path, EXAMPLES, cells).table()
    [found] = table.to_dict("records")
    assert (found["cell"], found["x.y"]) == ("full", 1)
    assert found["m"] == 0.5, "of one right and one failed; the one it does not apply to is left out"
    assert (found["questions"], found["answered"], found["failed"]) == (4, 2, 1)
    assert (found["truncated"], found["cut_short"], found["declined"], found["reused"]) == (1, 1, 1, 1)
    assert (found["prompt_tokens"], found["cached_tokens"], found["calls"]) == (200, 50, 1.5)
    assert (found["engine_seconds"], found["engine_seconds_total"], found["engine_seconds_reused"]) == (3.5, 7.0, 5.0)
    assert found["dropped_tokens"] == 3.5
    assert found["clusters"] == 3


def test_intervals_are_by_cluster(tmp_path: Path) -> None:
    names = [f"q{place:02}" for place in range(16)]
    scored = [cell("full", [row(name, {"m": float(place < 8)}) for place, name in enumerate(names)])]
    alone = [example(name) for name in names]
    together = [example(name, f"document {place // 4}") for place, name in enumerate(names)]
    [apart] = write(tmp_path / "apart", alone, scored).table().to_dict("records")
    [clustered] = write(tmp_path / "clustered", together, scored).table().to_dict("records")
    assert apart["m"] == clustered["m"] == 0.5
    # Four documents whose questions are right or wrong together say less than sixteen questions.
    assert 0 < clustered["m_low"] < apart["m_low"] - 0.05
    assert apart["m_high"] + 0.05 < clustered["m_high"] < 1
    assert clustered["clusters"] == 4


def test_an_index_is_charged_once_to_a_cell(tmp_path: Path) -> None:
    def indexed(name: str, index: str, seconds: float) -> Any:
        step = made.Step("retrieve", {}, steps=(made.Step("index", {"index": index, "index_seconds": seconds}),))
        return row(name, {"m": 1.0}, trace=(step,))

    results = write(
        tmp_path, EXAMPLES, [cell("rag", [indexed("a", "x", 2.0), indexed("b", "x", 2.0), indexed("c", "y", 3.0)])]
    )
    assert results.cells[0].summary["index_seconds"] == 5.0
    assert results.cells[0].summary["indexes"] == 2


def test_a_comparison_is_paired_and_signed(tmp_path: Path) -> None:
    results = write(tmp_path, EXAMPLES, [cell("full", rows(1, 0, 0, 0)), cell("rag", rows(1, 1, 0.5, None))])
    [one] = results.comparisons()
    assert (one.cell, one.baseline, one.metric, one.n, one.clusters) == ("rag", "full", "m", 3, 3)
    assert one.difference == 0.5
    assert (one.better, one.worse) == (2 / 3, 0.0)
    assert one.low is not None
    assert one.high is not None
    assert one.low <= 0.5 <= one.high
    assert one.p == one.p_holm == 0.5, "of the 8 sign flips, 4 are as extreme as two differences of one sign"
    [other] = results.comparisons("rag")
    assert (other.cell, other.difference) == ("full", -0.5)


def test_p_is_corrected_for_the_rows_of_a_metric(tmp_path: Path) -> None:
    cells = [cell("full", rows(0, 0, 0, 0)), cell("one", rows(1, 1, 1, 1)), cell("two", rows(1, 1, 1, 0))]
    found = write(tmp_path, EXAMPLES, cells).compare()
    assert list(found["cell"]) == ["one", "two"]
    assert list(found["p"]) == [0.125, 0.25]
    assert list(found["p_holm"]) == [0.25, 0.25]


def test_failed_questions_count_as_zero_in_a_comparison(tmp_path: Path) -> None:
    cells = [cell("full", rows(1, 1, 1, 1)), cell("rag", [*rows(1, 1, 1, 1)[:3], failed("d", {"m": 0.0})])]
    assert write(tmp_path, EXAMPLES, cells).comparisons()[0].difference == -0.25


def test_each_cell_meets_the_baseline_cell_most_like_it(tmp_path: Path) -> None:
    scored = rows(1, 0, 1, 0)
    cells = [
        cell("full size=1", scored, settings={"size": 1}),
        cell("full size=2", scored, settings={"size": 2}),
        cell("rag size=2 k=9", scored, settings={"size": 2, "k": 9}),
        cell("rag size=1 k=9", scored, settings={"size": 1, "k": 9}),
    ]
    assert compared(write(tmp_path, EXAMPLES, cells)) == {
        "rag size=2 k=9": "full size=2",
        "rag size=1 k=9": "full size=1",
    }


def test_a_cell_meets_the_baseline_on_its_own_data(tmp_path: Path) -> None:
    """Variants of a data set share their question ids, so ids alone do not tell which is which."""
    scored = rows(1, 0, 1, 0)
    results = write(tmp_path, EXAMPLES, [cell("full", scored)])
    file = results.cells[0].facts["examples"]
    (tmp_path / "examples-other.jsonl").write_bytes((tmp_path / file).read_bytes())
    cells = [
        cell("full dataset=long", scored, examples="examples-other.jsonl"),
        cell("full dataset=short", scored),
        cell("rag dataset=short", scored),
        cell("rag dataset=long", scored, examples="examples-other.jsonl"),
    ]
    found = compared(write(tmp_path, EXAMPLES, cells))
    assert found == {"rag dataset=short": "full dataset=short", "rag dataset=long": "full dataset=long"}


def test_a_baseline_that_is_all_there_is_meets_its_first_cell(tmp_path: Path) -> None:
    cells = [cell(f"rag k={k}", rows(1, 0, 1, 0), settings={"k": k}) for k in (1, 2, 3)]
    assert compared(write(tmp_path, EXAMPLES, cells)) == {"rag k=2": "rag k=1", "rag k=3": "rag k=1"}


def test_a_pipeline_that_came_out_equal_to_another_is_a_baseline_too(tmp_path: Path) -> None:
    cells = [cell("rag", rows(1, 0, 1, 0), pipelines=["rag", "edges"]), cell("full", rows(1, 0, 1, 0))]
    assert compared(write(tmp_path, EXAMPLES, cells, baseline="edges")) == {"full": "rag"}


def test_a_baseline_is_a_pipeline_or_a_cell_and_nothing_else(tmp_path: Path) -> None:
    cells = [cell(f"rag k={k}", rows(1, 0, 1, 0), settings={"k": k}) for k in (1, 2)]
    results = write(tmp_path, EXAMPLES, cells)
    assert compared(results, "rag k=2") == {"rag k=1": "rag k=2"}
    with pytest.raises(ConfigError, match=r"no cell of .* is called 'rga'\. Known: .*'rag k=2'.* Nearest: rag\."):
        results.comparisons("rga")


def test_one_cell_compares_to_an_empty_table_with_its_columns(tmp_path: Path) -> None:
    found = write(tmp_path, EXAMPLES, [cell("full", rows(1, 0, 1, 0))]).compare()
    assert len(found) == 0
    assert {"cell", "baseline", "difference", "p_holm"} <= set(found.columns)


def test_rows_of_other_questions_are_left_out(tmp_path: Path) -> None:
    old = made.Prediction("b", "key of b as it was", made.Answer("old"), scores={"m": 1.0})
    strange = row("z", {"m": 1.0})
    results = write(tmp_path, EXAMPLES, [cell("full", [*rows(1, 0, 1, 0)[:1], old, strange])])
    assert list(results.cells[0].rows) == ["a"]
    assert not results.cells[0].complete, "a summary of other questions"


def test_rows_of_a_control_belong_to_their_gold(tmp_path: Path) -> None:
    for gold, kept in (("gold", ["a"]), ("gold as it was", [])):
        answered = made.Prediction("a", content_key(["key of a", gold]), made.Answer("x"), scores={"m": 1.0})
        results = write(tmp_path / gold, EXAMPLES, [cell("oracle", [answered], control=True)])
        assert list(results.cells[0].rows) == kept


def test_cells_over_one_data_set_hold_its_questions_once(tmp_path: Path) -> None:
    first, second = write(tmp_path, EXAMPLES, [cell(name, rows(1, 0, 1, 0)) for name in ("full", "rag")]).cells
    assert first.examples is second.examples


def test_a_folder_of_another_version_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, EXAMPLES, [cell("full", rows(1, 0, 1, 0))])
    (tmp_path / "cells.json").write_text('[{"key": "0"}]', encoding="utf-8")
    with pytest.raises(StoreError, match="written by another version"):
        Results.load(tmp_path)


def test_no_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no results here"):
        Results.load(tmp_path / "absent")


def test_cells_are_found_by_name_or_by_a_pipeline_with_one_cell(tmp_path: Path) -> None:
    scored = rows(1, 0, 1, 0)
    cells = [cell("full", scored), *(cell(f"rag k={k}", scored, settings={"k": k}) for k in (1, 2))]
    results = write(tmp_path, EXAMPLES, cells)
    assert (results.cell("full").name, results.cell("rag k=2").name) == ("full", "rag k=2")
    with pytest.raises(ConfigError, match=r"'rag' is the pipeline of several cells\. Known: \['rag k=1', 'rag k=2'\]"):
        results.cell("rag")
    with pytest.raises(ConfigError, match=r"'ragk=2' is not a cell of .*Nearest: rag k=2"):
        results.cell("ragk=2")


def test_only_the_rows_of_the_cells_asked_for_are_read(tmp_path: Path) -> None:
    cells = [
        cell("rag k=1", [row("a", {"m": 1.0})], pipeline="rag"),
        cell("rag k=2", [row("a", {"m": 0.5})], pipeline="rag"),
        cell("full", [row("a", {"m": 0.0})]),
    ]
    write(tmp_path, [example("a")], cells, baseline="full")

    def read(*names: str) -> list[str]:
        return [one.name for one in Results.load(tmp_path, only=names).cells]

    whole = ["rag k=1", "rag k=2", "full"]
    assert read("full", "rag k=2") == ["rag k=2", "full"]
    assert read("full", "full") == ["full"]
    assert read() == read("full", "rag") == read("full", "nothing") == whole  # errors name every cell


def test_over_several_data_sets_the_rows_of_every_cell_are_read(tmp_path: Path) -> None:
    cells = [cell("full", [row("a", {"m": 1.0})]), cell("rag", [row("a", {"m": 1.0})])]
    write(tmp_path, [example("a")], cells, baseline="full")
    facts = json.loads((tmp_path / "cells.json").read_text())
    facts[1]["examples"] = "examples-other.jsonl"
    (tmp_path / "examples-other.jsonl").write_bytes((tmp_path / facts[0]["examples"]).read_bytes())
    (tmp_path / "cells.json").write_text(json.dumps(facts))
    assert [one.name for one in Results.load(tmp_path, only=["rag"]).cells] == ["full", "rag"]


def test_cells_are_grouped_by_data_set_under_names_that_differ(tmp_path: Path) -> None:
    scored = rows(1, 0, 1, 0)
    [only] = write(tmp_path, EXAMPLES, [cell("full", scored)]).by_dataset()
    assert only == "toy"
    for letter in "xyz":
        (tmp_path / f"{letter}.jsonl").write_bytes((tmp_path / f"examples-{'0' * 16}.jsonl").read_bytes())
    cells = [
        cell("full x", scored, examples="x.jsonl", settings={"dataset.pad_to_tokens": 9}),
        cell("full y", scored, examples="y.jsonl", settings={"dataset.pad_to_tokens": 99}),
        cell("rag y", scored, examples="y.jsonl", settings={"dataset.pad_to_tokens": 99, "k": 1}),
        cell("full z", scored, examples="z.jsonl", settings={"dataset.pad_to_tokens": 99}),
    ]
    found = write(tmp_path, EXAMPLES, cells).by_dataset()
    assert {name: [one.name for one in own] for name, own in found.items()} == {
        "toy pad_to_tokens=9": ["full x"],
        "toy pad_to_tokens=99": ["full y", "rag y"],
        "toy pad_to_tokens=99 (2)": ["full z"],
    }


def test_what_was_run_can_be_read_back(tmp_path: Path) -> None:
    results = write(tmp_path, EXAMPLES, [cell("full", rows(1, 0, 1, 0))])
    assert results.resolved == "name: hand\n"
    (tmp_path / "sweep.yaml").unlink()
    with pytest.raises(StoreError, match=r"sweep\.yaml: cannot be read"):
        _ = results.resolved
