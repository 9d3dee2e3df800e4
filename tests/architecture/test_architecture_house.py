"""The script that measures the structure of the code, on packages made up for it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import house
import pytest

Made = Callable[[dict[str, str]], Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a checkout whose files are given by their paths, with an `__init__` in every folder of the package."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        package = tmp_path / "ragvlc"
        for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
            (folder / "__init__.py").touch()
        return tmp_path

    return write


def circles(root: Path) -> dict[str, list[tuple[str, ...]]]:
    sources = house.read_sources(root)
    return {label: house.circles(house.import_graph(sources, upto)) for label, upto in house.COUNTED.items()}


BACK = {
    "run-time imports": "try:\n    import ragvlc.a\nexcept ImportError:\n    raise\n",
    "... and for typing": "import typing\nif typing.TYPE_CHECKING:\n    from ragvlc import a\n",
    "... and in functions": "class B:\n    def a(self):\n        from ragvlc.a import A\n        return A\n",
}


@pytest.mark.parametrize("kind", BACK)
def test_a_circle_counts_from_its_own_way_of_counting_on(made: Made, kind: str) -> None:
    root = made(
        {"ragvlc/a.py": "from ragvlc.b import B\n", "ragvlc/b.py": BACK[kind], "ragvlc/c.py": "import ragvlc.a\n"}
    )
    order = list(house.COUNTED)
    expected = [("ragvlc.a", "ragvlc.b")]
    assert circles(root) == {
        label: expected if order.index(label) >= order.index(kind) else [] for label in house.COUNTED
    }


def test_two_circles_are_two_and_the_larger_comes_first(made: Made) -> None:
    ring = {f"ragvlc/{a}.py": f"import ragvlc.{b}\n" for a, b in ("ab", "ba", "xy", "yz", "zx")}
    assert circles(made(ring))["run-time imports"] == [
        ("ragvlc.x", "ragvlc.y", "ragvlc.z"),
        ("ragvlc.a", "ragvlc.b"),
    ]


def test_an_import_counts_to_the_module_it_names(made: Made) -> None:
    root = made(
        {
            "ragvlc/p/__init__.py": "from ragvlc.p.one import One\nfrom . import two\n",
            "ragvlc/p/one.py": "from ragvlc.p import two\nfrom .. import q\n",
            "ragvlc/p/two.py": "import os\nimport ragvlc.unknown\n",
            "ragvlc/q.py": "from ragvlc.p import NAME\n",
        }
    )
    graph = house.import_graph(house.read_sources(root), house.When.LOADING)
    assert graph == {
        "ragvlc": set(),
        "ragvlc.p": {"ragvlc.p.one", "ragvlc.p.two"},
        "ragvlc.p.one": {"ragvlc.p.two", "ragvlc.q"},
        "ragvlc.p.two": set(),
        "ragvlc.q": {"ragvlc.p"},
    }


def test_the_alternative_to_type_checking_runs(made: Made) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ragvlc.b\nelse:\n    import ragvlc.c\n"
    sources = house.read_sources(made({"ragvlc/a.py": text, "ragvlc/b.py": "", "ragvlc/c.py": ""}))
    assert house.import_graph(sources, house.When.LOADING)["ragvlc.a"] == {"ragvlc.c"}
    assert house.import_graph(sources, house.When.TYPING)["ragvlc.a"] == {"ragvlc.b", "ragvlc.c"}


def test_the_longest_chain_counts_modules_and_enters_circles() -> None:
    assert house.longest_chain({"a": {"b", "d"}, "b": {"c"}, "c": set(), "d": set()}) == ("a", "b", "c")
    assert house.longest_chain({"a": {"b", "d"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ("a", "b", "c")
    assert house.longest_chain({}) == ()


def test_private_modules_are_private_to_their_folder(made: Made) -> None:
    outside = "from ragvlc.p._deep import part\nimport ragvlc.p.__main__\n"
    twice = "from ragvlc.p._own import x\nif True:\n    def f():\n        from ragvlc.p import _own\n"
    root = made(
        {
            "ragvlc/p/__main__.py": "",
            "ragvlc/_top.py": "",
            "ragvlc/p/_own.py": "",
            "ragvlc/p/_deep/part.py": "",
            "ragvlc/p/beside.py": "from ragvlc.p import _own\nfrom ragvlc.p._deep import part\nimport ragvlc._top\n",
            "ragvlc/p/below/part.py": "from ragvlc.p._own import x\n",
            "ragvlc/q/part.py": outside + twice,
            "ragvlc/pp/part.py": twice,
        }
    )
    assert house.private_imports(house.read_sources(root)) == [
        ("ragvlc/pp/part.py", "ragvlc.p._own"),
        ("ragvlc/q/part.py", "ragvlc.p._deep.part"),
        ("ragvlc/q/part.py", "ragvlc.p._own"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "What is owed.",
        "Behind the prompt.",
        "Trunks of keys.",
        "What choosing was worth.",
        "Rehearsing routes.",
        "What comes to one.",
        "Words at hand.",
    ],
)
def test_a_word_of_the_list_stumbles(line: str) -> None:
    assert house.stumbling(line)


@pytest.mark.parametrize("line", ["The lawful owner.", "Understands planes and tokens.", "A mushroom.", "Worth it."])
def test_part_of_a_word_does_not(line: str) -> None:
    assert not house.stumbling(line)


def test_first_lines_are_those_of_docstrings_with_their_places(made: Made) -> None:
    text = '''\
"""A module.

What is owed.
"""

class A:
    """
    Stands alone.
    """

    def f(self):
        """Returns what is kept."""

    def g(self):
        return "told"
'''
    root = made({"ragvlc/p/a.py": text})
    (source,) = [source for source in house.read_sources(root) if source.module == "ragvlc.p.a"]
    assert list(house.first_lines(source)) == [
        ("ragvlc/p/a.py", "A module."),
        ("ragvlc/p/a.py:A", "Stands alone."),
        ("ragvlc/p/a.py:A.f", "Returns what is kept."),
    ]
    found = house.measure(root)
    assert found["stumbling first lines"] == [
        ("ragvlc/p/a.py:A", "Stands alone."),
        ("ragvlc/p/a.py:A.f", "Returns what is kept."),
    ]
    assert (found["folders"]["p"]["stumbling"], found["folders"]["p"]["first lines"]) == (2, 3)
    assert found["folders"][house.TOP]["first lines"] == 0


def test_an_exception_is_for_one_word_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "RIGHT_IN_THEIR_PLACE", {"ragvlc/a.py:f": "behind"})
    assert not house.stumbling("Servers behind a proxy.", "ragvlc/a.py:f")
    assert house.stumbling("Servers behind a proxy.", "ragvlc/a.py:g")
    assert house.stumbling("Whoever is behind a proxy.", "ragvlc/a.py:f")


def test_statements_count_what_runs() -> None:
    code = '"""Docs."""\nx = 1\n"""Of x."""\n\n\ndef f():\n    """Docs."""\n    if x:\n        return "text"\n    f()\n'
    assert house.statements(ast.parse(code)) == 5  # x, def, if, return, f()


def test_comments_are_for_readers() -> None:
    code = """\
# why
x = 1  # because
y = '# no'
import os  # noqa: F401
z = f()  # type: ignore[arg-type]  # noqa: E501, F821
w = x  # noqa: F841 - a reason
v = w  # type: ignore
"""
    assert house.comments(code) == 3


def test_sizes_are_those_of_files_and_functions(made: Made) -> None:
    long = "def long():\n" + "    x = 1\n" * 400
    twice = "class A:\n    @property\n    def a(self): ...\n    @a.setter\n    def a(self, value): ...\n"
    found = house.measure(made({"ragvlc/long.py": long, "ragvlc/short.py": twice}))
    assert (found["files"], found["lines"], found["functions"]) == (3, 406, 3)
    assert found["lines per file"] == {"median": 5, "p90": 401}
    assert found["lines per function"] == {"median": 1, "p90": 401}
    assert found["longest function"] == (401, "ragvlc/long.py:long")
    assert found["files over 400 lines"] == ["ragvlc/long.py"]


def test_public_classes_share_names_across_modules(made: Made) -> None:
    root = made(
        {
            "ragvlc/a.py": "class Part: ...\nclass _Own: ...\nclass Other:\n    class Inner: ...\n",
            "ragvlc/p/_b.py": "class Part: ...\nclass _Own: ...\nclass Inner: ...\n",
        }
    )
    assert house.shared_class_names(house.read_sources(root)) == {"Part": ["ragvlc.a", "ragvlc.p._b"]}


def test_files_to_touch_name_every_kind_and_are_written_by_hand(made: Made) -> None:
    table = "| family | kinds |\n| --- | --- |\n| routes | alpha, beta |\n"
    root = made(
        {
            "ragvlc/routes/alpha.py": "",
            "ragvlc/routes/beta.py": "first = 'alpha'\n",
            "ragvlc/routes/_shared.py": "alpha = beta = 1\n",
            "ragvlc/routes/_some.py": "alpha, beta_too = 1, 2\n",
            "ragvlc/metrics/only.py": "",
            "pyproject.toml": "alpha beta",
            "README.md": f"alpha\n\n{table}",
            "schema/pipeline.md": "alpha beta",
            "tests/test_a.py": "alpha beta",
            "pipelines/a.yaml": "alpha beta",
            ".venv/a.py": "alpha beta",
        }
    )
    assert house.files_to_touch(root) == {
        "route": {"kinds": 2, "files": ["pyproject.toml", "ragvlc/routes/_shared.py", "ragvlc/routes/beta.py"]}
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, house.__file__, *arguments], capture_output=True, text=True, check=False)


def test_the_table_and_json_say_the_same_of_a_checkout(made: Made) -> None:
    root = made(
        {
            "ragvlc/p/_a.py": '"""What is owed."""\n',
            "ragvlc/b.py": "from ragvlc.p import _a\nimport ragvlc.c\n",
            "ragvlc/c.py": "import ragvlc.b\n",
        }
    )
    plain, listed, data = (
        run("--root", str(root)),
        run("--root", str(root), "--list"),
        run("--root", str(root), "--json"),
    )
    assert [plain.stderr, listed.stderr, data.stderr] == ["", "", ""]
    found = json.loads(data.stdout)
    assert found["private imports"] == [["ragvlc/b.py", "ragvlc.p._a"]]
    assert found["circles"]["run-time imports"] == [["ragvlc.b", "ragvlc.c"]]
    assert "        2 modules: ragvlc.b, ragvlc.c" in plain.stdout.splitlines()
    assert "stumbling first lines             1 of 1, 100.0 %" in plain.stdout.splitlines()
    assert "    ragvlc/p/_a.py  What is owed." in set(listed.stdout.splitlines()) - set(plain.stdout.splitlines())
    assert "    ragvlc/b.py  ragvlc.p._a" in set(listed.stdout.splitlines()) - set(plain.stdout.splitlines())


def test_a_folder_without_the_package_is_refused(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path} has no folder ragvlc" in done.stderr
    assert "Traceback" not in done.stderr
