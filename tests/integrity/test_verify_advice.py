"""What `ragvlc verify` advises is what helps, and it needs no more than it uses."""

from __future__ import annotations

import gc
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import ragvlc as package
from ragvlc.core.answer import Answer
from ragvlc.core.errors import StoreError
from ragvlc.generators.scripted import Scripted
from ragvlc.memo.disk import Cache
from ragvlc.results.lines import row_of
from ragvlc.results.store import CellStore
from ragvlc.sweep.runner import run_sweep
from ragvlc.sweep.spec import Sweep
from tests.command_line import Cli
from tests.sweep.sweep_things import FULL, RAG, questions, write_set


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder of a finished run; the working directory holds its experiment."""
    monkeypatch.chdir(tmp_path)
    write(metrics=["contains"])
    run_sweep(Sweep.load("things.yaml"), "runs")
    return tmp_path / "runs" / "things"


def write(**fields: Any) -> None:
    if not Path("data").exists():
        write_set(Path("data"), questions())
    given = {"dataset": {"kind": "jsonl", "path": "data"}, "pipelines": {"full": FULL, "rag": RAG}, "tracker": "none"}
    Path("things.yaml").write_text(yaml.safe_dump(given | fields))


def remedies(folder: Path, check: str) -> set[str]:
    return {one.remedy for one in package.verify(folder).findings if one.check == check and one.state == "open"}


def other_metric(folder: Path) -> None:
    """Adds a metric to the stored sweep, as if the run before it had not had it."""
    path = folder / "sweep.yaml"
    path.write_text(path.read_text().replace("metrics:\n", "metrics:\n- kind: token_f1\n"))


def test_new_metrics_are_scored_unless_the_cell_has_other_models(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_metric(run)
    assert remedies(run, "scores") == {"ragvlc score scores them; nothing is asked"}
    monkeypatch.setattr(Scripted, "identity", lambda _: {"model": "b" * 40})
    assert remedies(run, "scores") == {"ragvlc run asks the cell anew: see models"}


@pytest.mark.skipif(not hasattr(__import__("os"), "geteuid"), reason="permissions of POSIX")
def test_a_cache_that_everyone_may_write_does_not_keep_verify_from_its_checks(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ragvlc: Cli
) -> None:
    store = tmp_path / "shared store"
    store.mkdir()
    store.chmod(0o777)
    monkeypatch.setenv("RAGVLC_STORE", str(store))
    said = ragvlc("verify", "runs/things")
    assert (said.code, said.err) == (0, "")
    assert "24 scores recomputed, all equal" in said.out
    assert not list(store.iterdir()), "nothing is written"
    assert "everyone may write into this cache" in ragvlc("run", "things.yaml").err
    late = Cache(store, checked=False)
    for use in (
        lambda: late.get("answers", "a" * 64),
        lambda: late.put("answers", "a" * 64, 1),
        lambda: late.arrays("a" * 64, dict),
    ):
        with pytest.raises(StoreError, match="everyone may write"):
            use()


@pytest.mark.parametrize("place", ["cell", "rows"])
def test_a_link_that_leads_nowhere_is_named(run: Path, tmp_path: Path, ragvlc: Cli, place: str) -> None:
    cell = min(path for path in run.iterdir() if path.is_dir())
    link = cell if place == "cell" else cell / "predictions.jsonl"
    shutil.move(link, tmp_path / "away")
    link.symlink_to(tmp_path / "disk")
    named = f"{link.name} is a symbolic link to {tmp_path / 'disk'}, which is not there"
    for words in (["run", "things.yaml"], ["report", "runs/things"], ["score", "things.yaml"]):
        said = ragvlc(*words)
        assert said.code == 2, words
        assert named in said.err, words
    found = package.verify(run)
    [one] = [one for one in found.findings if one.check == "rows" and one.state == "open"]
    assert (one.found, one.remedy) == (
        named,
        "bring back what it leads to; or delete the link, and ragvlc run asks again",
    )
    (tmp_path / "away").rename(tmp_path / "disk")
    assert ragvlc("run", "things.yaml").code == 0
    assert package.verify(run).whole, "links that lead somewhere are fine"


def test_a_results_folder_that_is_a_link_to_nowhere_is_named(run: Path, tmp_path: Path, ragvlc: Cli) -> None:
    shutil.rmtree(run)
    run.symlink_to(tmp_path / "disk")
    said = ragvlc("run", "things.yaml")
    assert said.code == 2
    assert f"things is a symbolic link to {tmp_path / 'disk'}, which is not there" in said.err


def test_answers_are_not_held_while_rows_are_checked(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living: list[int] = []

    def counting(data: bytes) -> Any:
        gc.collect()
        living.append(sum(type(one) is Answer for one in gc.get_objects()))
        return row_of(data)

    monkeypatch.setattr("ragvlc.integrity.cells.row_of", counting)
    before = sum(type(one) is Answer for one in gc.get_objects())
    assert package.verify(run).whole
    assert len(living) == 24
    assert max(living) - before <= 3, living


def test_scores_of_rows_that_were_replaced_count_once(run: Path) -> None:
    file = min(run.glob("*/predictions.jsonl"))
    store = CellStore(file.parent)
    rows = list(store.load().values())
    for row, score in ((rows[0], 0.5), (rows[1], 0.25), (rows[0], rows[0].scores["contains"])):
        store.append(replace(row, scores={**row.scores, "contains": score}))
    store.sync()
    [wrong] = [one for one in package.verify(run).findings if one.check == "scores"]
    assert wrong.found == f"contains: 1 stored score other than recomputed ({rows[1].example_id})"
    assert package.verify(run, repair=True).whole
    said = {one.found for one in package.verify(run).findings if one.check == "scores"}
    assert said == {"24 scores recomputed, all equal"}
    stored = CellStore(file.parent).load()
    assert {name: dict(row.scores) for name, row in stored.items()} == {
        row.example_id: dict(row.scores) for row in rows
    }
