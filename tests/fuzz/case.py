"""A case of fuzzing: a command, and the files and variables that were damaged for it."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from ragvlc.core.component import known_kinds
from tests.fuzz.hostile import Draw, dumped, mutated_bytes, mutated_text, mutated_tree

__all__ = ["FOLDER", "Case", "Make", "mutated_archive", "mutated_yaml", "or_folder", "packed"]

FOLDER = None
"""As the content of a file: a folder in its place."""


@dataclass
class Case:
    """A command and the files that were damaged for it.

    Attributes:
        command: its words.
        files: content by path in the folder; None for a folder in the file's place.
        environment: variables.
        names: one of which an error must contain; empty where errors are about more than a file.
    """

    command: list[str]
    files: dict[str, bytes | None] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)
    names: tuple[str, ...] = ()


Make = Callable[[Draw, Path], Case]
_YAML = (
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "&a ",
    "*a",
    "!!",
    "!!set ",
    "!!binary ",
    "!!python/name:os.system ",
    "null",
    ".nan",
    "1e400",
    "~",
    "\t",
    "\n",
    "'",
    '"',
    "|",
    ">-",
    "? ",
    "<<: *a",
    "no",
    "0x",
    "0o7",
    "2026-01-01",
    "..",
    "kind: ",
    "1:30",
    "-1",
    "9" * 4400,
    "[" * 200,
    "{a: " * 200,
    "---\n",
    "...\n",
    "%YAML 9\n",
    "\ufeff",
)
_UNSAFE = (
    "vllm",
    "huggingface",
    "longembed",
    "transformers",
    "sentence_transformer",
    "cross_encoder",
    "ray",
    "mlflow",
    "semantic_similarity",
    "langchain",
    "openai_compatible",
)
_FAMILIES = (
    "chunkers",
    "datasets",
    "routes",
    "metrics",
    "retrievers",
    "rerankers",
    "routers",
    "trackers",
    "executors",
    "orders",
    "selectors",
    "generators",
    "embedders",
)


@cache
def _kinds() -> st.SearchStrategy[Any]:
    """Returns a strategy of kinds, alone and as a mapping, and of values that mean something in some place."""
    kinds = [kind for family in _FAMILIES for kind in known_kinds(family) if kind not in _UNSAFE]
    paths = [
        "data",
        "own",
        "runs",
        "exp.yaml",
        "/dev/null",
        "/proc/self/mem",
        ".",
        "nowhere",
        "router.json",
        "runs/exp",
    ]
    alone = st.sampled_from([*kinds, *paths, "kind"])
    return (
        alone
        | alone.map(lambda kind: {"kind": kind})
        | st.sampled_from(paths).map(lambda p: {"kind": "jsonl", "path": p})
    )


def mutated_yaml(draw: Draw, tree: Any) -> bytes:
    if draw(st.integers(0, 2)):
        changed = mutated_tree(draw, tree, raw=draw(st.booleans()), likely=_kinds())
        return dumped(changed).encode("utf-8", "surrogatepass")  # JSON is YAML
    text = yaml.safe_dump(tree, sort_keys=False)
    if draw(st.integers(0, 3)) == 0:
        return mutated_bytes(draw, text.encode())
    return mutated_text(draw, text, _YAML).encode("utf-8", "surrogatepass")


def packed(draw: Draw, data: bytes) -> bytes:
    whole = gzip.compress(data)
    return mutated_bytes(draw, whole) if draw(st.booleans()) else whole


def or_folder(draw: Draw, data: bytes) -> bytes | None:
    return FOLDER if draw(st.integers(0, 49)) == 0 else data


def mutated_archive(draw: Draw, data: bytes) -> bytes:
    """Returns a zip archive with one member damaged, removed or doubled, whole as an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    name = draw(st.sampled_from(sorted(members)))
    way = draw(st.integers(0, 5))
    if way == 0:
        del members[name]
    elif way == 1:
        members[name] = draw(st.binary(max_size=20))
    elif way == 2:
        pieces = ["<", ">", "</", "<x>" * 400, "&a;", '="', "\x00", "<!DOCTYPE a [<!ENTITY a 'x'>]>", "-1", "9" * 30]
        text = members[name].decode("utf-8", "replace")
        members[name] = mutated_text(draw, text, pieces).encode("utf-8", "replace")
    else:
        members[name] = mutated_bytes(draw, members[name])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, content in members.items():
            archive.writestr(one, content)
    return packed.getvalue()
