"""Races of a sweep: what is asked, what is dropped and why, and that all of it follows from the rows on disk."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from race_things import SHARES, answers, pipeline, race_sweep
from sweep_things import ORACLE, Interrupting, questions, ran, standing, write_set

from ragvlc.analysis.results import Results
from ragvlc.core.errors import ConfigError
from ragvlc.results.races import race_notes
from ragvlc.results.store import CellStore
from ragvlc.sweep.plan import plan
from ragvlc.sweep.runner import SweepInterrupted
from ragvlc.sweep.tracking import rescore


def note_of(folder: Path):
    [note] = race_notes(folder).values()
    return note


def test_a_race_drops_what_is_worse_and_finds_the_best_of_the_full_grid(tmp_path):
    outcome, engine = ran(race_sweep(tmp_path / "set"), tmp_path / "race", answers())
    whole, every = ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "all", answers())
    note, results = note_of(outcome.folder), Results.load(outcome.folder)
    assert len(every.requests) == 4 * 60
    assert len(engine.requests) == note.answers < 0.5 * note.grid
    best = max(Results.load(whole.folder).cells, key=lambda cell: cell.mean("contains"))
    assert note.names[note.winner] == best.name == "good"
    assert "only cell left" in note.verdict
    assert Counter(outcome.status.values()) == {"pruned": 3, "settled": 1}
    assert outcome.complete
    for cell in results.cells:
        ended = cell.race.ended
        assert len(cell.rows) == ended.clusters
        figures = cell.summary["metrics"]["contains"]
        true = Results.load(whole.folder).cell(cell.name).mean("contains")
        assert figures["low"] <= true <= figures["high"]
        assert figures["sequential"]
        assert not cell.complete
    bad = results.cell("bad").race
    assert bad.ended.ahead == "good"
    assert "good is ahead: by" in bad.ended.reason
    assert bad.mark == f"pruned at block {bad.ended.block}"


def test_clusters_come_whole_in_a_random_order_that_the_seed_sets(tmp_path):
    def first_block(seed: int) -> set[str]:
        sweep = race_sweep(tmp_path / "set", 80, 40, seed=seed, strategy={"kind": "race", "block": 5})
        outcome, _ = ran(sweep, tmp_path / str(seed), answers())
        rows = Results.load(outcome.folder).cell("good").rows
        note = note_of(outcome.folder)
        documents = Counter(int(name[1:]) % 40 for name in rows)
        assert set(documents.values()) == {2}
        return {name for name, _ in note.clusters[:5]}

    assert first_block(0) != first_block(1)
    assert first_block(0) != {f"cluster d{n}" for n in range(5)}


@pytest.mark.parametrize("after", [5, 30, 60])
def test_an_interrupted_race_goes_on_to_the_same_decisions(tmp_path, after):
    sweep = race_sweep(tmp_path / "set")
    straight, engine = ran(sweep, tmp_path / "straight", answers())
    with pytest.raises(SweepInterrupted):
        ran(sweep, tmp_path / "broken", answers(), watcher=Interrupting(after))
    resumed, rest = ran(sweep, tmp_path / "broken", answers())
    assert resumed.status == straight.status
    assert standing(resumed.folder) == standing(straight.folder)
    assert note_of(resumed.folder) == note_of(straight.folder)
    assert len(rest.requests) <= len(engine.requests) - after + 1
    again, none = ran(sweep, tmp_path / "broken", answers())
    assert none.requests == []
    assert again.status == straight.status


def test_a_note_that_is_lost_or_wrong_is_made_anew_from_the_rows(tmp_path, caplog):
    sweep = race_sweep(tmp_path / "set")
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    file = outcome.folder / "strategy.json"
    before = file.read_bytes()
    text = [before.replace(b'"block"', b'"blok"'), before.replace(b"1.0", b"NaN"), b"[" * 100_000]
    for wrong in (None, b"{", b"[]", b'{"examples": {"cells": 1}}', *text):
        file.unlink()
        if wrong is not None:
            file.write_bytes(wrong)
        caplog.clear()
        Results.load(outcome.folder)
        assert caplog.text.count("strategy.json: cannot be read") == (wrong is not None)
        assert len(caplog.text) < 1_000
        again, engine = ran(sweep, tmp_path / "runs", answers())
        assert engine.requests == []
        assert file.read_bytes() == before
        assert again.complete


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_in_place_of_the_note_is_moved_aside(tmp_path, caplog, make):
    sweep = race_sweep(tmp_path / "set")
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    file = outcome.folder / "strategy.json"
    before = file.read_bytes()
    file.unlink()
    make(file)
    Results.load(outcome.folder)
    assert "strategy.json: cannot be read (is no file)" in caplog.text
    _, engine = ran(sweep, tmp_path / "runs", answers())
    assert engine.requests == []
    assert file.read_bytes() == before
    assert file.with_name("strategy.json.damaged").exists()


def test_a_row_that_is_lost_is_asked_again_and_only_that_one(tmp_path):
    sweep = race_sweep(tmp_path / "set")
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    [bad] = [cell for cell in plan(sweep) if cell.name == "bad"]
    file = outcome.folder / bad.key / "predictions.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[1:]))
    again, engine = ran(sweep, tmp_path / "runs", answers())
    assert len(engine.requests) == 1
    assert again.status == outcome.status


def test_a_race_over_rows_of_a_whole_grid_asks_nothing_and_all_goes_on_after_a_race(tmp_path):
    whole, _ = ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "runs", answers())
    raced, engine = ran(race_sweep(tmp_path / "set"), tmp_path / "runs", answers())
    assert engine.requests == []
    assert set(raced.status.values()) == {"complete"}, "every row is there"
    assert note_of(raced.folder).verdict
    assert all("sequential" not in cell.summary["metrics"]["contains"] for cell in Results.load(raced.folder).cells)
    ran(race_sweep(tmp_path / "set"), tmp_path / "other", answers())
    after, rest = ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "other", answers())
    assert 0 < len(rest.requests) < 240
    assert race_notes(after.folder) == {}
    assert standing(after.folder) == standing(whole.folder)


def test_failed_questions_count_as_the_worst_score_and_too_many_withdraw_a_cell(tmp_path):
    def failing(prompt: str) -> str:
        if "This is good." in prompt and "thing 1" in prompt.rpartition("Question")[2]:
            raise ZeroDivisionError("on purpose")
        return answers()(prompt)

    sweep = race_sweep(tmp_path / "set", max_failures=1.0)
    outcome, _ = ran(sweep, tmp_path / "runs", failing)
    note = note_of(outcome.folder)
    order = [name for name, _ in note.clusters[: note.asked]]
    rows = Results.load(outcome.folder).cell("good").rows
    failed = [name for name, row in rows.items() if row.failure is not None]
    assert failed
    assert all(rows[name].scores["contains"] == 0 for name in failed)
    assert len(rows) == len(order)
    stopped, _ = ran(race_sweep(tmp_path / "set", max_failures=0.01), tmp_path / "few", failing)
    few = note_of(stopped.folder)
    [good] = [key for key, name in few.names.items() if name == "good"]
    assert few.ended[good].status == "withdrawn"
    assert "too many failed" in few.ended[good].reason
    assert stopped.status[good] == "stopped"
    assert not stopped.complete
    assert few.names[few.winner] == "fair"


def test_a_control_is_asked_and_neither_wins_nor_drops_a_cell(tmp_path):
    pipelines = {name: pipeline(name) for name in ("good", "poor")} | {"oracle": ORACLE}
    sweep = race_sweep(tmp_path / "set", pipelines=pipelines)
    asked = [one | {"evidence": [{"doc_id": one["doc_ids"][0], "start": 0, "end": 5}]} for one in questions(60, 60)]
    write_set(tmp_path / "set", asked, 60, things=60)
    outcome, _ = ran(sweep, tmp_path / "runs", lambda prompt: answers()(prompt) if "This is" in prompt else "red")
    note = note_of(outcome.folder)
    oracle = Results.load(outcome.folder).cell("oracle")
    assert note.names[note.winner] == "good"
    assert len(oracle.rows) == note.asked
    assert oracle.facts["key"] not in note.ended
    assert oracle.summary["metrics"]["contains"]["sequential"]


def test_level_cells_are_asked_to_the_end_and_say_so(tmp_path):
    pipelines = {name: pipeline(name) for name in ("good", "fair")}
    shares = dict.fromkeys(SHARES, 1.0)
    outcome, engine = ran(race_sweep(tmp_path / "set", pipelines=pipelines), tmp_path / "runs", answers(shares))
    note = note_of(outcome.folder)
    assert len(engine.requests) == 120
    assert note.verdict == "every question is asked, and 2 cells are level at the end"
    assert note.winner == ""
    assert set(outcome.status.values()) == {"complete"}


def test_a_margin_ends_a_race_between_level_cells_at_the_cheapest(tmp_path):
    pipelines = {name: pipeline(name) for name in ("good", "fair", "bad")}
    shares = {"good": 0.8, "fair": 0.8, "bad": 0.1}
    sweep = race_sweep(
        tmp_path / "set", 200, 200, pipelines=pipelines, decide={"metric": "contains", "margin": 0.3, "cost": "tokens"}
    )
    outcome, engine = ran(sweep, tmp_path / "runs", answers(shares))
    note = note_of(outcome.folder)
    assert note.margin == 0.3
    assert "the cheapest cell left, is worse than none of the other 1 by the margin of 0.3" in note.verdict
    assert note.names[note.winner] in {"good", "fair"}
    assert len(engine.requests) < 0.6 * 600
    [bad] = [key for key, name in note.names.items() if name == "bad"]
    assert note.ended[bad].status == "pruned"
    assert "by more than the margin of 0.3" in note.ended[bad].reason


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"count": 19, "documents": 19}, "19 clusters of questions .* fewer than 20"),
        ({"metrics": ["sweep_things:Length"]}, "the range of .*Length is unknown"),
        ({"strategy": {"kind": "race", "metric": "contain"}}, "'contain' is no metric of this sweep.*contains"),
        ({"axes": {"latency": ["warm", "cold"]}}, "a cold cell has the scores of its warm one"),
        ({"decide": {"metric": {"contains": 0.1, "exact_match": 0.1}}}, "goes by one metric, and decide names"),
        ({"metrics": ["evidence_hit"]}, "evidence_hit does not apply|0 clusters"),
    ],
)
def test_what_a_race_cannot_decide_is_refused_before_anything_is_asked(tmp_path, fields, said):
    if "decide" in fields:
        fields = {**fields, "metrics": ["contains", "exact_match"]}
    with pytest.raises(ConfigError, match=said):
        ran(race_sweep(tmp_path / "set", **fields), tmp_path / "runs", answers())


def test_repeats_are_refused(tmp_path):
    warm = {
        name: {**pipeline(name), "generators": {"main": {"kind": "scripted", "temperature": 1.0}}}
        for name in ("good", "bad")
    }
    with pytest.raises(ConfigError, match="repeats of one cell would race each other"):
        ran(race_sweep(tmp_path / "set", repeats=2, pipelines=warm), tmp_path / "runs", answers())


def test_unknown_strategies_are_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="'rase' is no kind of strategies.*Nearest: race"):
        race_sweep(tmp_path / "set", strategy="rase")


def test_a_budget_is_spent_on_the_cells_in_question_and_the_next_run_goes_on(tmp_path):
    sweep = race_sweep(tmp_path / "set", budget={"calls": 50})
    outcome, engine = ran(sweep, tmp_path / "runs", answers())
    note = note_of(outcome.folder)
    assert 40 <= len(engine.requests) <= 50
    assert "the budget is spent" in note.verdict
    assert not outcome.complete
    assert "undecided" in outcome.status.values()
    assert "pruned" in outcome.status.values()
    more, rest = ran(sweep, tmp_path / "runs", answers())
    assert rest.requests
    straight, _ = ran(race_sweep(tmp_path / "set"), tmp_path / "straight", answers())
    assert more.status == straight.status
    assert standing(more.folder) == standing(straight.folder)


@pytest.mark.parametrize("unit", ["prompt_tokens", "money"])
def test_a_budget_of_tokens_or_money_goes_to_the_cells_that_are_still_in_question(tmp_path, unit):
    price = {"prompt": 1e6, "completion": 0.0}  # money for a million tokens
    pipelines = {name: pipeline(name) for name in SHARES}
    for one in pipelines.values():
        one["generators"] = {"main": {"kind": "scripted", "price": price}}
    whole, _ = ran(race_sweep(tmp_path / "set", pipelines=pipelines, strategy="all"), tmp_path / "all", answers())
    grid = sum(
        row.answer.usage.prompt_tokens for cell in Results.load(whole.folder).cells for row in cell.rows.values()
    )
    limit = 0.2 * grid
    sweep = race_sweep(tmp_path / "set", pipelines=pipelines, budget={unit: limit})
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    results, note = Results.load(outcome.folder), note_of(outcome.folder)
    spent = {cell.name: sum(row.answer.usage.prompt_tokens for row in cell.rows.values()) for cell in results.cells}
    assert 0.7 * limit < sum(spent.values()) <= limit
    assert "the budget is spent" in note.verdict
    ended = {note.names[key] for key in note.ended}
    assert {"poor", "bad"} <= ended, "ruled out before"
    assert min(spent[name] for name in SHARES if name not in ended) > max(spent[name] for name in ended)


def test_each_data_set_has_its_own_race(tmp_path):
    write_set(tmp_path / "other", questions(30, 30), 30)
    sweep = race_sweep(tmp_path / "set", axes={"dataset.path": [str(tmp_path / "set"), str(tmp_path / "other")]})
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    notes = race_notes(outcome.folder)
    assert len(notes) == 2
    assert {len(note.clusters) for note in notes.values()} == {30, 60}
    assert all(note.verdict for note in notes.values())


def test_what_is_known_is_shown_after_each_block(tmp_path):
    class Watching(Interrupting):
        def __init__(self) -> None:
            super().__init__(-1)
            self.seen: list[tuple[int, int, dict[str, float]]] = []

        def known(self, folder: Path) -> None:
            results, note = Results.load(folder), note_of(folder)
            self.seen.append((note.block, note.asked, {cell.name: cell.mean("contains") for cell in results.cells}))
            assert not note.over
            raise ValueError("a table that fails stops no sweep")

    watching = Watching()
    outcome, _ = ran(race_sweep(tmp_path / "set"), tmp_path / "runs", answers(), watcher=watching)
    assert [block for block, _, _ in watching.seen] == list(range(1, note_of(outcome.folder).block))
    assert all(asked == 3 * block for block, asked, _ in watching.seen)
    assert watching.seen[0][2]["good"] > watching.seen[0][2]["bad"]


def test_scoring_again_changes_the_verdict_and_the_note(tmp_path):
    sweep = race_sweep(tmp_path / "set")
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    for cell in plan(sweep):
        store = CellStore(outcome.folder / cell.key)
        for row in store.load().values():
            swapped = "unknown" if row.answer.text != "unknown" else "red"
            store.append(replace(row, answer=replace(row.answer, text=swapped), scored_by={}))
    after = note_of(rescore(sweep, tmp_path / "runs"))
    assert not after.over, "there was a verdict before"
    assert after.block < note_of(ran(race_sweep(tmp_path / "set"), tmp_path / "new", answers())[0].folder).block


def test_the_note_is_json_that_names_no_path(tmp_path):
    outcome, _ = ran(race_sweep(tmp_path / "set"), tmp_path / "runs", answers())
    text = (outcome.folder / "strategy.json").read_text(encoding="utf-8")
    assert json.loads(text)
    assert str(tmp_path) not in text


def test_replays_of_a_stored_grid_reach_its_verdict_with_fewer_questions(tmp_path):
    from race_replays import replayed

    whole, _ = ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "all", answers())
    found = replayed(whole.folder, orders=40)
    assert (found.alone, found.wrong) == (40, 0)
    assert 0.1 < min(found.shares) < median(found.shares) < 0.5
    assert found.row[4:6] == ("40 of 40", "0 of 40")
    level = replayed(whole.folder, "contains", orders=5, target="population")
    assert sum(level.shares) > sum(found.shares[:5])
