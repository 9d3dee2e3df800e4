"""Measures the structure of the code by reading it: sizes, comments, imports, names, first lines. Imports none of it.

python tests/architecture/house.py [--root CHECKOUT] [--list] [--json]
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import tokenize
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

PACKAGE = "ragvlc"
FAMILIES = {"route": "routes", "metric": "metrics", "data set": "datasets", "generator": "generators"}
TOP = "(top)"
"""The row of the files that lie in the package itself, in none of its folders."""
TABLE_OF_KINDS = re.compile(r"\| family \| kinds \|\n(?:\|.*\n)+")
"""What `tests/docs/generate.py` writes into the README; it writes `schema/` too."""

STUMBLING = re.compile(
    r"\b(?:owe[ds]?|owing|trunks?|lanes?|stands?|kept|beginnings?|what .* (?:is|was|were) worth|whoever|told|laid flat|"
    r"flatly|found again|at hand|in the making|law|likeness|doubt|rehears\w*|tried before|looked at again|in turn|room|"
    r"boards?|desks?|ask(?:ed)? over|seen from|come[s]? to (?:an|one|their)|goes? on|behind)\b",
    re.IGNORECASE,
)
"""Words that make a reader stop because the field has another word for it. The list may grow, not shrink."""
RIGHT_IN_THEIR_PLACE: dict[str, str] = {}
"""Exceptions: the place of a first line as `--list` prints it, and which of the words is the right one there."""

DIRECTIVE = re.compile(r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?)\s*")
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A file of the package."""

    place: str
    """The path from the root of the checkout."""
    module: str
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        """The folder of the package that it lies in, however deep."""
        parts = Path(self.place).parts
        return parts[1] if len(parts) > 2 else TOP

    @property
    def lines(self) -> int:
        """The number of lines."""
        return self.text.count("\n")

    @property
    def package(self) -> str:
        """The package that the module lies in; an `__init__` lies in its own."""
        return self.module if self.place.endswith("/__init__.py") else self.module.rpartition(".")[0]


def read_sources(root: Path) -> list[Source]:
    """Returns the files of the package in a checkout."""
    sources = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        place = path.relative_to(root)
        parts = place.with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        sources.append(Source(place.as_posix(), module, text, ast.parse(text, str(path))))
    return sources


def definitions(node: ast.AST, within: str = "") -> Iterator[tuple[str, DEFINITIONS]]:
    """Yields every class and function below `node` with its dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, DEFINITIONS):
            name = f"{within}{child.name}"
            yield name, child
            yield from definitions(child, f"{name}.")
        else:
            yield from definitions(child, within)


# Sizes


def statements(tree: ast.AST) -> int:
    """Returns the number of statements; a string by itself, as docstrings are, is none."""
    return sum(isinstance(node, ast.stmt) and not _is_string(node) for node in ast.walk(tree))


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def comments(text: str) -> int:
    """Returns the number of comments, those aside that hold nothing but `noqa` or `type: ignore` and their codes."""
    found = (token.string for token in tokenize.generate_tokens(io.StringIO(text).readline))
    return sum(item.startswith("#") and DIRECTIVE.sub("", item) != "" for item in found)


def spread(values: Collection[int]) -> dict[str, int]:
    """Returns the values that at least 50 and at least 90 percent of the values do not exceed."""
    ranked = sorted(values)
    return {name: ranked[ceil(share * len(ranked)) - 1] for name, share in (("median", 0.5), ("p90", 0.9)) if ranked}


def sizes(sources: list[Source]) -> dict[str, Any]:
    """Returns the figures on files and functions."""
    files = {source.place: source.lines for source in sources}
    functions = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{source.place}:{name}")
        for source in sources
        for name, node in definitions(source.tree)
        if not isinstance(node, ast.ClassDef)
    ]
    return {
        "files": len(files),
        "lines": sum(files.values()),
        "statements": sum(statements(source.tree) for source in sources),
        "lines per file": spread(files.values()),
        "functions": len(functions),
        "lines per function": spread([lines for lines, _ in functions]),
        "longest function": max(functions, default=(0, "none")),
        "files over 400 lines": [place for place, lines in files.items() if lines > 400],
    }


# Imports


class When(IntEnum):
    """When an import runs: as the module loads, never (the type checker reads it), or as a function is called."""

    LOADING = 1
    TYPING = 2
    CALLED = 3


COUNTED = {
    "run-time imports": When.LOADING,
    "... and for typing": When.TYPING,
    "... and in functions": When.CALLED,
}
Graph = dict[str, set[str]]


def import_statements(node: ast.AST, when: When = When.LOADING) -> Iterator[tuple[ast.Import | ast.ImportFrom, When]]:
    """Yields every import statement below `node`, at any depth, and when it runs."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, when
    elif isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        yield from (found for child in node.body for found in import_statements(child, max(when, When.TYPING)))
        yield from (found for child in node.orelse for found in import_statements(child, when))
    elif not isinstance(node, ast.expr):
        inner = When.CALLED if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else when
        yield from (found for child in ast.iter_child_nodes(node) for found in import_statements(child, inner))


def imported(node: ast.Import | ast.ImportFrom, source: Source, known: Collection[str]) -> Iterator[str]:
    """Yields the modules of the package that an import names, never the packages they lie in."""
    if isinstance(node, ast.Import):
        yield from (item.name for item in node.names if item.name in known)
        return
    here = source.package.split(".")
    above = here[: len(here) - node.level + 1] if node.level else []
    origin = ".".join([*above, *filter(None, [node.module])])
    for item in node.names:
        inner = f"{origin}.{item.name}"
        found = inner if inner in known else origin
        if found in known:
            yield found


def import_graph(sources: list[Source], upto: When) -> Graph:
    """Returns which modules each module imports, by the imports that run no later than `upto`."""
    known = {source.module for source in sources}
    return {
        source.module: {
            name
            for node, when in import_statements(source.tree)
            if when <= upto
            for name in imported(node, source, known)
        }
        for source in sources
    }


def components(graph: Graph) -> list[tuple[str, ...]]:
    """Returns the strongly connected components: modules that all import one another, directly or through others."""
    reached: Graph = {}
    for start in graph:
        reached[start], waiting = {start}, [start]
        while waiting:
            fresh = graph[waiting.pop()] - reached[start]
            reached[start] |= fresh
            waiting.extend(fresh)
    return sorted({tuple(sorted(name for name in reached[start] if start in reached[name])) for start in graph})


def circles(graph: Graph) -> list[tuple[str, ...]]:
    """Returns the components of more than one module, largest first."""
    return sorted((found for found in components(graph) if len(found) > 1), key=lambda found: (-len(found), found))


def longest_chain(graph: Graph) -> tuple[str, ...]:
    """Returns the longest chain of modules that each import the next; a circle counts with all its modules."""
    home = {name: found for found in components(graph) for name in found}

    @cache
    def from_here(part: tuple[str, ...]) -> tuple[str, ...]:
        onward = {home[target] for name in part for target in graph[name]} - {part}
        return (*part, *max((from_here(item) for item in sorted(onward)), key=len, default=()))

    return max((from_here(part) for part in sorted(set(home.values()))), key=len, default=())


def private_imports(sources: list[Source]) -> list[tuple[str, str]]:
    """Returns the (importing file, module) pairs where the module is private to a folder that the file is not in."""
    known = {source.module for source in sources}
    pairs = set()
    for source in sources:
        for node, _ in import_statements(source.tree):
            for name in imported(node, source, known):
                owners = [name[: found.start()] for found in re.finditer(r"\._(?!_)", name)]
                if any(not f"{source.package}.".startswith(f"{owner}.") for owner in owners):
                    pairs.add((source.place, name))
    return sorted(pairs)


# Names and words


def first_lines(source: Source) -> Iterator[tuple[str, str]]:
    """Yields the first line of every docstring, with its place: `path:name`, or the path for the module's own."""
    for name, node in [("", source.tree), *definitions(source.tree)]:
        docstring = (ast.get_docstring(node) or "").strip()
        if docstring:
            yield ":".join(filter(None, [source.place, name])), docstring.splitlines()[0]


def stumbling(line: str, place: str = "") -> bool:
    """Whether a first line has a word of the list that is not the right one in its place."""
    right = RIGHT_IN_THEIR_PLACE.get(place, "").lower()
    return any(found[0].lower() != right for found in STUMBLING.finditer(line))


def shared_class_names(sources: list[Source]) -> dict[str, list[str]]:
    """Returns the names of public classes that more than one module defines, and those modules."""
    homes = defaultdict(list)
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(source.module)
    return {name: modules for name, modules in sorted(homes.items()) if len(modules) > 1}


def hand_written(root: Path) -> dict[str, set[str]]:
    """Returns the words of every file that may have to change with a kind: no tests, no YAML, nothing generated."""
    suffixes = {"", ".ipynb", ".md", ".py", ".toml", ".txt"}
    apart = {"tests", "schema", "runs", "build", "dist", "mlruns", "venv"}
    words = {}
    for top in sorted(root.iterdir()):
        if top.name in apart or top.name.startswith("."):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix in suffixes:
                text = TABLE_OF_KINDS.sub("", path.read_text(encoding="utf-8", errors="replace"))
                words[path.relative_to(root).as_posix()] = set(re.findall(r"\w+", text))
    return words


def files_to_touch(root: Path) -> dict[str, dict[str, Any]]:
    """Returns, for each family, the files written by hand in which every kind is named: where a new one is to be added.

    A kind's own file need not name itself to count.
    """
    written, found = hand_written(root), {}
    for family, folder in FAMILIES.items():
        own = {path.stem: path for path in (root / PACKAGE / folder).glob("*.py") if not path.stem.startswith("_")}
        places = {kind: path.relative_to(root).as_posix() for kind, path in own.items()}
        if len(own) > 1:
            files = [file for file, words in written.items() if all(k in words or places[k] == file for k in own)]
            found[family] = {"kinds": len(own), "files": files}
    return found


# The report


def measure(root: Path) -> dict[str, Any]:
    """Returns everything measured, as JSON values."""
    sources = read_sources(root)
    graphs = {label: import_graph(sources, upto) for label, upto in COUNTED.items()}
    lines = [(source.folder, place, line) for source in sources for place, line in first_lines(source)]
    hard = [(folder, place, line) for folder, place, line in lines if stumbling(line, place)]
    folders = {}
    for folder in sorted({source.folder for source in sources}):
        inside = [source for source in sources if source.folder == folder]
        folders[folder] = {
            "files": len(inside),
            "lines": sum(source.lines for source in inside),
            "statements": sum(statements(source.tree) for source in inside),
            "comments": sum(comments(source.text) for source in inside),
            "first lines": sum(home == folder for home, _, _ in lines),
            "stumbling": sum(home == folder for home, _, _ in hard),
        }
    return {
        **sizes(sources),
        "comments": sum(row["comments"] for row in folders.values()),
        "circles": {label: circles(graph) for label, graph in graphs.items()},
        "longest import chain": longest_chain(graphs["run-time imports"]),
        "private imports": private_imports(sources),
        "first lines": len(lines),
        "stumbling first lines": [(place, line) for _, place, line in hard],
        "classes that share a name": shared_class_names(sources),
        "files to add a kind": files_to_touch(root),
        "folders": folders,
    }


def per_hundred(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f}" if whole else "-"


def share_of(count: int, whole: int) -> str:
    return f"{count} of {whole}, {per_hundred(count, whole)} %"


def report(found: dict[str, Any], listed: bool) -> Iterator[str]:
    """Yields the lines of the table; `listed` adds what the totals count."""
    chain, shared = found["longest import chain"], found["classes that share a name"]
    private, hard = found["private imports"], found["stumbling first lines"]
    over = found["files over 400 lines"]
    rows = {
        "files, lines, statements": f"{found['files']}, {found['lines']}, {found['statements']}",
        **{
            f"lines per {what}": ", ".join(f"{name} {lines}" for name, lines in found[f"lines per {what}"].items())
            for what in ("file", "function")
        },
        "longest function": "{} lines, {}".format(*found["longest function"]),
        "files over 400 lines": " ".join([str(len(over)), *over]),
        "comments per 100 lines": per_hundred(found["comments"], found["lines"]),
        "longest import chain at run time": f"{len(chain)} modules",
        "private imports across folders": len(private),
        "public classes that share a name": len(shared),
        "stumbling first lines": share_of(len(hard), found["first lines"]),
    }
    yield from (f"{name:<34}{value}" for name, value in rows.items())
    yield "import circles"
    for label, groups in found["circles"].items():
        yield f"    {label:<30}{len(groups)}"
        yield from (f"        {len(group)} modules: {', '.join(group)}" for group in groups)
    yield "files to add a kind (and, generated, README's table and schema/)"
    for family, row in found["files to add a kind"].items():
        yield f"    {family:<30}" + ", ".join([f"own file + {len(row['files'])} ({row['kinds']} kinds)", *row["files"]])
    columns = "{:<14}{:>7}{:>8}{:>12}{:>14}{:>24}".format
    yield from ["", columns("folder", "files", "lines", "statements", "comments/100", "stumbling first lines")]
    for name, row in found["folders"].items():
        said, hard_lines = per_hundred(row["comments"], row["lines"]), share_of(row["stumbling"], row["first lines"])
        yield columns(name, row["files"], row["lines"], row["statements"], said, hard_lines)
    if listed:
        yield from ["", "longest import chain at run time", *(f"    {module}" for module in chain)]
        yield from ["", "private imports across folders", *(f"    {place}  {module}" for place, module in private)]
        yield from ["", "public classes that share a name"]
        yield from (f"    {name}: {', '.join(modules)}" for name, modules in shared.items())
        yield from ["", "stumbling first lines", *(f"    {place}  {line}" for place, line in hard)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2], help="a checkout, else this one")
    parser.add_argument("--list", action="store_true", help="also print what the totals count, line by line")
    parser.add_argument("--json", action="store_true", help="print everything, as JSON")
    given = parser.parse_args()
    if not (given.root / PACKAGE).is_dir():
        parser.error(f"{given.root} has no folder {PACKAGE}: --root takes a checkout.")
    found = measure(given.root)
    print(json.dumps(found, indent=2) if given.json else "\n".join(report(found, given.list)))


if __name__ == "__main__":
    main()
