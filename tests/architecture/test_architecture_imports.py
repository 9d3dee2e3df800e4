"""What importing costs, what the package exports, and which floor may import which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = [
    "bm25s",
    "faiss",
    "jinja2",
    "langchain_core",
    "langchain_text_splitters",
    "matplotlib",
    "mlflow",
    "openai",
    "pandas",
    "ray",
    "sklearn",
    "sentence_transformers",
    "torch",
    "transformers",
    "vllm",
]
LIGHT = ["numpy", "pydantic", "rich", "yaml"]
"""Libraries that most commands need, and neither the package nor the help does: they take most of a second."""


def loaded(libraries: list[str]) -> str:
    """Returns the code that writes those of the libraries that are loaded."""
    return f"import sys; sys.stderr.write(' '.join(sorted(set({libraries}) & set(sys.modules))))"


LOADED = loaded(HEAVY)
IMPORTS = {
    "package": "import ragvlc",
    "help": (
        "import contextlib, sys; sys.argv = ['ragvlc', '--help']\n"
        "from ragvlc.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n    main()"
    ),
    # What a part needs, it imports where it uses it.
    "every module": (
        "import importlib, pkgutil, ragvlc\n"
        "for found in pkgutil.walk_packages(ragvlc.__path__, 'ragvlc.'):\n"
        "    if not found.name.endswith('__main__'):\n        importlib.import_module(found.name)"
    ),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("program", IMPORTS.values(), ids=IMPORTS.keys())
def test_no_heavy_library_is_loaded(program: str) -> None:
    done = run("-c", f"{program}\n{LOADED}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("program", ["package", "help"])
def test_the_package_and_the_help_load_what_they_need(program: str) -> None:
    done = run("-c", f"{IMPORTS[program]}\n{loaded(LIGHT)}")
    assert (done.returncode, done.stderr) == (0, "")
    assert program == "package" or "estimate" in done.stdout


def test_light_libraries_would_be_seen() -> None:
    assert run("-c", f"import ragvlc\nragvlc.Pipeline\n{loaded(LIGHT)}").stderr.split() == ["pydantic", "yaml"]


def test_heavy_libraries_would_be_seen() -> None:
    assert run("-c", f"import langchain_text_splitters\n{LOADED}").stderr.split()[-1] == "langchain_text_splitters"


def test_exports_are_few_sorted_and_there() -> None:
    import ragvlc

    assert len(ragvlc.__all__) <= 25
    assert list(ragvlc.__all__) == sorted(ragvlc.__all__)
    assert [name for name in ragvlc.__all__ if not hasattr(ragvlc, name)] == []
    assert set(ragvlc.__all__) <= set(dir(ragvlc))
    with pytest.raises(AttributeError, match="has no attribute 'Pipelines'"):
        ragvlc.Pipelines  # noqa: B018 - asked for, and not there


def test_imports_go_down_the_floors() -> None:
    pytest.importorskip("importlinter")
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
