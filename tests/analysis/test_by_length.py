"""Scores by the length of documents, and LongEmbed's way of adding them up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import sweep_folders as made

from ragvlc.analysis import by_length
from ragvlc.analysis.by_length import length_tables, tasks
from ragvlc.analysis.figures import drawers, figure
from ragvlc.analysis.page import html_page
from ragvlc.analysis.results import Results
from ragvlc.core.answer import Answer, Prediction
from ragvlc.core.data import Chunk, Document, Example, Hit, Query
from ragvlc.metrics.ndcg import Ndcg
from ragvlc.results.store import SweepStore

LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
# E5-Base of the paper: nDCG@1 by length, and nDCG@10 of the real tasks, in per cent.
PASSKEY = (100, 96, 62, 22, 14, 4, 4, 2)
NEEDLE = (80, 76, 36, 20, 10, 4, 0, 2)
REAL = {"narrativeqa": 25.3, "qmsum": 23.8, "summ_screen_fd": 74.7, "2wikimqa": 55.8}
METRICS = ("ndcg_at_1", "ndcg_at_10")


def rows(scores: Mapping[str, float]) -> list[Prediction]:
    return [made.row(name, dict.fromkeys(METRICS, score)) for name, score in scores.items()]


def asked(store: SweepStore, number: int, names: Sequence[str], length: int | None = None) -> str:
    """Writes a data set of these questions; returns its file."""
    tags = {} if length is None else {"length": length}
    return store.write_examples(f"{number:016d}", [made.example(name, tags=tags) for name in names])


@pytest.fixture
def paper(tmp_path) -> Results:
    """E5-Base as the paper has it: made tasks as a sweep over `dataset.length`; BM25, right everywhere, beside it."""
    folder = tmp_path / "runs"
    folder.mkdir()
    store, cells, number = SweepStore(folder), [], 1
    names = [f"q{n}" for n in range(50)]
    for task, right in {"passkey": PASSKEY, "needle": NEEDLE}.items():
        for length, share in zip(LENGTHS, right, strict=True):
            file = asked(store, number, names, length)
            number += 1
            settings = {"dataset": {"kind": task}, "dataset.length": length}
            scores = {name: float(place < share / 2) for place, name in enumerate(names)}
            for pipeline, found in (("e5", scores), ("bm25", dict.fromkeys(names, 1.0))):
                label = f"{pipeline} {task} length={length}"
                cells.append(made.cell(label, rows(found), settings=settings, dataset=task, examples=file))
    for task, share in REAL.items():
        file = asked(store, number, names)
        number += 1
        for pipeline, score in (("e5", share / 100), ("bm25", 1.0)):
            found = rows(dict.fromkeys(names, score))
            settings = {"dataset.task": task}
            cells.append(made.cell(f"{pipeline} {task}", found, settings=settings, dataset=task, examples=file))
    return made.write(folder, [made.example(name) for name in names], cells, metrics=METRICS, baseline="bm25")


def figures_of(table) -> dict[str, list[float | None]]:
    return {name: [entry.value for entry in entries] for name, entries in table.rows}


def test_the_papers_figures_come_out(paper):
    """E10: nDCG@1 averaged over the lengths, nDCG@10 without lengths, and the mean over six tasks: 41.0."""
    passkey, needle, overall = length_tables(paper)
    assert passkey.title == "ndcg_at_1 by length: passkey"
    assert passkey.heads == ("256", "512", "1,024", "2,048", "4,096", "8,192", "16,384", "32,768", "mean")
    assert figures_of(passkey)["e5"] == pytest.approx([*(share / 100 for share in PASSKEY), 0.38])
    assert figures_of(needle)["e5"] == pytest.approx([*(share / 100 for share in NEEDLE), 0.285])
    assert overall.heads == ("passkey", "needle", *REAL, "mean")
    assert figures_of(overall)["e5"] == pytest.approx(
        [0.38, 0.285, *(share / 100 for share in REAL.values()), 0.41], abs=6e-4
    )
    assert [entries[-1].best for _, entries in overall.rows] == [False, True]
    assert "passkey, needle" in overall.note


def test_one_relevant_document_makes_ndcg_at_1_accuracy():
    """E10: whatever stands below the first place."""
    texts = tuple(Document(f"d{n}", f"text {n}") for n in range(5))
    example = Example(Query("q", "?"), texts, relevant={"d3": 1.0})
    for order in ((3, 0, 1, 2, 4), (0, 3, 1, 2, 4), (4, 2, 1, 0, 3)):
        ranking = tuple(Hit(Chunk(f"d{n}", 0, 0, 6, f"text {n}"), 1.0) for n in order)
        answer = Answer("", ranking=ranking)
        assert Ndcg(k=1).score(answer, example) == float(order[0] == 3)
        assert Ndcg(k=10).score(answer, example) == pytest.approx(1 / math.log2(order.index(3) + 2))


def test_each_length_counts_the_same_and_a_question_once(tmp_path):
    """One set with several lengths by its tags; as many clusters as questions, however many lengths each has."""
    lengths = {f"q{n}@{length}": (n, length) for length, count in ((100, 40), (400, 10)) for n in range(count)}
    examples = [made.example(name, f"q{n}", tags={"length": length}) for name, (n, length) in lengths.items()]
    found = {name: float(length == 100 and n % 4 > 0) for name, (n, length) in lengths.items()}
    cells = [made.cell(name, rows(found), settings={"embedders.main.max_length": size}, pipeline="cut")
             for name, size in (("cut max_length=256", 256), ("cut max_length=512", 512))]  # fmt: skip
    results = made.write(tmp_path, examples, cells, metrics=METRICS)
    [task] = tasks(results)
    assert [system.label for system in task.systems] == ["cut max_length=256", "cut max_length=512"]
    points = task.systems[0].points("ndcg_at_1")
    assert {length: (one.mean, one.n) for length, one in points.items()} == {100.0: (0.75, 40), 400.0: (0.0, 10)}
    mean = task.systems[0].mean("ndcg_at_1", over_lengths=True)
    assert mean.mean == pytest.approx(0.375)
    assert (mean.n, mean.clusters) == (50, 40)
    assert mean.low < 0.375 < mean.high
    [table] = length_tables(results)  # no other task to average over
    assert figures_of(table)["cut max_length=512"] == pytest.approx([0.75, 0.0, 0.375])


def test_repeats_count_once(tmp_path):
    names = [f"q{n}@{length}" for n in range(8) for length in (1, 2)]
    examples = [made.example(name, tags={"length": int(name[-1])}) for name in names]
    cells = [
        made.cell(f"it #{repeat + 1}", rows(dict.fromkeys(names, float(repeat))), pipeline="it", repeat=repeat)
        for repeat in (0, 1)
    ]
    [task] = tasks(made.write(tmp_path, examples, cells, metrics=METRICS))
    [system] = task.systems
    assert {length: (one.mean, one.n) for length, one in system.points("ndcg_at_1").items()} == {
        1.0: (0.5, 8),
        2.0: (0.5, 8),
    }


def test_what_is_not_complete_is_marked_and_not_averaged(paper):
    """Of a cell that was stopped, the questions answered so far may be the easy ones."""
    stopped = [replace(cell, complete=cell.name != "bm25 qmsum") for cell in paper.cells]
    passkey, _, overall = length_tables(Results(paper.folder, stopped, "bm25"))
    assert figures_of(overall)["bm25"] == pytest.approx([1.0, 1.0, 1.0, None, 1.0, 1.0, None])
    assert [entries[-1].best for _, entries in overall.rows] == [True, False]
    assert figures_of(passkey)["bm25"][-1] == 1.0
    stopped = [replace(cell, complete=cell.name != "bm25 passkey length=256") for cell in paper.cells]
    assert figures_of(length_tables(Results(paper.folder, stopped, "bm25"))[0])["bm25 (not complete)"][-1] is None


def test_what_is_missing_is_not_averaged(paper, tmp_path):
    """A system that lacks a length has no mean, so that it is not compared with those that have it."""
    kept = [cell for cell in paper.cells if cell.name != "e5 passkey length=32768"]
    table, *_, overall = length_tables(Results(paper.folder, kept, "bm25"))
    assert figures_of(table)["e5"][-2:] == [None, None]
    assert figures_of(overall)["e5"][0] is None
    assert figures_of(overall)["e5"][-1] is None
    assert figures_of(overall)["bm25"][-1] == 1.0


def test_results_without_lengths_have_no_such_table(tmp_path):
    examples = [made.example(name, tags={"length": "short"}) for name in ("a", "b")]
    results = made.write(tmp_path, examples, [made.cell("it", rows({"a": 1.0, "b": 0.0}))], metrics=METRICS)
    assert length_tables(results) == []
    assert "by_length" not in drawers(results)


def test_the_figure_has_a_panel_a_task_and_a_line_a_system(paper):
    drawn = figure(paper, "by_length")
    assert [place.get_title(loc="left") for place in drawn.axes] == [
        "ndcg_at_1 by length: passkey",
        "ndcg_at_1 by length: needle",
    ]
    for place, right in zip(drawn.axes, (PASSKEY, NEEDLE), strict=True):
        lines = {line.get_label(): line for line in place.get_lines()}
        assert list(lines["e5"].get_xdata()) == list(LENGTHS)
        assert list(lines["e5"].get_ydata()) == pytest.approx([share / 100 for share in right])
    colours = [{line.get_label(): line.get_color() for line in place.get_lines()} for place in drawn.axes]
    assert colours[0] == colours[1]
    assert "over_length" not in drawers(paper)


def test_the_page_shows_both(paper):
    page = html_page(paper)
    assert "ndcg_at_1 by length: passkey" in page
    assert "Over the tasks" in page
    assert by_length.CAPTION in page
