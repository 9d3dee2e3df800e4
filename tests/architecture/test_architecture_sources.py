"""What the sources promise about themselves: sizes, names, annotations, no cycles, one kind a file."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import house
import pytest

from ragvlc import families
from ragvlc.core.component import Component, known_kinds

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ragvlc"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
HOUSE = house.read_sources(ROOT)
FAMILIES = {
    part.family: part
    for part in vars(families).values()
    if inspect.isclass(part) and issubclass(part, Component) and part.__dict__.get("family")
}
KINDS = [(family, kind) for family in sorted(FAMILIES) for kind in known_kinds(family)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (item for item in ast.walk(node) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))


def label(path: Path, node: ast.stmt, name: str) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def test_there_are_sources_and_kinds() -> None:
    assert len(SOURCES) > 20
    assert {family for family, _ in KINDS} == set(FAMILIES)


def test_no_file_is_over_400_lines() -> None:
    sizes = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {name: lines for name, lines in sizes.items() if lines > 400} == {}


def test_no_function_is_over_60_lines() -> None:
    long = [
        f"{label(path, node, node.name)}: {node.end_lineno - node.lineno + 1} lines"
        for path in SOURCES
        for node in functions(tree(path))
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []


def test_no_folder_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "base", "helpers", "misc"}
    places = [path for top in ("ragvlc", "tests") for path in (ROOT / top).rglob("*")]
    assert [str(path) for path in places if path.stem in drawers and (path.is_dir() or path.suffix == ".py")] == []


@pytest.mark.parametrize("folder", ["pipelines", "experiments"])
def test_yaml_folders_hold_yaml_only(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if path.suffix != ".yaml"] == []


def test_nothing_prints() -> None:
    printing = [
        label(path, node, "print")
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_every_function_is_annotated() -> None:
    missing = []
    for path in SOURCES:
        for node in functions(tree(path)):
            given = node.args
            named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            bare = [arg.arg for arg in named if arg and arg.annotation is None and arg.arg not in {"self", "cls"}]
            if bare or node.returns is None:
                missing.append(label(path, node, f"{node.name}({', '.join(bare)})"))
    assert missing == []


def test_every_module_says_what_it_is() -> None:
    assert [str(path.relative_to(ROOT)) for path in SOURCES if not (ast.get_docstring(tree(path)) or "").strip()] == []


@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[f"{family}-{kind}" for family, kind in KINDS])
def test_a_kind_is_one_public_class_with_a_docstring(family: str, kind: str) -> None:
    module = importlib.import_module(f"ragvlc.{family}.{kind}")
    public = [
        name
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, FAMILIES[family]) and member.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert len(public) == 1
    assert (inspect.getdoc(vars(module)[public[0]]) or "").strip()


def test_no_import_is_relative() -> None:
    relative = [
        label(path, node, ast.unparse(node))
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@pytest.mark.parametrize(
    "counted",
    [
        "run-time imports",
        "... and for typing",
        "... and in functions",
    ],
)
def test_no_import_goes_in_a_circle(counted: str) -> None:
    graph = house.import_graph(HOUSE, house.COUNTED[counted])
    assert any(graph.values())
    assert house.circles(graph) == []


def test_no_private_module_is_imported_from_another_folder() -> None:
    assert house.private_imports(HOUSE) == []


def test_no_two_public_classes_share_a_name() -> None:
    assert house.shared_class_names(HOUSE) == {}


def test_first_lines_use_the_words_of_the_field() -> None:
    lines = [(place, line) for source in HOUSE for place, line in house.first_lines(source)]
    stumbling = [f"{place}  {line}" for place, line in lines if house.stumbling(line, place)]
    assert len(stumbling) < 0.02 * len(lines), "\n".join(stumbling)


def test_exceptions_to_the_words_are_in_use() -> None:
    lines = {place: line.lower() for source in HOUSE for place, line in house.first_lines(source)}
    unused = {place: word for place, word in house.RIGHT_IN_THEIR_PLACE.items() if word not in lines.get(place, "")}
    assert unused == {}


def test_names_come_from_the_module_that_defines_them() -> None:
    """Inside the package nothing is imported from a package root, which would hide the floors."""
    packages = {module_name(path) for path in SOURCES if path.name == "__init__.py"}
    known = {module_name(path) for path in SOURCES}
    through = [
        label(path, node, f"from {node.module}")
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom)
        and node.module in packages
        and any(f"{node.module}.{item.name}" not in known for item in node.names)
        and not (node.module == "ragvlc" and {item.name for item in node.names} == {"__version__"})
    ]
    assert through == []


def test_the_version_is_said_once() -> None:
    import ragvlc

    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared
    assert ragvlc.__version__ == declared[1]
