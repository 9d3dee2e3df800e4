"""The command line as people expect it: version, help with examples, completion, quiet, lines of progress."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from importlib.metadata import version

import pytest
import typer

from ragvlc.cli.app import app
from ragvlc.cli.examples import EXAMPLES, name_of
from ragvlc.cli.main import _loudness_first
from ragvlc.core import activity
from ragvlc.progress import Progress, _clock

SWEEP = """
dataset: {kind: toy}
pipelines:
  full: {generators: {main: {kind: scripted, replies: {"(?s).*": "31 metres"}}}, routes: {full: full_context}}
  closed: {generators: {main: {kind: scripted, replies: {"(?s).*": "12"}}}, routes: {closed: closed_book}}
metrics: [contains]
tracker: none
"""


def called(*words, folder=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ragvlc", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_version_is_that_of_the_package():
    assert called("--version").stdout == f"ragvlc {version('ragvlc')}\n"


def test_every_command_has_examples_and_its_help_shows_them():
    names = {name_of(command) for command in app.registered_commands}
    assert set(EXAMPLES) == names
    shown = called("show", "-h").stdout
    for line in EXAMPLES["show"]:
        assert f"  {line}\n" in shown


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_parse(line):
    program, name, *words = shlex.split(line)
    assert program == "ragvlc"
    command = typer.main.get_command(app).commands[name]
    command.make_context(name, words)  # raises for an option that does not exist


def test_a_wrong_example_does_not_parse():
    command = typer.main.get_command(app).commands["show"]
    with pytest.raises(Exception, match="nowhere"):
        command.make_context("show", ["quickstart", "--nowhere"])


@pytest.mark.parametrize(("typed", "found"), [("qui", "quickstart"), ("chunk_s", "chunk_size")])
def test_the_shell_completes_experiments(typed, found):
    shown = called(
        _RAGVLC_COMPLETE="complete_bash", COMP_WORDS=f"ragvlc run {typed}", COMP_CWORD="2", _TYPER_COMPLETE_TESTING="1"
    )
    assert found in shown.stdout.split(), shown


def test_the_shell_completes_stored_results(tmp_path):
    (tmp_path / "runs" / "monday").mkdir(parents=True)
    (tmp_path / "runs" / "monday" / "sweep.yaml").write_text("")
    shown = called(folder=tmp_path, _RAGVLC_COMPLETE="complete_bash", COMP_WORDS="ragvlc report runs/", COMP_CWORD="2")
    assert shown.stdout.split() == ["runs/monday"]


def test_loudness_may_be_written_after_the_command():
    assert _loudness_first(["run", "x", "-q"]) == ["-q", "run", "x"]
    assert _loudness_first(["ask", "-v", "x", "--", "-q"]) == ["-v", "ask", "x", "--", "-q"]


def test_quiet_prints_results_only(tmp_path):
    (tmp_path / "mine.yaml").write_text(SWEEP)
    quiet = called("run", "mine.yaml", "-q", folder=tmp_path)
    assert quiet.returncode == 0, quiet.stderr
    assert quiet.stderr == ""
    assert "Scores" in quiet.stdout
    again = called("run", "mine.yaml", "--set", "name=other", folder=tmp_path)
    assert "full: complete, contains" in again.stderr


def test_show_is_filtered_and_grouped(tmp_path):
    (tmp_path / "mine.yaml").write_text(SWEEP)
    assert called("run", "mine.yaml", "-q", folder=tmp_path).returncode == 0
    wrong = called("show", "mine", "--wrong", folder=tmp_path).stdout
    flipped = called("show", "mine", "--flipped", "full", "closed", folder=tmp_path).stdout
    count = [int(re.search(r"^(\d+) of \d+ questions, by contains", one, re.MULTILINE)[1]) for one in (wrong, flipped)]
    assert 0 < count[1] <= count[0]
    grouped = called("show", "mine", "--by", "document", folder=tmp_path).stdout
    assert grouped.splitlines()[0].split() == ["document", "questions", "full", "closed"]
    nowhere = called("show", "mine", "--by", "documents", folder=tmp_path)
    assert nowhere.returncode == 2
    assert "Known: cluster, document, task" in nowhere.stderr
    assert "Nearest: document" in nowhere.stderr
    both = called("show", "mine", "--question", "x", "--wrong", folder=tmp_path)
    assert both.returncode == 2
    assert "--question: shows one question" in both.stderr


def test_without_a_terminal_a_line_says_regularly_what_is_done(capsys):
    with Progress(every=0.05) as watcher:
        with activity.doing("reading documents"):
            time.sleep(0.2)
        watcher.planned([], 4, 4)
        ready, end = threading.Event(), threading.Event()

        def work() -> None:
            with activity.doing("opening models"), activity.doing("asking models"):
                ready.set()
                end.wait(10)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        ready.wait(10)
        time.sleep(0.3)
        end.set()
        for thread in threads:
            thread.join()
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "0:00: reading documents"
    assert "0:00: 0 of 4 answers; asking models (2)" in shown
    assert activity.current() == {}


def test_a_quiet_one_prints_nothing(capsys):
    with Progress(quiet=True, every=0.01) as watcher:
        watcher.planned([], 4, 8)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_an_activity_ends_with_an_error():
    def failing() -> None:
        with activity.doing("reading documents"):
            raise ValueError(str(activity.current()))

    with pytest.raises(ValueError, match=r"\{'reading documents': 1\}"):
        failing()
    assert activity.current() == {}


def test_times_are_clocks():
    assert [_clock(seconds) for seconds in (0.4, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
