"""MLflow's SQLite file is made whole or not at all, and written by one process at a time."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from ragvlc.core.errors import StoreError
from ragvlc.trackers._mlflow_calls import sqlite_uri, talking
from ragvlc.trackers._mlflow_database import make_if_missing
from tests.command_line import Cli


def experiment(folder: Path, name: str) -> Path:
    pipeline = {"generators": {"main": {"kind": "scripted", "default": "x"}}, "routes": {"full": "full_context"}}
    file = folder / f"{name}.yaml"
    file.write_text(
        yaml.safe_dump({"dataset": "toy", "pipelines": {"p": pipeline}, "metrics": ["contains"], "tracker": "mlflow"})
    )
    return file


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": ""},
    )


KILLED_WHILE_MAKING = """
    import os, sys
    from pathlib import Path
    import mlflow.store.db.utils as utils
    utils._upgrade_db = lambda engine: os._exit(9)
    from ragvlc.trackers._mlflow_calls import sqlite_uri, talking
    from ragvlc.trackers._mlflow_database import make_if_missing
    folder = Path(sys.argv[1])
    with talking(sqlite_uri(folder)):
        make_if_missing(folder / "mlflow.db", folder / "mlartifacts")
"""


def test_a_kill_while_the_tables_are_made_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    killed = python(KILLED_WHILE_MAKING, str(tmp_path))
    said, _ = killed.communicate(timeout=120)
    assert killed.returncode == 9, said
    assert not (tmp_path / "mlflow.db").exists()
    assert list(tmp_path.glob("mlflow.db.*.part"))
    with talking(sqlite_uri(tmp_path)):
        make_if_missing(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
        make_if_missing(tmp_path / "mlflow.db", tmp_path / "mlartifacts")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        assert opened.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert opened.execute("SELECT count(*) FROM experiments").fetchone() == (1,)
    assert not list(tmp_path.glob("mlflow.db.*.part"))


@pytest.mark.parametrize("state", ["empty", "tables without a version", "no database"])
def test_a_file_left_half_made_is_named_with_the_way_out(ragvlc: Cli, tmp_path: Path, state: str) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    database = runs / "mlflow.db"
    if state == "empty":
        database.touch()
    elif state == "no database":
        database.write_bytes(b"SQLite format 3\x00" + os.urandom(5000))
    else:
        with closing(sqlite3.connect(database)) as made, made:
            made.execute("CREATE TABLE experiments (experiment_id INTEGER)")
            made.execute("CREATE TABLE runs (run_uuid TEXT)")
    with pytest.raises(StoreError, match=f"mv {database} {runs / 'mlflow.broken'}"):
        make_if_missing(database, runs / "mlartifacts")
    if state != "empty":
        return
    said = ragvlc("run", str(experiment(tmp_path, "one")), "--runs", str(runs))
    assert "Traceback" not in said.out + said.err
    assert "ragvlc track" in said.out + said.err
    database.rename(runs / "mlflow.broken")
    assert ragvlc("track", str(runs / "one")).code == 0
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("SELECT count(*) FROM runs").fetchone()[0] >= 2


def test_two_sweeps_that_start_together_are_both_tracked(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    both = [
        python(
            "import sys; from ragvlc.cli.main import main; sys.argv = ['ragvlc', *sys.argv[1:]]; main()",
            "run",
            str(experiment(tmp_path, name)),
            "--runs",
            str(runs),
        )
        for name in ("one", "two")
    ]
    for process in both:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert "Not sent" not in said
    with closing(sqlite3.connect(runs / "mlflow.db")) as opened:
        names = {name for (name,) in opened.execute("SELECT name FROM experiments")}
        counts = opened.execute("SELECT experiment_id, count(*) FROM runs GROUP BY experiment_id").fetchall()
    assert {"one", "two"} <= names
    assert [count for _, count in counts] == [2, 2]
