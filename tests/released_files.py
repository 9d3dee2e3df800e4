"""Files of published benchmarks, made by hand in the form of the released ones, with the settings that read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

LONGBENCH_V2 = {
    "_id": "66f36490821e116aacb2cc22",
    "domain": "Single-Document QA",
    "sub_domain": "Literary",
    "difficulty": "hard",
    "length": "short",
    "question": " What does the keeper carry up the stairs? ",
    "choice_A": "A lamp",
    "choice_B": "A rope ",
    "choice_C": "Oil",
    "choice_D": "Nothing",
    "answer": "C",
    "context": "  The keeper climbs the stairs each evening. He carries oil for the lamp in a can of tin.\n",
}


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def longbench_v2(folder: Path) -> dict[str, Any]:
    rows = [LONGBENCH_V2, {**LONGBENCH_V2, "_id": "b", "difficulty": "easy", "length": "long", "answer": "A"}]
    (folder / "data.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return {}


RELEASED: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "longbench_v2": longbench_v2,
}
"""Writes the files of each kind into a folder, and returns the settings, besides `path`, that read them."""
