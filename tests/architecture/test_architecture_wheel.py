"""What is in the wheel: the package, its YAML, nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_every_yaml_is_shipped(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if name.startswith("ragvlc/_shipped/")}
    here = {
        f"ragvlc/_shipped/{path.relative_to(ROOT).as_posix()}"
        for folder in ("pipelines", "experiments")
        for path in (ROOT / folder).rglob("*.yaml")
    }
    assert here
    assert shipped == here


def test_only_the_package_is_installed(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ragvlc"}


def test_every_source_and_the_marker_of_types_are_in_it(wheel: zipfile.ZipFile) -> None:
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ragvlc").rglob("*.py")}
    assert sources <= set(wheel.namelist())
    assert "ragvlc/py.typed" in wheel.namelist()


def test_no_data_sets_and_no_leftovers(wheel: zipfile.ZipFile) -> None:
    assert sum(item.compress_size for item in wheel.infolist()) < 2_000_000
    odd = [name for name in wheel.namelist() if "__pycache__" in name or "/shared/" in name or name.endswith(".jsonl")]
    assert odd == []


def test_it_has_its_licence_and_command(wheel: zipfile.ZipFile) -> None:
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "ragvlc = ragvlc.cli.main:main" in wheel.read(entry).decode()
