"""Pruned cells in tables, the page, `show`, `compare`, MLflow and on the terminal while a race runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from race_things import answers, race_sweep
from rich.console import Console
from sweep_things import ran

from ragvlc.analysis.compare import comparison, paired
from ragvlc.analysis.page import html_page
from ragvlc.analysis.questions import one_question
from ragvlc.analysis.report import known_so_far, race_parts, terminal_report
from ragvlc.analysis.results import Results
from ragvlc.cli.reading import KnownSoFar
from ragvlc.core.errors import ConfigError
from ragvlc.estimate.estimate import Options, workings
from ragvlc.estimate.races import verdicts_known
from ragvlc.integrity.verify import verify
from ragvlc.progress import Progress
from ragvlc.results.store import SweepStore
from ragvlc.sweep.plan import plan
from ragvlc.sweep.tracking import send


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("race")
    outcome, _ = ran(race_sweep(folder / "set"), folder / "runs", answers())
    return outcome.folder


def text_of(parts, width: int = 160) -> str:
    console = Console(width=width, record=True, quiet=False, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
    return console.export_text()


def test_the_report_marks_sequential_bounds_and_says_why_each_cell_stopped(raced):
    text = text_of(terminal_report(Results.load(raced)))
    assert "bad (pruned at block 3)" in text
    assert "good (asked until the verdict)" in text
    assert "]†" in text
    assert "Brackets with † are of a race: sequential bounds" in text
    assert "bad: pruned at block 3, good is ahead: by 0.667 on 9 common questions." in text
    assert "Verdict of the race by contains" in text
    assert "78 of 240 answers were asked for (32%)" in text
    assert "not complete" not in text
    assert "p < 0.001" not in text, "a test of a fixed number of questions"


def test_the_page_and_show_have_the_same(raced):
    results = Results.load(raced)
    page = html_page(results)
    assert "pruned at block 3" in page
    assert "]†" in page
    assert "is not complete" not in page
    assert "good is ahead" in text_of(race_parts(results))
    unasked = next(name for name in results.cell("good").rows if name not in results.cell("bad").rows)
    assert "not asked: pruned at block 3" in text_of(one_question(results, unasked))


def test_comparisons_are_on_common_questions_with_sequential_bounds(raced):
    results = Results.load(raced)
    [one] = [one for one in results.comparisons("good") if one.cell == "bad"]
    assert (one.n, one.sequential, one.p, one.p_holm) == (9, True, None, None)
    pair = paired(results, "bad", "good")
    found = pair.difference("contains")
    assert (found.n, found.p) == (9, None)
    assert (found.low, found.high) == (one.low, one.high)
    assert "p" not in text_of(comparison(results, "bad", "good")).split("contains")[1].split("\n")[0].replace("pt", "")
    [fair] = [one for one in results.comparisons("good") if one.cell == "fair"]
    assert fair.settled
    assert fair.n == 30


def test_breakdowns_and_fronts_of_raced_cells_claim_nothing_by_a_fixed_number(raced):
    from ragvlc.analysis.front import front

    results = Results.load(raced)
    assert all(not one.dominated_by for one in front(results.cells, "contains", "tokens"))


def test_what_is_known_so_far_is_printed_and_written_after_each_block(tmp_path, capsys):
    shown, show = [], KnownSoFar()

    def known(folder: Path) -> None:
        show(folder)
        shown.append((capsys.readouterr().out, (folder / "report.html").read_text(encoding="utf-8")))

    with Progress(known) as watcher:
        ran(race_sweep(tmp_path / "set"), tmp_path / "runs", answers(), watcher=watcher)
    first, page = shown[0]
    assert "So far: race, block 1, 3 of 60 clusters, 12 of 240 answers (5%)" in first
    assert "4 of 4 cells are still asked; nothing is final." in first
    assert max(len(said.splitlines()) for said, _ in shown) <= 14, "one short table a block"
    stopped = next(said for said, _ in shown if "No more questions" in said)
    assert "No more questions for poor, bad." in " ".join(stopped.split())
    assert "nothing is final" in page
    assert len(shown) > 3
    blocks = len(shown)
    with Progress(known) as watcher:
        ran(race_sweep(tmp_path / "set"), tmp_path / "runs", answers(), watcher=watcher)
    assert len(shown) == blocks, "what was known before is not shown again"
    assert "pruned, contains" in capsys.readouterr().err


def test_a_sweep_that_asks_everything_shows_a_table_early_and_marks_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ragvlc.sweep.runner.FIRST_TABLE", 0.0)
    shown, show = [], KnownSoFar()

    def known(folder: Path) -> None:
        show(folder)
        shown.append((capsys.readouterr().out, (folder / "report.html").read_text(encoding="utf-8")))

    with Progress(known) as watcher:
        ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "runs", answers(), watcher=watcher)
    first, page = shown[0]
    assert "So far" in first
    assert "Means of the questions that all cells begun have answered; nothing is final." in " ".join(first.split())
    assert "not complete" in page
    assert len(shown) < 20, "ever more seldom"


def test_the_first_table_waits_for_a_second_cell(tmp_path, monkeypatch):
    monkeypatch.setattr("ragvlc.sweep.runner.FIRST_TABLE", 0.0)
    begun = []

    def known(folder: Path) -> None:
        begun.append(sum(len(cell.rows) > 0 for cell in Results.load(folder).cells))

    with Progress(known) as watcher:
        ran(race_sweep(tmp_path / "set", strategy="all"), tmp_path / "runs", answers(), watcher=watcher)
    assert begun
    assert begun[0] >= 2


def test_the_early_table_compares_common_questions(raced):
    results = Results.load(raced)
    text = text_of(known_so_far(results))
    common = len(results.cell("bad").rows)
    rows = [line for line in text.splitlines() if line.strip().startswith(("good", "fair", "poor", "bad"))]
    assert rows[0].split()[0] == "good"
    assert [row.split()[-2] for row in rows] == [str(common)] * 4
    assert rows[-1].split()[-1] == f"{common}/60"


def test_mlflow_has_pruned_cells_as_finished_with_the_reason(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    sweep = race_sweep(tmp_path / "set", tracker={"kind": "mlflow", "uri": f"sqlite:///{tmp_path / 'mlflow.db'}"})
    outcome, _ = ran(sweep, tmp_path / "runs", answers())
    assert outcome.untracked is None
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")

    def runs():
        [experiment] = [one for one in client.search_experiments() if one.name != "Default"]
        return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}

    for _ in range(2):
        bad = runs()["bad"]
        assert bad.info.status == "FINISHED"
        assert bad.data.tags["ragvlc.status"] == "pruned"
        assert "good is ahead" in bad.data.tags["strategy"]
        low, high = (one.value for one in client.get_metric_history(bad.info.run_id, "score_interval/contains"))
        figures = Results.load(outcome.folder).cell("bad").summary["metrics"]["contains"]
        assert (low, high) == (pytest.approx(figures["low"]), pytest.approx(figures["high"]))
        assert runs()["race"].info.status == "FINISHED"
        assert send(sweep, tmp_path / "runs") is None
    assert len(plan(sweep)) == 4


def test_verify_counts_what_a_race_does_not_ask_and_misses_nothing(raced):
    findings = verify(raced).findings
    assert [one.state for one in findings if one.check == "coverage" and one.state == "open"] == []
    [bad] = [one for one in findings if one.cell == "bad" and one.check == "coverage"]
    assert (bad.state, bad.found) == ("note", "51 questions not asked: pruned at block 3")


@pytest.mark.parametrize("lines", [2, 100])
def test_rows_that_a_raced_cell_lost_are_counted(raced, tmp_path, lines):
    folder = tmp_path / "race"
    shutil.copytree(raced, folder)
    assert "no row any more" not in text_of(terminal_report(Results.load(folder)))
    file = folder / Results.load(folder).cell("good").facts["key"] / "predictions.jsonl"
    rows = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(rows[lines:]))
    lost = min(lines, len(rows))
    said = f"{lost} of these answers have no row any more, and no figure has them: good {lost}. The next `ragvlc run`"
    results = Results.load(folder)
    assert said in text_of(terminal_report(results))
    assert said in text_of(race_parts(results))
    assert f"{lost} of these answers have no row any more" in html_page(results)
    if lost == len(rows):
        with pytest.raises(ConfigError, match=r"good has 0, bad has 9\.$"):
            paired(results, "good", "bad")


def test_brackets_of_a_race_say_of_what_mean_and_no_number_of_clusters_is_called_too_few_for_them(raced):
    tables = text_of(terminal_report(Results.load(raced)))
    scores = " ".join(tables.split("Difference")[0].split())
    assert "at whatever block a cell stopped, of the mean over all questions of this grid, not over other" in scores
    assert "too few to rely on" not in tables

    said = " ".join(text_of(comparison(Results.load(raced), "bad", "good")).split())
    assert "contains: a - b = -0.667 [" in said
    assert "]†, on 9 questions in 9 clusters. No p: the number of questions depended on the scores" in said
    assert "not settled" not in said


def test_estimate_says_that_a_race_with_a_verdict_asks_nothing(raced):
    sweep = race_sweep(raced.parents[1] / "set")
    work = workings(sweep, raced.parent, Options(sample=1))
    store = SweepStore(raced)
    cells = [one.cell for one in work.sampled]
    (said,) = verdicts_known(sweep, cells, work.asked, store).values()
    assert "nothing, the stored answers have its verdict (block " in said
    assert "; 78 of 240 answers were asked for)." in said
    assert verdicts_known(sweep, cells, work.asked, SweepStore(raced / "other")) == {}
